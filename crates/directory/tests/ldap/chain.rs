//! The door for all roles, with a real slapd and a password file behind it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use directory::cache::Lifetimes;
use directory::chain::{
    ChainSettings, Directory, LogIn, Lookup, Masters, PasswordMemory, Peer, Recipient, Source, SourceKind, Trusted,
    UsersFile,
};
use directory::ldap::{LdapDirectory, Settings};
use directory::passwd_file::{Network, PasswdFile};
use directory::template::Template;
use mail::Address;
use proto::sasl::{Credentials, Mechanism};

use crate::slapd::Slapd;
use crate::twins::{AT_MOST, Relay, description, settings};

const INSIDE: &str = "127.0.0.1";
pub const OUTSIDE: &str = "192.0.2.1";

fn ldap(port: u16) -> Source {
    let directory = LdapDirectory::start(settings(&[port]), description()).unwrap();
    Source { domains: vec![], kind: SourceKind::Ldap(directory) }
}

pub fn users(text: &str) -> SourceKind {
    let file = PasswdFile::parse("users", text).unwrap();
    SourceKind::PasswdFile(Arc::new(UsersFile {
        file,
        home: Template::parse("/mail/%{domain | default('none')}/%n").unwrap(),
    }))
}

pub fn chain(sources: Vec<Source>) -> ChainSettings {
    ChainSettings {
        sources,
        masters: None,
        delimiter: Some('+'),
        accounts: Lifetimes::default(),
        recipients: Lifetimes::default(),
        passwords: PasswordMemory::default(),
        bearer: None,
        made_up: None,
    }
}

fn credentials(login: &str, password: &str) -> Credentials {
    Credentials::new(Mechanism::Plain, login.as_bytes(), password.as_bytes()).unwrap()
}

fn from(address: &str) -> IpAddr {
    address.parse().unwrap()
}

pub async fn log_in(directory: &Directory, login: &str, password: &str, address: &str) -> LogIn {
    directory.log_in(&credentials(login, password), from(address)).await
}

/// The account's name, and the master user's.
pub fn welcome(log_in: LogIn) -> (String, Option<String>) {
    match log_in {
        LogIn::Welcome { account, master, .. } => (account.name, master),
        other => panic!("{other:?}"),
    }
}

async fn recipient(directory: &Directory, address: &str) -> Recipient {
    directory.recipient(&Address::parse(address).unwrap()).await
}

#[tokio::test]
async fn a_trusted_network_needs_no_password_but_an_account_that_may_log_in() {
    let slapd = Slapd::start();
    let trusted = Trusted { networks: vec![Network::parse("127.0.0.1/32").unwrap()], listeners: vec!["nopass".into()] };
    let trusted = Source { domains: vec![], kind: SourceKind::Trusted(trusted) };
    let directory = Directory::new(chain(vec![ldap(slapd.port), trusted])).unwrap();
    let at = async |login: &str, address: &str, listener: &str| {
        let peer = Peer { address: from(address), listener };
        directory.log_in(&credentials(login, "bad"), peer).await
    };
    assert_eq!(welcome(at("usuario01", INSIDE, "nopass").await).0, "usuario01");
    for (login, address, listener) in [
        ("usuario01", OUTSIDE, "nopass"),
        ("usuario01", INSIDE, "imap"),
        ("nosuch", INSIDE, "nopass"),
        ("usuario07", INSIDE, "nopass"),
        ("vencido", INSIDE, "nopass"),
    ] {
        assert!(matches!(at(login, address, listener).await, LogIn::Refused(_)), "{login} {address} {listener}");
    }
}

#[tokio::test]
async fn a_trusted_client_is_asked_for_nothing_and_a_server_never_sees_its_password() {
    let slapd = Slapd::start();
    let relay = Relay::to(slapd.port).await;
    let networks = vec![Network::parse("127.0.0.1").unwrap()];
    let nowhere = Trusted { networks: networks.clone(), listeners: vec![] };
    let here = Trusted { networks, listeners: vec!["nopass".into()] };
    let [nowhere, here] = [nowhere, here].map(|kind| Source { domains: vec![], kind: SourceKind::Trusted(kind) });
    let directory = Directory::new(chain(vec![nowhere, here, ldap(relay.port)])).unwrap();
    let peer = Peer { address: from(INSIDE), listener: "nopass" };
    let login = directory.log_in(&credentials("usuario01@domain01.dom", "bad"), peer).await;
    assert!(
        matches!(&login, LogIn::Welcome { trusted: true, account, .. } if account.name == "usuario01"),
        "{login:?}"
    );
    assert_eq!(relay.searches(), 1);
    // Without a listener that is named, it is a client like any.
    let LogIn::Refused(why) = log_in(&directory, "usuario01", "bad", INSIDE).await else { panic!() };
    assert_eq!(why, "wrong password");
}

