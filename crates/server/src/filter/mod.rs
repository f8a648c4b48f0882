//! What users say about their mail in Sieve scripts: the language is the room `sieve`, where scripts lie is the room `store`, and
//! what they decide about a message is carried out here.
//!
//! `sequence` knows which scripts run, `world` what they hear, `carry_out` does what they want, `reply` sends the answers of
//! `vacation`, `notify` notifications, `log` tells the user what failed. `stored` does the same with messages that
//! are kept already. Promise: whatever a script does wrong, the message is kept (RFC 5228 §2.10.6).

mod carry_out;
mod check;
mod log;
mod notify;
mod programs;
mod reply;
mod sequence;
mod stored;
mod world;

use proto::managesieve::Language;
use sieve::{Extension, Extensions, Options};

use crate::config::SieveSettings;

pub use carry_out::{Delivery, deliver};
pub use check::{Verdict, check};
pub use programs::Programs;
pub use sequence::sources;
pub use stored::{Discarded, Plan, Stays, Stored};
pub(crate) use world::own_mailbox;
pub use world::{Known, ScriptWorld, stored_items};

/// How `notify` tells (RFC 5436), as ManageSieve says it.
const NOTIFY: &str = "mailto";

/// What scripts may say here, as ManageSieve tells it.
pub fn language(settings: &SieveSettings) -> Language {
    let extensions = extensions(settings).names().collect::<Vec<_>>().join(" ");
    Language { extensions, notify: Some(NOTIFY.to_owned()), redirects_max: settings.redirects_max }
}

/// How scripts are compiled, to be checked and to be run.
pub fn options(settings: &SieveSettings) -> Options {
    Options { extensions: extensions(settings), ..Options::default() }
}

/// The verdicts of filters can be asked for only where it is known where they stand.
fn extensions(settings: &SieveSettings) -> Extensions {
    let spam = settings.spam.is_none().then_some([Extension::SpamTest, Extension::SpamTestPlus]);
    let virus = settings.virus.is_none().then_some(Extension::VirusTest);
    spam.into_iter().flatten().chain(virus).fold(Extensions::offered(), Extensions::without)
}
