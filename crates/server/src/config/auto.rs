//! `[[mailbox]]`: the mailboxes that every account has.

use mail::MailboxName;
use store::{AutoMailbox, Location, SpecialUse};

use super::Mistake;
use super::written::{Written, WrittenTable};

/// The most of them: each is looked for at every listing.
const MAILBOXES_MAX: usize = 64;

/// Without a table, those that the store gives everybody. What is wrong is added to the mistakes.
pub fn settle(written: &Written, location: &Location, mistakes: &mut Vec<Mistake>) -> Vec<AutoMailbox> {
    let tables = written.tables("mailbox");
    if tables.is_empty() {
        return store::Settings::default().auto_mailboxes;
    }
    let mut mailboxes: Vec<AutoMailbox> = Vec::new();
    for table in tables {
        match mailbox(table, location) {
            Ok(None) => {}
            Ok(Some(mailbox)) if mailboxes.iter().any(|known| known.name == mailbox.name) => {
                mistakes.push(Mistake::at(table.place("name").unwrap_or_default(), "this mailbox is there already"));
            }
            Ok(Some(mailbox)) => mailboxes.push(mailbox),
            Err(why) => {
                let mistake = Mistake::at(table.place("name").unwrap_or_default(), why);
                mistakes.push(mistake.help("as clients see it, with / between levels"));
            }
        }
    }
    if let Some(table) = tables.get(MAILBOXES_MAX) {
        let message = format!("more than {MAILBOXES_MAX} mailboxes");
        mistakes.push(Mistake::at(table.span.clone().unwrap_or_default(), message));
    }
    mailboxes
}

/// `None` where the name is missing, which is told already.
fn mailbox(table: &WrittenTable, location: &Location) -> Result<Option<AutoMailbox>, String> {
    let Some(text) = table.text("name") else { return Ok(None) };
    let name = MailboxName::parse(text).map_err(|error| error.to_string())?;
    location.admits(&name).map_err(|error| error.to_string())?;
    let special_use = table.text("special_use").and_then(|word| SpecialUse::parse(&format!("\\{word}")));
    Ok(Some(AutoMailbox { name, special_use, subscribe: table.text("auto") != Some("create") }))
}
