//! What a script is given, and what it asks of the world.

use mail::date::DateTime;

use super::Flags;
use crate::program::Location;
use crate::suite_call::{SuiteAnswer, SuiteRequest, SuiteState};
use crate::{Message, Problem, Score, Script};

/// How the message came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Without angle brackets; empty for the null path.
    pub from: String,
    /// The final recipient.
    pub to: String,
    /// The recipient as the sender gave it.
    pub original_to: Option<String>,
    /// Whom the message's sender logged in as.
    pub auth: Option<String>,
}

/// The bounds of one run. Beyond them the script fails, and the message is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Commands and tests.
    pub steps_max: u64,
    /// Octets looked at by comparisons, patterns counted with the length of what they look for.
    pub work_max: u64,
    pub actions_max: usize,
    pub redirects_max: usize,
    /// Octets of one variable; what is longer is cut (RFC 5229 §6).
    pub variable_size_max: usize,
    pub includes_max: usize,
    pub include_nesting_max: usize,
    /// Changes to the header, and its octets.
    pub edits_max: usize,
    pub header_size_max: usize,
    /// Octets by which `replace` and `enclose` may make a message larger.
    pub growth_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            steps_max: 1_000_000,
            work_max: 1 << 29,
            actions_max: 32,
            redirects_max: 4,
            variable_size_max: 4000,
            includes_max: 255,
            include_nesting_max: 10,
            edits_max: 100,
            header_size_max: 1 << 20,
            growth_max: 4 << 20,
        }
    }
}

/// Why an included script is not there.
#[derive(Debug)]
pub enum NotIncluded {
    Missing,
    Broken(Vec<Problem>),
    /// It could not be read now.
    Unavailable(String),
}

/// The questions of the language. All answers must be quick: a run waits for them.
pub trait World {
    /// The time, with the offset of the local zone.
    fn now(&mut self) -> DateTime;

    /// What separates user and detail (RFC 5233).
    fn recipient_delimiter(&self) -> &str {
        "+"
    }

    /// What the message has already (RFC 5232 §2: the internal variable begins so): nothing before it is delivered.
    fn flags(&mut self) -> Flags {
        Flags::new()
    }

    /// Whether the mailbox is there and may be delivered into (RFC 5490 §3.1).
    fn mailbox_exists(&mut self, _mailbox: &str) -> bool {
        false
    }

    /// Whether a mailbox with that use, as `\Junk`, is there; of the mailbox if one is named (RFC 8579 §4).
    fn special_use_exists(&mut self, _mailbox: Option<&str>, _use: &str) -> bool {
        false
    }

    /// Whether the id was seen under that handle within so many seconds. Remembering it is the caller's, once the actions
    /// are done: `Outcome::seen` says what to remember (RFC 7352 §3).
    fn duplicate_seen(&mut self, _handle: &str, _id: &str, _seconds: u64) -> bool {
        false
    }

    /// An item of RFC 5183 §4.1, its name in lower case.
    fn environment(&mut self, _name: &str) -> Option<String> {
        None
    }

    /// A compiled script (RFC 6609); its name stays within its folder.
    fn include(&mut self, _location: Location, _name: &str) -> Result<Script, NotIncluded> {
        Err(NotIncluded::Missing)
    }

    /// The verdict of the spam or virus filter upon this message; `None` if there was none.
    fn score(&mut self, _virus: bool, _message: &Message<'_>) -> Option<Score> {
        None
    }

    /// A line for the script's log.
    fn log(&mut self, _line: u32, _text: &str) {}

    /// Only for those who run test suites.
    fn suite(&mut self, request: SuiteRequest<'_>, _state: SuiteState<'_, '_>) -> SuiteAnswer {
        SuiteAnswer::Failed(format!("{} is for test suites only", request.name))
    }
}
