//! Accounts and mailboxes on a Maildir++ tree, in Dovecot 2.3's own formats. Blocking; knows no network.
//!
//! Truth lies in the files (docs/internals/store.md has the table of their states); what is in memory can be thrown away
//! at any moment. Any number of nodes, and Dovecot, may serve the same tree at once: content is delivered without a lock,
//! UIDs are given under Dovecot's own lock, a flag is changed by a rename that fails when somebody was faster.
//!
//! Must not know: protocols, users, passwords, how a message came here.

mod account;
mod crlf;
mod draft;
mod error;
mod mailbox;
mod message;
mod settings;
mod verify;

pub use account::{Account, Listed, Status, Store};
pub use draft::{Appended, Draft};
pub use error::{Error, Result};
pub use mailbox::{Access, Copied, Facts, FlagChange, How, Mailbox, Watch};
pub use message::Message;
pub use settings::{AutoMailbox, Settings, SpecialUse};
pub use verify::{Finding, Harm, verify};
