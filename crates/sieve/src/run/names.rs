//! Names and forms that are judged when a script is checked, and again when it makes them of variables.

use crate::encode::on_one_line;
use crate::mailto;

/// The parts of a date (RFC 5260 §4.2).
const DATE_PARTS: &[&str] = &[
    "year", "month", "day", "date", "julian", "hour", "minute", "second", "time", "iso8601", "std11", "zone", "weekday",
];

pub fn is_date_part(name: &str) -> bool {
    DATE_PARTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The minutes ahead of UTC of `+hhmm` (RFC 5260 §4.1).
pub fn zone_minutes(zone: &str) -> Option<i16> {
    let digits = zone.strip_prefix(['+', '-']).filter(|digits| digits.len() == 4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i16 = digits.parse().ok()?;
    let minutes = (number % 100 < 60 && number / 100 < 24).then_some(number / 100 * 60 + number % 100)?;
    Some(if zone.starts_with('-') { -minutes } else { minutes })
}

/// A special-use attribute (RFC 6154 §6): a backslash and an atom.
pub fn is_special_use(name: &str) -> bool {
    name.strip_prefix('\\').is_some_and(|atom| {
        !atom.is_empty() && atom.bytes().all(|byte| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte))
    })
}

/// Whether a method of `notify` can be used: `mailto:` is what there is (RFC 5436).
pub fn check_method(method: &str) -> Result<(), String> {
    let scheme = method.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &&str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match scheme.filter(is_scheme) {
        None => Err(format!("invalid scheme part for method URI '{method}'")),
        Some(scheme) if !scheme.eq_ignore_ascii_case("mailto") => Err(format!("invalid method '{scheme}'")),
        Some(scheme) => mailto::parse(method.get(scheme.len() + 1..).unwrap_or_default()).map(|_| ()),
    }
}

/// How much of the message a report shall hold (RFC 3461 §4.3): only its header, or all.
pub fn parse_ret(value: &str) -> Option<bool> {
    let values = [("HDRS", true), ("FULL", false)];
    values.iter().find(|(known, _)| known.eq_ignore_ascii_case(value)).map(|(_, headers_only)| *headers_only)
}

/// An option of `notify` (RFC 5435 §3.5): `name=value`.
pub fn check_notify_option(option: &str) -> Result<(), String> {
    let name = option.split_once('=').map(|(name, _)| name);
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    if !name.is_some_and(is_name) {
        return Err(format!("invalid option '{:.64}': it is not of the form name=value", on_one_line(option)));
    }
    if option.contains(|c: char| c.is_control()) { Err("invalid character in an option".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read() {
        assert_eq!(zone_minutes("+0130"), Some(90));
        assert_eq!(zone_minutes("-0800"), Some(-480));
        for bad in ["", "0100", "+1", "+2500", "+0160", "+0a00"] {
            assert_eq!(zone_minutes(bad), None, "{bad}");
        }
    }

    #[test]
    fn methods_are_uris_of_a_known_scheme() {
        assert!(check_method("MAILTO:a@b.test").is_ok());
        assert_eq!(check_method("foo").unwrap_err(), "invalid scheme part for method URI 'foo'");
        assert_eq!(check_method("xmpp:a@b").unwrap_err(), "invalid method 'xmpp'");
    }
}
