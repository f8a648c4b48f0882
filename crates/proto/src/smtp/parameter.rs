//! The parameters of MAIL and RCPT (RFC 5321 §4.1.2): SIZE, BODY, SMTPUTF8, AUTH, RET, ENVID, NOTIFY, ORCPT;
//! and our own XTRACE.
//!
//! A parameter that the profile does not offer is unknown. One given twice is refused: it has no meaning.

use std::fmt::Write;

use mail::envelope::{Body, Notify};
use mail::{ReversePath, TraceMark};

use super::command::Fault;
use super::profile::Profile;

/// ENVID in characters, encoded (RFC 3461 §4.4).
pub const ENVELOPE_ID_LENGTH_MAX: usize = 100;
/// ORCPT in characters, encoded (RFC 3461 §4.2).
pub const ORIGINAL_RECIPIENT_LENGTH_MAX: usize = 500;
/// Digits of SIZE (RFC 1870 §4).
const SIZE_DIGITS_MAX: usize = 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// RFC 1870 §4.
    pub size: Option<u64>,
    /// RFC 6152 §2.
    pub body: Body,
    /// RFC 6531 §3.4.
    pub smtputf8: bool,
    /// RFC 4954 §5.
    pub submitter: Option<ReversePath>,
    /// RFC 3461 §4.3: RET=HDRS.
    pub return_headers_only: bool,
    /// RFC 3461 §4.4, decoded.
    pub envelope_id: Option<String>,
    /// XTRACE, our own.
    pub trace: Option<TraceMark>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RcptParameters {
    /// RFC 3461 §4.1.
    pub notify: Notify,
    /// RFC 3461 §4.2, decoded, with its address type.
    pub original: Option<String>,
}

/// A row of a table of parameters, for what `T` gathers.
struct Row<T> {
    keyword: &'static str,
    /// Told when the value is wrong.
    complaint: &'static str,
    offered: fn(&Profile) -> bool,
    /// Takes the value (none: there was no `=`) over; `None` if it is wrong.
    take: fn(&mut T, Option<&str>) -> Option<()>,
}

#[rustfmt::skip]
static MAIL: &[Row<MailParameters>] = &[
    Row { keyword: "SIZE",     complaint: "Bad message size syntax",      offered: |_| true,                take: size },
    Row { keyword: "BODY",     complaint: "Bad BODY parameter syntax",     offered: |_| true,                take: body },
    Row { keyword: "SMTPUTF8", complaint: "Bad SMTPUTF8 parameter syntax", offered: |offer| offer.smtputf8,  take: smtputf8 },
    // RFC 4954 §5. Known without AUTH as well, as in Postfix: it is ignored.
    Row { keyword: "AUTH",     complaint: "Bad AUTH parameter syntax",     offered: |_| true,               take: submitter },
    Row { keyword: "RET",      complaint: "Bad RET parameter syntax",      offered: |offer| offer.dsn,       take: ret },
    Row { keyword: "ENVID",    complaint: "Bad ENVID parameter syntax",    offered: |offer| offer.dsn,       take: envelope_id },
    Row { keyword: "XTRACE",   complaint: "Bad XTRACE parameter syntax",   offered: |offer| offer.trace,     take: trace },
];

#[rustfmt::skip]
static RCPT: &[Row<RcptParameters>] = &[
    Row { keyword: "NOTIFY", complaint: "Error: Bad NOTIFY parameter syntax", offered: |offer| offer.dsn, take: notify },
    Row { keyword: "ORCPT",  complaint: "Error: Bad ORCPT parameter syntax",  offered: |offer| offer.dsn, take: original },
];

/// Reads what follows the path of MAIL.
pub fn mail(text: &str, profile: &Profile) -> Result<MailParameters, Fault> {
    gather(MAIL, text, profile)
}

/// Reads what follows the path of RCPT.
pub fn rcpt(text: &str, profile: &Profile) -> Result<RcptParameters, Fault> {
    gather(RCPT, text, profile)
}

