//! The settings of `spamtest` and `virustest` that test files set, by the names that Pigeonhole has had for them.

use crate::ScoreRule;
use crate::score::{SPAM_MAX, ScoreTexts, StatusType, VIRUS_MAX};

/// Of one of the two.
#[derive(Debug, Clone, Default)]
pub(super) struct Scores(ScoreTexts);

/// Both.
#[derive(Debug, Clone, Default)]
pub(super) struct AllScores {
    spam: Scores,
    virus: Scores,
}

impl AllScores {
    /// Sets what a name means, if it is one of these. `Some(None)`: the value makes no sense.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Option<Option<()>> {
        let (scores, name) = match (name.strip_prefix("sieve_spamtest_"), name.strip_prefix("sieve_virustest_")) {
            (Some(name), _) => (&mut self.spam, name),
            (None, Some(name)) => (&mut self.virus, name),
            (None, None) => return None,
        };
        Some(scores.set(name, value))
    }

    /// The rule, if the settings make one.
    pub fn rule(&self, virus: bool) -> Option<ScoreRule> {
        let (scores, value_max) = if virus { (&self.virus, VIRUS_MAX) } else { (&self.spam, SPAM_MAX) };
        ScoreRule::new(&scores.0, value_max).ok()
    }
}

impl Scores {
    fn set(&mut self, name: &str, value: Option<&str>) -> Option<()> {
        let texts = &mut self.0;
        match name {
            "status_type" => {
                texts.status_type = match value {
                    None | Some("score") => StatusType::Score,
                    Some("strlen") => StatusType::Length,
                    Some("text") => StatusType::Text,
                    Some(_) => return None,
                }
            }
            "status_header" => texts.status_header = value.unwrap_or_default().to_owned(),
            "max_value" | "score_max_value" => texts.max_value = value.map(str::parse).transpose().ok()?,
            "max_header" | "score_max_header" => texts.max_header = value.map(str::to_owned),
            _ => {
                let number: u8 = name.strip_prefix("text_value")?.trim_start_matches('/').parse().ok()?;
                texts.texts.retain(|(known, _)| *known != number);
                texts.texts.extend(value.map(|value| (number, value.to_owned())));
            }
        }
        Some(())
    }
}
