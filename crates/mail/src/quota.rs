//! Quotas: how much an account may keep, in the rules of Dovecot 2.3. Pure; knows neither who sets them nor where they are
//! enforced.
//!
//! A malformed rule is an error that says so; the caller takes its default rule then and warns, and does not keep the
//! account's mail waiting.

use std::fmt;

/// Octets of a quota rule.
pub const QUOTA_RULE_LENGTH_MAX: usize = 1024;
/// A limit: what fits into Dovecot's signed numbers.
pub const QUOTA_LIMIT_MAX: u64 = i64::MAX.unsigned_abs();

/// How much may be kept. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In octets.
    pub storage: Option<u64>,
    pub messages: Option<u64>,
}

/// What a mailbox adds to a limit of the account, or takes from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Change {
    #[default]
    None,
    By(i64),
    /// Of the account's limit.
    Percent(i64),
}

/// One quota rule.
///
/// ```text
/// rule  = mask ":" ( "ignore" / [ limit *( ":" limit ) ] )       ; the masks "*" and "?" mean the account
/// limit = ( "storage" / "bytes" / "messages" ) "=" [ "+" / "-" ] number [ unit ]
/// unit  = ( "B" / "K" / "M" / "G" / "T" ) [ "B" / "iB" ] / "%"   ; any case; without one: KiB, octets, messages
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaRule {
    Account(Limits),
    /// Mailboxes whose limit differs from the account's, as `Trash:storage=+100M`.
    Mailbox {
        mask: String,
        storage: Change,
        messages: Change,
    },
    /// Mailboxes that are not counted.
    Ignored {
        mask: String,
    },
}

/// What is wrong with a quota rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaRuleError {
    TooLong,
    /// No colon.
    NoLimits,
    UnknownLimit(String),
    /// Neither a number nor one that fits; often empty, where the directory has no such attribute.
    Number(String),
    Unit(String),
    /// A sign or a percentage, of which the account's own limit is none.
    Relative(String),
}

impl fmt::Display for QuotaRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuotaRuleError::TooLong => write!(f, "the quota rule is longer than {QUOTA_RULE_LENGTH_MAX} octets"),
            QuotaRuleError::NoLimits => f.write_str("expected a quota rule, as `*:storage=2G`"),
            QuotaRuleError::UnknownLimit(name) => {
                write!(f, "there is no limit `{name}` in a quota rule: storage, bytes and messages are")
            }
            QuotaRuleError::Number(text) if text.is_empty() => f.write_str("the quota has no number"),
            QuotaRuleError::Number(text) => write!(f, "`{text}` is no number for a quota"),
            QuotaRuleError::Unit(text) => write!(f, "`{text}` is no unit for a quota: K, M, G and T are"),
            QuotaRuleError::Relative(text) => write!(f, "`{text}` is relative, and an account's quota cannot be"),
        }
    }
}

impl std::error::Error for QuotaRuleError {}

impl QuotaRule {
    /// Parses `*:bytes=1073741824`, `*:storage=2G:messages=100000`, `Trash:storage=+100M`, `Spam:ignore`.
    ///
    /// # Errors
    /// See [`QuotaRuleError`].
    pub fn parse(text: &str) -> Result<QuotaRule, QuotaRuleError> {
        if text.len() > QUOTA_RULE_LENGTH_MAX {
            return Err(QuotaRuleError::TooLong);
        }
        let (mask, limits) = text.split_once(':').ok_or(QuotaRuleError::NoLimits)?;
        let is_account = matches!(mask, "*" | "?");
        match (is_account, limits) {
            (true, "ignore" | "") => Ok(QuotaRule::Account(Limits::default())),
            (false, "ignore") => Ok(QuotaRule::Ignored { mask: mask.to_owned() }),
            (true, limits) => account_limits(limits).map(QuotaRule::Account),
            (false, limits) => mailbox_changes(mask, limits),
        }
    }
}

fn account_limits(text: &str) -> Result<Limits, QuotaRuleError> {
    let mut limits = Limits::default();
    for limit in text.split(':') {
        let (name, value) = Name::split(limit)?;
        let amount = Amount::parse(value, name.unit())?;
        if amount.is_percent || amount.is_signed {
            return Err(QuotaRuleError::Relative(value.to_owned()));
        }
        // Nought is no limit.
        let number = Some(amount.number.unsigned_abs()).filter(|number| *number > 0);
        match name {
            Name::Storage | Name::Bytes => limits.storage = number,
            Name::Messages => limits.messages = number,
        }
    }
    Ok(limits)
}

