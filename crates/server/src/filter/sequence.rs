//! Which scripts run for an account's mail, and in which order: the platform's before, the user's own or else the platform's for
//! those who have none, the platform's after. The next one runs as long as the message is kept (as Pigeonhole's sequences do).

use std::path::Path;

use directory::Account;
use disk::Disk;
use sieve::{Action, Message, Outcome, Rewritten};

use super::world::ScriptWorld;
use crate::node::Node;

/// What logs call a user's script that has no name.
const ACTIVE: &str = ".dovecot.sieve";

/// A script that is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As logs name it.
    pub name: String,
    /// Or why it cannot be one.
    pub content: Result<Vec<u8>, String>,
    pub whose: Whose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Platform,
    User,
}

/// Reads the scripts of an account. One of the platform's that cannot be read is left out, which is logged: mail goes on.
///
/// # Errors
/// The user's own cannot be read now: the message shall wait, for it might be one to be refused.
pub fn sources(node: &Node, account: &Account) -> store::Result<Vec<Source>> {
    let (live, disk) = (node.live(), node.disk());
    let settings = &live.settings.sieve;
    let platform = |path: &Path| read(&*disk, path);
    let mut sources: Vec<Source> = settings.before.iter().filter_map(|path| platform(path)).collect();
    match node.store().scripts(&account.home).active() {
        Ok(Some(own)) => {
            let name = own.name.map_or_else(|| ACTIVE.to_owned(), |name| name.to_string());
            sources.push(Source { name, content: Ok(own.content), whose: Whose::User });
        }
        Ok(None) => sources.extend(settings.default.as_deref().and_then(platform)),
        // It will be none tomorrow, either.
        Err(store::Error::Damaged { what, .. }) => {
            sources.push(Source { name: ACTIVE.to_owned(), content: Err(what.to_owned()), whose: Whose::User });
        }
        Err(error) => return Err(error),
    }
    sources.extend(settings.after.iter().filter_map(|path| platform(path)));
    Ok(sources)
}

fn read(disk: &dyn Disk, path: &Path) -> Option<Source> {
    match disk.read(path) {
        Ok(content) => Some(Source { name: path.display().to_string(), content: Ok(content), whose: Whose::Platform }),
        Err(error) => {
            tracing::error!(%error, "a Sieve script of the platform cannot be read");
            None
        }
    }
}

/// What all scripts together have decided.
#[derive(Debug, Default)]
pub struct Decision {
    pub actions: Vec<Action>,
    pub implicit_keep: Option<Vec<String>>,
    /// What the scripts have made of the message, and what of it is sent on if that is something else.
    pub changed: Rewritten,
    pub redirected: Option<Rewritten>,
    pub seen: Vec<sieve::Seen>,
    /// Why scripts failed, for the user or for the operator. A script that fails is as good as none.
    pub failures: Vec<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub script: String,
    pub whose: Whose,
    pub why: String,
}

/// Runs the scripts.
pub fn run(sources: &[Source], message: &Message<'_>, world: &mut ScriptWorld<'_>) -> Decision {
    let mut decision = Decision { implicit_keep: Some(Vec::new()), ..Decision::default() };
    let mut edited: Option<Message<'_>> = None;
    for source in sources {
        let outcome = match run_one(source, edited.as_ref().unwrap_or(message), world) {
            Ok(outcome) => outcome,
            Err(why) => {
                decision.fail(source, why);
                continue;
            }
        };
        let goes_on = outcome.keeps();
        let changes = outcome.header.is_some() || outcome.body.is_some();
        decision.add(outcome);
        if changes {
            let header = decision.changed.header.as_deref().unwrap_or(message.header());
            let body = decision.changed.body.as_deref().unwrap_or(message.body());
            edited = Some(Message::owned(&[header, body].concat()));
        }
        if !goes_on {
            break;
        }
    }
    decision
}

fn run_one(source: &Source, message: &Message<'_>, world: &mut ScriptWorld<'_>) -> Result<Outcome, String> {
    let content = source.content.as_ref().map_err(Clone::clone)?;
    let told = |problems: std::sync::Arc<[sieve::Problem]>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let script = world.programs.compile(content, &world.options()).map_err(told)?;
    let outcome = world.run(&script, message);
    outcome.error.as_ref().map_or(Ok(()), |error| Err(error.to_string()))?;
    Ok(outcome)
}

impl Decision {
    fn fail(&mut self, source: &Source, why: String) {
        self.failures.push(Failure { script: source.name.clone(), whose: source.whose, why });
    }

    /// The last word on keeping is the last script's.
    fn add(&mut self, outcome: Outcome) {
        self.actions.retain(|action| !matches!(action, Action::Keep { .. }));
        self.actions.extend(outcome.actions);
        self.implicit_keep = outcome.implicit_keep;
        // What an earlier script has done to a message that a later one encloses is for both who keep it and who get it sent.
        let before = self.changed.clone();
        self.changed.header = outcome.header.or(self.changed.header.take());
        self.changed.body = outcome.body.or(self.changed.body.take());
        if self.redirected.is_none() {
            self.redirected = outcome.redirected.map(|redirected| Rewritten {
                header: redirected.header.or(before.header),
                body: redirected.body.or(before.body),
            });
        }
        self.seen.extend(outcome.seen);
    }
}