#[tokio::test]
async fn a_password_that_is_remembered_is_no_way_around_allow_nets() {
    let source = users("ana:{PLAIN}demo::::::allow_nets=127.0.0.0/8\nbob:{PLAIN}demo\n");
    let passwords = PasswordMemory { fresh_max: Duration::from_secs(60), ..PasswordMemory::default() };
    let settings = ChainSettings { passwords, ..chain(vec![Source { domains: vec![], kind: source }]) };
    let directory = Directory::new(settings).unwrap();
    for _ in 0..2 {
        welcome(log_in(&directory, "ana", "demo", INSIDE).await);
        assert!(matches!(log_in(&directory, "ana", "demo", OUTSIDE).await, LogIn::Refused(_)));
        welcome(log_in(&directory, "bob", "demo", OUTSIDE).await);
    }
}

#[tokio::test]
async fn a_master_user_logs_in_as_others_and_both_names_are_known() {
    let slapd = Slapd::start();
    let file = "admin:{PLAIN}M@sterP4ss\nlocal:{PLAIN}x::::::allow_nets=127.0.0.0/8\n";
    let masters = Masters::new('*', vec![users(file)], Lifetimes::default());
    let directory = Directory::new(ChainSettings { masters: Some(masters), ..chain(vec![ldap(slapd.port)]) }).unwrap();
    let right = "M@sterP4ss";
    let both = ("usuario01".to_owned(), Some("admin".to_owned()));
    assert_eq!(welcome(log_in(&directory, "usuario01*admin", right, OUTSIDE).await), both);
    assert_eq!(welcome(log_in(&directory, "Usuario01@domain01.dom*Admin", right, OUTSIDE).await), both);
    let acting = Credentials { authorization: Some("usuario01".to_owned()), ..credentials("admin", right) };
    assert_eq!(welcome(directory.log_in(&acting, from(OUTSIDE)).await), both);
    for (login, password, address) in [
        ("usuario01*admin", "bad", OUTSIDE),
        ("usuario01*nosuch", right, OUTSIDE),
        ("usuario01*usuario02", "P@ssw0rd", OUTSIDE),
        ("nosuch*admin", right, OUTSIDE),
        ("admin", right, OUTSIDE),
        ("usuario01*local", right, OUTSIDE),
        ("usuario01*", "P@ssw0rd", OUTSIDE),
    ] {
        let refused = log_in(&directory, login, password, address).await;
        assert!(matches!(refused, LogIn::Refused(_)), "{login}: {refused:?}");
    }
    assert_eq!(welcome(log_in(&directory, "usuario01*local", "x", INSIDE).await).1.as_deref(), Some("local"));
    let pretending =
        Credentials { authorization: Some("usuario02".to_owned()), ..credentials("usuario01", "P@ssw0rd") };
    assert!(matches!(directory.log_in(&pretending, from(OUTSIDE)).await, LogIn::Refused(_)));
}

#[tokio::test]
async fn each_domain_has_its_sources_and_one_that_is_down_does_not_hide_the_other() {
    let file = users("ana@example.test:{PLAIN}demo\n");
    let file = Source { domains: vec!["example.test".to_owned()], kind: file };
    let ours = ["domain01.dom", "domain02.dom"].map(str::to_owned).to_vec();
    let down = Source { domains: ours, ..ldap(crate::slapd::free_port()) };
    let directory = Directory::new(chain(vec![file, down])).unwrap();
    assert_eq!(welcome(log_in(&directory, "Ana@Example.test", "demo", OUTSIDE).await).0, "ana@example.test");
    let Lookup::Account(ana) = directory.account("ana@example.test").await else { panic!() };
    assert_eq!(ana.home.to_str(), Some("/mail/example.test/ana"));
    assert!(matches!(recipient(&directory, "ana+lists@example.test").await, Recipient::Account(_)));
    assert!(matches!(log_in(&directory, "ana@example.test", "bad", OUTSIDE).await, LogIn::Refused(_)));
    assert_eq!(recipient(&directory, "bob@example.test").await, Recipient::Unknown);
    // In the other domains nobody is known, and nobody is unknown either.
    assert!(matches!(log_in(&directory, "usuario01", "P@ssw0rd", OUTSIDE).await, LogIn::Unavailable(_)));
    assert!(matches!(recipient(&directory, "nosuch@domain01.dom").await, Recipient::Unavailable(_)));
    assert!(matches!(directory.account("nosuch").await, Lookup::Unavailable(_)));
}

