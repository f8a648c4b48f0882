//! A message on its way in.

use mail::date::DateTime;
use mail::{Flags, Keyword, Uid, UidValidity};

use crate::Result;

/// A message being written to `tmp/`. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {}

/// Where an appended message is now (RFC 4315 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub uid_validity: UidValidity,
    pub uid: Uid,
}

impl Draft {
    /// Adds content with CR LF line ends, cut anywhere.
    pub fn write(&mut self, _crlf_bytes: &[u8]) -> Result<()> {
        unimplemented!()
    }

    /// Puts the message into `new/`, durably and without any lock.
    pub fn deliver(self) -> Result<()> {
        unimplemented!()
    }

    /// Puts the message into `cur/` with these flags, durably, and gives it its UID under the lock.
    pub fn append(self, _flags: Flags, _keywords: &[Keyword], _internal_date: Option<DateTime>) -> Result<Appended> {
        unimplemented!()
    }
}
