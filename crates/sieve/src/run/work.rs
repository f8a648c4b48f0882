//! What a run may cost. A script has no loops, so that its own text bounds how often it does something; what one command costs
//! is counted here, in octets, before or as it is done.

use super::{Fault, Ran, Run};

/// A comparison costs this beside the octets it looks at, so that many short keys or fields count, too.
pub const COMPARISON_COST: usize = 8;
/// Each octet of a string that is made. It is held as well: a run makes no more than `work_max / MADE_COST` octets of them.
const MADE_COST: usize = 8;
/// A question to the world, which may look at its own lists for the answer.
const QUESTION_COST: usize = 1024;

impl Run<'_, '_> {
    pub(super) fn step(&mut self) -> Ran<()> {
        self.steps += 1;
        if self.steps > self.limits.steps_max { self.fail(Fault::TooMuch("execution step")) } else { Ok(()) }
    }

    /// Counts octets that are looked at.
    pub(super) fn work(&mut self, octets: usize) -> Ran<()> {
        self.work = self.work.saturating_add(octets as u64);
        if self.work > self.limits.work_max { self.fail(Fault::TooMuch("execution work")) } else { Ok(()) }
    }

    /// Counts octets of strings that are made.
    pub(super) fn made(&mut self, octets: usize) -> Ran<()> {
        self.work(octets.saturating_mul(MADE_COST))
    }

    /// Counts a question to the world.
    pub(super) fn ask(&mut self) -> Ran<()> {
        self.work(QUESTION_COST)
    }
}