/// A number without a sign means more, as in Dovecot, which calls that obsolete.
fn mailbox_changes(mask: &str, text: &str) -> Result<QuotaRule, QuotaRuleError> {
    let (mut storage, mut messages) = (Change::None, Change::None);
    for limit in text.split(':').filter(|_| !text.is_empty()) {
        let (name, value) = Name::split(limit)?;
        let amount = Amount::parse(value, name.unit())?;
        let change = if amount.is_percent { Change::Percent(amount.number) } else { Change::By(amount.number) };
        match name {
            Name::Storage | Name::Bytes => storage = change,
            Name::Messages => messages = change,
        }
    }
    Ok(QuotaRule::Mailbox { mask: mask.to_owned(), storage, messages })
}

#[derive(Clone, Copy)]
enum Name {
    Storage,
    Bytes,
    Messages,
}

impl Name {
    fn split(limit: &str) -> Result<(Name, &str), QuotaRuleError> {
        match limit.split_once('=') {
            Some(("storage", value)) => Ok((Name::Storage, value)),
            Some(("bytes", value)) => Ok((Name::Bytes, value)),
            Some(("messages", value)) => Ok((Name::Messages, value)),
            other => Err(QuotaRuleError::UnknownLimit(other.map_or(limit, |(name, _)| name).to_owned())),
        }
    }

    /// What a number without a unit counts.
    fn unit(self) -> i64 {
        if matches!(self, Name::Storage) { 1024 } else { 1 }
    }
}

struct Amount {
    number: i64,
    is_signed: bool,
    is_percent: bool,
}

impl Amount {
    fn parse(text: &str, unit: i64) -> Result<Amount, QuotaRuleError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
        let (digits, suffix) = unsigned.split_at_checked(end).unwrap_or((unsigned, ""));
        let wrong = || QuotaRuleError::Number(text.to_owned());
        let number: i64 = digits.parse().map_err(|_| wrong())?;
        let unit = if suffix.is_empty() { unit } else { multiple(suffix)? };
        let number = number.checked_mul(unit).ok_or_else(wrong)?;
        let number = if text.starts_with('-') { -number } else { number };
        Ok(Amount { number, is_signed: unsigned.len() < text.len(), is_percent: suffix == "%" })
    }
}

fn multiple(suffix: &str) -> Result<i64, QuotaRuleError> {
    match suffix.to_ascii_lowercase().as_str() {
        "%" | "b" => Ok(1),
        "k" | "kb" | "kib" => Ok(1 << 10),
        "m" | "mb" | "mib" => Ok(1 << 20),
        "g" | "gb" | "gib" => Ok(1 << 30),
        "t" | "tb" | "tib" => Ok(1 << 40),
        _ => Err(QuotaRuleError::Unit(suffix.to_owned())),
    }
}

/// All rules of an account together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// `None`: no rule spoke of the account.
    limits: Option<Limits>,
    mailboxes: Vec<QuotaRule>,
}

impl Quota {
    /// Later rules replace earlier ones: the account's as a whole, and a mailbox's of the same mask.
    #[must_use]
    pub fn with(mut self, rule: QuotaRule) -> Quota {
        if let QuotaRule::Account(limits) = rule {
            return Quota { limits: Some(limits), ..self };
        }
        self.mailboxes.retain(|other| mask_of(other) != mask_of(&rule));
        self.mailboxes.push(rule);
        self
    }

    /// These rules, and those of `defaults` for what these do not speak of.
    #[must_use]
    pub fn over(&self, defaults: &Quota) -> Quota {
        let start = Quota { limits: self.limits.or(defaults.limits), mailboxes: defaults.mailboxes.clone() };
        self.mailboxes.iter().cloned().fold(start, Quota::with)
    }

    /// The account's limits.
    pub fn limits(&self) -> Limits {
        self.limits.unwrap_or_default()
    }

    /// Whether messages in this mailbox count.
    pub fn counts(&self, mailbox: &str) -> bool {
        !matches!(self.rule_of(mailbox), Some(QuotaRule::Ignored { .. }))
    }

