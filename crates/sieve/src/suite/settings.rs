//! What `test_config_set` sets: a row for each setting that this runner knows. One that it does not know fails the case, for a
//! case that passes without what it asks for proves nothing.

use crate::Limits;

use super::scores::AllScores;

/// What the scripts of a suite are run with.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub limits: Limits,
    /// What separates user and detail.
    pub delimiter: String,
    /// Where the verdicts of filters stand.
    pub scores: AllScores,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { limits: Limits::default(), delimiter: "+".to_owned(), scores: AllScores::default() }
    }
}

/// Takes a value, `None` for the default. `None` as the answer: the value makes no sense.
type Take = fn(&mut Settings, Option<&str>) -> Option<()>;

#[rustfmt::skip]
const SETTINGS: &[(&str, Take)] = &[
    ("recipient_delimiter", delimiter),
    ("sieve_editheader_max_header_size", |settings, value| number(&mut settings.limits.header_size_max, value, Limits::default().header_size_max)),
    ("sieve_include_max_includes", |settings, value| number(&mut settings.limits.includes_max, value, Limits::default().includes_max)),
    ("sieve_include_max_nesting_depth", |settings, value| number(&mut settings.limits.include_nesting_max, value, Limits::default().include_nesting_max)),
    ("sieve_max_actions", |settings, value| number(&mut settings.limits.actions_max, value, Limits::default().actions_max)),
    ("sieve_max_redirects", |settings, value| number(&mut settings.limits.redirects_max, value, Limits::default().redirects_max)),
    ("sieve_variables_max_variable_size", |settings, value| number(&mut settings.limits.variable_size_max, value, Limits::default().variable_size_max)),
];

impl Settings {
    /// Sets, or sets back. An empty value is the default.
    ///
    /// # Errors
    /// Why not, as a case that fails tells it.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let value = value.filter(|value| !value.is_empty());
        let wrong = || format!("the setting {name} cannot be '{}'", value.unwrap_or_default());
        if let Some(taken) = self.scores.set(name, value) {
            return taken.ok_or_else(wrong);
        }
        let Some((_, take)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
            return Err(format!("the setting {name} is not known"));
        };
        take(self, value).ok_or_else(wrong)
    }
}

fn delimiter(settings: &mut Settings, value: Option<&str>) -> Option<()> {
    settings.delimiter = value.map_or_else(|| Settings::default().delimiter, str::to_owned);
    Some(())
}

fn number(place: &mut usize, value: Option<&str>, default: usize) -> Option<()> {
    *place = match value {
        Some(value) => value.parse().ok()?,
        None => default,
    };
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_set_and_set_back() {
        let mut settings = Settings::default();
        assert_eq!(settings.set("sieve_max_actions", Some("7")), Ok(()));
        assert_eq!(settings.limits.actions_max, 7);
        assert_eq!(settings.set("sieve_max_actions", None), Ok(()));
        assert_eq!(settings.limits.actions_max, Limits::default().actions_max);
        assert_eq!(settings.set("recipient_delimiter", Some("-")), Ok(()));
        assert_eq!(settings.delimiter, "-");
    }

    #[test]
    fn what_is_not_known_is_told() {
        let mut settings = Settings::default();
        assert!(settings.set("sieve_max_action", Some("7")).unwrap_err().contains("not known"));
        assert!(settings.set("sieve_max_actions", Some("many")).unwrap_err().contains("'many'"));
    }
}
