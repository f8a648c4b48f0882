//! What a mail server answers: SMTP replies and enhanced status codes, as values.

use std::fmt;

/// An enhanced mail system status code, `class.subject.detail` (RFC 3463 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedStatus {
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

impl EnhancedStatus {
    pub const fn new(class: u8, subject: u16, detail: u16) -> EnhancedStatus {
        EnhancedStatus { class, subject, detail }
    }

    /// Parses `2.1.5`. Classes are 2, 4 and 5; subject and detail have up to three digits (RFC 3463 §2).
    pub fn parse(text: &str) -> Option<EnhancedStatus> {
        let mut parts = text.split('.');
        let class = parts.next().and_then(number).filter(|class| matches!(class, 2 | 4 | 5))?;
        let status =
            EnhancedStatus { class: class as u8, subject: number(parts.next()?)?, detail: number(parts.next()?)? };
        parts.next().is_none().then_some(status)
    }
}

fn number(text: &str) -> Option<u16> {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// An SMTP or LMTP reply: code, enhanced status, text (RFC 5321 §4.2, RFC 2034). The text may have several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub status: Option<EnhancedStatus>,
    pub text: String,
}

impl Reply {
    /// A reply of one code with its enhanced status, as `Reply::new(250, (2, 1, 0), "Ok")`.
    pub fn new(code: u16, status: (u8, u16, u16), text: impl Into<String>) -> Reply {
        let status = Some(EnhancedStatus::new(status.0, status.1, status.2));
        Reply { code, status, text: text.into() }
    }

    /// A reply without an enhanced status, as greetings and 354 are.
    pub fn plain(code: u16, text: impl Into<String>) -> Reply {
        Reply { code, status: None, text: text.into() }
    }

    /// RFC 5321 §4.2.1: 2yz.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// RFC 5321 §4.2.1: 4yz.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// RFC 5321 §4.2.1: 5yz.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        write!(f, " {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_status_is_parsed_strictly() {
        assert_eq!(EnhancedStatus::parse("5.1.1"), Some(EnhancedStatus::new(5, 1, 1)));
        for bad in ["", "5", "5.1", "3.1.1", "5.1.1.1", "5..1", "5.1.x", "5.1.1000", "5.+1.1"] {
            assert_eq!(EnhancedStatus::parse(bad), None, "{bad}");
        }
    }
}