    /// Whether there are mailboxes that are not counted.
    pub fn ignores_any(&self) -> bool {
        self.mailboxes.iter().any(|rule| matches!(rule, QuotaRule::Ignored { .. }))
    }

    /// The account's limits as they hold when a message goes into this mailbox. `None`: the mailbox is not counted.
    pub fn limits_of(&self, mailbox: &str) -> Option<Limits> {
        let limits = self.limits();
        match self.rule_of(mailbox) {
            Some(QuotaRule::Ignored { .. }) => None,
            Some(QuotaRule::Mailbox { storage, messages, .. }) => Some(Limits {
                storage: limits.storage.map(|limit| storage.of(limit)),
                messages: limits.messages.map(|limit| messages.of(limit)),
            }),
            _ => Some(limits),
        }
    }

    fn rule_of(&self, mailbox: &str) -> Option<&QuotaRule> {
        self.mailboxes.iter().find(|rule| mask_of(rule).is_some_and(|mask| matches_mask(mask, mailbox)))
    }
}

impl Change {
    /// A limit changed. Nothing is taken below nought.
    fn of(self, limit: u64) -> u64 {
        match self {
            Change::None => limit,
            Change::By(change) => limit.saturating_add_signed(change),
            Change::Percent(percent) => {
                let change = i128::from(limit) * i128::from(percent) / 100;
                u64::try_from((i128::from(limit) + change).max(0)).unwrap_or(QUOTA_LIMIT_MAX)
            }
        }
    }
}

fn mask_of(rule: &QuotaRule) -> Option<&str> {
    match rule {
        QuotaRule::Account(_) => None,
        QuotaRule::Mailbox { mask, .. } | QuotaRule::Ignored { mask } => Some(mask),
    }
}

