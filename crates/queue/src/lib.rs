//! The outgoing queue: a durable spool and the retry schedule. Blocking; knows no network.
//!
//! [`Spool`] keeps what was accepted until somebody says that it is finished, whatever power or process dies in
//! between. [`Schedule`] says what to try next: it is pure, told the time, and never sleeps. Neither knows the other;
//! the caller carries [`Entry`], [`RecipientState`] and [`Verdict`] between them:
//!
//! accept → [`Incoming::commit`] → [`Schedule::add`] → [`Schedule::due`] → attempt → [`Schedule::finished`] →
//! [`Spool::record`] → a report if the verdict asks for one ([`Incoming::commit_report`]) → [`Spool::remove`].
//!
//! Must not know: sockets, SMTP, routes, the text of a report.

mod error;
mod schedule;
mod spool;
mod state;
mod timestamp;

pub use error::{Error, Result};
pub use schedule::{Attempt, Destination, Schedule, ScheduleSettings, Verdict, Which};
pub use spool::{Content, Incoming, Mark, Recovered, Settles, Spool, SpoolSettings};
pub use state::{
    Action, ENTRY_STATES, Entry, EntryRow, EntryState, Presence, RECIPIENT_STATES, RecipientRow, RecipientState,
};
pub use timestamp::Timestamp;
