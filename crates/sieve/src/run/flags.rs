//! Flags (RFC 5232): lists of names, kept in variables as texts with blanks between them.

use std::borrow::Cow;

use mail::flags::{Flags as SystemFlags, Keyword};

use crate::program::{FlagChange, Key, MatchKind, Matching, Text, Variable};

use super::work::COMPARISON_COST;
use super::{Flags, Ran, Run};

/// The most flags of one message.
const FLAGS_MAX: usize = 200;
/// What an octet of a list of flags costs: each flag is held against those that are there.
const FLAG_COST: usize = FLAGS_MAX / 8;

impl Run<'_, '_> {
    pub(super) fn change_flags(&mut self, change: FlagChange, variable: Option<&Variable>, flags: &[Text]) -> Ran<()> {
        let named = self.flags_of(flags)?;
        let mut now = match (change, variable) {
            (FlagChange::Set, _) => Flags::new(),
            (_, None) => std::mem::take(&mut self.flags),
            (_, Some(variable)) => parse(self.variable(variable)),
        };
        self.work(now.len() * named.len() * 8)?;
        match change {
            FlagChange::Remove => now.retain(|flag| !named.iter().any(|other| other.eq_ignore_ascii_case(flag))),
            FlagChange::Set | FlagChange::Add => named.into_iter().for_each(|flag| add(&mut now, flag)),
        }
        match variable {
            None => self.flags = now,
            Some(variable) => self.assign(variable, now.join(" "))?,
        }
        Ok(())
    }

    /// The flags of an action: those of its tag, else the internal variable's.
    pub(super) fn action_flags(&mut self, tag: Option<&[Text]>) -> Ran<Flags> {
        match tag {
            Some(flags) => self.flags_of(flags),
            None => Ok(self.flags.clone()),
        }
    }

    fn flags_of(&mut self, texts: &[Text]) -> Ran<Flags> {
        let mut flags = Flags::new();
        for text in texts {
            let text = self.expand(text)?;
            self.work(text.len() * FLAG_COST)?;
            parse(&text).into_iter().for_each(|flag| add(&mut flags, flag));
        }
        Ok(flags)
    }

    fn flags_in(&mut self, variables: &[Variable]) -> Ran<Flags> {
        let mut flags = Flags::new();
        for variable in variables {
            let held = parse(self.variable(variable));
            self.work(self.variable(variable).len() * FLAG_COST + COMPARISON_COST)?;
            flags.extend(held);
        }
        Ok(flags)
    }

    pub(super) fn has_flag(&mut self, variables: &[Variable], matching: &Matching) -> Ran<bool> {
        let flags: Flags = match variables {
            [] => self.flags.clone(),
            variables => self.flags_in(variables)?,
        };
        let values: Vec<Cow<'_, str>> = flags.into_iter().map(Cow::Owned).collect();
        // RFC 5232 §4: a key may hold several flags, as any list of flags.
        let is_list = matches!(matching.kind, MatchKind::Is | MatchKind::Contains);
        let keys: Vec<Key> = if is_list {
            let texts = matching.keys.iter().map(|key| self.expand(&key.text)).collect::<Ran<Vec<_>>>()?;
            texts.iter().try_for_each(|text| self.made(text.len()))?;
            let words = texts.iter().flat_map(|text| text.split_ascii_whitespace());
            words.map(|word| Key { text: Text::Constant(word.into()), pattern: None }).collect()
        } else {
            return self.matches(matching, &values);
        };
        self.matches(&Matching { comparator: matching.comparator, kind: matching.kind, keys }, &values)
    }
}

/// The flags of a text. What is no flag is passed over (RFC 5232 §2).
fn parse(text: &str) -> Flags {
    let mut flags = Flags::new();
    text.split_ascii_whitespace().filter(|flag| is_flag(flag)).for_each(|flag| add(&mut flags, flag.to_owned()));
    flags
}

fn is_flag(flag: &str) -> bool {
    match flag.starts_with('\\') {
        true => SystemFlags::system(flag).is_some(),
        false => Keyword::parse(flag).is_some(),
    }
}

fn add(flags: &mut Flags, flag: String) {
    if flags.len() < FLAGS_MAX && !flags.iter().any(|known| known.eq_ignore_ascii_case(&flag)) {
        flags.push(flag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_flag_is_passed_over() {
        assert_eq!(parse("\\Seen  $Label1 \\seen \\Nope a(b work"), ["\\Seen", "$Label1", "work"]);
    }
}