fn gather<T: Default>(table: &'static [Row<T>], text: &str, profile: &Profile) -> Result<T, Fault> {
    let mut gathered = T::default();
    let mut seen: Vec<&str> = Vec::new();
    for word in text.split_ascii_whitespace() {
        let (keyword, value) = word.split_once('=').map_or((word, None), |(keyword, value)| (keyword, Some(value)));
        let row = table.iter().find(|row| row.keyword.eq_ignore_ascii_case(keyword) && (row.offered)(profile));
        let row = row.ok_or_else(|| Fault::ParameterUnknown(word.to_owned()))?;
        // RFC 6152 §2 knows only these two; BINARYMIME (RFC 3030 §3) is another extension, which is not offered.
        if row.keyword == "BODY" && value.is_some_and(|value| value.eq_ignore_ascii_case("BINARYMIME")) {
            return Err(Fault::ParameterUnknown(word.to_owned()));
        }
        if seen.contains(&row.keyword) {
            return Err(Fault::ParameterTwice(row.keyword));
        }
        seen.push(row.keyword);
        (row.take)(&mut gathered, value).ok_or(Fault::ParameterValue(row.complaint))?;
    }
    Ok(gathered)
}

/// A number of digits only, within 20 digits and 64 bits.
pub(super) fn digits(text: &str) -> Option<u64> {
    let good = (1..=SIZE_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.parse().ok())?
}

fn size(mail: &mut MailParameters, value: Option<&str>) -> Option<()> {
    mail.size = Some(digits(value?)?);
    Some(())
}

fn body(mail: &mut MailParameters, value: Option<&str>) -> Option<()> {
    mail.body = match value? {
        value if value.eq_ignore_ascii_case("7BIT") => Body::SevenBit,
        value if value.eq_ignore_ascii_case("8BITMIME") => Body::EightBitMime,
        _ => return None,
    };
    Some(())
}

fn smtputf8(mail: &mut MailParameters, value: Option<&str>) -> Option<()> {
    mail.smtputf8 = true;
    value.is_none().then_some(())
}

fn submitter(mail: &mut MailParameters, value: Option<&str>) -> Option<()> {
    let decoded = from_xtext(value?)?;
    // RFC 4954 §5: "<>" says that nobody knows.
    let text = if decoded == "<>" { "" } else { &decoded };
    mail.submitter = Some(ReversePath::parse(text).ok()?);
    (!decoded.is_empty()).then_some(())
}

fn ret(mail: &mut MailParameters, value: Option<&str>) -> Option<()> {
    mail.return_headers_only = match value? {
        value if value.eq_ignore_ascii_case("HDRS") => true,
        value if value.eq_ignore_ascii_case("FULL") => false,
        _ => return None,
    };
    Some(())
}

fn envelope_id(mail: &mut MailParameters, value: Option<&str>) -> Option<()> {
    let value = value.filter(|value| (1..=ENVELOPE_ID_LENGTH_MAX).contains(&value.len()))?;
    // RFC 3461 §4.4: decoded, it is printable US-ASCII.
    mail.envelope_id = Some(from_xtext(value).filter(|text| text.is_ascii())?);
    Some(())
}

fn trace(mail: &mut MailParameters, value: Option<&str>) -> Option<()> {
    mail.trace = Some(TraceMark::parse(value?)?);
    Some(())
}

fn notify(rcpt: &mut RcptParameters, value: Option<&str>) -> Option<()> {
    rcpt.notify = Notify::parse(value?)?;
    Some(())
}

// RFC 3461 §4.2: original-recipient-address = addr-type ";" xtext. RFC 6533 §3 adds the type utf-8.
fn original(rcpt: &mut RcptParameters, value: Option<&str>) -> Option<()> {
    let value = value.filter(|value| value.len() <= ORIGINAL_RECIPIENT_LENGTH_MAX)?;
    let (kind, address) = value.split_once(';')?;
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if kind.is_empty() || address.is_empty() || !kind.bytes().all(atom) {
        return None;
    }
    let address = from_xtext(address).filter(|address| address.is_ascii() || kind.eq_ignore_ascii_case("utf-8"))?;
    rcpt.original = Some(format!("{kind};{address}"));
    Some(())
}

