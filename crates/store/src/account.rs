//! Accounts: the mailboxes of one user below one home directory.

use std::path::Path;
use std::sync::Arc;

use disk::Disk;
use mail::{MailboxName, ModSeq, Uid, UidValidity};

use crate::{Draft, Mailbox, Result, Settings, SpecialUse};

/// All accounts that this process has open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    pub fn new(_disk: Arc<dyn Disk>, _settings: Settings) -> Store {
        unimplemented!()
    }

    /// The account below this home directory; its Maildir is `HOME/maildir`. What is missing is made.
    pub fn account(&self, _home: &Path) -> Result<Arc<Account>> {
        unimplemented!()
    }
}

#[derive(Debug)]
pub struct Account {}

/// A line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: MailboxName,
    /// False for a name that is only there because mailboxes lie below it.
    pub selectable: bool,
    pub has_children: bool,
    pub special_use: Option<SpecialUse>,
    pub subscribed: bool,
    /// Whether it is on disk already: an auto mailbox is made when it is first opened.
    pub exists: bool,
}

/// What STATUS asks for (RFC 3501 §6.3.10, RFC 8438).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub messages: u32,
    pub recent: u32,
    pub unseen: u32,
    pub uid_next: Uid,
    pub uid_validity: UidValidity,
    /// The sum of the messages' sizes in CRLF octets.
    pub size: u64,
    pub highest_modseq: ModSeq,
}

impl Account {
    /// Every mailbox, sorted by name, with auto mailboxes and with missing parents as not selectable.
    pub fn list(&self) -> Result<Vec<Listed>> {
        unimplemented!()
    }

    /// Every subscribed name, whether or not it exists.
    pub fn subscriptions(&self) -> Result<Vec<MailboxName>> {
        unimplemented!()
    }

    pub fn create(&self, _name: &MailboxName, _special_use: Option<SpecialUse>) -> Result<()> {
        unimplemented!()
    }

    pub fn delete(&self, _name: &MailboxName) -> Result<()> {
        unimplemented!()
    }

    /// Children move along. INBOX stays and its messages move (RFC 3501 §6.3.5).
    pub fn rename(self: &Arc<Self>, _from: &MailboxName, _to: &MailboxName) -> Result<()> {
        unimplemented!()
    }

    pub fn subscribe(&self, _name: &MailboxName) -> Result<()> {
        unimplemented!()
    }

    pub fn unsubscribe(&self, _name: &MailboxName) -> Result<()> {
        unimplemented!()
    }

    /// The mailbox, shared with everybody in this process who has it open. Auto mailboxes are made.
    pub fn open(self: &Arc<Self>, _name: &MailboxName) -> Result<Arc<Mailbox>> {
        unimplemented!()
    }

    pub fn status(self: &Arc<Self>, _name: &MailboxName) -> Result<Status> {
        unimplemented!()
    }

    /// Begins a message for a mailbox: a file in its `tmp/`.
    pub fn draft(self: &Arc<Self>, _name: &MailboxName) -> Result<Draft> {
        unimplemented!()
    }
}
