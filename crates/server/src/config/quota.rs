//! `[quota]` and `[[quota_warning]]`: from their texts to settings.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use mail::{Quota, QuotaRule};
use store::{Direction, QuotaFile, Resource, Threshold};

use super::Mistake;
use super::settings::{QuotaSettings, Warning, WhenFull};
use super::written::{Written, WrittenTable};

/// A threshold above this is a slip of the finger.
const PERCENT_MAX: u32 = 1000;

/// Reads the tables. What is wrong with their texts is added to the mistakes.
pub fn settle(written: &Written, folder: &Path, mistakes: &mut Vec<Mistake>) -> QuotaSettings {
    let table = written.table("quota").unwrap_or_else(|| panic!("the schema has no table `quota`"));
    let storage = match table.text("storage") {
        Some("off") => QuotaFile::Off,
        Some("dict") => QuotaFile::Dict,
        Some("maildirsize") => QuotaFile::Maildirsize,
        _ => QuotaFile::Found,
    };
    let when_full = if table.text("when_full") == Some("defer") { WhenFull::Defer } else { WhenFull::Bounce };
    let rules =
        table.texts("rules").iter().fold(Quota::default(), |quota, (text, span)| match QuotaRule::parse(text) {
            Ok(rule) => quota.with(rule),
            Err(error) => {
                mistakes.push(mistake(span, error.to_string(), "as \"*:storage=2G:messages=100000\""));
                quota
            }
        });
    let warnings =
        written.tables("quota_warning").iter().filter_map(|table| warning(table, folder, mistakes)).collect();
    let grace = u32::try_from(table.number("grace")).unwrap_or(0);
    QuotaSettings { storage, rules: Arc::new(rules), grace, when_full, warnings }
}

fn warning(table: &WrittenTable, folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<Warning> {
    let at = table.text("at")?;
    let Some((direction, percent)) = percent(at) else {
        let place = table.place("at").unwrap_or_default();
        mistakes.push(mistake(
            &place,
            "expected a share of the limit".to_owned(),
            "as \"95%\", or \"-100%\" for the way down",
        ));
        return None;
    };
    let resource = if table.text("of") == Some("messages") { Resource::Messages } else { Resource::Storage };
    let run: Vec<String> = table.texts("run").iter().map(|(text, _)| text.clone()).collect();
    let template = table.text("template").map(|path| folder.join(path));
    let threshold = Threshold { resource, percent, direction };
    Some(Warning { threshold, message: run.is_empty() || template.is_some(), run, template })
}

/// `95%`, `-100%`.
fn percent(text: &str) -> Option<(Direction, u32)> {
    let (direction, rest) = match text.strip_prefix('-') {
        Some(rest) => (Direction::Down, rest),
        None => (Direction::Up, text),
    };
    let digits = rest.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let percent = digits.parse().ok().filter(|percent| (1..=PERCENT_MAX).contains(percent))?;
    Some((direction, percent))
}

fn mistake(span: &Range<usize>, message: String, help: &str) -> Mistake {
    Mistake { span: Some(span.clone()), message, help: Some(help.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_go_up_or_down() {
        assert_eq!(percent("95%"), Some((Direction::Up, 95)));
        assert_eq!(percent("-100%"), Some((Direction::Down, 100)));
        for bad in ["", "95", "%", "0%", "+95%", "--5%", "1001%", "9 5%", "99999999999%"] {
            assert_eq!(percent(bad), None, "{bad}");
        }
    }
}
