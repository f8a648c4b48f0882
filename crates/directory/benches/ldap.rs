//! How fast the LDAP rooms are against a real slapd, beside the bare library on persistent connections:
//! `cargo bench -p directory --bench ldap`. Starts its own slapd; prints a table, asserts nothing.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use directory::cache::Lifetimes;
use directory::chain::{ChainSettings, Directory, LogIn, PasswordMemory, Recipient, Source, SourceKind};
use directory::ldap::{LdapDirectory, Listed, Outcome, Servers, Verdict};
use ldap3::{Ldap, LdapConnAsync, Scope};
use mail::Address;
use proto::sasl::{Credentials, Mechanism, Secret};

#[path = "../tests/ldap/slapd.rs"]
#[allow(dead_code)]
mod slapd;
#[path = "../tests/ldap/twins.rs"]
#[allow(dead_code)]
mod twins;

use slapd::Slapd;
use twins::{OWN_DN, description, hanging, settings};

/// How long each row is measured.
const MEASURED: Duration = Duration::from_secs(4);
const TASKS: usize = 32;
const BIND_CONNECTIONS: usize = 8;
const USER_DN: &str = "cn=Usuario Uno,ou=usuarios,dc=domain01,dc=dom";
const NAMES: usize = 1_000_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let slapd = Slapd::with(&large_group(), None);
        bare(slapd.port).await;
        ours(slapd.port).await;
        one_dead_server(slapd.port).await;
        memory().await;
    });
}

