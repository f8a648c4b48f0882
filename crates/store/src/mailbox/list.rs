//! The list of UIDs on disk: reading it, giving UIDs to new files, and writing it without what is gone.
//!
//! In memory only UIDs and names are kept; what else a line has is read again when the list is written anew.

use std::collections::{BTreeMap, HashSet};

use disk::Dotlock;
use mail::Uid;

use super::Mailbox;
use super::record::own_stamp;
use super::view::{Found, Work};
use crate::file_name::{self, Base};
use crate::folder::{Stamp, UIDLIST};
use crate::journal::History;
use crate::names::Names;
use crate::plain_list::PlainList;
use crate::uidlist::{Entry, GUID, Head, Newcomer, ORDER, Parsed, UNIQUE_ID, Uidlist};
use crate::{Error, Result, uid_validity};

/// What the list of UIDs says of a message. Octets that are not UTF-8 are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing<'a> {
    pub uid: Uid,
    /// Of its file's name, without the flags.
    pub base: &'a str,
    pub guid: &'a str,
    /// What POP3 clients know it by, where that was saved.
    pub unique_id: Option<&'a str>,
    /// Its place among the messages that POP3 shows, where a migration saved it: in ascending order, before all without one.
    pub order: Option<u32>,
}

/// The first line as it is meant now, the UIDs given, and how the list looks.
type Given = (Head, Vec<Uid>, Option<Stamp>);

