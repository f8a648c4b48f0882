//! Servers that refuse, hang, babble, stop and come back. Nobody waits beyond the bound, and nothing is ever denied by
//! accident.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use directory::ldap::{Fault, LdapDirectory, Outcome, OwnBind, Refusal, Settings, Verdict};
use mail::Address;
use proto::sasl::Secret;
use tokio::time::{Duration, timeout};

use crate::slapd::{Slapd, free_port};
use crate::twins::{AT_MOST, OWN_DN, Relay, SWALLOWED, babbling, description, hanging, mangling, settings};

async fn log_in(directory: &LdapDirectory, password: &str) -> Verdict<String> {
    let password = Secret::new(password);
    let login = directory.log_in("usuario01", &password, SystemTime::now());
    match timeout(AT_MOST, login).await.expect("nobody waits beyond the bound") {
        Verdict::Welcome(person) => Verdict::Welcome(person.account.name.clone()),
        Verdict::Refused(refusal) => Verdict::Refused(refusal),
        Verdict::Unavailable(fault) => Verdict::Unavailable(fault),
    }
}

fn welcome() -> Verdict<String> {
    Verdict::Welcome("usuario01".to_owned())
}

/// Whether an unknown recipient is unknown, or nobody can say.
async fn is_unavailable(directory: &LdapDirectory) -> bool {
    let address = Address::parse("nosuch@domain01.dom").unwrap();
    let asked = timeout(AT_MOST, directory.recipient(&address, SystemTime::now())).await;
    match asked.expect("nobody waits beyond the bound") {
        Outcome::NoSuch => false,
        Outcome::Unavailable(_) => true,
        Outcome::Answer(listed) => panic!("{listed:?}"),
    }
}

async fn until(condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(AT_MOST, waiting).await.expect("it happens in time");
}

#[tokio::test]
async fn dead_hanging_and_babbling_servers_are_passed_over_and_then_left_alone() {
    let slapd = Slapd::start();
    let (_listener, hangs) = hanging();
    let babbles = babbling(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    let ports = [free_port(), hangs, babbles, slapd.port];
    let directory = LdapDirectory::start(settings(&ports), description()).unwrap();
    assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
    assert_eq!(log_in(&directory, "bad").await, Verdict::Refused(Refusal::WrongPassword));
    assert!(!is_unavailable(&directory).await);
    let down: Vec<_> = directory.health().into_iter().map(|health| health.down).collect();
    assert!(matches!(down[0], Some(Fault::Connect(_))), "{down:?}");
    assert!(matches!(down[1], Some(Fault::TimedOut)), "{down:?}");
    assert!(matches!(down[2], Some(Fault::Garbage(_))), "{down:?}");
    assert_eq!(down[3], None);
}

#[tokio::test]
async fn without_any_server_everything_is_unavailable_and_nothing_unknown() {
    let (_listener, hangs) = hanging();
    let half = babbling(vec![0x30, 0x84, 0, 0, 0, 0x20, 2, 1, 1]).await;
    let panics = babbling(vec![0x30, 0]).await;
    for ports in [vec![free_port()], vec![hangs], vec![half], vec![panics], vec![hangs, half, panics], vec![]] {
        let directory = LdapDirectory::start(settings(&ports), description()).unwrap();
        assert!(matches!(log_in(&directory, "P@ssw0rd").await, Verdict::Unavailable(_)), "{ports:?}");
        assert!(is_unavailable(&directory).await, "{ports:?}");
        assert!(matches!(directory.account("usuario01", SystemTime::now()).await, Outcome::Unavailable(_)));
    }
}

#[tokio::test]
async fn an_answer_to_another_question_lets_nobody_in() {
    // "success" for message 1, the node's own bind, and then for whatever comes: nobody's password is proved by it.
    let babbles = babbling(vec![0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0]).await;
    let directory = LdapDirectory::start(settings(&[babbles]), description()).unwrap();
    assert!(matches!(log_in(&directory, "P@ssw0rd").await, Verdict::Unavailable(_)));
}

#[tokio::test]
async fn answers_with_flipped_bits_let_nobody_in_and_never_make_the_library_panic() {
    let slapd = Slapd::start();
    let panics = count_panics_of_the_library();
    let mut rounds = tokio::task::JoinSet::new();
    for seed in 0..300 {
        let port = mangling(slapd.port, seed, 20 + seed % 60).await;
        rounds.spawn(async move {
            let settings = Settings { answer_timeout: Duration::from_millis(300), ..settings(&[port]) };
            let directory = LdapDirectory::start(settings, description()).unwrap();
            // Any group and any person is searched for, so that there is much to read.
            let _ = directory.recipient(&Address::parse("todos@domain01.dom").unwrap(), SystemTime::now()).await;
            log_in(&directory, "bad").await
        });
        if rounds.len() >= 50 {
            let verdict = rounds.join_next().await.unwrap().unwrap();
            assert!(!matches!(verdict, Verdict::Welcome(_)), "{verdict:?}");
        }
    }
    for verdict in rounds.join_all().await {
        assert!(!matches!(verdict, Verdict::Welcome(_)), "{verdict:?}");
    }
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}

/// Its panics happen in tasks of their own, where nobody would see them.
fn count_panics_of_the_library() -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let (counter, before) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        let is_its = panic.location().is_some_and(|at| at.file().contains("ldap3") || at.file().contains("lber"));
        counter.fetch_add(usize::from(is_its), Ordering::SeqCst);
        before(panic);
    }));
    panics
}

