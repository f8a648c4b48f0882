//! The states of an entry and of a recipient, what lies on disk in each, and what an operator may do to them: one table
//! each, which the spool, the schedule, `verify` and docs/internals/queue.md share.

use mail::{Envelope, Outcome, QueueId, Reply};

use crate::Timestamp;

/// An accepted message with what became of it so far. The content stays on disk: [`crate::Spool::content`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: QueueId,
    pub arrived: Timestamp,
    pub envelope: Envelope,
    /// One for each recipient of the envelope, in its order.
    pub states: Vec<RecipientState>,
    /// Whether an operator, or a damaged status record, keeps it from being attempted.
    pub held: bool,
    /// Whether the sender was told of the delay.
    pub warned: bool,
    /// Octets of the content with its trace header.
    pub size: u64,
}

impl Entry {
    pub fn state(&self) -> EntryState {
        if self.held { EntryState::Held } else { EntryState::Queued }
    }
}

/// What became of one recipient so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientState {
    /// Not tried yet.
    Waiting,
    /// Tried `attempts` times; the next try is due at `next`.
    Deferred { reply: Reply, attempts: u32, next: Timestamp },
    /// The next hop has it.
    Delivered(Reply),
    /// It failed for good, and the sender was not told yet.
    Bounced(Reply),
    /// It failed for good, and the sender was told, or wanted or could not be told.
    Reported(Reply),
}

impl RecipientState {
    /// Whether nothing more is to be done for this recipient.
    pub fn is_final(&self) -> bool {
        self.row().is_final
    }

    /// Whether the next hop is still to be tried.
    pub fn is_open(&self) -> bool {
        self.row().is_open
    }

    /// The last answer of a next hop, or of our own policy.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            RecipientState::Waiting => None,
            RecipientState::Deferred { reply, .. } => Some(reply),
            RecipientState::Delivered(reply) | RecipientState::Bounced(reply) | RecipientState::Reported(reply) => {
                Some(reply)
            }
        }
    }

    /// The row of [`RECIPIENT_STATES`] for this state.
    pub fn row(&self) -> &'static RecipientRow {
        match self {
            RecipientState::Waiting => &RECIPIENT_STATES[0],
            RecipientState::Deferred { .. } => &RECIPIENT_STATES[1],
            RecipientState::Delivered(_) => &RECIPIENT_STATES[2],
            RecipientState::Bounced(_) => &RECIPIENT_STATES[3],
            RecipientState::Reported(_) => &RECIPIENT_STATES[4],
        }
    }

    /// The state after the last word of a next hop; `None` for a deferral, whose next try the schedule must name.
    pub(crate) fn after(outcome: &Outcome) -> Option<RecipientState> {
        match outcome {
            Outcome::Delivered(reply) => Some(RecipientState::Delivered(reply.clone())),
            Outcome::Bounced(reply) => Some(RecipientState::Bounced(reply.clone())),
            Outcome::Deferred(_) => None,
        }
    }
}

/// A row of the recipients' table.
#[derive(Debug, PartialEq, Eq)]
pub struct RecipientRow {
    pub name: &'static str,
    /// The octet that stands for it on disk. Never given to another state.
    pub tag: u8,
    /// Still to be tried.
    pub is_open: bool,
    /// Nothing more is to be done.
    pub is_final: bool,
    pub moved_on_by: &'static str,
}

#[rustfmt::skip]
pub const RECIPIENT_STATES: [RecipientRow; 5] = [
    RecipientRow { name: "waiting",   tag: 0, is_open: true,  is_final: false, moved_on_by: "the end of its first attempt" },
    RecipientRow { name: "deferred",  tag: 1, is_open: true,  is_final: false, moved_on_by: "the end of the next attempt" },
    RecipientRow { name: "delivered", tag: 2, is_open: false, is_final: true,  moved_on_by: "nobody" },
    RecipientRow { name: "bounced",   tag: 3, is_open: false, is_final: false, moved_on_by: "the commit of the report" },
    RecipientRow { name: "reported",  tag: 4, is_open: false, is_final: true,  moved_on_by: "nobody" },
];

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// Its content is arriving; nothing was acknowledged.
    Incoming,
    /// Acknowledged, and attempted when the schedule says so.
    Queued,
    /// Acknowledged, and not attempted until it is released.
    Held,
    /// Finished: delivered, reported, or removed by an operator.
    Removed,
    /// Set aside, because what the disk gave back is not what was written.
    Damaged,
}

