//! Accounts and mailboxes on a Maildir++ tree, in Dovecot 2.3's own formats. Blocking; knows no network.
//!
//! Truth lies in the files (docs/internals/store.md has the table of their states); what is in memory can be thrown away
//! at any moment. Any number of nodes, and Dovecot, may serve the same tree at once: content is delivered without a lock,
//! UIDs are given under Dovecot's own lock, a flag is changed by a rename that fails when somebody was faster.
//!
//! Must not know: protocols, users, passwords, how a message came here.

mod account;
mod acl;
mod begun;
mod changes;
mod crlf;
mod draft;
mod duplicates;
mod error;
mod file_name;
mod folder;
mod index;
mod inventory;
mod journal;
mod keywords;
mod lately;
mod layout;
mod listing;
mod location;
mod mailbox;
mod message;
mod names;
mod naming;
mod original;
mod packed;
mod plain_list;
mod pop3_lock;
mod prepared;
mod quota;
mod repair;
mod scripts;
mod search;
mod settings;
mod sort;
mod special_use;
mod subscriptions;
mod uid_validity;
mod uidlist;
mod varint;
mod verify;
mod weak_map;

pub use account::{Account, Status, Store};
pub use acl::{Acl, Identifier, Right, Rights, Row, SharedDict, SharedTo, Viewer};
pub use draft::{Appended, Deliveries, DeliveryKey, Draft};
pub use duplicates::{DUPLICATES_MAX, DuplicateKey, Duplicates};
pub use error::{Error, Result};
pub use inventory::{Inventory, Stored};
pub use journal::Vanished;
pub use listing::Listed;
pub use location::{BadLocation, Location};
pub use mailbox::{Access, Along, Copied, Facts, FlagChange, How, Listing, Mailbox, Outsides, Watch};
pub use message::Message;
pub use original::Original;
pub use packed::{ZstdLevel, unpacked};
pub use pop3_lock::{POP3_LOCK_TOUCH, Pop3Lock};
pub use prepared::{AppendedAll, Prepared};
pub use quota::{
    Amount, Crossing, Direction, QuotaFile, QuotaSettings, QuotaState, Resource, Threshold, begin_quota_life,
    end_quota_life,
};
pub use repair::{Repaired, reindex, repair};
pub use scripts::{ActiveScript, ScriptBounds, ScriptError, ScriptListing, Scripts};
pub use search::TEXT_SEARCH_MAX;
pub use settings::{AutoMailbox, Settings, SpecialUse};
pub use verify::{Finding, Harm, verify};
pub use weak_map::WeakMap;