#[tokio::test]
async fn a_server_that_comes_back_is_preferred_again() {
    let slapd = Slapd::start();
    let first_port = free_port();
    let second = Relay::to(slapd.port).await;
    let directory = LdapDirectory::start(settings(&[first_port, second.port]), description()).unwrap();
    assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
    assert!(second.searches() > 0);
    let first = Relay::at(first_port, slapd.port).await;
    until(async || directory.health()[0].down.is_none()).await;
    let (before_first, before_second) = (first.searches(), second.searches());
    assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
    assert!(first.searches() > before_first);
    assert_eq!(second.searches(), before_second);
}

#[tokio::test]
async fn a_server_that_stops_is_unavailable_in_time_and_works_again_afterwards() {
    let slapd = Slapd::start();
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
    slapd.signal("STOP");
    let many: tokio::task::JoinSet<_> = (0..50)
        .map(|_| {
            let directory = directory.clone();
            async move { (log_in(&directory, "P@ssw0rd").await, is_unavailable(&directory).await) }
        })
        .collect();
    for (login, unavailable) in many.join_all().await {
        assert!(matches!(login, Verdict::Unavailable(_)), "{login:?}");
        assert!(unavailable);
    }
    slapd.signal("CONT");
    until(async || directory.health()[0].down.is_none()).await;
    assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
    assert_eq!(log_in(&directory, "bad").await, Verdict::Refused(Refusal::WrongPassword));
}

#[tokio::test]
async fn one_slow_search_takes_neither_its_neighbours_nor_the_server_with_it() {
    let slapd = Slapd::start();
    let relay = Relay::to(slapd.port).await;
    let one_connection = Settings { lookup_connections: 1, ..settings(&[relay.port]) };
    let directory = LdapDirectory::start(one_connection, description()).unwrap();
    let slow = {
        let directory = directory.clone();
        let address = Address::parse(std::str::from_utf8(SWALLOWED).unwrap()).unwrap();
        tokio::spawn(async move { directory.recipient(&address, SystemTime::now()).await })
    };
    while !slow.is_finished() {
        assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
        assert!(!is_unavailable(&directory).await);
    }
    assert!(matches!(slow.await.unwrap(), Outcome::Unavailable(_)));
    assert_eq!(directory.health()[0].down, None);
    assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
}

#[tokio::test]
async fn connections_that_the_server_closed_meanwhile_cost_nobody_anything() {
    let slapd = Slapd::start();
    let relay = Relay::to(slapd.port).await;
    let port = relay.port;
    let directory = LdapDirectory::start(settings(&[port]), description()).unwrap();
    assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
    drop(relay);
    let _again = rebind(port, slapd.port).await;
    assert_eq!(log_in(&directory, "P@ssw0rd").await, welcome());
    assert_eq!(directory.health()[0].down, None);
}

async fn rebind(port: u16, server: u16) -> Relay {
    until(async || tokio::net::TcpListener::bind(("127.0.0.1", port)).await.is_ok()).await;
    Relay::at(port, server).await
}

#[tokio::test]
async fn a_node_whose_own_account_is_refused_refuses_nobody() {
    let slapd = Slapd::start();
    let mut settings = settings(&[slapd.port]);
    settings.own_bind = Some(OwnBind { dn: OWN_DN.to_owned(), password: Secret::new("old") });
    let directory = LdapDirectory::start(settings.clone(), description()).unwrap();
    assert!(matches!(log_in(&directory, "P@ssw0rd").await, Verdict::Unavailable(_)));
    assert!(is_unavailable(&directory).await);
    // The same with no account at all, or a base that does not exist.
    settings.own_bind = None;
    let directory = LdapDirectory::start(settings, description()).unwrap();
    assert!(is_unavailable(&directory).await);
    let mut elsewhere = description();
    elsewhere.base = directory::template::Template::parse("dc=elsewhere,dc=dom").unwrap();
    let directory = LdapDirectory::start(crate::twins::settings(&[slapd.port]), elsewhere).unwrap();
    assert!(is_unavailable(&directory).await);
}
