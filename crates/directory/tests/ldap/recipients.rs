//! Whom an address means, beside what Postfix says of the same directory.

use std::fmt::Write as _;
use std::time::SystemTime;

use directory::groups::{Beyond, Limits};
use directory::ldap::{Description, Fault, LdapDirectory, Listed, Outcome, Query, Scope, Servers, Settings};
use mail::Address;

use crate::slapd::Slapd;
use crate::twins::{description, ranging, settings};

async fn ask(directory: &LdapDirectory, address: &str) -> Outcome<Listed> {
    directory.recipient(&Address::parse(address).unwrap(), SystemTime::now()).await
}

async fn members(directory: &LdapDirectory, address: &str) -> Vec<String> {
    match ask(directory, address).await {
        Outcome::Answer(Listed::Group { members, .. }) => members.iter().map(Address::to_string).collect(),
        other => panic!("{address}: {other:?}"),
    }
}

async fn account(directory: &LdapDirectory, address: &str) -> String {
    match ask(directory, address).await {
        Outcome::Answer(Listed::Account(account)) => account.name.clone(),
        other => panic!("{address}: {other:?}"),
    }
}

#[tokio::test]
async fn people_are_known_by_their_addresses() {
    let slapd = Slapd::start();
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    for (address, name) in [
        ("usuario01@domain01.dom", "usuario01"),
        ("USUARIO01@Domain01.DOM", "usuario01"),
        ("usuario04@domain02.dom", "usuario04"),
        ("usuario09@domain01.dom", "usuario09"),
        ("juan.perez@domain01.dom", "jperez"),
        // a disabled account still gets mail, as with Postfix
        ("usuario07@domain01.dom", "usuario07"),
        ("apodo@domain01.dom", "alias"),
    ] {
        assert_eq!(account(&directory, address).await, name, "{address}");
    }
    for address in [
        "nosuch@domain01.dom",
        "usuario01@domain02.dom",
        "jperez@domain01.dom",
        "sincorreo@domain01.dom",
        "correoapp@domain01.dom",
        "otro@domain03.dom",
        "socio@example.net",
        "*@domain01.dom",
        "usuario0*@domain01.dom",
        "usuario01@sub.domain01.dom",
        "\"*)(mail=*\"@domain01.dom",
    ] {
        assert_eq!(ask(&directory, address).await, Outcome::NoSuch, "{address}");
    }
    assert!(matches!(ask(&directory, "gemelo@domain01.dom").await, Outcome::Unavailable(_)));
}

#[tokio::test]
async fn groups_expand_as_postfix_expands_them() {
    let slapd = Slapd::start();
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    let (uno, dos) = ("usuario01@domain01.dom", "usuario02@domain01.dom");
    let (tres, cuatro) = ("usuario03@domain01.dom", "usuario04@domain02.dom");
    assert_eq!(members(&directory, "VENTAS@domain01.dom").await, [uno, dos]);
    assert_eq!(members(&directory, "todos@domain01.dom").await, [uno, dos, tres, cuatro]);
    assert_eq!(members(&directory, "mixto@domain01.dom").await, [uno, "socio@example.net"]);
    assert_eq!(members(&directory, "regional@domain02.dom").await, [cuatro, uno]);
    assert_eq!(members(&directory, "parcial@domain01.dom").await, [tres]);
    // Postfix gives up on a cycle; here everybody in it gets the mail once.
    assert_eq!(members(&directory, "ciclo-a@domain01.dom").await, [uno, dos]);
    assert_eq!(members(&directory, "ciclo-b@domain01.dom").await, [uno, dos]);
    for nobody in ["nadie@domain01.dom", "vacio@domain01.dom", "ajeno@domain03.dom", "interno@domain01.dom"] {
        assert_eq!(ask(&directory, nobody).await, Outcome::NoSuch, "{nobody}");
    }
}

#[tokio::test]
async fn a_group_may_name_who_hears_of_failures_and_a_member_may_have_only_proxy_addresses() {
    let slapd = Slapd::start();
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    let Outcome::Answer(Listed::Group { members, owner }) = ask(&directory, "con-dueno@domain01.dom").await else {
        panic!()
    };
    let members: Vec<_> = members.iter().map(Address::to_string).collect();
    assert_eq!(members, ["primero@example.net", "usuario03@domain01.dom"]);
    assert_eq!(owner.unwrap().to_string(), "usuario01@domain01.dom");
    let Outcome::Answer(Listed::Group { owner, .. }) = ask(&directory, "ventas@domain01.dom").await else { panic!() };
    assert_eq!(owner, None);
}