/// What an operator may do to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Show,
    /// Try now instead of at the time the back-off says.
    Flush,
    Hold,
    Release,
    Remove,
}

/// Whether something lies on disk in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Always,
    /// When the content is larger than [`crate::SpoolSettings::inline_max`].
    IfLarge,
    /// Only what a crash left; the next opening takes it away.
    LeftByCrash,
    Never,
}

/// A row of the entries' table.
#[derive(Debug, PartialEq, Eq)]
pub struct EntryRow {
    pub state: EntryState,
    pub name: &'static str,
    /// Whether the log holds an acceptance of it without a removal.
    pub accepted_in_log: Presence,
    /// `content/ID.msg`.
    pub content_file: Presence,
    pub actions: &'static [Action],
    pub crash_leaves: &'static str,
}

#[rustfmt::skip]
pub const ENTRY_STATES: [EntryRow; 5] = [
    EntryRow { state: EntryState::Incoming, name: "incoming", accepted_in_log: Presence::Never,  content_file: Presence::IfLarge,
               actions: &[], crash_leaves: "a content file that the next opening removes" },
    EntryRow { state: EntryState::Queued,   name: "queued",   accepted_in_log: Presence::Always, content_file: Presence::IfLarge,
               actions: &[Action::Show, Action::Flush, Action::Hold, Action::Remove], crash_leaves: "the entry, queued" },
    EntryRow { state: EntryState::Held,     name: "held",     accepted_in_log: Presence::Always, content_file: Presence::IfLarge,
               actions: &[Action::Show, Action::Release, Action::Remove], crash_leaves: "the entry, held" },
    EntryRow { state: EntryState::Removed,  name: "removed",  accepted_in_log: Presence::Never,  content_file: Presence::LeftByCrash,
               actions: &[], crash_leaves: "a content file that the next opening removes" },
    EntryRow { state: EntryState::Damaged,  name: "damaged",  accepted_in_log: Presence::Never,  content_file: Presence::LeftByCrash,
               actions: &[], crash_leaves: "a content file that the next opening moves to damaged/" },
];

impl EntryState {
    /// The row of [`ENTRY_STATES`] for this state.
    pub fn row(self) -> &'static EntryRow {
        &ENTRY_STATES[self as usize]
    }

    pub fn allows(self, action: Action) -> bool {
        self.row().actions.contains(&action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_finds_its_own_row() {
        for (place, row) in ENTRY_STATES.iter().enumerate() {
            assert_eq!((row.state as usize, row.state.row()), (place, row));
        }
        let reply = || Reply::new(250, (2, 0, 0), "Ok");
        let deferred = RecipientState::Deferred { reply: reply(), attempts: 1, next: Timestamp(1) };
        let (delivered, bounced) = (RecipientState::Delivered(reply()), RecipientState::Bounced(reply()));
        let states = [RecipientState::Waiting, deferred, delivered, bounced, RecipientState::Reported(reply())];
        for (tag, name) in ["waiting", "deferred", "delivered", "bounced", "reported"].iter().enumerate() {
            assert_eq!((states[tag].row().tag as usize, states[tag].row().name), (tag, *name));
        }
    }

    #[test]
    fn the_table_in_the_book_has_the_same_states() {
        let book = include_str!("../../../docs/internals/queue.md");
        let names = ENTRY_STATES.iter().map(|row| row.name).chain(RECIPIENT_STATES.iter().map(|row| row.name));
        for name in names {
            assert!(book.contains(&format!("| {name} ")), "docs/internals/queue.md has no row for {name}");
        }
    }
}
