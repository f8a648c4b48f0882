//! What Active Directory says about an account: why it refused a bind, and whether the account may log in at all.
//!
//! All of it is for the log. A client hears the same "authentication failed" whatever the reason, or it could find out
//! which names exist.

use std::time::{Duration, SystemTime};

use super::connection::BindAnswer;
use super::fault::Fault;
use super::search::Entry;

/// Attributes that tell whether an account may log in.
pub const STANDING_ATTRIBUTES: [&str; 4] = [CONTROL, COMPUTED, "accountExpires", "pwdLastSet"];

const CONTROL: &str = "userAccountControl";
/// The same bits as the domain controller works them out for a moment: in the attribute that it stores, an account is
/// never locked and no password ever expires ([MS-ADTS] §3.1.1.4.5.17). Given only when it is asked for by its name.
const COMPUTED: &str = "msDS-User-Account-Control-Computed";

/// Why somebody is not let in. Shown in the log only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such account")]
    NoSuch,
    #[error("the password is empty")]
    EmptyPassword,
    #[error("the login cannot be put into a filter or DN")]
    Login,
    /// Two people with one name: neither is let in, because either could be the wrong one.
    #[error("more than one account matches")]
    Ambiguous,
    #[error("wrong password")]
    WrongPassword,
    #[error("not allowed to log in at this time")]
    NotNow,
    #[error("not allowed to log in from this machine")]
    NotHere,
    #[error("the password has expired")]
    PasswordExpired,
    #[error("the account is disabled")]
    Disabled,
    #[error("the account has expired")]
    Expired,
    #[error("the password must be changed first")]
    MustChangePassword,
    #[error("the account is locked")]
    Locked,
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    #[error("this is no master user")]
    NoMaster,
    #[error("this master user may not open it")]
    MayNotOpen,
    /// Its home or another field cannot be made.
    #[error("the account cannot be served: {0}")]
    Unusable(String),
    /// A SCRAM exchange went wrong.
    #[error("{0}")]
    Scram(proto::sasl::scram::Fault),
    #[error("refused with result {code} {text}")]
    Other { code: u32, text: String },
}

/// RFC 4511 appendix A.
const SUCCESS: u32 = 0;
const INVALID_CREDENTIALS: u32 = 49;

/// The number after `data` in the text of a result 49: a Windows error code in hexadecimal.
const SUB_CODES: [(u32, Refusal); 9] = [
    (0x525, Refusal::NoSuch),
    (0x52e, Refusal::WrongPassword),
    (0x530, Refusal::NotNow),
    (0x531, Refusal::NotHere),
    (0x532, Refusal::PasswordExpired),
    (0x533, Refusal::Disabled),
    (0x701, Refusal::Expired),
    (0x773, Refusal::MustChangePassword),
    (0x775, Refusal::Locked),
];

/// What an answer to a user's bind means.
///
/// # Errors
/// A refusal, for every result that is not success.
pub fn judge(answer: &BindAnswer) -> Result<(), Refusal> {
    match answer.code {
        SUCCESS => Ok(()),
        INVALID_CREDENTIALS => Err(sub_code(&answer.text).unwrap_or(Refusal::WrongPassword)),
        code => Err(Refusal::Other { code, text: answer.text.clone() }),
    }
}

/// `80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1`
fn sub_code(text: &str) -> Option<Refusal> {
    let (_, rest) = text.split_once(", data ")?;
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    let known = SUB_CODES.iter().find(|(known, _)| *known == code).map(|(_, refusal)| refusal.clone());
    known.or_else(|| Some(Refusal::Other { code: INVALID_CREDENTIALS, text: format!("data {digits}") }))
}

/// `userAccountControl`: ACCOUNTDISABLE, LOCKOUT, DONT_EXPIRE_PASSWORD, PASSWORD_EXPIRED.
const DISABLED: i64 = 0x2;
const LOCKED: i64 = 0x10;
const PASSWORD_NEVER_EXPIRES: i64 = 0x1_0000;
const PASSWORD_EXPIRED: i64 = 0x80_0000;
/// From 1601 to 1970 in seconds: Windows counts tenths of microseconds since 1601.
const EPOCHS_APART: u64 = 11_644_473_600;
const TICKS_IN_A_SECOND: u64 = 10_000_000;

