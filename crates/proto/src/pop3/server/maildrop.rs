//! The maildrop as it was when the session opened it, and the commands about all of it: STAT, LIST, UIDL, DELE, RSET,
//! LAST, QUIT.
//!
//! Message numbers never change within a session (RFC 1939 §5), whatever happens to the mailbox.

use std::fmt::Write;

use mail::Uid;

use super::{Pending, Phase, Server, refusal_in};
use crate::pop3::ask::{Answer, Ask, Drop, Refusal};
use crate::pop3::command::Fault;
use crate::pop3::response;
use crate::pop3::unique_id::UniqueIds;
use crate::session::Next;

/// The messages and what the client has done to them.
#[derive(Debug)]
pub(super) struct Maildrop {
    rows: Vec<Row>,
    unique_ids: UniqueIds,
    /// The highest number of a message that was ever fetched; nought: none (RFC 1460 §8).
    last: usize,
}

#[derive(Debug)]
struct Row {
    drop: Drop,
    deleted: bool,
    seen: bool,
}

/// A list that is being sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing {
    kind: List,
    /// Position of the next message.
    next: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Sizes,
    Uids,
}

/// Why there is no such message.
pub(super) enum Absent {
    Never(u32),
    Deleted,
}

impl Absent {
    fn response(&self) -> String {
        match self {
            Absent::Never(number) => response::err(&format!("There's no message {number}.")),
            Absent::Deleted => response::err("Message is deleted."),
        }
    }
}

impl Maildrop {
    pub(super) fn new(drops: Vec<Drop>, unique_ids: UniqueIds) -> Maildrop {
        let last = drops.iter().rposition(|drop| drop.seen).map_or(0, |index| index + 1);
        let rows = drops.into_iter().map(|drop| Row { drop, deleted: false, seen: false }).collect();
        Maildrop { rows, unique_ids, last }
    }

    fn row(&mut self, number: u32) -> Result<&mut Row, Absent> {
        let row = (number as usize).checked_sub(1).and_then(|index| self.rows.get_mut(index));
        match row {
            None => Err(Absent::Never(number)),
            Some(row) if row.deleted => Err(Absent::Deleted),
            Some(row) => Ok(row),
        }
    }

    fn kept(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.deleted)
    }

    fn uids(&self, wanted: impl Fn(&Row) -> bool) -> Vec<Uid> {
        self.rows.iter().filter(|row| wanted(row)).map(|row| row.drop.uid).collect()
    }

    fn line(&self, kind: List, index: usize) -> Option<String> {
        let row = self.rows.get(index).filter(|row| !row.deleted)?;
        Some(match kind {
            List::Sizes => format!("{} {}", index + 1, row.drop.size),
            List::Uids => format!("{} {}", index + 1, self.unique_ids.of(row.drop.uid)),
        })
    }
}

impl Server {
    pub(super) fn stat(&mut self) {
        let Some(maildrop) = &self.maildrop else { return };
        let size: u64 = maildrop.kept().map(|row| row.drop.size).fold(0, u64::saturating_add);
        let text = format!("{} {size}", maildrop.kept().count());
        self.say(&response::ok(&text));
    }

    pub(super) fn list(&mut self, message: Option<u32>) {
        let count = self.maildrop.as_ref().map_or(0, |maildrop| maildrop.kept().count());
        self.start_list(List::Sizes, message, &format!("{count} messages:"));
    }

    pub(super) fn uidl(&mut self, message: Option<u32>) {
        self.start_list(List::Uids, message, "");
    }

    fn start_list(&mut self, kind: List, message: Option<u32>, heading: &str) {
        let Some(number) = message else {
            self.say(&response::ok(heading));
            self.phase = Phase::Listing(Listing { kind, next: 0 });
            return;
        };
        let Some(maildrop) = &mut self.maildrop else { return };
        let text = match maildrop.row(number).map(|_| ()) {
            Ok(()) => response::ok(&maildrop.line(kind, number as usize - 1).unwrap_or_default()),
            Err(absent) => absent.response(),
        };
        self.say(&text);
    }

    /// Writes lines until the outbox is full, so that a list of a large maildrop is never whole in memory.
    pub(super) fn continue_listing(&mut self) -> Option<Next<Ask>> {
        let (Phase::Listing(listing), Some(maildrop)) = (&mut self.phase, &self.maildrop) else { return None };
        while listing.next < maildrop.rows.len() && !self.out.is_full() {
            if let Some(mut line) = maildrop.line(listing.kind, listing.next) {
                // Writing to a String cannot fail.
                let _ = write!(line, "\r\n");
                self.out.push(line.as_bytes());
            }
            listing.next += 1;
        }
        if listing.next == maildrop.rows.len() {
            self.out.push(b".\r\n");
            self.phase = Phase::Commands;
        }
        None
    }

    /// Finds a message for RETR and TOP; tells the client when there is none.
    pub(super) fn find_message(&mut self, number: u32) -> Option<Drop> {
        match self.maildrop.as_mut()?.row(number).map(|row| row.drop) {
            Ok(drop) => Some(drop),
            Err(absent) => {
                self.say(&absent.response());
                None
            }
        }
    }

    /// RETR was sent whole.
    pub(super) fn mark_seen(&mut self, number: u32) {
        let Some(maildrop) = &mut self.maildrop else { return };
        if let Ok(row) = maildrop.row(number) {
            row.seen = true;
            maildrop.last = maildrop.last.max(number as usize);
        }
    }

    pub(super) fn delete(&mut self, number: u32) {
        let Some(maildrop) = &mut self.maildrop else { return };
        let text = match maildrop.row(number) {
            Ok(row) => {
                row.deleted = true;
                response::ok("Marked to be deleted.")
            }
            Err(absent) => absent.response(),
        };
        self.say(&text);
    }

    pub(super) fn reset(&mut self) {
        let Some(maildrop) = &mut self.maildrop else { return };
        for row in &mut maildrop.rows {
            (row.deleted, row.seen) = (false, false);
        }
        // RFC 1460 §8.
        maildrop.last = 0;
        self.say(&response::ok(""));
    }

    pub(super) fn last(&mut self) {
        match &self.maildrop {
            Some(maildrop) if self.profile.last => {
                let text = maildrop.last.to_string();
                self.say(&response::ok(&text));
            }
            _ => self.complain(&Fault::Unknown("LAST".to_owned())),
        }
    }

    // RFC 1939 §6: the UPDATE state.
    pub(super) fn quit(&mut self) {
        let Some(maildrop) = &self.maildrop else { return self.end(&response::ok("Logging out")) };
        let delete = maildrop.uids(|row| row.deleted);
        let seen = maildrop.uids(|row| row.seen && !row.deleted);
        if delete.is_empty() && seen.is_empty() {
            return self.end(&response::ok("Logging out."));
        }
        let deleted = !delete.is_empty();
        self.ask(Ask::Quit { delete, seen }, Pending::Quit { deleted });
    }

    pub(super) fn quit_answered(&mut self, answer: &Answer, deleted: bool) {
        let last_word = match answer {
            Answer::Done if deleted => response::ok("Logging out, messages deleted."),
            // RFC 1939 §6: -ERR only tells of messages that are still there.
            Answer::Done => response::ok("Logging out."),
            _ if !deleted => response::ok("Logging out."),
            _ => match refusal_in(answer) {
                Refusal::Temporary => response::err("[SYS/TEMP] Some deleted messages were not removed."),
                refusal => response::refusal(refusal),
            },
        };
        self.end(&last_word);
    }
}