impl Mailbox {
    pub(super) fn read_list(&self, work: &mut Work) -> Result<()> {
        if let Some(PlainList { head, names, tells_pop3, has_guids, .. }) = self.folder.read_plain_list()? {
            self.identify(Some(&head))?;
            work.list_appendable = true;
            (work.list_tells_pop3, work.list_has_guids) = (tells_pop3, has_guids);
            (work.names, work.list) = (names, Some(head));
            return Ok(());
        }
        let content = self.folder.read_uidlist()?;
        let parsed = content.as_deref().and_then(Uidlist::parse);
        self.tell_damage(content.is_some(), parsed.as_ref());
        self.identify(parsed.as_ref().map(|parsed| &parsed.list.head))?;
        work.list_appendable = parsed.as_ref().is_some_and(|parsed| parsed.appendable);
        work.names = parsed.as_ref().map(|parsed| names(&parsed.list)).unwrap_or_default();
        let any =
            |has: fn(&Entry<'_>) -> bool| parsed.as_ref().is_some_and(|parsed| parsed.list.entries.iter().any(has));
        work.list_tells_pop3 = any(|entry| entry.is_of_pop3());
        work.list_has_guids = any(|entry| entry.field(GUID).is_some());
        work.list = parsed.map(|parsed| parsed.list.head);
        Ok(())
    }

    /// The list that was read first makes the mailbox itself; another one is another mailbox's.
    fn identify(&self, head: Option<&Head>) -> Result<()> {
        let validity = head.map(|head| head.validity);
        if self.identity.get().is_some_and(|known| Some(*known) != validity) {
            return Err(Error::NoSuchMailbox);
        }
        if let Some(validity) = validity {
            self.identity.get_or_init(|| validity);
        }
        Ok(())
    }

    /// Said once for each version of the file that is read.
    fn tell_damage(&self, is_there: bool, parsed: Option<&Parsed<'_>>) {
        let file = || self.folder.join(UIDLIST).display().to_string();
        match parsed {
            None if is_there => {
                tracing::error!(file = file(), "list of UIDs cannot be read; the mailbox gets a new UIDVALIDITY");
            }
            Some(parsed) if parsed.damaged_lines > 0 => {
                let lines = parsed.damaged_lines;
                tracing::warn!(
                    file = file(),
                    lines,
                    "list of UIDs has lines that make no sense; their messages get new UIDs"
                );
            }
            _ => {}
        }
    }

    /// Whether the list says of some message how POP3 shows it: by which unique-id, or in which place.
    pub fn tells_pop3(&self) -> Result<bool> {
        self.with_work(|work| Ok(work.list_tells_pop3))
    }

    /// Reads, for POP3, what the list says of each message that is there or was there not long ago.
    pub fn each_listed(&self, mut each: impl FnMut(&Listing<'_>)) -> Result<()> {
        let content = self.folder.read_uidlist()?.unwrap_or_default();
        let Some(Parsed { list, .. }) = Uidlist::parse(&content) else { return Err(Error::NoSuchMailbox) };
        let mut guids = HashSet::new();
        for entry in &list.entries {
            let text = |octets: &'_ [u8]| String::from_utf8_lossy(octets).into_owned();
            let base = text(entry.base);
            // Copies of one message have its GUID; RFC 1939 §7 wants unique-ids that are unique.
            let guid = entry.field(GUID).filter(|guid| !guid.is_empty() && guids.insert(*guid)).map(text);
            // Dovecot leaves out a unique-id that is the base of the file's name.
            let saved = entry.field(UNIQUE_ID).map(|saved| if saved.is_empty() { base.clone() } else { text(saved) });
            each(&Listing {
                uid: entry.uid,
                base: &base,
                guid: guid.as_deref().unwrap_or(&base),
                unique_id: saved.as_deref(),
                order: entry.field(ORDER).and_then(|order| std::str::from_utf8(order).ok()?.parse().ok()),
            });
        }
        Ok(())
    }

    /// Writes down what POP3 clients know messages by, for those of whom nothing is saved yet (`pop3_save_uidl`).
    pub fn save_unique_ids(&self, told: &BTreeMap<Uid, String>) -> Result<()> {
        self.with_lock(|work, lock| {
            let content = self.folder.read_uidlist()?;
            let parse = || content.as_deref().and_then(Uidlist::parse).ok_or(Error::NoSuchMailbox);
            let mut dressed = BTreeMap::new();
            for entry in &parse()?.list.entries {
                let told = told.get(&entry.uid).filter(|_| entry.field(UNIQUE_ID).is_none());
                if let Some(told) = told {
                    // As Dovecot has it: nothing stands for the base of the file's name.
                    let told = if told.as_bytes() == entry.base { &[] } else { told.as_bytes() };
                    dressed.insert(entry.uid, entry.fields_with(UNIQUE_ID, told));
                }
            }
            if dressed.is_empty() {
                return Ok(());
            }
            let mut list = parse()?.list;
            list.dress(&dressed);
            self.put_list(work, &list, lock)?;
            work.list_tells_pop3 = true;
            Ok(())
        })
    }

    /// Gives UIDs, in the order of delivery, to files that have none. Makes the list if there is none.
    pub(super) fn list_strangers(&self, work: &mut Work, lock: &Dotlock<'_>) -> Result<()> {
        if work.list.is_none() {
            let validity = uid_validity::next(&*self.folder.disk, &self.root)?;
            self.identity.get_or_init(|| validity);
            work.list = Some(Head::new(validity, self.new_guid()));
            work.list_appendable = false;
            work.mark_changed();
        }
        let mut strangers = std::mem::take(&mut work.strangers);
        if strangers.is_empty() && work.list_appendable {
            return Ok(());
        }
        strangers
            .sort_by_cached_key(|found: &Found| (file_name::delivery_order(&found.base), Base::clone(&found.base)));
        let bases: Vec<Newcomer<'_>> = strangers.iter().map(|found| Newcomer::new(&found.base)).collect();
        for (uid, found) in self.give_uids(work, lock, &bases)?.into_iter().zip(&strangers) {
            work.put(uid, Some(found));
        }
        work.mark_changed();
        Ok(())
    }

    /// Gives UIDs to files and writes them down, durably.
    pub(super) fn give_uids(
        &self,
        work: &mut Work,
        lock: &Dotlock<'_>,
        newcomers: &[Newcomer<'_>],
    ) -> Result<Vec<Uid>> {
        let mut head = work.list.take().ok_or(Error::NoSuchMailbox)?;
        // A list that lost its last lines, or is an older copy of itself, does not know all UIDs that were told.
        let told = work.history.as_ref().filter(|history| history.validity == head.validity);
        let told = told.and_then(History::highest_uid);
        told.into_iter().for_each(|uid| head.raise_above(uid));
        let given = match work.list_appendable {
            true => self.append_list(head, &work.names, newcomers, lock),
            false => self.rewrite_list(head, told, newcomers, lock),
        };
        let (head, uids, stamp) = match given {
            Ok(given) => given,
            Err(error) => {
                // What is on disk now is not known; the next look reads it again.
                work.distrust();
                return Err(error);
            }
        };
        work.list = Some(head);
        work.list_appendable = true;
        uids.iter().zip(newcomers).for_each(|(uid, newcomer)| work.names.push(*uid, newcomer.base));
        work.list_has_guids |= newcomers.iter().any(Newcomer::has_fields);
        work.list_stamp = stamp;
        Ok(uids)
    }

    fn append_list(&self, head: Head, names: &Names, newcomers: &[Newcomer<'_>], lock: &Dotlock<'_>) -> Result<Given> {
        let mut list = Uidlist::new(head);
        list.give(newcomers).ok_or_else(|| self.used_up())?;
        let mut lines = Vec::new();
        list.encode_entries(0, &mut lines);
        // Opened before we ask: who overrides our lock after that gives the list another inode.
        let mut file = self.folder.disk.append(&self.folder.join(UIDLIST))?;
        lock.verify()?;
        let before = file.len();
        let stamp = if before == 0 {
            // Somebody took it away a moment ago; what it said is known.
            let mut known = Vec::with_capacity(names.len());
            names.each(|uid, base| known.push((uid, Base::from(base))));
            let mut whole = Uidlist::of(list.head.clone(), known.iter().map(|(uid, base)| (*uid, &**base)));
            whole.entries.extend(list.entries.iter().copied());
            lock.replace_with(&whole.encode())?;
            self.own_look(UIDLIST, lock)?
        } else {
            let written = file.write_all(&lines).and_then(|()| file.sync());
            if written.is_err() && file.truncate(before).is_err() {
                self.take_back(before, lock);
            }
            written?;
            // Nobody is told these UIDs if the list is another's by now.
            Some(own_stamp(&*file, lock)?)
        };
        Ok((list.head, list.entries.into_iter().map(|entry| entry.uid).collect(), stamp))
    }

    /// Lines that were not synced cannot be cut off any more. Others would take them for durable, so the list is written anew
    /// without them; where that fails too, it is written anew as it is before anybody has the lock.
    fn take_back(&self, before: u64, lock: &Dotlock<'_>) {
        let content = self.folder.read_uidlist().ok().flatten();
        let known = content.as_deref().and_then(|content| content.get(..usize::try_from(before).ok()?));
        if known.is_none_or(|known| lock.replace_with(known).is_err()) {
            lock.settle_at_end();
        }
    }

    /// Writes a list that is new, or that had to be repaired.
    fn rewrite_list(
        &self,
        head: Head,
        told: Option<Uid>,
        newcomers: &[Newcomer<'_>],
        lock: &Dotlock<'_>,
    ) -> Result<Given> {
        let content = self.folder.read_uidlist()?;
        let known = content.as_deref().and_then(Uidlist::parse).map(|parsed| parsed.list);
        let mut list = known.unwrap_or_else(|| Uidlist::new(head));
        told.into_iter().for_each(|uid| list.head.raise_above(uid));
        let start = list.give(newcomers).ok_or_else(|| self.used_up())?;
        lock.replace_with(&list.encode())?;
        let uids = list.entries.iter().skip(start).map(|entry| entry.uid).collect();
        Ok((list.head, uids, self.own_look(UIDLIST, lock)?))
    }

    /// Writes the list without most of the messages that are gone, once they are the greater part of it.
    pub(super) fn compact_list(&self, work: &mut Work, lock: &Dotlock<'_>) -> Result<()> {
        const DEAD_MIN: usize = 100;
        let live = work.count();
        let dead = work.names.len().saturating_sub(live);
        if dead < DEAD_MIN || dead < live {
            return Ok(());
        }
        let content = self.folder.read_uidlist()?;
        let Some(Parsed { mut list, .. }) = content.as_deref().and_then(Uidlist::parse) else { return Ok(()) };
        // The last line stays: it is what says that the highest UID was given.
        let last = list.entries.last().map(|entry| entry.uid);
        list.entries.retain(|entry| work.is_there(entry.uid) || last == Some(entry.uid));
        self.put_list(work, &list, lock)
    }

    /// Gives a GUID to a list that has none, as those of old versions.
    pub(super) fn give_guid(&self, work: &mut Work, lock: &Dotlock<'_>) -> Result<()> {
        let content = self.folder.read_uidlist()?;
        let parsed = content.as_deref().and_then(Uidlist::parse);
        let Some(Parsed { mut list, .. }) = parsed else { return Err(Error::NoSuchMailbox) };
        list.head.name(self.new_guid());
        self.put_list(work, &list, lock)?;
        work.list = Some(list.head);
        Ok(())
    }

    fn put_list(&self, work: &mut Work, list: &Uidlist<'_>, lock: &Dotlock<'_>) -> Result<()> {
        lock.replace_with(&list.encode())?;
        work.names = names(list);
        work.list_appendable = true;
        work.list_stamp = self.own_look(UIDLIST, lock)?;
        Ok(())
    }

    fn used_up(&self) -> Error {
        Error::Damaged { path: self.folder.join(UIDLIST), what: "all UIDs are used up" }
    }

    /// 128 bits that no other mailbox has: the time, the process and a count, mixed by two differently keyed hashes.
    fn new_guid(&self) -> String {
        crate::draft::unique_number(&*self.folder.disk, &self.folder.settings.hostname)
    }
}

fn names(list: &Uidlist<'_>) -> Names {
    let mut names = Names::default();
    list.entries.iter().for_each(|entry| names.push(entry.uid, entry.base));
    names.shrink();
    names
}
