//! The words that several stages share: replies, settings, paths.

use mail::envelope::{Body, Notify};
use mail::{EnhancedStatus, Reply};

use crate::transcript::unescape;

/// Reads `250 2.1.0 Ok` or `354 Go on`; `\n` in the text makes further lines.
pub(super) fn reply(text: &str) -> Option<Reply> {
    let (code, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let code = code.parse().ok()?;
    let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let (status, text) = match EnhancedStatus::parse(word) {
        Some(status) => (Some(status), after),
        None => (None, rest),
    };
    Some(Reply { code, status, text: String::from_utf8(unescape(text).ok()?).ok()? })
}

/// `key=value` and bare words of a settings line.
pub(super) fn settings(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split_ascii_whitespace().map(|word| word.split_once('=').unwrap_or((word, "")))
}

pub(super) fn number<N: std::str::FromStr>(key: &str, value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("{key} needs a number, not {value:?}"))
}

pub(super) fn notify(notify: Notify) -> &'static str {
    match (notify.success, notify.failure, notify.delay) {
        (false, false, false) => "never",
        (true, false, false) => "success",
        (false, true, false) => "failure",
        (false, false, true) => "delay",
        (true, true, false) => "success,failure",
        (true, false, true) => "success,delay",
        (false, true, true) => "failure,delay",
        (true, true, true) => "success,failure,delay",
    }
}

pub(super) fn body(body: Body) -> Option<String> {
    (body == Body::EightBitMime).then(|| "8bitmime".to_owned())
}
