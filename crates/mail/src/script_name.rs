//! The name of a Sieve script, as users choose it (RFC 5804 §1.6), fit to be a file's name: Dovecot keeps a script as `NAME.sieve`.

use std::fmt;

/// Octets of a name. RFC 5804 §1.6 wants room for 128 characters, which in UTF-8 may be 512 octets; a file's name has 255 on
/// every file system that mail is kept on, six of which are `.sieve`.
pub const LENGTH_MAX: usize = 249;

/// A script's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScriptName(String);

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScriptNameError {
    #[error("a script's name may not be empty")]
    Empty,
    #[error("a script's name may have {LENGTH_MAX} octets")]
    TooLong,
    #[error("a script's name may not hold {0:?}")]
    Character(char),
}

impl ScriptName {
    /// Parses a name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str) -> Result<ScriptName, ScriptNameError> {
        if name.is_empty() {
            return Err(ScriptNameError::Empty);
        }
        if name.len() > LENGTH_MAX {
            return Err(ScriptNameError::TooLong);
        }
        match name.chars().find(|c| is_forbidden(*c)) {
            Some(c) => Err(ScriptNameError::Character(c)),
            None => Ok(ScriptName(name.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// RFC 5804 §1.6: no controls, no line and no paragraph separators. The slash would make it a path.
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '/' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_without_controls_and_without_a_slash() {
        for good in ["roundcube", "A\u{f1}o nuevo", "..", "a.sieve", &"x".repeat(LENGTH_MAX)] {
            assert_eq!(ScriptName::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        assert_eq!(ScriptName::parse(""), Err(ScriptNameError::Empty));
        assert_eq!(ScriptName::parse(&"x".repeat(LENGTH_MAX + 1)), Err(ScriptNameError::TooLong));
        for bad in ['/', '\0', '\n', '\u{7f}', '\u{9f}', '\u{2028}', '\u{2029}'] {
            assert_eq!(ScriptName::parse(&format!("a{bad}b")), Err(ScriptNameError::Character(bad)));
        }
    }
}
