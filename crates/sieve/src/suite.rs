//! Runs test files in the `.svtest` language: Sieve scripts with commands that drive a second engine and judge what it does.
//! Everything lives in memory: a mail store, an outbox, the log of errors.
//!
//! What differs from Pigeonhole's own runner is written down in docs/internals/sieve.md.

mod perform;
mod scores;
mod settings;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mail::date::DateTime;

use crate::{
    Action, Envelope, Extension, Extensions, Limits, Location, Message, NotIncluded, Options, Outcome, Problem, Score,
    Script, Severity, SuiteAnswer, SuiteRequest, SuiteState, World, compile,
};

use settings::Settings;

/// What a test file gave.
#[derive(Debug, Default)]
pub struct Verdict {
    pub cases: Vec<Case>,
    /// The file did not compile, or could not go on.
    pub error: Option<String>,
}

#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub failed: Option<String>,
}

impl Verdict {
    pub fn passed(&self) -> bool {
        self.error.is_none() && self.cases.iter().all(|case| case.failed.is_none())
    }
}

/// Gives the content of a file by its path from the folder of the test file.
pub type Read<'r> = dyn FnMut(&str) -> Option<Vec<u8>> + 'r;

const FIRST_MESSAGE: &[u8] = b"From: sender@example.com\nTo: recipient@example.org\nSubject: Frop!\n\nFriep!\n";
/// Saturday 21 November 2026, 12:00 UTC: the time does not pass in suites.
const NOW: DateTime = DateTime::utc(1_795_262_400);

/// Runs one file; `folder` is what `${tst.path}` says.
pub fn run(file: &[u8], folder: &str, read: &mut Read<'_>) -> Verdict {
    let script = match compile(file, &options()) {
        Ok((script, _)) => script,
        Err(problems) => {
            let error = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            return Verdict { cases: Vec::new(), error: Some(error) };
        }
    };
    let mut stage = Stage {
        folder: folder.to_owned(),
        read,
        script: None,
        saved: HashMap::new(),
        errors: Vec::new(),
        outbox: Vec::new(),
        told: BTreeSet::new(),
        mailboxes: BTreeMap::from([("INBOX".to_owned(), Vec::new())]),
        settings: Settings::default(),
        performed: 0,
        implicit_done: false,
        edited: None,
        redirected: None,
        cases: Vec::new(),
        case: None,
        failure: None,
    };
    let message = Message::owned(FIRST_MESSAGE);
    let envelope = envelope_of(&message);
    let limits = Limits {
        actions_max: 1000,
        redirects_max: 1000,
        steps_max: 100_000_000,
        work_max: 1 << 40,
        ..Limits::default()
    };
    let outcome = script.run(&message, &envelope, &mut stage, &limits);
    stage.cases.extend(stage.case.take().map(|name| Case { name, failed: None }));
    Verdict { cases: stage.cases, error: outcome.error.map(|error| error.to_string()) }
}

fn options() -> Options {
    let all =
        Extensions::offered().with(Extension::Debug).with(Extension::EnvironmentVariables).with(Extension::TestSuite);
    Options { extensions: all, ..Options::default() }
}

struct Stage<'r> {
    folder: String,
    read: &'r mut Read<'r>,
    script: Option<Script>,
    saved: HashMap<String, Script>,
    errors: Vec<String>,
    outbox: Vec<Sent>,
    /// Whom notifications of this result went to.
    told: BTreeSet<String>,
    mailboxes: BTreeMap<String, Vec<Vec<u8>>>,
    settings: Settings,
    /// How many of the actions were carried out.
    performed: usize,
    implicit_done: bool,
    /// The content of the message after a script has changed it, and what is redirected of it.
    edited: Option<Vec<u8>>,
    redirected: Option<Vec<u8>>,
    cases: Vec<Case>,
    case: Option<String>,
    failure: Option<String>,
}