// RFC 3461 §4: xtext = *( xchar / hexchar ); hexchar = "+" 2(%x30-39 / %x41-46). What it decodes to must be fit to print.
pub(super) fn from_xtext(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, encoded)) = rest.split_once('+') {
        let (hex, after) = encoded.split_at_checked(2)?;
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')) {
            return None;
        }
        decoded.push_str(plain);
        decoded.push(char::from(u8::from_str_radix(hex, 16).ok().filter(u8::is_ascii)?));
        rest = after;
    }
    decoded.push_str(rest);
    let fit = !text.contains('=') && !decoded.contains(char::is_control);
    fit.then_some(decoded)
}

/// Writes text as xtext (RFC 3461 §4). UTF-8 goes through (RFC 6533 §3).
pub fn to_xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '+' || c == '=' || c.is_ascii_control() || c == ' ' {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "+{:02X}", u32::from(c));
        } else {
            encoded.push(c);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::profile::Dialect;

    fn offer() -> Profile {
        Profile::new(Dialect::Smtp, "mx.example.test")
    }

    #[test]
    fn all_parameters_of_mail_are_read() {
        let parameters =
            mail(" size=12 Body=8bitmime SMTPUTF8 AUTH=a+2Bb@x.test RET=HDRS ENVID=a+20b", &offer()).unwrap();
        assert_eq!((parameters.size, parameters.body, parameters.smtputf8), (Some(12), Body::EightBitMime, true));
        assert_eq!(parameters.submitter.unwrap().to_string(), "a+b@x.test");
        assert_eq!((parameters.return_headers_only, parameters.envelope_id.as_deref()), (true, Some("a b")));
        assert_eq!(mail("AUTH=<>", &offer()).unwrap().submitter, Some(ReversePath::Null));
    }

    #[test]
    fn wrong_values_are_refused() {
        for bad in [
            "SIZE",
            "SIZE=",
            "SIZE=x",
            "SIZE=-1",
            "SIZE=999999999999999999999",
            "BODY=9BIT",
            "SMTPUTF8=1",
            "AUTH=",
            "AUTH=x y",
            "RET=FOO",
            "ENVID=",
            "ENVID=a+0Db",
            "ENVID=a+2",
            "ENVID=a+g0",
            "ENVID=+E9",
        ] {
            assert!(mail(bad, &offer()).is_err(), "{bad}");
        }
        for bad in [
            "NOTIFY=",
            "NOTIFY=FOO",
            "NOTIFY=NEVER,SUCCESS",
            "ORCPT=x",
            "ORCPT=rfc822;",
            "ORCPT=;x",
            "ORCPT=rfc822;a+0Ab",
            "ORCPT=rfc822;\u{f1}@x.test",
        ] {
            assert!(rcpt(bad, &offer()).is_err(), "{bad}");
        }
        assert_eq!(mail("SIZE=1 SIZE=2", &offer()), Err(Fault::ParameterTwice("SIZE")));
        assert_eq!(mail("BODY=BINARYMIME", &offer()), Err(Fault::ParameterUnknown("BODY=BINARYMIME".into())));
    }

    #[test]
    fn what_is_not_offered_is_unknown() {
        let offer = Profile { dsn: false, smtputf8: false, ..offer() };
        for word in ["SMTPUTF8", "RET=FULL", "ENVID=a"] {
            assert_eq!(mail(word, &offer), Err(Fault::ParameterUnknown(word.into())));
        }
    }

    #[test]
    fn notify_and_the_original_recipient_are_read() {
        let parameters = rcpt("NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@x.test", &offer()).unwrap();
        assert_eq!(parameters.notify, Notify { success: true, failure: false, delay: true });
        assert_eq!(parameters.original.as_deref(), Some("rfc822;a+b@x.test"));
        assert_eq!(
            rcpt("NOTIFY=NEVER", &offer()).unwrap().notify,
            Notify { success: false, failure: false, delay: false }
        );
    }

    #[test]
    fn xtext_comes_back_as_it_went() {
        for text in ["a+b=c d", "plain", "ñ@x.test"] {
            assert_eq!(from_xtext(&to_xtext(text)).as_deref(), Some(text));
        }
    }
}
