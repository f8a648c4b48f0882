//! How the `.svtest` language reaches the one who runs the suite: its commands go through `World::suite`, evaluated.

use crate::run::{Action, Envelope, Limits, Message};

/// A command or test with its arguments.
#[derive(Debug)]
pub struct SuiteRequest<'r> {
    /// As it is written: `test_set`. Of `test`, the name is asked when it begins, and `test end` or `test failed` follows.
    pub name: &'r str,
    pub tags: Vec<(&'static str, Option<String>)>,
    pub numbers: Vec<u64>,
    pub texts: Vec<Vec<String>>,
}

/// What a command of a suite may change of the run it stands in.
#[derive(Debug)]
pub struct SuiteState<'s, 'm> {
    pub message: &'s mut Message<'m>,
    pub envelope: &'s mut Envelope,
    pub actions: &'s mut Vec<Action>,
    pub implicit_keep: &'s mut bool,
    pub limits: &'s mut Limits,
}

#[derive(Debug)]
pub enum SuiteAnswer {
    /// The value of a test; of a command, done.
    Value(bool),
    /// What the keys are compared with.
    Values(Vec<String>),
    /// The case has failed.
    CaseFailed,
    /// The file cannot go on.
    Failed(String),
}
