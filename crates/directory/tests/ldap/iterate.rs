//! All accounts of a real slapd, page by page, and what an operator is told of a server.

use std::fmt::Write;
use std::time::SystemTime;

use directory::ldap::{LdapDirectory, Listing, Url, examine};

use crate::slapd::{Slapd, free_port};
use crate::twins::{description, settings};

/// More than slapd gives at once (500), and than two pages.
const PEOPLE: usize = 1200;

fn people() -> String {
    (0..PEOPLE).fold(String::new(), |mut text, number| {
        let person = "objectClass: top\nobjectClass: person\nobjectClass: organizationalPerson\nobjectClass: user";
        let names =
            format!("cn: many{number}\nsn: many\nsAMAccountName: many{number}\nmail: many{number}@domain01.dom");
        writeln!(text, "dn: cn=many{number},ou=usuarios,dc=domain01,dc=dom\n{person}\n{names}\n").unwrap();
        text
    })
}

#[tokio::test]
async fn every_account_is_told_a_page_at_a_time() {
    let slapd = Slapd::with(&people(), None);
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    let (mut names, mut pages) = (Vec::new(), Vec::new());
    let told = directory.each_account(SystemTime::now(), |page| {
        pages.push(page.len());
        names.extend(page.into_iter().filter_map(|listing| match listing {
            Listing::Person(person) => Some(person.account.name),
            Listing::Unusable { .. } => None,
        }));
    });
    let count = told.await.unwrap();
    assert_eq!(count, pages.iter().sum::<usize>());
    assert!(pages.len() > 2 && pages.iter().all(|length| *length <= 500), "{pages:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with("many")).count(), PEOPLE);
    assert!(names.contains(&"usuario01".to_owned()));
}

#[tokio::test]
async fn a_list_that_breaks_off_is_no_shorter_list() {
    let directory = LdapDirectory::start(settings(&[free_port()]), description()).unwrap();
    assert!(directory.each_account(SystemTime::now(), |_| panic!("there is nothing to tell")).await.is_err());
}

#[tokio::test]
async fn a_server_that_hangs_is_told_of_within_a_bound() {
    let slapd = Slapd::start();
    let url = Url::parse(&format!("ldap://127.0.0.1:{}", slapd.port)).unwrap();
    let good = examine(&url, &settings(&[slapd.port]), &description()).await;
    assert!(good.iter().all(|step| step.result.is_ok()), "{good:?}");
    slapd.signal("STOP");
    let hanging = examine(&url, &settings(&[slapd.port]), &description()).await;
    slapd.signal("CONT");
    assert!(hanging.last().is_some_and(|step| step.result.is_err()), "{hanging:?}");
}
