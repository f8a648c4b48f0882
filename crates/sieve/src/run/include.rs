//! Scripts within scripts (RFC 6609).

use crate::check::is_script_name;
use crate::program::{Location, Slot, Text};

use super::{Fault, Flow, NotIncluded, Ran, Run};

impl Run<'_, '_> {
    pub(super) fn include(&mut self, location: Location, name: &Text, once: bool, optional: bool) -> Ran<Flow> {
        let name = self.expand(name)?.into_owned();
        if !is_script_name(&name) {
            return self.fail(Fault::Include(format!("invalid script name '{name:.64}'")));
        }
        let first = self.included.insert((location, name.clone()));
        if once && !first {
            return Ok(Flow::Next);
        }
        self.includes += 1;
        if self.includes > self.limits.includes_max {
            return self.fail(Fault::TooMuch("include"));
        }
        // The script that runs is a frame, too.
        if self.frames.len() > self.limits.include_nesting_max {
            return self.fail(Fault::TooMuch("include nesting"));
        }
        self.ask()?;
        let script = match self.world.include(location, &name) {
            Ok(script) => {
                self.work(script.program.memory)?;
                script
            }
            Err(NotIncluded::Missing) if optional => return Ok(Flow::Next),
            Err(NotIncluded::Missing) => {
                return self.fail(Fault::Include(format!("included script '{name}' does not exist")));
            }
            Err(NotIncluded::Broken(problems)) => {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                let first = first.trim_end_matches('.');
                return self.fail(Fault::Include(format!("included script '{name}' does not compile: {first}")));
            }
            Err(NotIncluded::Unavailable(reason)) => {
                return self.fail(Fault::Include(format!("included script '{name}' cannot be read: {reason}")));
            }
        };
        let line = self.line;
        let flow = self.program(&script.program)?;
        self.line = line;
        Ok(if flow == Flow::Return { Flow::Next } else { flow })
    }

    /// `global`: these variables are the ones that all scripts share.
    pub(super) fn share(&mut self, slots: &[Slot]) {
        let Some(frame) = self.frames.last_mut() else { return };
        for slot in slots {
            if let Some(global) = frame.global.get_mut(*slot) {
                *global = true;
            }
        }
    }
}