/// A message that was sent, to one recipient.
struct Sent {
    content: Vec<u8>,
    from: String,
    to: String,
}

impl World for Stage<'_> {
    fn now(&mut self) -> DateTime {
        NOW
    }

    fn recipient_delimiter(&self) -> &str {
        &self.settings.delimiter
    }

    fn mailbox_exists(&mut self, mailbox: &str) -> bool {
        self.mailboxes.contains_key(&perform::mailbox_key(mailbox))
    }

    fn environment(&mut self, name: &str) -> Option<String> {
        Some(match name {
            "tst.path" => self.folder.clone(),
            "name" => "Tepui Sieve".to_owned(),
            "location" => "MS".to_owned(),
            "phase" => "post".to_owned(),
            "version" => env!("CARGO_PKG_VERSION").to_owned(),
            _ => return None,
        })
    }

    fn score(&mut self, virus: bool, message: &Message<'_>) -> Option<Score> {
        self.settings.scores.rule(virus)?.judge(message)
    }

    fn include(&mut self, location: Location, name: &str) -> Result<Script, NotIncluded> {
        let folder = match location {
            Location::Personal => "included",
            Location::Global => "included-global",
        };
        let text = (self.read)(&format!("{folder}/{name}.sieve")).ok_or(NotIncluded::Missing)?;
        compile(&text, &options()).map(|(script, _)| script).map_err(NotIncluded::Broken)
    }

    fn suite(&mut self, request: SuiteRequest<'_>, state: SuiteState<'_, '_>) -> SuiteAnswer {
        let text = |list: usize| request.texts.get(list).and_then(|texts| texts.first()).cloned().unwrap_or_default();
        match request.name {
            "test" => self.begin(text(0)),
            "test end" => self.end(None),
            "test failed" => {
                let reason = self.failure.take().unwrap_or_default();
                self.end(Some(reason))
            }
            "test_fail" => self.fail(text(0)),
            "test_set" => set(&text(0), &text(1), state),
            "test_message" => self.message(&request, state),
            "test_script_compile" => self.compile(&text(0)),
            "test_script_run" => self.run_script(!request.tags.is_empty(), state),
            "test_multiscript" => self.run_scripts(request.texts.first().map_or(&[], Vec::as_slice), state),
            "test_result_reset" => {
                self.reset(state.actions, state.implicit_keep);
                self.outbox.clear();
                SuiteAnswer::Value(true)
            }
            "test_result_execute" => {
                self.errors.clear();
                SuiteAnswer::Value(self.perform(state))
            }
            "test_result_action" => SuiteAnswer::Values(action_names(state.actions)),
            "test_error" => SuiteAnswer::Values(self.errors.clone()),
            "test_mailbox_create" => {
                self.mailboxes.entry(perform::mailbox_key(&text(0))).or_default();
                SuiteAnswer::Value(true)
            }
            "test_mailbox_delete" => match self.mailboxes.remove(&perform::mailbox_key(&text(0))) {
                Some(_) => SuiteAnswer::Value(true),
                None => self.fail(format!("there is no mailbox {}", text(0))),
            },
            "test_binary_save" => match self.script.clone() {
                Some(script) => {
                    self.saved.insert(text(0), script);
                    SuiteAnswer::Value(true)
                }
                None => SuiteAnswer::Failed("no script was compiled".to_owned()),
            },
            "test_binary_load" => match self.saved.get(&text(0)) {
                Some(script) => {
                    self.script = Some(script.clone());
                    SuiteAnswer::Value(true)
                }
                None => SuiteAnswer::Failed(format!("no script was saved as {}", text(0))),
            },
            "test_config_set" => self.configure(&text(0), Some(&text(1)), state),
            "test_config_unset" => self.configure(&text(0), None, state),
            // A setting holds from the moment it is set; and nobody reads what a suite prints.
            "test_config_reload" | "test_message_print" | "test_result_print" => SuiteAnswer::Value(true),
            name => self.fail(format!("{name} is not known")),
        }
    }
}