/// Whether an account may log in, by its entry alone. An attribute that is not there says nothing.
///
/// # Errors
/// Why not.
pub fn standing(entry: &Entry, now: SystemTime) -> Result<(), Refusal> {
    let control = number(entry, CONTROL)?.unwrap_or(0) | number(entry, COMPUTED)?.unwrap_or(0);
    // A password that must be changed is computed to have expired, so the more telling reason comes first.
    let rows = [
        (control & DISABLED != 0, Refusal::Disabled),
        (control & LOCKED != 0, Refusal::Locked),
        (has_expired(entry, now)?, Refusal::Expired),
        (must_change(entry, control)?, Refusal::MustChangePassword),
        (control & PASSWORD_EXPIRED != 0, Refusal::PasswordExpired),
    ];
    let first = rows.into_iter().find(|(holds, _)| *holds);
    first.map_or(Ok(()), |(_, refusal)| Err(refusal))
}

fn has_expired(entry: &Entry, now: SystemTime) -> Result<bool, Refusal> {
    // 0 and the largest number mean "never".
    let ticks = number(entry, "accountExpires")?.filter(|ticks| !matches!(ticks, 0 | &i64::MAX));
    Ok(ticks.is_some_and(|ticks| now_in_ticks(now) >= ticks))
}

fn must_change(entry: &Entry, control: i64) -> Result<bool, Refusal> {
    Ok(number(entry, "pwdLastSet")? == Some(0) && control & PASSWORD_NEVER_EXPIRES == 0)
}

fn number(entry: &Entry, name: &'static str) -> Result<Option<i64>, Refusal> {
    match entry.values(name).first() {
        None => Ok(None),
        Some(_) => entry.text(name).and_then(|text| text.parse().ok()).map(Some).ok_or(Refusal::Unreadable(name)),
    }
}

fn now_in_ticks(now: SystemTime) -> i64 {
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since_1601 = since_1970 + Duration::from_secs(EPOCHS_APART);
    let ticks = since_1601.as_secs().saturating_mul(TICKS_IN_A_SECOND);
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// What comes of somebody who wants in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<T> {
    Welcome(T),
    Refused(Refusal),
    Unavailable(Fault),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attributes: &[(&str, &str)]) -> Entry {
        let attribute = |(name, value): &(&str, &str)| ((*name).to_owned(), vec![value.as_bytes().to_vec()]);
        Entry { dn: "cn=x".into(), attributes: attributes.iter().map(attribute).collect() }
    }

    #[test]
    fn every_sub_code_is_told_apart() {
        let refused = |data: &str| {
            let text =
                format!("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1");
            judge(&BindAnswer { code: 49, text }).unwrap_err()
        };
        for (code, refusal) in SUB_CODES {
            assert_eq!(refused(&format!("{code:x}")), refusal);
        }
        assert_eq!(refused("57"), Refusal::Other { code: 49, text: "data 57".into() });
        assert_eq!(judge(&BindAnswer { code: 49, text: String::new() }), Err(Refusal::WrongPassword));
        assert_eq!(judge(&BindAnswer { code: 0, text: String::new() }), Ok(()));
    }

    #[test]
    fn a_disabled_expired_or_locked_account_has_no_standing() {
        // 2026-11-21 00:00:00 UTC
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_219_200);
        let (yesterday, tomorrow) = ("134396064000000000", "134398656000000000");
        let standing = |attributes: &[(&str, &str)]| standing(&entry(attributes), now);
        assert_eq!(standing(&[]), Ok(()));
        assert_eq!(standing(&[("useraccountcontrol", "514")]), Err(Refusal::Disabled));
        assert_eq!(standing(&[("userAccountControl", "528")]), Err(Refusal::Locked));
        assert_eq!(standing(&[("userAccountControl", "8389120")]), Err(Refusal::PasswordExpired));
        let computed = |bits: &str| standing(&[(CONTROL, "512"), (COMPUTED, bits)]);
        assert_eq!((computed("0"), computed("16")), (Ok(()), Err(Refusal::Locked)));
        assert_eq!(computed("8388608"), Err(Refusal::PasswordExpired));
        assert_eq!(standing(&[(COMPUTED, "8388608"), ("pwdLastSet", "0")]), Err(Refusal::MustChangePassword));
        assert_eq!(standing(&[("accountExpires", yesterday)]), Err(Refusal::Expired));
        assert_eq!(standing(&[("accountExpires", tomorrow)]), Ok(()));
        assert_eq!(standing(&[("accountExpires", "9223372036854775807"), ("pwdLastSet", "1")]), Ok(()));
        assert_eq!(standing(&[("pwdLastSet", "0")]), Err(Refusal::MustChangePassword));
        assert_eq!(standing(&[("pwdLastSet", "0"), ("userAccountControl", "66048")]), Ok(()));
        assert_eq!(standing(&[("userAccountControl", "x")]), Err(Refusal::Unreadable("userAccountControl")));
    }
}
