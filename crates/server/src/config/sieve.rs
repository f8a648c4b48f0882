//! `[sieve]`, `[sieve_spamtest]` and `[sieve_virustest]`: from their texts to settings.

use std::path::Path;

use sieve::ScoreRule;
use sieve::score::{SPAM_MAX, ScorePart, ScoreTexts, StatusType, VIRUS_MAX};
use store::ScriptBounds;

use super::Mistake;
use super::settings::SieveSettings;
use super::written::{Written, WrittenTable};

/// Reads the tables. What is wrong with their texts is added to the mistakes.
pub fn settle(written: &Written, folder: &Path, mistakes: &mut Vec<Mistake>) -> SieveSettings {
    let table = written.table("sieve").unwrap_or_else(|| panic!("the schema has no table `sieve`"));
    let bounds = ScriptBounds {
        size_max: table.size("script_size"),
        scripts_max: table.number("scripts"),
        storage_max: table.size("scripts_size"),
    };
    let files = |key| table.texts(key).iter().map(|(path, _)| folder.join(path)).collect();
    let mut score = |name, value_max| score(written.table(name)?, value_max, mistakes);
    SieveSettings {
        bounds,
        redirects_max: u32::try_from(table.number("redirects")).unwrap_or(0),
        before: files("before"),
        default: table.text("default").map(|path| folder.join(path)),
        after: files("after"),
        global: table.text("global").map(|path| folder.join(path)),
        spam: score("sieve_spamtest", SPAM_MAX),
        virus: score("sieve_virustest", VIRUS_MAX),
    }
}

/// The rule of a table, if it is there.
fn score(table: &WrittenTable, value_max: u8, mistakes: &mut Vec<Mistake>) -> Option<ScoreRule> {
    let span = table.span.clone()?;
    // Where it is missing, that is a mistake already.
    let status_header = table.text("status_header")?.to_owned();
    let max_value = table.text("max_value").map(|text| {
        let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
        // Nought is refused below, with its place.
        number.unwrap_or_default()
    });
    let mut texts = Vec::new();
    for (text, place) in table.texts("text_values") {
        match value_and_word(text) {
            Some(one) => texts.push(one),
            None => mistakes.push(Mistake::at(place.clone(), "expected a value and a word").help("as \"10=Yes\"")),
        }
    }
    let status_type = match table.text("status_type") {
        Some("strlen") => StatusType::Length,
        Some("text") => StatusType::Text,
        _ => StatusType::Score,
    };
    let max_header = table.text("max_header").map(str::to_owned);
    let rule = ScoreRule::new(&ScoreTexts { status_type, status_header, max_value, max_header, texts }, value_max);
    let wrong = |mistake: sieve::score::ScoreMistake| {
        let key = match mistake.of {
            ScorePart::StatusHeader => "status_header",
            ScorePart::Max => "max_value",
            ScorePart::MaxHeader => "max_header",
            ScorePart::Texts => "text_values",
        };
        Mistake::at(table.place(key).unwrap_or(span), format!("`{key}`: {}", mistake.why))
    };
    rule.map_err(|mistake| mistakes.push(wrong(mistake))).ok()
}

/// `10=Yes`
fn value_and_word(text: &str) -> Option<(u8, String)> {
    let (value, word) = text.split_once('=')?;
    Some((value.trim().parse().ok()?, word.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_behind_its_value() {
        assert_eq!(value_and_word("10 = Not Spam"), Some((10, "Not Spam".to_owned())));
        for bad in ["Yes", "x=Yes", "-1=Yes", "300=Yes"] {
            assert_eq!(value_and_word(bad), None, "{bad}");
        }
    }
}