/// `*` is any number of characters and `?` any one; case matters.
fn matches_mask(mask: &str, name: &str) -> bool {
    let (mask, name): (Vec<char>, Vec<char>) = (mask.chars().collect(), name.chars().collect());
    // Where the last `*` was, and how much of the name it has taken so far: enough to go back to, so never exponential.
    let (mut at_mask, mut at_name, mut star) = (0, 0, None);
    while at_name < name.len() {
        match mask.get(at_mask) {
            Some('*') => {
                star = Some((at_mask, at_name));
                at_mask += 1;
            }
            Some(c) if *c == '?' || name.get(at_name) == Some(c) => {
                at_mask += 1;
                at_name += 1;
            }
            _ => {
                let Some((star_mask, star_name)) = star else { return false };
                star = Some((star_mask, star_name + 1));
                at_mask = star_mask + 1;
                at_name = star_name + 1;
            }
        }
    }
    mask.iter().skip(at_mask).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(storage: Option<u64>, messages: Option<u64>) -> Result<QuotaRule, QuotaRuleError> {
        Ok(QuotaRule::Account(Limits { storage, messages }))
    }

    /// Each row was asked of Dovecot 2.3.19 with `doveadm quota get`.
    #[test]
    fn rules_are_read_as_dovecot_reads_them() {
        const MIB: u64 = 1 << 20;
        for (text, storage, messages) in [
            ("*:bytes=1073741824", Some(1024 * MIB), None),
            ("*:bytes=20480", Some(20480), None),
            ("*:bytes=10m", Some(10 * MIB), None),
            ("*:bytes=5MiB", Some(5 * MIB), None),
            ("*:bytes=5KB", Some(5 << 10), None),
            ("*:bytes=00012M", Some(12 * MIB), None),
            ("*:bytes=0", None, None),
            ("*:storage=2048", Some(2 * MIB), None),
            ("*:storage=10B", Some(10), None),
            ("*:storage=2G:messages=100000", Some(2048 * MIB), Some(100_000)),
            ("*:storage=1G:storage=2G", Some(2048 * MIB), None),
            ("*:messages=10k", None, Some(10_240)),
            ("*:messages=0", None, None),
            ("*:bytes=9223372036854775807", Some(QUOTA_LIMIT_MAX), None),
            ("?:storage=1G", Some(1024 * MIB), None),
            ("*:ignore", None, None),
            ("*:", None, None),
        ] {
            assert_eq!(QuotaRule::parse(text), account(storage, messages), "{text}");
        }
    }

    #[test]
    fn what_dovecot_refuses_is_refused_with_a_reason() {
        use QuotaRuleError::{NoLimits, Number, Relative, Unit, UnknownLimit};
        for (text, error) in [
            ("*", NoLimits),
            ("Trash", NoLimits),
            ("*:bytes=", Number(String::new())),
            ("*:bytes=abc", Number("abc".to_owned())),
            ("*:bytes= 5M", Number(" 5M".to_owned())),
            ("*:bytes=9223372036854775808", Number("9223372036854775808".to_owned())),
            ("*:bytes=9999999T", Number("9999999T".to_owned())),
            ("*:bytes=-5", Relative("-5".to_owned())),
            ("*:bytes=+5M", Relative("+5M".to_owned())),
            ("*:bytes=1.5G", Unit(".5G".to_owned())),
            ("*:bytes=5 M", Unit(" M".to_owned())),
            ("*:foo=1", UnknownLimit("foo".to_owned())),
            ("*:STORAGE=1G", UnknownLimit("STORAGE".to_owned())),
            ("*:5000S", UnknownLimit("5000S".to_owned())),
            ("*:storage=1G:", UnknownLimit(String::new())),
            ("*:backend=5S", UnknownLimit("backend".to_owned())),
            ("Trash:storage=", Number(String::new())),
            ("Trash:storage=++1", Number("++1".to_owned())),
            ("ñ:storage=1ñ", Unit("ñ".to_owned())),
        ] {
            assert_eq!(QuotaRule::parse(text), Err(error), "{text}");
        }
        assert_eq!(QuotaRule::parse(&"x".repeat(2000)), Err(QuotaRuleError::TooLong));
    }

    #[test]
    fn a_mailbox_changes_the_limit_of_the_account() {
        let rules =
            ["*:storage=1000B:messages=10", "Trash:storage=+100B", "Sent/*:storage=+50%:messages=-20", "S?am:ignore"];
        let quota = rules.iter().fold(Quota::default(), |quota, rule| quota.with(QuotaRule::parse(rule).unwrap()));
        let limits = |mailbox: &str| quota.limits_of(mailbox).map(|limits| (limits.storage, limits.messages));
        assert_eq!(limits("INBOX"), Some((Some(1000), Some(10))));
        assert_eq!(limits("Trash"), Some((Some(1100), Some(10))));
        assert_eq!(limits("Sent/2026"), Some((Some(1500), Some(0))));
        assert_eq!(limits("Sent"), Some((Some(1000), Some(10))));
        assert_eq!(limits("Spam"), None);
        assert!(quota.ignores_any() && quota.counts("Trash") && !quota.counts("Spam"));
        let unlimited = quota.clone().with(QuotaRule::parse("*:bytes=0").unwrap());
        assert_eq!(unlimited.limits_of("Trash"), Some(Limits::default()));
    }

    /// Asked of Dovecot 2.3.19 with the platform's settings: the directory's rule replaces the account's as a whole, and the
    /// one for Trash stays.
    #[test]
    fn an_accounts_own_rules_lie_over_the_defaults() {
        let quota = |rules: &[&str]| {
            rules.iter().fold(Quota::default(), |quota, rule| quota.with(QuotaRule::parse(rule).unwrap()))
        };
        let defaults = quota(&["*:storage=2K:messages=100000", "Trash:storage=+100B"]);
        let own = quota(&["*:bytes=20480"]).over(&defaults);
        assert_eq!(own.limits(), Limits { storage: Some(20480), messages: None });
        assert_eq!(own.limits_of("Trash").unwrap().storage, Some(20580));
        assert_eq!(quota(&["*:bytes=0"]).over(&defaults).limits(), Limits::default());
        let trash = quota(&["Trash:storage=+1B"]).over(&defaults);
        assert_eq!(trash.limits().messages, Some(100_000));
        assert_eq!(trash.limits_of("Trash").unwrap().storage, Some(2049));
    }

    #[test]
    fn a_mask_of_many_stars_costs_no_more_than_one() {
        assert!(!matches_mask(&"*a".repeat(200), &"a".repeat(5000).replace("aaaaaaaaaa", "aaaaaaaaab")[..300]));
        assert!(matches_mask("*a*b*", "xxaxxbxx"));
        assert!(matches_mask("", ""));
        assert!(!matches_mask("", "x"));
    }
}
