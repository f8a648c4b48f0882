//! Commands of test suites: their arguments are evaluated here, what they do is the business of the one who runs the suite.

use std::borrow::Cow;

use crate::program::SuiteCall;
use crate::suite_call::{SuiteAnswer, SuiteRequest, SuiteState};

use super::{Fault, Flow, Ran, Run};

impl Run<'_, '_> {
    pub(super) fn suite_command(&mut self, call: &SuiteCall) -> Ran<Flow> {
        let flow = self.flow(call.name, call)?;
        let Some(block) = call.block.as_ref().filter(|_| call.name == "test" && flow == Flow::Next) else {
            return Ok(flow);
        };
        match self.block(block) {
            Ok(Flow::Next) => self.flow("test end", call),
            Ok(Flow::CaseFailed) => self.flow("test failed", call),
            other => other,
        }
    }

    pub(super) fn suite_test(&mut self, call: &SuiteCall) -> Ran<bool> {
        match self.answer(call.name, call)? {
            SuiteAnswer::Value(value) => Ok(value),
            SuiteAnswer::Values(values) => {
                let values = match call.numbers.first().and_then(|number| usize::try_from(*number).ok()) {
                    Some(number) => values.into_iter().skip(number.saturating_sub(1)).take(1).collect(),
                    None => values,
                };
                let values: Vec<Cow<'_, str>> = values.into_iter().map(Cow::Owned).collect();
                match &call.matching {
                    Some(matching) => self.matches(matching, &values),
                    None => Ok(false),
                }
            }
            SuiteAnswer::CaseFailed => Ok(false),
            SuiteAnswer::Failed(text) => self.fail(Fault::Suite(text)),
        }
    }

    fn flow(&mut self, name: &str, call: &SuiteCall) -> Ran<Flow> {
        match self.answer(name, call)? {
            SuiteAnswer::Value(_) | SuiteAnswer::Values(_) => Ok(Flow::Next),
            SuiteAnswer::CaseFailed => Ok(Flow::CaseFailed),
            SuiteAnswer::Failed(text) => self.fail(Fault::Suite(text)),
        }
    }

    fn answer(&mut self, name: &str, call: &SuiteCall) -> Ran<SuiteAnswer> {
        let mut tags = Vec::new();
        for (tag, value) in &call.tags {
            tags.push((*tag, value.as_ref().map(|value| self.expand(value).map(Cow::into_owned)).transpose()?));
        }
        let texts = call.texts.iter().map(|texts| self.expand_all(texts)).collect::<Ran<_>>()?;
        let request = SuiteRequest { name, tags, numbers: call.numbers.clone(), texts };
        let state = SuiteState {
            message: &mut self.message,
            envelope: &mut self.envelope,
            actions: &mut self.actions,
            implicit_keep: &mut self.implicit_keep,
            limits: &mut self.limits,
        };
        Ok(self.world.suite(request, state))
    }
}
