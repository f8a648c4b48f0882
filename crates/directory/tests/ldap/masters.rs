//! Master users out of a directory: by a filter, by a group in a group, and as whom.

use directory::cache::Lifetimes;
use directory::chain::{ChainSettings, Directory, LogIn, Masters, SourceKind};
use directory::ldap::{Description, LdapDirectory, MasterUsers};
use directory::template::Template;

use crate::chain::{OUTSIDE, chain, log_in, users, welcome};
use crate::slapd::Slapd;
use crate::twins::{Relay, description, settings};

const RIGHT: &str = "P@ssw0rd";
const BOSSES: &str = "CN=jefes, ou=grupos,dc=domain01,dc=dom";
/// jefes > soporte > usuario03, usuario07 (who is disabled); soporte > jefes too.
const GROUPS: &str = "dn: cn=jefes,ou=grupos,dc=domain01,dc=dom
objectClass: group
cn: jefes
member: cn=soporte,ou=grupos,dc=domain01,dc=dom

dn: cn=soporte,ou=grupos,dc=domain01,dc=dom
objectClass: group
cn: soporte
member: cn=Usuario Tres,ou=usuarios,dc=domain01,dc=dom
member: cn=Usuario Siete,ou=usuarios,dc=domain01,dc=dom
member: cn=jefes,ou=grupos,dc=domain01,dc=dom
";

fn by_group() -> MasterUsers {
    MasterUsers { groups: vec![BOSSES.to_owned()], member_attribute: "member".to_owned(), ..MasterUsers::default() }
}

fn filter(text: &str) -> Option<Template> {
    Some(Template::parse(text).unwrap())
}

fn directory(port: u16, masters: MasterUsers, lifetimes: Lifetimes) -> Directory {
    let description = Description { masters: Some(masters), ..description() };
    let ldap = SourceKind::Ldap(LdapDirectory::start(settings(&[port]), description).unwrap());
    let file = users("ana@example.test:{PLAIN}a\nusuario01@domain01.dom:{PLAIN}b\n");
    let sources = [file, ldap.clone()].map(|kind| directory::chain::Source { domains: vec![], kind });
    let masters = Some(Masters::new('*', vec![ldap], lifetimes));
    Directory::new(ChainSettings { masters, ..chain(sources.to_vec()) }).unwrap()
}

fn refused(log_in: LogIn) -> String {
    match log_in {
        LogIn::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_member_of_a_group_in_the_group_of_masters_is_one() {
    let slapd = Slapd::with(GROUPS, None);
    let directory = directory(slapd.port, by_group(), Lifetimes::default());
    let asked = async |login: &str, password: &str| log_in(&directory, login, password, OUTSIDE).await;
    let both = ("usuario01".to_owned(), Some("usuario03".to_owned()));
    assert_eq!(welcome(asked("usuario01*usuario03", RIGHT).await), both);
    assert_eq!(welcome(asked("Usuario01*USUARIO03", RIGHT).await), both);
    assert_eq!(welcome(asked("ana@example.test*usuario03", RIGHT).await).0, "ana@example.test");
    // A disabled account can be opened, and can open none.
    assert_eq!(welcome(asked("usuario07*usuario03", RIGHT).await).0, "usuario07");
    for (login, password, why) in [
        ("usuario01*usuario02", RIGHT, "this is no master user"),
        ("usuario01*usuario03", "wrong", "wrong password"),
        ("usuario01*usuario07", RIGHT, "the account is disabled"),
        ("usuario01*nosuch", RIGHT, "no such account"),
        ("nosuch*usuario03", RIGHT, "no such account nosuch"),
        ("usuario01*usuario0*", RIGHT, "no such account"),
    ] {
        let said = refused(asked(login, password).await);
        assert!(said.contains(why), "{login}: {said}");
    }
}

#[tokio::test]
async fn a_filter_makes_masters_too_and_another_one_says_whom_they_may_open() {
    let slapd = Slapd::with(GROUPS, None);
    let masters = MasterUsers {
        filter: filter("(info=52428800)"),
        accounts: filter("(mail=*@domain02.dom)"),
        ..MasterUsers::default()
    };
    let directory = directory(slapd.port, masters, Lifetimes::default());
    let asked = async |login: &str| log_in(&directory, login, RIGHT, OUTSIDE).await;
    assert_eq!(welcome(asked("usuario04*usuario03").await).1.as_deref(), Some("usuario03"));
    assert!(refused(asked("usuario04*usuario01").await).contains("this is no master user"));
    // The domain that was typed is not the account's; and an account of the password file is not the directory's.
    for login in ["usuario01", "usuario01@domain02.dom", "ana@example.test", "usuario01@domain01.dom"] {
        let said = refused(asked(&format!("{login}*usuario03")).await);
        assert!(said.contains("may not open"), "{login}: {said}");
    }
}

#[tokio::test]
async fn a_line_of_the_file_says_whom_its_master_may_open() {
    let slapd = Slapd::start();
    let file = users("one:{PLAIN}x::::::opens=@example.test,usuario02\nall:{PLAIN}x\nnone:{PLAIN}x::::::opens=\n");
    let ldap = SourceKind::Ldap(LdapDirectory::start(settings(&[slapd.port]), description()).unwrap());
    let accounts = users("ana@example.test:{PLAIN}a\nbob@example.net:{PLAIN}b\n");
    let sources = [accounts, ldap].map(|kind| directory::chain::Source { domains: vec![], kind });
    let masters = Some(Masters::new('*', vec![file], Lifetimes::default()));
    let directory = Directory::new(ChainSettings { masters, ..chain(sources.to_vec()) }).unwrap();
    let asked = async |login: &str| log_in(&directory, login, "x", OUTSIDE).await;
    for login in
        ["ana@example.test*one", "ANA@example.test*One", "usuario02*one", "usuario01*all", "bob@example.net*all"]
    {
        welcome(asked(login).await);
    }
    for login in ["bob@example.net*one", "usuario01*one", "usuario01@example.test*one", "usuario02*none"] {
        let said = refused(asked(login).await);
        assert!(said.contains("may not open"), "{login}: {said}");
    }
}

#[tokio::test]
async fn a_membership_is_remembered_and_a_directory_that_is_down_opens_nothing() {
    let slapd = Slapd::with(GROUPS, None);
    let relay = Relay::to(slapd.port).await;
    let directory = directory(relay.port, by_group(), Lifetimes::default());
    let asked = async || log_in(&directory, "ana@example.test*usuario03", RIGHT, OUTSIDE).await;
    welcome(asked().await);
    let first = relay.searches();
    welcome(asked().await);
    // The password is asked again each time, the groups are not.
    assert_eq!((first, relay.searches()), (4, 5));
    slapd.signal("STOP");
    let down = asked().await;
    slapd.signal("CONT");
    assert!(matches!(down, LogIn::Unavailable(_)), "{down:?}");
}
