//! A message on its way in: a file in `tmp/` that nobody sees until it is delivered or appended.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use disk::Disk;
use mail::date::DateTime;
use mail::{Flags, Keyword, MailboxName, Uid, UidValidity};

use crate::crlf::ToLf;
use crate::file_name::{self, Base};
use crate::folder::{CUR, Folder, NEW, TMP};
use crate::index::{Key, Learner};
use crate::mailbox::{Staged, facts_of};
use crate::packed::ContentFile;
use crate::quota::{Amount, Passage};
use crate::{Account, Error, Original, Prepared, Result};

/// Content is written in pieces of about this many octets.
const PIECE: usize = 64 << 10;

/// A message being written to `tmp/`. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    account: Arc<Account>,
    mailbox: MailboxName,
    folder: Folder,
    unique: String,
    /// `None` once the message has left `tmp/`.
    tmp: Option<PathBuf>,
    file: ContentFile,
    to_lf: ToLf,
    pending: Vec<u8>,
    /// Learns what this node will be asked for.
    learner: Option<Learner>,
}

/// Where an appended message is now (RFC 4315 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub uid_validity: UidValidity,
    pub uid: Uid,
}

/// Names one delivery of one message to one recipient, so that a second attempt can be told from a second message. It is
/// part of the message's file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryKey(String);

impl DeliveryKey {
    /// From whatever names the delivery: the same text gives the same key on every node.
    pub fn new(delivery: &str) -> DeliveryKey {
        DeliveryKey(format!("D{:016x}", fnv1a(delivery)))
    }

    /// As [`unique_name`] takes it.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }

    /// As it stands in a file name: after the count, before the host.
    fn mark(&self) -> String {
        format!("{}.", self.0)
    }

