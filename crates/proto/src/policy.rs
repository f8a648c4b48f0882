//! Postfix's policy delegation protocol (SMTPD_POLICY_README): attributes out, an action in. Both are lines of `name=value` with an
//! empty line behind them, ended by LF.
//!
//! Promises: nothing that a client of ours said can make an attribute of its own, and no answer can make a header field
//! or a reply of more than one line.

use mail::{EnhancedStatus, Reply};

/// Octets of an answer.
pub const ANSWER_LENGTH_MAX: usize = 8192;

/// What a service wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It has no objection, or no opinion.
    Go,
    Refuse(Reply),
    /// A header field for the message, without its line end.
    Prepend(String),
    /// Something for the log.
    Note(String),
}

/// An answer that makes no sense, for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    #[error("the answer is longer than {ANSWER_LENGTH_MAX} octets")]
    TooLong,
    #[error("the answer has no action")]
    NoAction,
    #[error("the action `{0}` is not known")]
    Unknown(String),
}

/// Writes a question.
pub fn question<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut text = String::from("request=smtpd_access_policy\n");
    for (name, value) in attributes {
        text.push_str(name);
        text.push('=');
        text.extend(value.chars().map(|c| if c.is_control() { '?' } else { c }));
        text.push('\n');
    }
    text.push('\n');
    text.into_bytes()
}

/// Reads an answer once it is whole. `refused` is what was judged, for the client: `<bob@example.test>: Recipient address`.
///
/// # Errors
/// What makes no sense; then the connection is of no use any more.
pub fn answer(bytes: &[u8], refused: &str) -> Result<Option<Action>, Nonsense> {
    if bytes.len() > ANSWER_LENGTH_MAX {
        return Err(Nonsense::TooLong);
    }
    let text = String::from_utf8_lossy(bytes);
    let Some((lines, _)) = text.split_once("\n\n") else { return Ok(None) };
    let action = lines.lines().find_map(|line| line.strip_prefix("action=")).ok_or(Nonsense::NoAction)?;
    parse(action.trim(), refused).map(Some)
}

fn parse(action: &str, refused: &str) -> Result<Action, Nonsense> {
    let (verb, text) = action.split_once([' ', '\t']).map_or((action, ""), |(verb, text)| (verb, text.trim()));
    let told = |text: &str| format!("{refused} rejected: {}", if text.is_empty() { "Access denied" } else { text });
    let unknown = || Nonsense::Unknown(action.chars().take(80).collect());
    match verb.to_ascii_uppercase().as_str() {
        "" | "OK" | "DUNNO" | "PERMIT" => Ok(Action::Go),
        "REJECT" => Ok(Action::Refuse(reply(554, (5, 7, 1), text, told))),
        // Nothing later would refuse for good after us, so these are the same.
        "DEFER" | "DEFER_IF_PERMIT" => Ok(Action::Refuse(reply(450, (4, 7, 1), text, told))),
        "DEFER_IF_REJECT" => Ok(Action::Go),
        "PREPEND" if is_field(text) => Ok(Action::Prepend(text.to_owned())),
        "WARN" | "INFO" => Ok(Action::Note(text.to_owned())),
        code if code.len() == 3 => match code.parse() {
            Ok(code @ 400..=499) => Ok(Action::Refuse(reply(code, (4, 7, 1), text, told))),
            Ok(code @ 500..=599) => Ok(Action::Refuse(reply(code, (5, 7, 1), text, told))),
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

/// A status of the same class in front of the text stands in place of ours.
fn reply(code: u16, status: (u8, u16, u16), text: &str, told: impl Fn(&str) -> String) -> Reply {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match EnhancedStatus::parse(word).filter(|parsed| parsed.class == status.0) {
        Some(parsed) => Reply { code, status: Some(parsed), text: told(rest) },
        None => Reply::new(code, status, told(text)),
    }
}

// RFC 5322 §2.2: a name of printable characters but the colon; what follows it is one line already.
fn is_field(text: &str) -> bool {
    let name = text.split_once(':').map_or("", |(name, _)| name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(text: &str) -> Result<Option<Action>, Nonsense> {
        answer(format!("action={text}\n\n").as_bytes(), "<a@x.test>: Recipient address")
    }

    #[test]
    fn a_value_cannot_become_an_attribute() {
        let question = question([("sender", "a@x.test\nsasl_username=root\n\n"), ("size", "")]);
        assert_eq!(question, b"request=smtpd_access_policy\nsender=a@x.test?sasl_username=root??\nsize=\n\n");
    }

    #[test]
    fn actions_are_what_postfix_calls_them() {
        for go in ["DUNNO", "ok", "", "defer_if_reject later", "PERMIT"] {
            assert_eq!(action(go), Ok(Some(Action::Go)), "{go}");
        }
        for (text, reply) in [
            ("REJECT", "554 5.7.1 <a@x.test>: Recipient address rejected: Access denied"),
            ("reject go away", "554 5.7.1 <a@x.test>: Recipient address rejected: go away"),
            ("DEFER_IF_PERMIT Greylisted", "450 4.7.1 <a@x.test>: Recipient address rejected: Greylisted"),
            ("521 5.7.25 no name", "521 5.7.25 <a@x.test>: Recipient address rejected: no name"),
            ("450 5.7.25 x", "450 4.7.1 <a@x.test>: Recipient address rejected: 5.7.25 x"),
        ] {
            let Ok(Some(Action::Refuse(refusal))) = action(text) else { panic!("{text}") };
            assert_eq!(refusal.to_string(), reply);
        }
        assert_eq!(action("PREPEND X-Spam: yes"), Ok(Some(Action::Prepend("X-Spam: yes".into()))));
        assert_eq!(action("WARN hm"), Ok(Some(Action::Note("hm".into()))));
    }

    #[test]
    fn what_makes_no_sense_is_an_error_and_what_is_not_whole_is_nothing_yet() {
        for bad in ["250 ok", "999 x", "DISCARD", "PREPEND no field", "PREPEND X y: z", "5", "PREPEND A: b\rC: d"] {
            assert!(matches!(action(bad), Err(Nonsense::Unknown(_))), "{bad}");
        }
        assert_eq!(answer(b"action=OK\n", ""), Ok(None));
        assert_eq!(answer(b"\n\n", ""), Err(Nonsense::NoAction));
        assert_eq!(answer(b"name=value\naction=DUNNO\n\nrest", ""), Ok(Some(Action::Go)));
        assert_eq!(answer(&[b'x'; ANSWER_LENGTH_MAX + 1], ""), Err(Nonsense::TooLong));
    }
}
