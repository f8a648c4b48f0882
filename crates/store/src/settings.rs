//! What the store may be told from outside, with its defaults.

use std::path::PathBuf;
use std::time::Duration;

use mail::MailboxName;

use crate::quota::QuotaSettings;
use crate::{Location, ZstdLevel};

/// How accounts are kept. The same on every node that serves them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the files of an account lie.
    pub location: Location,
    /// Mailboxes that every account has, listed even before they exist on disk.
    pub auto_mailboxes: Vec<AutoMailbox>,
    /// This node's name as it stands in the names of message files; unique among the nodes.
    pub hostname: String,
    /// How long to wait for a mailbox's lock.
    pub lock_wait: Duration,
    /// A lock whose file was not touched for this long belonged to somebody who died.
    pub lock_stale: Duration,
    /// Files in `tmp/` older than this were left by a crash.
    pub tmp_keep: Duration,
    pub quota: QuotaSettings,
    /// How hard new messages are compressed; without it they are stored as they are. Both are always read.
    pub compress: Option<ZstdLevel>,
    /// The folder on this node's own disk for what it remembers of mailboxes; without one it remembers nothing.
    pub index: Option<PathBuf>,
    /// How many octets that folder may hold, over all accounts.
    pub index_size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoMailbox {
    pub name: MailboxName,
    pub special_use: Option<SpecialUse>,
    pub subscribe: bool,
}

/// What a mailbox is for (RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    All,
    Archive,
    Drafts,
    Flagged,
    Junk,
    Sent,
    Trash,
}

const SPECIAL_USES: [(SpecialUse, &str); 7] = [
    (SpecialUse::All, "\\All"),
    (SpecialUse::Archive, "\\Archive"),
    (SpecialUse::Drafts, "\\Drafts"),
    (SpecialUse::Flagged, "\\Flagged"),
    (SpecialUse::Junk, "\\Junk"),
    (SpecialUse::Sent, "\\Sent"),
    (SpecialUse::Trash, "\\Trash"),
];

impl SpecialUse {
    /// Its IMAP attribute, with the backslash.
    pub fn attribute(self) -> &'static str {
        SPECIAL_USES.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// From its IMAP attribute; case is ignored.
    pub fn parse(attribute: &str) -> Option<SpecialUse> {
        SPECIAL_USES.iter().find(|(_, name)| name.eq_ignore_ascii_case(attribute)).map(|(known, _)| *known)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        let auto = |name: &str, special_use, subscribe| {
            let name = MailboxName::parse(name).unwrap_or_else(|_| MailboxName::inbox());
            AutoMailbox { name, special_use, subscribe }
        };
        Settings {
            location: Location::default(),
            auto_mailboxes: vec![
                auto("INBOX", None, true),
                auto("Drafts", Some(SpecialUse::Drafts), true),
                auto("Junk", Some(SpecialUse::Junk), true),
                auto("Trash", Some(SpecialUse::Trash), true),
                auto("Sent", Some(SpecialUse::Sent), true),
            ],
            hostname: "localhost".to_owned(),
            lock_wait: Duration::from_secs(122),
            lock_stale: Duration::from_secs(120),
            tmp_keep: Duration::from_secs(36 * 3600),
            quota: QuotaSettings::default(),
            compress: None,
            index: None,
            index_size: 2 << 30,
        }
    }
}
