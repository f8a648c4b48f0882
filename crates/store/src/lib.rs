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
mod file_name;
mod folder;
mod keywords;
mod layout;
mod listing;
mod mailbox;
mod message;
mod naming;
mod search;
mod settings;
mod special_use;
mod subscriptions;
mod uid_validity;
mod uidlist;
mod verify;
mod weak_map;

pub use account::{Account, Status, Store};
pub use draft::{Appended, DeliveryKey, Draft};
pub use error::{Error, Result};
pub use listing::Listed;
pub use mailbox::{Access, Copied, Facts, FlagChange, How, Mailbox, Watch};
pub use message::Message;
pub use search::TEXT_SEARCH_MAX;
pub use settings::{AutoMailbox, Settings, SpecialUse};
pub use verify::{Finding, Harm, verify};
