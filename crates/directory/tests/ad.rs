//! The LDAP room against a real Active Directory, which `./test ad` starts: its address is in `TEPUI_AD`, its authority's
//! certificate in the file `TEPUI_AD_CA`. What needs no directory of a thousand entries is tested there.

use std::path::PathBuf;
use std::time::SystemTime;

use directory::ldap::{
    Description, Fault, LdapDirectory, Outcome, OwnBind, Query, Refusal, Scope, Servers, Settings, Url, UserAttributes,
};
use proto::sasl::Secret;

const OWN_NAME: &str = "correoapp@domain01.dom";
const OWN_PASSWORD: &str = "Pass2016Mail";
/// As tests/clients/domain_controller.py makes them.
const MEMBERS: usize = 1700;
const LOCKED_AFTER: usize = 3;

fn settings() -> Settings {
    let told = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ./test ad"));
    let url = Url::parse(&format!("ldaps://{}", told("TEPUI_AD"))).unwrap();
    let own = OwnBind { dn: OWN_NAME.to_owned(), password: Secret::new(OWN_PASSWORD) };
    Settings { own_bind: Some(own), ca_file: Some(PathBuf::from(told("TEPUI_AD_CA"))), ..Settings::new(vec![url]) }
}

fn everybody() -> Query {
    Query {
        base: "dc=domain01,dc=dom".to_owned(),
        scope: Scope::Subtree,
        filter: "(&(objectClass=contact)(mail=m*@domain01.dom))".to_owned(),
        attributes: vec!["mail".to_owned()],
        entries_max: 5000,
    }
}

#[tokio::test]
#[ignore = "needs an Active Directory: ./test ad"]
async fn pages_are_put_together_and_referrals_between_them_are_no_entries() {
    let servers = Servers::start(settings()).unwrap();
    let found = servers.search(&everybody()).await.unwrap();
    assert_eq!(found.entries.len(), MEMBERS);
    let too_few = Query { entries_max: MEMBERS - 1, ..everybody() };
    assert_eq!(servers.search(&too_few).await, Err(Fault::TooMany(MEMBERS - 1)));
}

#[tokio::test]
#[ignore = "needs an Active Directory: ./test ad"]
async fn a_member_list_is_given_in_parts_that_say_where_the_next_begins() {
    let servers = Servers::start(settings()).unwrap();
    let part = async |range: &str| {
        let filter = "(cn=muchos)".to_owned();
        let query = Query { filter, attributes: vec![format!("member;range={range}")], entries_max: 1, ..everybody() };
        let found = servers.search(&query).await.unwrap();
        let (values, next) = found.entries.first().unwrap().part("member").unwrap();
        (values.len(), next)
    };
    assert_eq!(part("0-1499").await, (1500, Some(1500)));
    assert_eq!(part("1500-*").await, (MEMBERS - 1500, None));
}

#[tokio::test]
#[ignore = "needs an Active Directory: ./test ad"]
async fn a_locked_account_has_no_standing_though_nobody_is_bound() {
    let attributes = UserAttributes::parse("sAMAccountName=home=/var/vmail/%$").unwrap();
    let with = Description::active_directory("dc=domain01,dc=dom", "(sAMAccountName=%u)", attributes).unwrap();
    let without = LdapDirectory::start(settings(), Description { standing: false, ..with.clone() }).unwrap();
    for _ in 0..=LOCKED_AFTER {
        without.log_in("bloqueado", &Secret::new("wrong"), SystemTime::now()).await;
    }
    let directory = LdapDirectory::start(settings(), with).unwrap();
    let Outcome::Answer(person) = directory.account("bloqueado", SystemTime::now()).await else { panic!() };
    assert_eq!(person.standing, Err(Refusal::Locked));
}
