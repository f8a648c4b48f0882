//! Sieve scripts and messages of any octets. A script and a message are divided by a line of three percent signs.

use mail::date::DateTime;
use sieve::{Action, Envelope, Limits, Location, Message, NotIncluded, Options, Script, World, compile};

const DIVIDER: &[u8] = b"\n%%%\n";

/// Parses and checks a script.
pub fn sieve_script(data: &[u8]) {
    match compile(data, &Options::default()) {
        Ok((_, problems)) => assert!(problems.iter().all(|problem| problem.severity == sieve::Severity::Warning)),
        Err(problems) => {
            assert!(problems.iter().any(|problem| problem.severity == sieve::Severity::Error));
            let lines = data.iter().filter(|&&byte| byte == b'\n').count() + 1;
            assert!(problems.iter().all(|problem| (1..=lines).contains(&(problem.line as usize))), "{problems:?}");
        }
    }
}

/// Runs a script over a message, with everything that may be required there already.
pub fn sieve_run(data: &[u8]) {
    let divided = data.windows(DIVIDER.len()).position(|window| window == DIVIDER);
    let (script, message) = data.split_at(divided.unwrap_or(data.len()));
    let message = message.get(DIVIDER.len()..).unwrap_or_default();
    let options = Options { always: Options::default().extensions, ..Options::default() };
    let Ok((script, _)) = compile(script, &options) else { return };
    let limits = Limits { steps_max: 10_000, work_max: 1 << 22, ..Limits::default() };
    let envelope = Envelope { from: "a@b.test".to_owned(), to: "c+d@e.test".to_owned(), ..Envelope::default() };
    let mut world = Mirror(script.clone());
    let outcome = script.run(&Message::new(message), &envelope, &mut world, &limits);
    // The message is somewhere, or was let go by a command that says so.
    let goes = |action: &Action| !matches!(action, Action::Vacation(_) | Action::Notify(_));
    assert!(outcome.implicit_keep.is_some() || outcome.actions.iter().any(goes), "{outcome:?}");
    assert!(outcome.error.is_none() || (outcome.actions.is_empty() && outcome.implicit_keep.is_some()));
    assert!(outcome.actions.len() <= limits.actions_max);
    // What it has become is a message, and not much larger.
    if let Some(rewritten) = outcome.rewritten() {
        let size = rewritten.pieces(message).concat().len();
        assert!(size <= message.len() + limits.growth_max + limits.header_size_max, "{size}");
        assert!(outcome.error.is_none());
    }
}

/// A world in which every included script is the one that runs.
struct Mirror(Script);

impl World for Mirror {
    fn now(&mut self) -> DateTime {
        DateTime::utc(1_795_262_400)
    }

    fn include(&mut self, _location: Location, _name: &str) -> Result<Script, NotIncluded> {
        Ok(self.0.clone())
    }

    fn environment(&mut self, name: &str) -> Option<String> {
        Some(name.to_owned())
    }
}
