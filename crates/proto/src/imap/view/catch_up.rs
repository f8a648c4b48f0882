//! How the client is brought up to date: the untagged responses that tell what changed since it was last told.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::{NumberSet, Row, Rows, Snapshot, Uid};

use super::{Told, View, modseq_item};
use crate::Outbox;
use crate::imap::context::Enabled;

/// What may be told, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telling {
    /// Without, expunges are kept back, and with them the sequence numbers (RFC 3501 §7.4.1).
    pub expunges: bool,
    /// Flags that changed are told with the UID, as answers to UID commands must.
    pub uids: bool,
    pub enabled: Enabled,
}

/// What changes in a view that catches up.
struct News {
    rows: Rows,
    /// Ascending, with their positions.
    expunged: Vec<(usize, Uid)>,
    kept_back: bool,
    /// Messages of which the client believes something else than is so, ascending, and what it believes.
    changed: BTreeMap<Uid, Told>,
}

impl View {
    /// Tells the client what changed since it was last told.
    pub fn catch_up(&mut self, telling: Telling, out: &mut Outbox) {
        self.announce_keywords(out);
        if Arc::ptr_eq(&self.shown, &self.latest) && self.told.is_empty() {
            return;
        }
        let (count, recent_count) = (self.shown.rows.len(), self.recent().count());
        let news = self.news(telling);
        write_expunged(&news.expunged, telling.enabled, out);
        let grown = news.rows.len() > count - news.expunged.len();
        self.shown = same_or_new(&self.latest, news.rows);
        self.told.clear();
        self.recent.retain(|uid| self.shown.position(*uid).is_some() || self.latest.position(*uid).is_some());
        if grown {
            out.push(format!("* {} EXISTS\r\n", self.shown.rows.len()).as_bytes());
        }
        let recent_now = self.recent().count();
        if recent_now != recent_count {
            out.push(format!("* {recent_now} RECENT\r\n").as_bytes());
        }
        for (uid, told) in news.changed {
            self.write_changed(uid, told, telling, out);
        }
        if !news.kept_back {
            self.synced = self.latest.highest_modseq;
        } else if telling.enabled.condstore {
            self.write_highest_modseq(out);
        }
    }

    /// What the client is going to know.
    fn news(&self, telling: Telling) -> News {
        let rows = self.latest.rows.clone();
        let mut news = News { rows, expunged: Vec::new(), kept_back: false, changed: BTreeMap::new() };
        let (mut otherwise, mut arrived) = (Vec::new(), Vec::new());
        for difference in self.shown.rows.compare(&self.latest.rows) {
            match (difference.before, difference.after) {
                (Some((position, row)), None) if telling.expunges => news.expunged.push((position, row.uid)),
                (Some((_, row)), None) => {
                    let Told { flags, modseq } = self.told(&row);
                    otherwise.push((row.uid, Some(Row { flags, modseq, ..row })));
                    news.kept_back = true;
                }
                (None, Some((_, row))) => arrived.push(row.uid),
                (Some((_, before)), Some(_)) => drop(news.changed.insert(before.uid, self.told(&before))),
                (None, None) => {}
            }
        }
        news.changed.extend(&self.told);
        // A UID that is new but not higher than the last one shown cannot be told without breaking the client's numbers; no
        // store may give one, and this view never shows it.
        let last = self.last_kept(telling.expunges);
        otherwise.extend(arrived.into_iter().filter(|uid| Some(*uid) <= last).map(|uid| (uid, None)));
        otherwise.sort_unstable_by_key(|(uid, _)| *uid);
        news.rows.edit(&otherwise);
        news.changed.retain(|uid, told| self.differs(*uid, *told, telling.enabled));
        news
    }

    /// The highest UID among the messages that the client keeps.
    fn last_kept(&self, expunges: bool) -> Option<Uid> {
        let kept = |row: &&Row| !expunges || self.is_there(row.uid);
        let positions = (0..self.shown.rows.len()).rev();
        positions.filter_map(|position| self.shown.rows.at(position)).find(kept).map(|row| row.uid)
    }

    /// Whether the client believes something else of a message that is there.
    fn differs(&self, uid: Uid, told: Told, enabled: Enabled) -> bool {
        let is_otherwise = |row: &Row| row.flags != told.flags || (enabled.condstore && row.modseq != told.modseq);
        self.latest.row(uid).is_some_and(is_otherwise)
    }

    // RFC 7162 §3.2.4: with CONDSTORE every FETCH that nobody asked for has UID and MODSEQ.
    fn write_changed(&self, uid: Uid, told: Told, telling: Telling, out: &mut Outbox) {
        let (Some(seq), Some(row)) = (self.seq(uid), self.latest.row(uid)) else { return };
        let Enabled { condstore, .. } = telling.enabled;
        out.push(format!("* {seq} FETCH (").as_bytes());
        if telling.uids || condstore {
            out.push(format!("UID {uid} ").as_bytes());
        }
        // Who stored silently needs the mod-sequence alone (RFC 7162 §3.1.3).
        if row.flags != told.flags {
            self.flags_item(uid, row.flags, out);
            out.push(if condstore { b" " } else { b"" });
        }
        if condstore {
            modseq_item(row.modseq, out);
        }
        out.push(b")\r\n");
    }
}

/// Each EXPUNGE shifts the numbers after it at once. RFC 7162 §3.2.10.2: with QRESYNC one VANISHED says them all.
fn write_expunged(expunged: &[(usize, Uid)], enabled: Enabled, out: &mut Outbox) {
    if enabled.qresync && !expunged.is_empty() {
        let uids = NumberSet::from_numbers(expunged.iter().map(|(_, uid)| uid.number()));
        return out.push(format!("* VANISHED {uids}\r\n").as_bytes());
    }
    for (before, (position, _)) in expunged.iter().enumerate() {
        out.push(format!("* {} EXPUNGE\r\n", position + 1 - before).as_bytes());
    }
}

/// The store's own snapshot when the rows are the same, so that all sessions share one.
fn same_or_new(latest: &Arc<Snapshot>, rows: Rows) -> Arc<Snapshot> {
    if latest.rows == rows {
        return Arc::clone(latest);
    }
    Arc::new(Snapshot {
        uid_validity: latest.uid_validity,
        uid_next: latest.uid_next,
        highest_modseq: latest.highest_modseq,
        keywords: latest.keywords.clone(),
        rows,
    })
}
