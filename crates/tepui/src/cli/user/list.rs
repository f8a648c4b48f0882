//! `tepui user list`: every account, and from which source it comes. Told as it is found: memory holds one page of a
//! directory's answer, however many accounts there are.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::SystemTime;

use clap::Args;
use directory::Account;
use directory::chain::{Directory, SourceKind, UsersFile};
use directory::ldap::{LdapDirectory, Listing};

/// After so many accounts somebody at a terminal hears how far it is.
const PROGRESS_STEP: usize = 10_000;

/// How the list is given.
#[derive(Debug, Args)]
pub struct List {
    /// A line of JSON for each account
    #[arg(long)]
    pub json: bool,
}

/// One list on its way to standard output.
struct Page {
    json: bool,
    out: BufWriter<io::Stdout>,
    count: usize,
    /// The first thing that could not be written: nobody reads any more.
    trouble: Option<io::Error>,
}

/// Lists all sources, in order.
///
/// # Errors
/// A source did not answer, after all others were listed; in words for the operator.
pub async fn list(directory: &Directory, json: bool) -> Result<(), String> {
    let mut page = Page { json, out: BufWriter::new(io::stdout()), count: 0, trouble: None };
    let mut troubles = Vec::new();
    for source in directory.sources() {
        match &source.kind {
            SourceKind::PasswdFile(users) => list_file(users, &mut page),
            SourceKind::Ldap(ldap) => troubles.extend(list_ldap(ldap, &mut page).await.err()),
            SourceKind::Trusted(_) => {}
        }
    }
    let flushed = page.out.flush();
    troubles.extend(page.trouble.or(flushed.err()).map(|error| error.to_string()));
    if troubles.is_empty() { Ok(()) } else { Err(troubles.join("; ")) }
}

fn list_file(users: &UsersFile, page: &mut Page) {
    let names: BTreeSet<&str> = users.file.entries().map(|entry| entry.name.as_str()).collect();
    for name in names {
        match users.account_of(name) {
            Some(account) => page.tell(&account, "password file", None),
            None => eprintln!("tepui: {name}: its line makes no account"),
        }
    }
}

async fn list_ldap(ldap: &LdapDirectory, page: &mut Page) -> Result<(), String> {
    let source = ldap.health().first().map_or_else(String::new, |server| server.url.clone());
    let told = ldap.each_account(SystemTime::now(), |listings| {
        for listing in listings {
            match listing {
                Listing::Person(person) => {
                    page.tell(&person.account, &source, person.standing.err().map(|why| why.to_string()));
                }
                Listing::Unusable { dn, why } => eprintln!("tepui: {dn}: {why}"),
            }
        }
    });
    told.await.map(drop).map_err(|fault| format!("{source}: {fault}"))
}

impl Page {
    fn tell(&mut self, account: &Account, source: &str, closed: Option<String>) {
        let home = account.home.display();
        let line = if self.json {
            let quota = account.quota.as_ref().map(directory::account::Quota::limits).unwrap_or_default();
            let row = serde_json::json!({
                "name": account.name, "source": source, "home": home.to_string(), "storage": quota.storage,
                "messages": quota.messages, "closed": closed,
            });
            row.to_string()
        } else {
            let closed = closed.map_or(String::new(), |why| format!("  ({why})"));
            format!("{:32} {source:28} {home}{closed}", account.name)
        };
        if let Err(error) = writeln!(self.out, "{line}") {
            self.trouble.get_or_insert(error);
        }
        self.count += 1;
        if self.count.is_multiple_of(PROGRESS_STEP) && io::stderr().is_terminal() && !io::stdout().is_terminal() {
            eprintln!("{} accounts", self.count);
        }
    }
}