impl Stage<'_> {
    fn begin(&mut self, name: String) -> SuiteAnswer {
        self.case = Some(name);
        self.failure = None;
        SuiteAnswer::Value(true)
    }

    fn end(&mut self, failed: Option<String>) -> SuiteAnswer {
        self.cases.extend(self.case.take().map(|name| Case { name, failed }));
        SuiteAnswer::Value(true)
    }

    fn fail(&mut self, reason: String) -> SuiteAnswer {
        if self.case.is_none() {
            return SuiteAnswer::Failed(format!("failed outside of a test: {reason}"));
        }
        self.failure = Some(reason);
        SuiteAnswer::CaseFailed
    }

    fn configure(&mut self, name: &str, value: Option<&str>, state: SuiteState<'_, '_>) -> SuiteAnswer {
        if let Err(reason) = self.settings.set(name, value) {
            return self.fail(reason);
        }
        // The variables of the test file itself follow.
        state.limits.variable_size_max = self.settings.limits.variable_size_max;
        SuiteAnswer::Value(true)
    }

    fn compile(&mut self, path: &str) -> SuiteAnswer {
        self.errors.clear();
        match self.compiled(path) {
            Some(script) => {
                self.script = Some(script);
                SuiteAnswer::Value(true)
            }
            None => SuiteAnswer::Value(false),
        }
    }

    /// The script of a file; its problems go to the log, with the line that sums them up.
    fn compiled(&mut self, path: &str) -> Option<Script> {
        let Some(text) = (self.read)(path) else {
            self.errors.push(format!("{path}: no such file"));
            return None;
        };
        match compile(&text, &options()) {
            Ok((script, _)) => Some(script),
            Err(problems) => {
                let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
                self.errors.extend(errors.map(|Problem { text, .. }| text.clone()));
                self.errors.push("compilation failed.".to_owned());
                None
            }
        }
    }

    fn run_script(&mut self, append: bool, state: SuiteState<'_, '_>) -> SuiteAnswer {
        self.errors.clear();
        let Some(script) = self.script.clone() else { return SuiteAnswer::Failed("no script was compiled".to_owned()) };
        let SuiteState { message, envelope, actions, implicit_keep, .. } = state;
        if !append {
            self.reset(actions, implicit_keep);
        }
        let outcome = self.ran(&script, message, envelope);
        let good = outcome.error.is_none();
        *implicit_keep =
            if append { *implicit_keep && outcome.implicit_keep.is_some() } else { outcome.implicit_keep.is_some() };
        actions.extend(outcome.actions);
        SuiteAnswer::Value(good)
    }

    fn ran(&mut self, script: &Script, message: &Message<'_>, envelope: &Envelope) -> Outcome {
        let limits = self.settings.limits;
        let outcome = script.run(message, envelope, self, &limits);
        self.errors.extend(outcome.error.iter().map(|error| error.fault.to_string()));
        let content = || [message.header(), message.body()].concat();
        if let Some(rewritten) = outcome.rewritten() {
            self.edited = Some(rewritten.pieces(&content()).concat());
        }
        if let Some(redirected) = &outcome.redirected {
            self.redirected = Some(redirected.pieces(&content()).concat());
        }
        outcome
    }

    /// As before, personal and after scripts: the next one runs if the last one keeps the message.
    fn run_scripts(&mut self, paths: &[String], state: SuiteState<'_, '_>) -> SuiteAnswer {
        self.errors.clear();
        let (mut actions, mut implicit_keep) = (Vec::new(), true);
        for path in paths {
            let Some(script) = self.compiled(path) else { return SuiteAnswer::Value(false) };
            let outcome = self.ran(&script, state.message, state.envelope);
            if outcome.error.is_some() {
                return SuiteAnswer::Value(false);
            }
            let goes_on = outcome.keeps();
            implicit_keep = outcome.implicit_keep.is_some();
            // What a script keeps, the next one may keep otherwise.
            actions.retain(|action| !goes_on || !matches!(action, Action::Keep { .. }));
            actions.extend(outcome.actions);
            if !goes_on {
                break;
            }
        }
        let (performed, done) = (std::mem::take(&mut self.performed), std::mem::take(&mut self.implicit_done));
        let good = self.perform(SuiteState { actions: &mut actions, implicit_keep: &mut implicit_keep, ..state });
        (self.performed, self.implicit_done) = (performed, done);
        SuiteAnswer::Value(good)
    }

    fn reset(&mut self, actions: &mut Vec<Action>, implicit_keep: &mut bool) {
        self.told.clear();
        actions.clear();
        *implicit_keep = true;
        (self.performed, self.implicit_done) = (0, false);
        (self.edited, self.redirected) = (None, None);
    }

    fn message(&mut self, request: &SuiteRequest<'_>, state: SuiteState<'_, '_>) -> SuiteAnswer {
        let number = request.numbers.first().and_then(|number| usize::try_from(*number).ok()).unwrap_or(usize::MAX);
        let folder = request.tags.iter().find_map(|(tag, value)| value.as_ref().filter(|_| *tag == "folder"));
        let found = match folder {
            Some(folder) => self
                .mailboxes
                .get(&perform::mailbox_key(folder))
                .and_then(|mailbox| mailbox.get(number))
                .map(|content| (content.clone(), None)),
            None => {
                self.outbox.get(number).map(|sent| (sent.content.clone(), Some((sent.from.clone(), sent.to.clone()))))
            }
        };
        let Some((content, envelope)) = found else {
            // As a command it fails the case; as a test it is false, which is what a failed case is to a test.
            self.failure = Some(format!("no message with the index {number}"));
            return SuiteAnswer::CaseFailed;
        };
        *state.message = Message::owned(&content);
        *state.envelope = envelope_of(state.message);
        if let Some((from, to)) = envelope {
            (state.envelope.from, state.envelope.to) = (from, to.clone());
            state.envelope.original_to = Some(to);
        }
        (self.edited, self.redirected) = (None, None);
        SuiteAnswer::Value(true)
    }
}

