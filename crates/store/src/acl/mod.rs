//! Who may do what with a mailbox (RFC 4314), in the files of Dovecot's `acl` plugin with its `vfile` backend.
//!
//! `dovecot-acl` in a mailbox is the truth. `dovecot-acl-list` in the account's Maildir, and the dictionary of who shares
//! something with whom, are made from it: they say where to look, and never what is allowed.
//!
//! Knows no login, no group's members and no protocol: a [`Viewer`] says who looks.

mod dict;
mod file;
mod judge;
mod mailboxes;
mod remembered;

pub(crate) use remembered::Remembered;

pub use dict::{SharedDict, SharedTo};
pub use file::{Acl, Row};
pub use judge::Viewer;
pub use mail::acl::{Identifier, Right, Rights};
