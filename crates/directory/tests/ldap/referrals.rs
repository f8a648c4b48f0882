//! References to other servers: left alone, as Active Directory's must be, or followed one step.

use directory::ldap::{Fault, Query, Scope, Servers, Settings};

use crate::slapd::{Slapd, free_port};
use crate::twins::settings;

/// The contacts of one server are, for another one, somewhere else.
fn elsewhere(port: u16) -> String {
    format!(
        "dn: ou=fuera,dc=domain01,dc=dom\nobjectClass: referral\nobjectClass: extensibleObject\nou: fuera\n\
         ref: ldap://127.0.0.1:{port}/ou=contactos,dc=domain01,dc=dom??sub\n"
    )
}

const THERE: &str = "dn: cn=Solo Alla,ou=contactos,dc=domain01,dc=dom\nobjectClass: contact\ncn: Solo Alla\nsn: x\n\
                     mail: alla@example.net\n";

fn query(base: &str) -> Query {
    Query {
        base: base.to_owned(),
        scope: Scope::Subtree,
        filter: "(mail=alla@example.net)".to_owned(),
        attributes: vec!["mail".to_owned()],
        entries_max: 5,
    }
}

async fn search(settings: &Settings, base: &str) -> Result<usize, Fault> {
    let servers = Servers::start(settings.clone()).unwrap();
    servers.search(&query(base)).await.map(|found| found.entries.len())
}

#[tokio::test]
async fn references_are_left_alone_unless_the_settings_say_otherwise() {
    let there = Slapd::with(THERE, None);
    let here = Slapd::with(&elsewhere(there.port), None);
    let (root, below) = ("dc=domain01,dc=dom", "ou=fuera,dc=domain01,dc=dom");
    let alone = settings(&[here.port]);
    assert_eq!(search(&alone, root).await, Ok(0));
    // Here the server has nothing but a reference to say, and that must not look as if there were nobody.
    assert!(matches!(search(&alone, below).await, Err(Fault::Result { code: 10, .. })));
    let following = Settings { follow_referrals: true, ..alone };
    assert_eq!(search(&following, root).await, Ok(1));
    assert_eq!(search(&following, below).await, Ok(1));
}

#[tokio::test]
async fn a_reference_that_cannot_be_followed_is_no_answer() {
    let here = Slapd::with(&elsewhere(free_port()), None);
    let following = Settings { follow_referrals: true, ..settings(&[here.port]) };
    assert!(matches!(search(&following, "dc=domain01,dc=dom").await, Err(Fault::Connect(_))));
}
