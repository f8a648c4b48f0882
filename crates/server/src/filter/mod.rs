//! What users say about their mail in Sieve scripts: the language is the room `sieve`, where scripts lie is the room `store`, and
//! what they decide about a message is carried out here.
//!
//! `sequence` knows which scripts run, `world` what they hear, `carry_out` does what they want, `reply` sends the answers of
//! `vacation`, `notify` notifications, `log` tells the user what failed. Promise: whatever a script does wrong, the message is kept (RFC 5228 §2.10.6).

mod carry_out;
mod check;
mod log;
mod notify;
mod programs;
mod reply;
mod sequence;
mod world;

use proto::managesieve::Language;
use sieve::{Extension, Extensions, Options};

pub use carry_out::{Delivery, deliver};
pub use check::{Verdict, check};
pub use programs::Programs;
pub use sequence::sources;
pub(crate) use world::own_mailbox;

/// What the language has and the deliveries of this house have not.
const WITHOUT: [Extension; 3] = [Extension::SpamTest, Extension::SpamTestPlus, Extension::VirusTest];
/// How `notify` tells (RFC 5436), as ManageSieve says it.
const NOTIFY: &str = "mailto";

/// What scripts may say here, as ManageSieve tells it.
pub fn language(redirects_max: u32) -> Language {
    let extensions = extensions().names().collect::<Vec<_>>().join(" ");
    Language { extensions, notify: Some(NOTIFY.to_owned()), redirects_max }
}

/// How scripts are compiled, to be checked and to be run.
pub fn options() -> Options {
    Options { extensions: extensions(), ..Options::default() }
}

fn extensions() -> Extensions {
    WITHOUT.into_iter().fold(Extensions::offered(), Extensions::without)
}