async fn bare(port: u16) {
    let url = format!("ldap://127.0.0.1:{port}/");
    let mut binders = Vec::new();
    for _ in 0..BIND_CONNECTIONS {
        binders.push(connected(&url).await);
    }
    let bind = async |mut ldap: Ldap| assert_eq!(ldap.simple_bind(USER_DN, "P@ssw0rd").await.unwrap().rc, 0);
    let counted = Arc::new(AtomicUsize::new(0));
    let since = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for ldap in binders {
        let counted = Arc::clone(&counted);
        tasks.spawn(async move {
            while since.elapsed() < MEASURED {
                bind(ldap.clone()).await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
    row("bare library: binds, 8 connections", counted.load(Ordering::Relaxed), since.elapsed());
    let mut ldap = connected(&url).await;
    ldap.simple_bind(OWN_DN, "Pass2016Mail").await.unwrap();
    let search = move || {
        let mut ldap = ldap.clone();
        async move {
            let found =
                ldap.search("dc=domain01,dc=dom", Scope::Subtree, "(mail=usuario01@domain01.dom)", vec!["info"]);
            assert_eq!(found.await.unwrap().0.len(), 1);
        }
    };
    measure("bare library: searches, 1 connection", search).await;
}

async fn connected(url: &str) -> Ldap {
    let (connection, ldap) = LdapConnAsync::new(url).await.unwrap();
    tokio::spawn(connection.drive());
    ldap
}

async fn ours(port: u16) {
    let servers = Arc::new(Servers::start(settings(&[port])).unwrap());
    let password = Secret::new("P@ssw0rd");
    let bind = {
        let password = password.clone();
        move || {
            let (servers, password) = (Arc::clone(&servers), password.clone());
            async move { assert_eq!(servers.bind(USER_DN, &password).await.unwrap().code, 0) }
        }
    };
    measure("ours: binds, 8 connections", bind).await;
    let ldap = LdapDirectory::start(settings(&[port]), description()).unwrap();
    let directory = ldap.clone();
    let log_in = move || {
        let (directory, password) = (directory.clone(), password.clone());
        async move {
            let verdict = directory.log_in("usuario01", &password, SystemTime::now()).await;
            assert!(matches!(verdict, Verdict::Welcome(_)));
        }
    };
    measure("ours: logins (search, then bind)", log_in).await;
    let (directory, ana) = (ldap.clone(), Address::parse("usuario01@domain01.dom").unwrap());
    let recipient = move || {
        let (directory, ana) = (directory.clone(), ana.clone());
        async move { assert!(matches!(directory.recipient(&ana, SystemTime::now()).await, Outcome::Answer(_))) }
    };
    measure("ours: recipients (two searches each), no cache", recipient).await;
    with_cache(&ldap).await;
    let group = Address::parse("diezmil@domain01.dom").unwrap();
    let since = Instant::now();
    let Outcome::Answer(Listed::Group { members, .. }) = ldap.recipient(&group, SystemTime::now()).await else {
        panic!()
    };
    row("ours: members of one group, expanded once", members.len(), since.elapsed());
}

async fn with_cache(ldap: &LdapDirectory) {
    let passwords = PasswordMemory { fresh_max: Duration::from_secs(60), ..PasswordMemory::default() };
    let chain = Directory::new(chain(ldap.clone(), passwords)).unwrap();
    let directory = chain.clone();
    let credentials = Credentials::new(Mechanism::Plain, b"usuario01", b"P@ssw0rd").unwrap();
    let log_in = move || {
        let (directory, credentials) = (directory.clone(), credentials.clone());
        async move {
            let here = std::net::IpAddr::from([127, 0, 0, 1]);
            assert!(matches!(directory.log_in(&credentials, here).await, LogIn::Welcome { .. }));
        }
    };
    measure("chain: logins, password remembered", log_in).await;
    let ana = Address::parse("usuario01@domain01.dom").unwrap();
    let recipient = move || {
        let (directory, ana) = (chain.clone(), ana.clone());
        async move { assert!(matches!(directory.recipient(&ana).await, Recipient::Account(_))) }
    };
    measure("chain: recipients, remembered", recipient).await;
}

fn chain(ldap: LdapDirectory, passwords: PasswordMemory) -> ChainSettings {
    ChainSettings {
        bearer: None,
        made_up: None,
        sources: vec![Source { domains: vec![], kind: SourceKind::Ldap(ldap) }],
        masters: None,
        delimiter: Some('+'),
        accounts: Lifetimes::default(),
        recipients: Lifetimes::default(),
        passwords,
    }
}

/// The 99th percentile of logins with a server first in the list that accepts and never answers.
async fn one_dead_server(port: u16) {
    let (_listener, hangs) = hanging();
    let ldap = LdapDirectory::start(settings(&[hangs, port]), description()).unwrap();
    let password = Secret::new("P@ssw0rd");
    let mut took = Vec::new();
    for _ in 0..5000 {
        let since = Instant::now();
        let verdict = ldap.log_in("usuario01", &password, SystemTime::now()).await;
        assert!(matches!(verdict, Verdict::Welcome(_)));
        took.push(since.elapsed());
    }
    took.sort();
    println!("one hanging server first: p50 {:?}, p99 {:?}, worst {:?}", took[2500], took[4950], took[4999]);
}

async fn memory() {
    let lifetimes = Lifetimes { entries_max: 4 * NAMES, ..Lifetimes::default() };
    let before = resident();
    let ldap = LdapDirectory::start(settings(&[]), description()).unwrap();
    let file: String = (0..NAMES).fold(String::new(), |mut file, number| {
        writeln!(file, "user{number}@example.test:").unwrap();
        file
    });
    let file = directory::passwd_file::PasswdFile::parse("users", &file).unwrap();
    let home = directory::template::Template::parse("/var/vmail/%1Mn/%2.1Mn/%n").unwrap();
    let users = SourceKind::PasswdFile(Arc::new(directory::chain::UsersFile { file, home }));
    let with_file = resident();
    let settings = ChainSettings { recipients: lifetimes, ..chain(ldap, PasswordMemory::default()) };
    let chain =
        Directory::new(ChainSettings { sources: vec![Source { domains: vec![], kind: users }], ..settings }).unwrap();
    for number in 0..NAMES {
        let address = Address::parse(&format!("user{number}@example.test")).unwrap();
        assert!(matches!(chain.recipient(&address).await, Recipient::Account(_)));
    }
    let after = resident();
    println!("{NAMES} names remembered: {} MiB (their password file: {} MiB)", after - with_file, with_file - before);
}

/// MiB of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

async fn measure<F>(name: &str, operation: impl Fn() -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    operation().await;
    let counted = Arc::new(AtomicUsize::new(0));
    let since = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let (counted, operation) = (Arc::clone(&counted), operation.clone());
        tasks.spawn(async move {
            while since.elapsed() < MEASURED {
                operation().await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
    row(name, counted.load(Ordering::Relaxed), since.elapsed());
}

fn row(name: &str, count: usize, took: Duration) {
    let per_second = count as f64 / took.as_secs_f64();
    println!("{name:50} {count:>9} in {:>5.2} s  {per_second:>10.0}/s", took.as_secs_f64());
}

fn large_group() -> String {
    let mut entries = String::from("dn: cn=diezmil,ou=grupos,dc=domain01,dc=dom\nobjectClass: group\ncn: diezmil\n");
    entries.push_str("mail: diezmil@domain01.dom\n");
    for number in 0..10_000 {
        writeln!(entries, "member: cn=m{number:05},ou=contactos,dc=domain01,dc=dom").unwrap();
    }
    for number in 0..10_000 {
        write!(entries, "\ndn: cn=m{number:05},ou=contactos,dc=domain01,dc=dom\nobjectClass: contact\n").unwrap();
        writeln!(entries, "cn: m{number:05}\nsn: m\nmail: m{number:05}@domain01.dom").unwrap();
    }
    entries
}
