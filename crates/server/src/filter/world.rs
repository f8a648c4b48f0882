//! What scripts hear of the world at a delivery.

use std::sync::Arc;
use std::time::SystemTime;

use mail::date::DateTime;
use mail::namespace::{Named, Namespaces};
use mail::{MailboxName, ScriptName};
use sieve::{Envelope, Limits, Location, Message, NotIncluded, Outcome, Script, World};
use store::{DuplicateKey, Duplicates, Scripts, SpecialUse};

use super::Programs;
use crate::config::SieveSettings;
use crate::deliver::local::date_time;

/// The platform, as one delivery's scripts see it.
#[derive(Debug)]
pub struct DeliveryWorld<'a> {
    pub programs: &'a Programs,
    pub settings: &'a SieveSettings,
    pub namespaces: &'a Namespaces,
    pub mailboxes: &'a Arc<store::Account>,
    pub scripts: &'a Scripts,
    pub duplicates: &'a Duplicates,
    pub envelope: Envelope,
    pub delimiter: String,
    /// The node's name.
    pub host: &'a str,
}

impl DeliveryWorld<'_> {
    pub fn run(&mut self, script: &Script, message: &Message<'_>) -> Outcome {
        let redirects_max = usize::try_from(self.settings.redirects_max).unwrap_or(usize::MAX);
        let limits = Limits { redirects_max, ..Limits::default() };
        let envelope = self.envelope.clone();
        script.run(message, &envelope, self, &limits)
    }
}

/// How a thing that `duplicate` asks for is remembered.
pub fn duplicate_key(handle: &str, id: &str) -> DuplicateKey {
    DuplicateKey::new("duplicate", &format!("{handle}\0{id}"))
}

/// The user's own mailbox that a script calls so, as his mail program would.
///
/// # Errors
/// Why there can be none, for the user.
pub fn own_mailbox(namespaces: &Namespaces, outer: &str) -> Result<MailboxName, String> {
    let name = namespaces.separator.parse(outer).map_err(|error| format!("{outer}: {error}"))?;
    match namespaces.named(&name) {
        Named::Own(inner) => Ok(inner),
        _ => Err(format!("{outer}: scripts put mail into the user's own mailboxes only")),
    }
}

/// The mailbox with a use, as `\Junk`.
pub fn with_use(mailboxes: &store::Account, attribute: &str) -> Option<MailboxName> {
    let wanted = SpecialUse::parse(attribute)?;
    let listed = mailboxes.list().ok()?;
    listed.into_iter().find(|listed| listed.special_use == Some(wanted)).map(|listed| listed.name)
}

impl World for DeliveryWorld<'_> {
    fn now(&mut self) -> DateTime {
        date_time(SystemTime::now())
    }

    fn recipient_delimiter(&self) -> &str {
        &self.delimiter
    }

    fn mailbox_exists(&mut self, mailbox: &str) -> bool {
        own_mailbox(self.namespaces, mailbox).is_ok_and(|name| {
            name.is_inbox()
                || self
                    .mailboxes
                    .list()
                    .is_ok_and(|all| all.iter().any(|listed| listed.name == name && listed.selectable))
        })
    }

    fn special_use_exists(&mut self, mailbox: Option<&str>, attribute: &str) -> bool {
        let Some(found) = with_use(self.mailboxes, attribute) else { return false };
        mailbox.is_none_or(|mailbox| own_mailbox(self.namespaces, mailbox).is_ok_and(|name| name == found))
    }

    fn duplicate_seen(&mut self, handle: &str, id: &str, _seconds: u64) -> bool {
        self.duplicates.is_there(duplicate_key(handle, id)).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell whether a message is a duplicate");
            false
        })
    }

    // RFC 5183 §4.1
    fn environment(&mut self, name: &str) -> Option<String> {
        match name {
            "name" => Some("Tepui".to_owned()),
            "version" => Some(env!("CARGO_PKG_VERSION").to_owned()),
            "host" => Some(self.host.to_owned()),
            "location" => Some("MDA".to_owned()),
            "phase" => Some("during".to_owned()),
            _ => None,
        }
    }

    fn include(&mut self, location: Location, name: &str) -> Result<Script, NotIncluded> {
        // The platform has no folder of scripts to be included yet.
        let Location::Personal = location else { return Err(NotIncluded::Missing) };
        let name = ScriptName::parse(name).map_err(|_| NotIncluded::Missing)?;
        let content = match self.scripts.read(&name) {
            Ok(content) => content,
            Err(store::ScriptError::NotFound) => return Err(NotIncluded::Missing),
            Err(error) => return Err(NotIncluded::Unavailable(error.to_string())),
        };
        self.programs.compile(&content).map_err(|problems| NotIncluded::Broken(problems.to_vec()))
    }
}
