//! Where the verdict of a spam or virus filter stands in a message, for `spamtest` and `virustest` (RFC 5235): the settings that
//! Pigeonhole has for it.
//!
//! ```text
//! field  = name [ ":" [white space] expression ]     ; what its first group matches counts, without one the whole value
//! ```

use crate::Message;
use crate::pattern::{self, Regex};

/// The highest values there are (RFC 5235 §2.1, §2.3).
pub const SPAM_MAX: u8 = 10;
pub const VIRUS_MAX: u8 = 5;

/// What a verdict looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StatusType {
    /// A number.
    #[default]
    Score,
    /// As many characters as there are points.
    Length,
    /// A word that stands for a value.
    Text,
}

/// A rule as it is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoreTexts {
    pub status_type: StatusType,
    pub status_header: String,
    /// The most points there are, or the field that says so.
    pub max_value: Option<f64>,
    pub max_header: Option<String>,
    /// What the words stand for.
    pub texts: Vec<(u8, String)>,
}

/// Which of the texts is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreMistake {
    pub of: ScorePart,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScorePart {
    StatusHeader,
    Max,
    MaxHeader,
    Texts,
}

/// A rule that is right.
#[derive(Debug, Clone)]
pub struct ScoreRule {
    texts: ScoreTexts,
    status: Field,
    kind: Kind,
}

impl PartialEq for ScoreRule {
    fn eq(&self, other: &ScoreRule) -> bool {
        self.texts == other.texts
    }
}

// The number in the texts of a rule is finite.
impl Eq for ScoreRule {}

#[derive(Debug, Clone)]
enum Kind {
    Score(Max),
    Length(Max),
    Text(Vec<(u8, String)>),
}

#[derive(Debug, Clone)]
enum Max {
    Value(f64),
    Field(Field),
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    expression: Option<Regex>,
}

/// What a filter says of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Score {
    /// Of the most points there are.
    Points { points: f64, points_max: f64 },
    /// A value of RFC 5235 itself.
    Value(u8),
}

impl ScoreRule {
    /// Reads the texts; `value_max` is the highest value that words may stand for.
    ///
    /// # Errors
    /// What is wrong with them first.
    pub fn new(texts: &ScoreTexts, value_max: u8) -> Result<ScoreRule, ScoreMistake> {
        let field = |of, text: &str| Field::parse(text).map_err(|why| ScoreMistake { of, why });
        let status = field(ScorePart::StatusHeader, &texts.status_header)?;
        let max = || match (&texts.max_header, texts.max_value) {
            (Some(text), _) => field(ScorePart::MaxHeader, text).map(Max::Field),
            (None, Some(value)) if value.is_finite() && value > 0.0 => Ok(Max::Value(value)),
            _ => Err(ScoreMistake { of: ScorePart::Max, why: "the most points there are must be known".to_owned() }),
        };
        let kind = match texts.status_type {
            StatusType::Score => Kind::Score(max()?),
            StatusType::Length => Kind::Length(max()?),
            StatusType::Text => Kind::Text(texts.texts.clone()),
        };
        if texts.max_value.is_some_and(|value| !value.is_finite()) {
            return Err(ScoreMistake { of: ScorePart::Max, why: "not a number".to_owned() });
        }
        let wrong = |why: String| Err(ScoreMistake { of: ScorePart::Texts, why });
        match &kind {
            Kind::Text(words) if words.is_empty() => wrong("no word has a value".to_owned()),
            Kind::Text(words) if words.iter().any(|(value, _)| *value > value_max) => {
                wrong(format!("a value is higher than {value_max}"))
            }
            _ => Ok(ScoreRule { texts: texts.clone(), status, kind }),
        }
    }

    /// What the filter says of a message; nothing if it has not seen it.
    pub fn judge(&self, message: &Message<'_>) -> Option<Score> {
        let status = self.status.value(message)?;
        let (points, max) = match &self.kind {
            Kind::Score(max) => (number(&status)?, max),
            Kind::Length(max) => (status.trim().chars().count() as f64, max),
            Kind::Text(words) => {
                let (value, _) = words.iter().find(|(_, word)| *word == status.trim())?;
                return Some(Score::Value(*value));
            }
        };
        let points_max = match max {
            Max::Value(value) => *value,
            Max::Field(field) => number(&field.value(message)?).filter(|value| *value > 0.0)?,
        };
        Some(Score::Points { points, points_max })
    }
}

