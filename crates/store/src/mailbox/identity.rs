//! What a mailbox and its messages are known by (RFC 8474), and since when a message is in its mailbox (RFC 8514).
//!
//! A mailbox has the GUID of its list's first line, as with Dovecot. A message has that of its line there (`G`), which copies
//! get from what they are copies of; where a line has none, it is the base of its file's name, as with Dovecot. A GUID of 32
//! hex digits is an identifier as it stands, of any other the hash is. So nothing is kept that is not in the mailbox's files,
//! and every node says the same.

use mail::date::DateTime;
use mail::{ObjectId, Uid};
use xxhash_rust::xxh3::xxh3_128;

use super::Mailbox;
use super::view::Work;
use crate::folder::Stamp;
use crate::uidlist::{GUID, Head, Uidlist};
use crate::{Error, Result, file_name};

/// The GUIDs that stand in a list, and how it looked when they were read. Read for whom asks, and only where there are any.
#[derive(Debug, Default)]
pub(super) struct Guids {
    stamp: Option<Stamp>,
    /// Ascending.
    of: Vec<(Uid, ObjectId)>,
}

/// By what something of this GUID is known.
pub(crate) fn of_guid(guid: &[u8]) -> ObjectId {
    ObjectId::of_hex(guid).unwrap_or_else(|| ObjectId::new(xxh3_128(guid)))
}

impl Guids {
    fn get(&self, uid: Uid) -> Option<ObjectId> {
        let at = self.of.binary_search_by_key(&uid, |(uid, _)| *uid).ok()?;
        self.of.get(at).map(|(_, id)| *id)
    }
}

impl Mailbox {
    /// The same as long as the mailbox lives, under whatever name. A list without a GUID gets one.
    pub fn id(&self) -> Result<ObjectId> {
        let known = |work: &mut Work| work.list.as_ref().and_then(Head::guid).map(of_guid);
        if let Some(id) = self.with_work(|work| Ok(known(work)))? {
            return Ok(id);
        }
        self.with_lock(|work, lock| {
            if known(work).is_none() {
                self.give_guid(work, lock)?;
            }
            known(work).ok_or(Error::NoSuchMailbox)
        })
    }

    /// What messages are known by; `None` for those that are gone.
    pub fn email_ids(&self, uids: &[Uid]) -> Result<Vec<Option<ObjectId>>> {
        self.with_work(|work| {
            self.know_guids(work)?;
            let of_names = work.map_bases(uids, of_guid);
            let id = |(uid, of_name): (&Uid, Option<ObjectId>)| of_name.map(|id| work.guids.get(*uid).unwrap_or(id));
            Ok(uids.iter().zip(of_names).map(id).collect())
        })
    }

    /// When messages were put into this mailbox: a file that another program named may not tell, and is as old as it says of
    /// itself. `None` for those that are gone.
    pub(crate) fn saved(&self, uids: &[Uid]) -> Result<Vec<Option<DateTime>>> {
        let told = self.with_work(|work| Ok(work.map_bases(uids, file_name::since)))?;
        let date = |(uid, told): (&Uid, Option<Option<i64>>)| match told {
            None => Ok(None),
            Some(Some(seconds)) => Ok(Some(DateTime::utc(seconds))),
            Some(None) => match self.facts(*uid) {
                Ok(facts) => Ok(Some(facts.internal_date)),
                Err(Error::Gone) => Ok(None),
                Err(error) => Err(error),
            },
        };
        uids.iter().zip(told).map(date).collect()
    }

    fn know_guids(&self, work: &mut Work) -> Result<()> {
        if !work.list_has_guids {
            work.guids = Guids::default();
            return Ok(());
        }
        if work.guids.stamp.is_some() && work.guids.stamp == work.list_stamp {
            return Ok(());
        }
        let content = self.folder.read_uidlist()?;
        let list = content.as_deref().and_then(Uidlist::parse).map(|parsed| parsed.list);
        let entries = list.iter().flat_map(|list| &list.entries);
        let of = entries.filter_map(|entry| Some((entry.uid, of_guid(entry.field(GUID)?)))).collect();
        work.guids = Guids { stamp: work.list_stamp, of };
        Ok(())
    }
}