    /// Whether the message is in the mailbox, or was there before its uidlist was last rewritten.
    pub(crate) fn is_in(&self, folder: &Folder) -> Result<bool> {
        let mark = memchr::memmem::Finder::new(self.mark().as_bytes()).into_owned();
        for name in [NEW, CUR] {
            match folder.disk.list(&folder.join(name)) {
                Ok(entries) if entries.iter().any(|entry| mark.find(entry.name.as_encoded_bytes()).is_some()) => {
                    // Who delivered it may have died before it was durable.
                    folder.disk.sync_dir(&folder.join(name))?;
                    return Ok(true);
                }
                Ok(_) | Err(disk::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(folder.read_uidlist()?.is_some_and(|list| mark.find(&list).is_some()))
    }
}

/// The marks of deliveries in a mailbox at one moment.
#[derive(Debug, Clone, Default)]
pub struct Deliveries(HashSet<String>);

impl Deliveries {
    pub(crate) fn read(folder: &Folder) -> Result<Deliveries> {
        let mut marks = HashSet::new();
        for part in [NEW, CUR] {
            folder.scan(part, |name| marks.extend(mark_in(name.as_encoded_bytes())))?;
            // Who delivered them may have died before they were durable.
            folder.disk.sync_dir(&folder.join(part))?;
        }
        Ok(Deliveries(marks))
    }

    pub fn contains(&self, key: &DeliveryKey) -> bool {
        self.0.contains(&key.0)
    }
}

/// `…Q4D0123456789abcdef.HOST`
fn mark_in(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let unique = name.split('.').nth(1)?;
    let mark = unique.get(unique.len().checked_sub(17)?..)?;
    (mark.starts_with('D') && mark.bytes().skip(1).all(|byte| byte.is_ascii_hexdigit())).then(|| mark.to_owned())
}

impl Draft {
    pub(crate) fn begin(
        account: Arc<Account>,
        mailbox: MailboxName,
        folder: Folder,
        key: Option<&DeliveryKey>,
    ) -> Result<Draft> {
        let mark = key.map(|key| key.0.as_str()).unwrap_or_default();
        let unique = unique_name(&*folder.disk, &folder.settings.hostname, mark);
        let tmp = folder.join(TMP).join(&unique);
        let file = match folder.disk.create_new(&tmp) {
            Err(disk::Error::NotFound { .. }) => {
                // It is half made, or it was deleted a moment ago.
                account.made(&mailbox)?.complete(!mailbox.is_inbox())?;
                folder.disk.create_new(&tmp)?
            }
            other => other?,
        };
        let file = ContentFile::new(file, &tmp, folder.settings.compress);
        let learner = account.index_of(&folder).map(|_| Learner::default());
        let (to_lf, pending) = (ToLf::default(), Vec::new());
        Ok(Draft { account, mailbox, folder, unique, tmp: Some(tmp), file, to_lf, pending, learner })
    }

    /// Adds content with CR LF line ends, cut anywhere. It is stored with LF, as Dovecot does.
    pub fn write(&mut self, crlf_bytes: &[u8]) -> Result<()> {
        for piece in crlf_bytes.chunks(PIECE) {
            self.to_lf.feed(piece, &mut self.pending);
            if let Some(learner) = &mut self.learner {
                learner.feed(piece);
            }
            if self.pending.len() >= PIECE {
                self.file.write(&self.pending)?;
                self.pending.clear();
            }
        }
        Ok(())
    }

    /// Puts the message into `new/`, durably and, far below the account's quota, without any lock. It gets its UID from
    /// whoever looks first.
    pub fn deliver(self) -> Result<()> {
        self.deliver_as(Passage::Delivery, &|| true)
    }

    /// The same, if it is still wanted: asked once, right before the message can be seen. [`Error::Busy`]: it is not.
    pub fn deliver_if(self, wanted: &dyn Fn() -> bool) -> Result<()> {
        self.deliver_as(Passage::Delivery, wanted)
    }

    /// The same for a message from the platform itself, which is let in however full the account is.
    pub fn deliver_notice(self) -> Result<()> {
        self.deliver_as(Passage::Notice, &|| true)
    }

    fn deliver_as(mut self, passage: Passage<'_>, wanted: &dyn Fn() -> bool) -> Result<()> {
        let (tmp, base) = self.finish(None)?;
        let (disk, left) = (&self.folder.disk, &mut self.tmp);
        arrive(&self.folder, &self.mailbox, Amount::message(self.file.plain_len()), passage, |new| {
            if !wanted() {
                return Err(Error::Busy);
            }
            match disk.rename(&tmp, &new.join(file_name::join(&base, b""))) {
                // The mailbox was deleted or renamed while the message was written.
                Err(disk::Error::NotFound { .. }) => return Err(Error::NoSuchMailbox),
                other => other?,
            }
            *left = None;
            Ok(())
        })?;
        self.remember(&base);
        self.account.tell(&self.mailbox);
        Ok(())
    }

    /// Makes the content durable, so that it can be delivered into several mailboxes. It is in none of them yet.
    pub fn seal(mut self) -> Result<Original> {
        let (path, _) = self.finish(None)?;
        let size = self.to_lf.crlf_size;
        let facts = facts_of(&self.file.stat()?, size);
        let gist = self.learner.take().and_then(|learner| learner.finish(size));
        let sizes = (self.file.plain_len(), size);
        let original = Original::new(&self.folder, path, sizes, facts, gist)?;
        self.tmp = None;
        Ok(original)
    }

    /// Puts the message into `cur/` with these flags, durably, and gives it its UID under the lock. Keywords that find no
    /// letter any more are left out.
    pub fn append(self, flags: Flags, keywords: &[Keyword], internal_date: Option<DateTime>) -> Result<Appended> {
        self.append_as(Passage::Request, flags, keywords, internal_date)
    }

    /// The same for a delivery: the account may exceed its quota by the grace that [`Draft::deliver`] has.
    pub fn deliver_marked(self, flags: Flags, keywords: &[Keyword]) -> Result<()> {
        self.append_as(Passage::Delivery, flags, keywords, None).map(|_| ())
    }

    fn append_as(
        self,
        passage: Passage<'_>,
        flags: Flags,
        keywords: &[Keyword],
        internal_date: Option<DateTime>,
    ) -> Result<Appended> {
        let (account, mailbox) = (Arc::clone(&self.account), self.mailbox.clone());
        account.append_one(passage, &mailbox, self.prepare(flags, keywords.to_vec(), internal_date)?)
    }

    /// Makes the content durable, so that it can be appended together with others.
    pub fn prepare(
        mut self,
        flags: Flags,
        keywords: Vec<Keyword>,
        internal_date: Option<DateTime>,
    ) -> Result<Prepared> {
        let (path, base) = self.finish(internal_date)?;
        let (len, size) = (self.file.plain_len(), self.to_lf.crlf_size);
        let stat = self.learner.as_ref().and_then(|_| self.file.stat().ok());
        let learned = stat.zip(self.learner.take()).map(|(stat, learner)| {
            let facts = facts_of(&stat, size);
            (Key::of(&base), facts, learner.finish(size))
        });
        self.tmp = None;
        let staged = Some(Staged { path, base, flags, keywords, copy_of: None });
        Ok(Prepared { folder: self.folder.clone(), staged, len, learned })
    }

    /// Remembers what was learned while the content passed by. The message is kept whether or not that succeeds.
    fn remember(&mut self, base: &Base) {
        let Some((learner, index)) = self.learner.take().zip(self.account.index_of(&self.folder)) else { return };
        let Ok(stat) = self.file.stat() else { return };
        let size = self.to_lf.crlf_size;
        index.add(&[(Key::of(base), facts_of(&stat, size), learner.finish(size))]);
    }

    /// Writes the rest and makes the content durable.
    fn finish(&mut self, internal_date: Option<DateTime>) -> Result<(PathBuf, Base)> {
        self.to_lf.finish(&mut self.pending);
        self.file.finish(&self.pending)?;
        if let Some(time) = internal_date.and_then(system_time) {
            self.file.file().set_modified(time)?;
        }
        self.file.file().sync()?;
        let base = file_name::with_sizes(&self.unique, self.file.plain_len(), self.to_lf.crlf_size);
        Ok((self.tmp.clone().ok_or(Error::Gone)?, base))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(tmp) = &self.tmp {
            // What stays in `tmp/` is swept later.
            let _ = self.folder.disk.remove(tmp);
        }
    }
}

/// Lets a message appear in `new/`, if there is room for it, and makes that durable. `put` gives it its name there.
pub(crate) fn arrive(
    folder: &Folder,
    mailbox: &MailboxName,
    change: Amount,
    passage: Passage<'_>,
    put: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let new = folder.join(NEW);
    folder.quota.add(mailbox, change, passage, || {
        put(&new)?;
        folder.disk.sync_dir(&new)?;
        if folder.is_still_there()? { Ok(()) } else { Err(Error::NoSuchMailbox) }
    })
}

fn system_time(date: DateTime) -> Option<SystemTime> {
    let distance = Duration::from_secs(date.seconds.unsigned_abs());
    if date.seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

/// A name for a file that no other node, process or thread gives.
pub(crate) fn unique_name(disk: &dyn Disk, hostname: &str, mark: &str) -> String {
    let now = since_epoch(disk);
    let holder = disk.holder();
    let process = holder.split(':').next().unwrap_or_default();
    file_name::unique(now.as_secs(), now.subsec_micros(), process, disk.serial(), mark, hostname)
}

/// 32 hex digits that no other node, process or thread makes: time and count, process, host.
pub(crate) fn unique_number(disk: &dyn Disk, hostname: &str) -> String {
    let nanos = since_epoch(disk).as_nanos().wrapping_add(u128::from(disk.serial()));
    // FNV-1a: enough to tell a few hundred nodes apart, together with process and time.
    let hash = |text: &str| {
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    };
    format!("{:016x}{:08x}{:08x}", nanos & u128::from(u64::MAX), hash(&disk.holder()), hash(hostname))
}

pub(crate) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn since_epoch(disk: &dyn Disk) -> Duration {
    disk.now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