fn thousand() -> String {
    let mut entries = String::from("dn: cn=mil,ou=grupos,dc=domain01,dc=dom\nobjectClass: group\ncn: mil\n");
    entries.push_str("mail: mil@domain01.dom\n");
    for number in 0..1000 {
        writeln!(entries, "member: cn=m{number:04},ou=contactos,dc=domain01,dc=dom").unwrap();
    }
    for number in 0..1000 {
        write!(entries, "\ndn: cn=m{number:04},ou=contactos,dc=domain01,dc=dom\nobjectClass: contact\n").unwrap();
        writeln!(entries, "cn: m{number:04}\nsn: m\nmail: m{number:04}@domain01.dom").unwrap();
    }
    for depth in 0..6 {
        write!(entries, "\ndn: cn=d{depth},ou=grupos,dc=domain01,dc=dom\nobjectClass: group\ncn: d{depth}\n").unwrap();
        let member =
            if depth == 5 { "cn=m0000,ou=contactos".to_owned() } else { format!("cn=d{},ou=grupos", depth + 1) };
        writeln!(entries, "mail: d{depth}@domain01.dom\nmember: {member},dc=domain01,dc=dom").unwrap();
    }
    entries
}

#[tokio::test]
async fn a_thousand_members_come_out_once_each_and_limits_are_said() {
    let slapd = Slapd::with(&thousand(), None);
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    let all = members(&directory, "mil@domain01.dom").await;
    assert_eq!((all.len(), all[0].as_str(), all[999].as_str()), (1000, "m0000@domain01.dom", "m0999@domain01.dom"));
    assert_eq!(members(&directory, "d0@domain01.dom").await, ["m0000@domain01.dom"]);

    let limited = |depth_max, members_max| {
        let mut description: Description = description();
        description.groups.as_mut().unwrap().limits = Limits { depth_max, members_max };
        LdapDirectory::start(settings(&[slapd.port]), description).unwrap()
    };
    let beyond = ask(&limited(16, 999), "mil@domain01.dom").await;
    assert_eq!(beyond, Outcome::Answer(Listed::Beyond(Beyond::Members(999))));
    let beyond = ask(&limited(3, 999), "d0@domain01.dom").await;
    assert_eq!(beyond, Outcome::Answer(Listed::Beyond(Beyond::Depth(3))));
}

#[tokio::test]
async fn a_member_list_that_comes_in_parts_is_put_together_whole_or_not_at_all() {
    let directory = async |members, part, end| {
        LdapDirectory::start(settings(&[ranging(members, part, end).await]), description()).unwrap()
    };
    let all = members(&directory(3200, 1500, 3200).await, "muchos@domain01.dom").await;
    assert_eq!((all.len(), all[3199].as_str()), (3200, "m3199@domain01.dom"));
    assert_eq!(members(&directory(3000, 1500, 3000).await, "muchos@domain01.dom").await.len(), 3000);
    let ends_early = ask(&directory(3200, 1500, 3000).await, "muchos@domain01.dom").await;
    assert_eq!(ends_early, Outcome::Unavailable(Fault::PartMissing));
    let in_crumbs = ask(&directory(1000, 1, 1000).await, "muchos@domain01.dom").await;
    assert_eq!(in_crumbs, Outcome::Unavailable(Fault::TooManyParts(256)));
}

#[tokio::test]
async fn pages_are_put_together() {
    let slapd = Slapd::with(&thousand(), None);
    let mut settings = settings(&[slapd.port]);
    settings.page_size = Some(7);
    let servers = Servers::start(settings.clone()).unwrap();
    let query = Query {
        base: "ou=contactos,dc=domain01,dc=dom".to_owned(),
        scope: Scope::OneLevel,
        filter: "(cn=m*)".to_owned(),
        attributes: vec!["mail".to_owned()],
        entries_max: 5000,
    };
    let found = servers.search(&query).await.unwrap();
    assert_eq!(found.entries.len(), 1000);
    let too_few = Query { entries_max: 999, ..query.clone() };
    assert_eq!(servers.search(&too_few).await, Err(Fault::TooMany(999)));
    // The server gives 500 at once, and what it leaves out must not look as if it were not there.
    let unpaged = Servers::start(Settings { page_size: None, ..settings }).unwrap();
    assert!(matches!(unpaged.search(&query).await, Err(Fault::Result { code: 4, .. })));
}
