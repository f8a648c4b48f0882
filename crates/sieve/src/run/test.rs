//! Tests, one arm each; what needs more than a line stands in the file of its subject.

use std::borrow::Cow;

use crate::Score;
use crate::program::{Duplicate, DuplicateOf, ScoreOf, Test, Text};
use crate::score::{SPAM_MAX, VIRUS_MAX};

use super::work::COMPARISON_COST;
use super::{Fault, Ran, Run, Seen, check_method};

/// How long `duplicate` remembers unless the script says otherwise, and at most (RFC 7352 §3.3), in seconds.
const DUPLICATE_SECONDS: u64 = 12 * 3600;
const DUPLICATE_SECONDS_MAX: u64 = 7 * 86_400;
/// How often a run may ask for duplicates: each time is remembered.
const DUPLICATES_MAX: usize = 64;

impl Run<'_, '_> {
    pub(super) fn test(&mut self, test: &Test) -> Ran<bool> {
        self.step()?;
        match test {
            Test::Constant(value) => Ok(*value),
            Test::Not(test) => Ok(!self.test(test)?),
            Test::AllOf(tests) => Ok(!self.any_is(tests, false)?),
            Test::AnyOf(tests) => self.any_is(tests, true),
            Test::Exists(names) => self.exists(names),
            Test::Size { over, limit } => {
                let size = self.message.size();
                Ok(if *over { size > *limit } else { size < *limit })
            }
            Test::Header { fields, matching } => {
                let message = self.message.clone();
                let mut values = Vec::new();
                self.each_field(&message, fields, |field| values.push(Cow::Borrowed(field.text())))?;
                self.matches(matching, &values)
            }
            Test::Address { fields, part, matching } => {
                let values = self.address_values(&self.message.clone(), fields, *part)?;
                self.matches(matching, &values)
            }
            Test::Envelope { parts, part, matching } => {
                let values = self.envelope_values(parts, *part)?;
                self.matches(matching, &values)
            }
            Test::Body { content, matching } => self.body(content, matching),
            Test::Date { of, zone, part, matching } => {
                let values = self.date_values(of, zone, part)?;
                self.matches(matching, &values)
            }
            Test::Text { sources, matching } => {
                let mut values = sources.iter().map(|source| self.expand(source)).collect::<Ran<Vec<_>>>()?;
                // RFC 5229 §5: an empty string does not count.
                if let crate::program::MatchKind::Count(_) = matching.kind {
                    values.retain(|value| !value.is_empty());
                }
                self.matches(matching, &values)
            }
            Test::HasFlag { variables, matching } => self.has_flag(variables, matching),
            Test::Environment { name, matching } => {
                let name = self.expand(name)?.to_ascii_lowercase();
                // RFC 5183 §4: an item that is not known makes the test false, whatever it asks.
                let Some(value) = self.world.environment(&name) else { return Ok(false) };
                self.matches(matching, &[Cow::Owned(value)])
            }
            Test::Duplicate(duplicate) => self.duplicate(duplicate),
            Test::MailboxExists(mailboxes) => {
                self.all_are(mailboxes, |run, mailbox| run.ask().map(|()| run.world.mailbox_exists(mailbox)))
            }
            Test::SpecialUseExists { mailbox, uses } => {
                let mailbox = self.expand_some(mailbox.as_ref())?;
                self.all_are(uses, |run, use_| {
                    run.ask().map(|()| run.world.special_use_exists(mailbox.as_deref(), use_))
                })
            }
            Test::Score { of, matching } => {
                // Its expressions look at the fields anew each time.
                self.work(self.message.header().len())?;
                let value = score_value(*of, self.world.score(*of == ScoreOf::Virus, &self.message));
                self.matches(matching, &[Cow::Owned(value)])
            }
            Test::ValidNotifyMethod(methods) => self.all_are(methods, |_, method| Ok(check_method(method).is_ok())),
            Test::NotifyMethodCapability { method, capability, matching } => {
                let usable = check_method(&self.expand(method)?).is_ok();
                let known = usable && self.expand(capability)?.eq_ignore_ascii_case("online");
                // RFC 5436 §2.3: nobody knows whether someone reads their mail just now.
                let values: &[Cow<'_, str>] = if known { &[Cow::Borrowed("maybe")] } else { &[] };
                self.matches(matching, values)
            }
            Test::Mime(test) => self.mime_test(test),
            Test::Suite(call) => self.suite_test(call),
        }
    }

    /// Stops at the first that is.
    fn any_is(&mut self, tests: &[Test], wanted: bool) -> Ran<bool> {
        for test in tests {
            if self.test(test)? == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether that is so of each of them.
    fn all_are(&mut self, texts: &[Text], is: impl Fn(&mut Self, &str) -> Ran<bool>) -> Ran<bool> {
        for text in texts {
            let text = self.expand(text)?;
            self.work(text.len() + COMPARISON_COST)?;
            if !is(self, &text)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    // RFC 7352 §3
    fn duplicate(&mut self, duplicate: &Duplicate) -> Ran<bool> {
        let id = match &duplicate.of {
            DuplicateOf::MessageId => self.field_text("message-id"),
            DuplicateOf::Header(name) => {
                let name = self.expand(name)?.into_owned();
                self.field_text(&name)
            }
            DuplicateOf::UniqueId(id) => Some(self.expand(id)?.into_owned()),
        };
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(false) };
        self.duplicates += 1;
        if self.duplicates > DUPLICATES_MAX {
            return self.fail(Fault::TooMuch("duplicate test"));
        }
        self.made(id.len())?;
        self.ask()?;
        let handle = self.expand_some(duplicate.handle.as_ref())?.unwrap_or_default();
        let seconds = duplicate.seconds.unwrap_or(DUPLICATE_SECONDS).min(DUPLICATE_SECONDS_MAX);
        let seen = self.world.duplicate_seen(&handle, &id, seconds);
        // §3.2: with :last the time starts anew with each one.
        if !seen || duplicate.last {
            self.seen.push(Seen { handle, id, seconds });
        }
        Ok(seen)
    }

    fn field_text(&self, name: &str) -> Option<String> {
        self.message.fields(name).next().map(|field| field.text().to_owned())
    }
}

// RFC 5235 §2.1: 0 not tested, 1 to 10, or 0 to 100 percent; §2.3 for viruses.
fn score_value(of: ScoreOf, score: Option<Score>) -> String {
    // A value or a percentage begins where its share does; what is lost in the octets of a number is given back.
    let whole = |number: f64| (number + 0.001).floor() as u64;
    let number = match (score, of) {
        (None, _) => 0,
        (Some(Score::Value(value)), ScoreOf::Virus) => u64::from(value.min(VIRUS_MAX)),
        (Some(Score::Value(value)), ScoreOf::Spam) => u64::from(value.min(SPAM_MAX)),
        // §2.2: what lies between the lowest value and the highest.
        (Some(Score::Value(value)), ScoreOf::SpamPercent) => {
            whole(f64::from(value.clamp(1, SPAM_MAX) - 1) * 100.0 / f64::from(SPAM_MAX - 1))
        }
        (Some(Score::Points { points, points_max }), of) => {
            let share = if points_max > 0.0 { (points / points_max).clamp(0.0, 1.0) } else { 0.0 };
            match of {
                ScoreOf::SpamPercent => whole(share * 100.0),
                ScoreOf::Spam => 1 + whole(share * f64::from(SPAM_MAX - 1)),
                ScoreOf::Virus => 1 + whole(share * f64::from(VIRUS_MAX - 1)),
            }
        }
    };
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_scaled() {
        let points = |points| Some(Score::Points { points, points_max: 10.0 });
        assert_eq!(score_value(ScoreOf::Spam, None), "0");
        assert_eq!(score_value(ScoreOf::Spam, points(-3.0)), "1");
        assert_eq!(score_value(ScoreOf::Spam, points(99.0)), "10");
        assert_eq!(score_value(ScoreOf::SpamPercent, points(2.5)), "25");
        assert_eq!(score_value(ScoreOf::Spam, points(2.0)), "2");
        assert_eq!(score_value(ScoreOf::SpamPercent, points(2.9)), "29");
        assert_eq!(score_value(ScoreOf::Virus, Some(Score::Value(5))), "5");
        assert_eq!(score_value(ScoreOf::SpamPercent, Some(Score::Value(10))), "100");
        assert_eq!(score_value(ScoreOf::Virus, points(10.0)), "5");
    }
}
