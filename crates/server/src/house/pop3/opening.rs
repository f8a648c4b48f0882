//! What a POP3 client is shown of INBOX: which messages, in which order, under which unique-ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::digest::{Fields, Want};
use mail::{Flags, MailboxName, Snapshot, Uid, header};
use proto::pop3::UniqueIds;
use proto::pop3::ask::Drop;
use store::{Access, Mailbox, Right, Rights, Viewer};

use super::Pop3Lock;
use crate::config::{DeletedFlag, Pop3Settings, UniqueIdSettings};

/// The header field that other servers and fetchmail wrote unique-ids into.
const UNIQUE_ID_FIELD: &str = "X-UIDL";

/// An open INBOX and what is shown of it.
pub struct Opened {
    pub mailbox: Arc<Mailbox>,
    pub rights: Rights,
    pub lock: Option<Pop3Lock>,
    pub drops: Vec<Drop>,
    pub unique_ids: UniqueIds,
}

/// Opens it. `None`: its owner has taken himself the right to read. Blocking.
pub fn open(
    account: &Arc<store::Account>,
    viewer: &Viewer,
    pop3: &Pop3Settings,
    ids: &UniqueIdSettings,
) -> store::Result<Option<Opened>> {
    let inbox = MailboxName::inbox();
    let rights = account.rights(&inbox, viewer)?;
    if !rights.has(Right::Read) {
        return Ok(None);
    }
    // Before anything is looked at: what the session before us removes we must not show.
    let lock = if pop3.lock_session { Some(account.pop3_lock()?) } else { None };
    let mailbox = account.open(&inbox)?;
    let snapshot = mailbox.sync(Access::Serve)?;
    let mut unique_ids = UniqueIds::new(ids.format.clone(), snapshot.uid_validity);
    let mut drops = drops(&mailbox, &snapshot, pop3, &mut unique_ids)?;
    let saved = told_by_list(&mailbox, &mut unique_ids, &mut drops)?;
    if ids.rename_duplicates {
        unique_ids.rename_duplicates(drops.iter().map(|drop| drop.uid));
    }
    if pop3.save_uidl {
        save(&mailbox, &unique_ids, &drops, &saved)?;
    }
    Ok(Some(Opened { mailbox, rights, lock, drops, unique_ids }))
}

/// The messages that are shown, by UID. Unique-ids in headers are given to them if the settings say so.
fn drops(
    mailbox: &Mailbox,
    snapshot: &Snapshot,
    pop3: &Pop3Settings,
    unique_ids: &mut UniqueIds,
) -> store::Result<Vec<Drop>> {
    let hidden = pop3.deleted_flag.as_ref().and_then(|flag| hiding(flag, snapshot));
    let shown = |flags: Flags| hidden.is_none_or(|hidden| !flags.contains(hidden));
    let uids: Vec<Uid> = snapshot.rows.iter().filter(|row| shown(row.flags)).map(|row| row.uid).collect();
    let fields = match pop3.reuse_xuidl {
        true => Fields::Named(vec![UNIQUE_ID_FIELD.to_ascii_lowercase().into_bytes()]),
        false => Fields::None,
    };
    let want = Want { fields, ..Want::FACTS };
    let (mut drops, mut rest) = (Vec::with_capacity(uids.len()), uids.as_slice());
    while !rest.is_empty() {
        let found = mailbox.digests(rest, &want)?;
        for digest in &found.digests {
            let seen = snapshot.row(digest.uid).is_some_and(|row| row.flags.contains(Flags::SEEN));
            drops.push(Drop { uid: digest.uid, size: digest.size, seen });
            let written = header::find(&digest.header, UNIQUE_ID_FIELD).filter(|_| pop3.reuse_xuidl);
            if let Some(written) = written {
                unique_ids.give(digest.uid, &String::from_utf8_lossy(&header::unfold(written.value)));
            }
        }
        rest = rest.get(found.looked_at.max(1)..).unwrap_or_default();
    }
    Ok(drops)
}

/// The flag in this mailbox; `None` where nothing can have it yet.
fn hiding(flag: &DeletedFlag, snapshot: &Snapshot) -> Option<Flags> {
    match flag {
        DeletedFlag::System(flags) => Some(*flags),
        DeletedFlag::Keyword(keyword) => snapshot.keywords.number(keyword).and_then(Flags::keyword),
    }
}

/// What the list of UIDs says for POP3: what was saved for the clients comes first, then what a header says, then what the format makes
/// of names. Puts the messages into the order that was saved. Gives those of whom a unique-id is saved.
fn told_by_list(mailbox: &Mailbox, unique_ids: &mut UniqueIds, drops: &mut [Drop]) -> store::Result<Vec<Uid>> {
    let wants_names = unique_ids.wants_names();
    let mut saved = Vec::new();
    if !wants_names && !mailbox.tells_pop3()? {
        return Ok(saved);
    }
    let mut places: BTreeMap<Uid, u32> = BTreeMap::new();
    mailbox.each_listed(|listing| {
        places.extend(listing.order.map(|place| (listing.uid, place)));
        if listing.unique_id.is_some_and(|told| unique_ids.give(listing.uid, told)) {
            saved.push(listing.uid);
        } else if wants_names && !unique_ids.is_given(listing.uid) {
            unique_ids.make(listing.uid, listing.base, listing.guid);
        }
    })?;
    if !places.is_empty() {
        drops.sort_by_key(|drop| (places.get(&drop.uid).copied().unwrap_or(u32::MAX), drop.uid));
    }
    Ok(saved)
}

/// Saves what nobody has saved yet.
fn save(mailbox: &Mailbox, unique_ids: &UniqueIds, drops: &[Drop], saved: &[Uid]) -> store::Result<()> {
    // In the order of the list, which is that of UIDs.
    let is_saved = |uid: &Uid| saved.binary_search(uid).is_ok();
    let new = drops.iter().map(|drop| drop.uid).filter(|uid| !is_saved(uid));
    let new: BTreeMap<Uid, String> = new.map(|uid| (uid, unique_ids.of(uid))).collect();
    if new.is_empty() { Ok(()) } else { mailbox.save_unique_ids(&new) }
}