#[tokio::test]
async fn a_detail_is_passed_on_to_every_member() {
    let slapd = Slapd::start();
    let directory = Directory::new(chain(vec![ldap(slapd.port)])).unwrap();
    let Recipient::Forward { to, .. } = recipient(&directory, "mixto+x@domain01.dom").await else { panic!() };
    let to: Vec<_> = to.iter().map(Address::to_string).collect();
    assert_eq!(to, ["usuario01+x@domain01.dom", "socio+x@example.net"]);
    assert!(matches!(recipient(&directory, "usuario01+abc@domain01.dom").await, Recipient::Account(_)));
    assert_eq!(recipient(&directory, "nosuch+abc@domain01.dom").await, Recipient::Unknown);
    assert_eq!(recipient(&directory, "nadie@domain01.dom").await, Recipient::Unknown);
}

#[tokio::test]
async fn the_same_question_of_many_reaches_the_server_once() {
    let slapd = Slapd::start();
    let relay = Relay::to(slapd.port).await;
    let directory = Directory::new(chain(vec![ldap(relay.port)])).unwrap();
    let many: tokio::task::JoinSet<_> = (0..100)
        .map(|_| {
            let directory = directory.clone();
            async move { recipient(&directory, "usuario01@domain01.dom").await }
        })
        .collect();
    assert!(many.join_all().await.iter().all(|recipient| matches!(recipient, Recipient::Account(_))));
    // One for the person and one for a group of this address.
    assert_eq!(relay.searches(), 2);
    assert_eq!(recipient(&directory, "nosuch@domain01.dom").await, Recipient::Unknown);
    assert_eq!(recipient(&directory, "NOSUCH@domain01.dom").await, Recipient::Unknown);
    assert_eq!(relay.searches(), 4);
}

#[tokio::test]
async fn the_last_known_answer_is_served_while_the_directory_is_down() {
    let slapd = Slapd::start();
    let nothing_is_fresh = Lifetimes { yes: Duration::ZERO, no: Duration::ZERO, ..Lifetimes::default() };
    let passwords = PasswordMemory { stale_max: Duration::from_secs(3600), ..PasswordMemory::default() };
    // A busy machine may be slow to answer, and only a server that is gone is down: nothing here waits for a clock.
    let relay = Relay::to(slapd.port).await;
    let patient = Settings {
        connect_timeout: AT_MOST,
        answer_timeout: AT_MOST,
        operation_timeout: AT_MOST,
        ..settings(&[relay.port])
    };
    let kind = SourceKind::Ldap(LdapDirectory::start(patient, description()).unwrap());
    let sources = vec![Source { domains: vec![], kind }];
    let settings = ChainSettings { recipients: nothing_is_fresh, passwords, ..chain(sources) };
    let directory = Directory::new(settings).unwrap();
    assert!(matches!(recipient(&directory, "usuario01@domain01.dom").await, Recipient::Account(_)));
    assert!(matches!(recipient(&directory, "ventas@domain01.dom").await, Recipient::Forward { .. }));
    assert_eq!(recipient(&directory, "nosuch@domain01.dom").await, Recipient::Unknown);
    welcome(log_in(&directory, "usuario01", "P@ssw0rd", OUTSIDE).await);
    drop(relay);
    assert!(matches!(recipient(&directory, "usuario01@domain01.dom").await, Recipient::Account(_)));
    assert!(matches!(recipient(&directory, "ventas@domain01.dom").await, Recipient::Forward { .. }));
    welcome(log_in(&directory, "usuario01", "P@ssw0rd", OUTSIDE).await);
    // Who was unknown may have been hired meanwhile; who was not asked about is not let in.
    assert!(matches!(recipient(&directory, "nosuch@domain01.dom").await, Recipient::Unavailable(_)));
    assert!(matches!(log_in(&directory, "usuario01", "bad", OUTSIDE).await, LogIn::Unavailable(_)));
    assert!(matches!(log_in(&directory, "usuario02", "P@ssw0rd", OUTSIDE).await, LogIn::Unavailable(_)));
}

#[tokio::test]
async fn a_password_that_was_right_a_moment_ago_is_not_asked_again() {
    let slapd = Slapd::start();
    let relay = Relay::to(slapd.port).await;
    let passwords = PasswordMemory { fresh_max: Duration::from_secs(60), ..PasswordMemory::default() };
    let directory = Directory::new(ChainSettings { passwords, ..chain(vec![ldap(relay.port)]) }).unwrap();
    for _ in 0..5 {
        welcome(log_in(&directory, "usuario01", "P@ssw0rd", OUTSIDE).await);
    }
    assert_eq!(relay.searches(), 1);
    assert!(matches!(log_in(&directory, "usuario01", "bad", OUTSIDE).await, LogIn::Refused(_)));
    assert_eq!(relay.searches(), 2);
}