fn set(object: &str, value: &str, state: SuiteState<'_, '_>) -> SuiteAnswer {
    let path = value.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
    match object.to_ascii_lowercase().as_str() {
        "message" => {
            *state.message = Message::owned(value.as_bytes());
            *state.envelope = envelope_of(state.message);
        }
        "envelope.from" => state.envelope.from = path,
        "envelope.to" => {
            state.envelope.to.clone_from(&path);
            state.envelope.original_to = Some(path);
        }
        "envelope.orig_to" => state.envelope.original_to = Some(path),
        _ => state.envelope.auth = Some(value.to_owned()),
    }
    SuiteAnswer::Value(true)
}

/// The envelope that a message in a file most likely had.
fn envelope_of(message: &Message<'_>) -> Envelope {
    let first = |names: &[&str], default: &str| {
        let address = names.iter().find_map(|name| {
            let field = message.fields(name).next()?;
            let address = mail::header::addresses(&field.value).into_iter().next()?;
            let (mailbox, host) = (address.mailbox?, address.host?);
            Some(format!("{}@{}", String::from_utf8_lossy(&mailbox), String::from_utf8_lossy(&host)))
        });
        address.filter(|address| !address.contains("MISSING_")).unwrap_or_else(|| default.to_owned())
    };
    let to = first(&["envelope-to", "to"], "recipient@example.com");
    let from = first(&["return-path", "sender", "from"], "sender@example.com");
    Envelope { from, original_to: Some(to.clone()), to, auth: Some("tepui".to_owned()) }
}

fn action_names(actions: &[Action]) -> Vec<String> {
    actions.iter().map(|action| action.name().to_owned()).collect()
}
