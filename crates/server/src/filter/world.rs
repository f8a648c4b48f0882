//! What scripts hear of the world, at a delivery and when they run over messages that are kept already.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use disk::Disk;
use mail::date::DateTime;
use mail::namespace::{Named, Namespaces};
use mail::{MailboxName, ScriptName};
use sieve::{Envelope, Limits, Location, Message, NotIncluded, Options, Outcome, Score, Script, World};
use store::{DuplicateKey, Duplicates, Scripts, SpecialUse};

use super::Programs;
use crate::config::SieveSettings;
use crate::deliver::local::date_time;

/// What the names of scripts' files end in.
pub const SCRIPT_SUFFIX: &str = ".sieve";

/// Items of the environment, by their names (RFC 5183 §4.1).
pub type Items = Vec<(&'static str, String)>;

/// Those of a delivery.
pub fn delivery_items() -> Items {
    vec![("location", "MDA".to_owned()), ("phase", "during".to_owned())]
}

/// Those of messages that are kept already.
pub fn stored_items() -> Items {
    vec![("location", "MS".to_owned()), ("phase", "post".to_owned())]
}

/// The platform, as the scripts of one message see it.
#[derive(Debug)]
pub struct ScriptWorld<'a> {
    pub programs: &'a Programs,
    pub disk: &'a dyn Disk,
    pub settings: &'a SieveSettings,
    pub namespaces: &'a Namespaces,
    pub mailboxes: &'a Arc<store::Account>,
    pub scripts: &'a Scripts,
    /// None: no message was seen before.
    pub duplicates: Option<&'a Duplicates>,
    pub envelope: Envelope,
    pub delimiter: String,
    /// The node's name.
    pub host: &'a str,
    /// Those that the message has.
    pub flags: Vec<String>,
    /// What depends on where the script runs.
    pub items: Items,
    pub known: Known,
}

/// What was looked at for earlier questions of this delivery: scripts may ask for thousands of names.
#[derive(Debug, Default)]
pub struct Known {
    mailboxes: OnceCell<Listing>,
    duplicates: OnceCell<HashSet<DuplicateKey>>,
}

#[derive(Debug, Default)]
struct Listing {
    selectable: HashSet<MailboxName>,
    uses: Vec<(SpecialUse, MailboxName)>,
}

impl Listing {
    /// Of an account whose mailboxes cannot be listed, nothing.
    fn of(mailboxes: &store::Account) -> Listing {
        let listed = mailboxes.list().unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell a script which mailboxes there are");
            Vec::new()
        });
        Listing {
            uses: listed.iter().filter_map(|listed| Some((listed.special_use?, listed.name.clone()))).collect(),
            selectable: listed.into_iter().filter(|listed| listed.selectable).map(|listed| listed.name).collect(),
        }
    }
}

impl ScriptWorld<'_> {
    pub fn run(&mut self, script: &Script, message: &Message<'_>) -> Outcome {
        let redirects_max = usize::try_from(self.settings.redirects_max).unwrap_or(usize::MAX);
        let limits = Limits { redirects_max, ..Limits::default() };
        let envelope = self.envelope.clone();
        script.run(message, &envelope, self, &limits)
    }

    /// How scripts are compiled.
    pub fn options(&self) -> Options {
        super::options(self.settings)
    }

    /// A script of the platform's folder.
    fn global(&self, name: &ScriptName) -> Result<Vec<u8>, NotIncluded> {
        let folder = self.settings.global.as_ref().ok_or(NotIncluded::Missing)?;
        self.disk.read(&folder.join(format!("{name}{SCRIPT_SUFFIX}"))).map_err(|error| match error {
            disk::Error::NotFound { .. } => NotIncluded::Missing,
            _ => NotIncluded::Unavailable(error.to_string()),
        })
    }

    fn listing(&self) -> &Listing {
        self.known.mailboxes.get_or_init(|| Listing::of(self.mailboxes))
    }

    fn duplicates(&self) -> &HashSet<DuplicateKey> {
        self.known.duplicates.get_or_init(|| {
            let all = self.duplicates.map(store::Duplicates::all).unwrap_or_else(|| Ok(HashSet::new()));
            all.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot tell whether a message is a duplicate");
                HashSet::new()
            })
        })
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

impl World for ScriptWorld<'_> {
    fn now(&mut self) -> DateTime {
        date_time(SystemTime::now())
    }

    fn recipient_delimiter(&self) -> &str {
        &self.delimiter
    }

    fn flags(&mut self) -> Vec<String> {
        self.flags.clone()
    }

    fn mailbox_exists(&mut self, mailbox: &str) -> bool {
        own_mailbox(self.namespaces, mailbox)
            .is_ok_and(|name| name.is_inbox() || self.listing().selectable.contains(&name))
    }

    fn special_use_exists(&mut self, mailbox: Option<&str>, attribute: &str) -> bool {
        let Some(wanted) = SpecialUse::parse(attribute) else { return false };
        let Some((_, found)) = self.listing().uses.iter().find(|(attribute, _)| *attribute == wanted) else {
            return false;
        };
        mailbox.is_none_or(|mailbox| own_mailbox(self.namespaces, mailbox).is_ok_and(|name| name == *found))
    }

    fn duplicate_seen(&mut self, handle: &str, id: &str, _seconds: u64) -> bool {
        self.duplicates().contains(&duplicate_key(handle, id))
    }

    // RFC 5183 §4.1
    fn environment(&mut self, name: &str) -> Option<String> {
        match name {
            "name" => Some("Tepui".to_owned()),
            "version" => Some(env!("CARGO_PKG_VERSION").to_owned()),
            "host" => Some(self.host.to_owned()),
            _ => self.items.iter().find(|(item, _)| *item == name).map(|(_, value)| value.clone()),
        }
    }

    fn include(&mut self, location: Location, name: &str) -> Result<Script, NotIncluded> {
        let name = ScriptName::parse(name).map_err(|_| NotIncluded::Missing)?;
        let content = match location {
            Location::Personal => self.scripts.read(&name).map_err(|error| match error {
                store::ScriptError::NotFound => NotIncluded::Missing,
                error => NotIncluded::Unavailable(error.to_string()),
            })?,
            Location::Global => self.global(&name)?,
        };
        self.programs.compile(&content, &self.options()).map_err(|problems| NotIncluded::Broken(problems.to_vec()))
    }

    fn score(&mut self, virus: bool, message: &Message<'_>) -> Option<Score> {
        let rule = if virus { &self.settings.virus } else { &self.settings.spam };
        rule.as_ref()?.judge(message)
    }
}