impl Field {
    fn parse(text: &str) -> Result<Field, String> {
        let (name, expression) =
            text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest.trim_start())));
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("'{name}' is no name of a header field"));
        }
        let expression = expression.filter(|expression| !expression.is_empty());
        let expression = expression.map(|expression| pattern::compile(expression, false)).transpose()?;
        if expression.as_ref().is_some_and(|expression| expression.groups() == 0) {
            return Err("the expression has no group, as in '(.*)'".to_owned());
        }
        Ok(Field { name: name.to_owned(), expression })
    }

    /// Of several fields the topmost: what is below it may be the sender's.
    fn value(&self, message: &Message<'_>) -> Option<String> {
        let field = message.fields(&self.name).next()?;
        match &self.expression {
            None => Some(field.text().to_owned()),
            Some(expression) => Some((*expression.captures(field.text())?.get(1)?).to_owned()),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &[u8] =
        b"X-Score: No, score=-1.6 required=5.0 (x)\nX-Stars: sssss\nX-Word: Found to be clean.\nX-Plain: .5\nX-Score: Yes, score=9\n\n";

    fn judged(texts: &ScoreTexts) -> Option<Score> {
        ScoreRule::new(texts, SPAM_MAX).unwrap().judge(&Message::new(MAIL))
    }

    fn texts(status_type: StatusType, header: &str) -> ScoreTexts {
        ScoreTexts { status_type, status_header: header.to_owned(), max_value: Some(8.0), ..ScoreTexts::default() }
    }

    #[test]
    fn points_are_found_with_the_most_there_are() {
        let mut rule = texts(StatusType::Score, "X-Score: score=(-?[[:digit:].]+)");
        assert_eq!(judged(&rule), Some(Score::Points { points: -1.6, points_max: 8.0 }));
        rule.max_header = Some("X-Score:required=([0-9.]+)".to_owned());
        assert_eq!(judged(&rule), Some(Score::Points { points: -1.6, points_max: 5.0 }));
        rule.max_header = Some("X-None".to_owned());
        assert_eq!(judged(&rule), None);
        assert_eq!(judged(&texts(StatusType::Score, "X-Plain")), Some(Score::Points { points: 0.5, points_max: 8.0 }));
        assert_eq!(judged(&texts(StatusType::Score, "X-Score")), None);
    }

    #[test]
    fn characters_are_counted_and_words_have_values() {
        assert_eq!(judged(&texts(StatusType::Length, "x-stars")), Some(Score::Points { points: 5.0, points_max: 8.0 }));
        let mut words = texts(StatusType::Text, r"X-Word: Found to be (.+)\.");
        words.texts = vec![(1, "clean".to_owned()), (10, "infected".to_owned())];
        assert_eq!(judged(&words), Some(Score::Value(1)));
        words.texts.remove(0);
        assert_eq!(judged(&words), None);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let told = |texts: &ScoreTexts| ScoreRule::new(texts, VIRUS_MAX).unwrap_err().of;
        assert_eq!(told(&texts(StatusType::Score, "")), ScorePart::StatusHeader);
        assert_eq!(told(&texts(StatusType::Score, "X: no group")), ScorePart::StatusHeader);
        assert_eq!(told(&texts(StatusType::Score, "X: (")), ScorePart::StatusHeader);
        assert_eq!(told(&ScoreTexts { max_value: Some(0.0), ..texts(StatusType::Length, "X") }), ScorePart::Max);
        assert_eq!(told(&texts(StatusType::Text, "X")), ScorePart::Texts);
        let high = ScoreTexts { texts: vec![(6, "x".to_owned())], ..texts(StatusType::Text, "X") };
        assert_eq!(told(&high), ScorePart::Texts);
    }
}
