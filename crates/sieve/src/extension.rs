//! The extensions: their names as `require` has them, one row each.

use std::fmt;

macro_rules! extensions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $offered:literal;)*) => {
        /// What a script may `require`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Extension { $($(#[$doc])* $variant,)* }

        /// Each with its name, and whether it is offered unless the caller says otherwise.
        const TABLE: &[(Extension, &str, bool)] = &[$((Extension::$variant, $name, $offered),)*];
    };
}

extensions! {
    FileInto = "fileinto", true;
    Reject = "reject", true;
    EReject = "ereject", true;
    Envelope = "envelope", true;
    EncodedCharacter = "encoded-character", true;
    Octet = "comparator-i;octet", true;
    AsciiCasemap = "comparator-i;ascii-casemap", true;
    AsciiNumeric = "comparator-i;ascii-numeric", true;
    UnicodeCasemap = "comparator-i;unicode-casemap", true;
    Relational = "relational", true;
    Subaddress = "subaddress", true;
    Copy = "copy", true;
    RedirectDsn = "redirect-dsn", true;
    Imap4Flags = "imap4flags", true;
    Variables = "variables", true;
    Mailbox = "mailbox", true;
    Vacation = "vacation", true;
    VacationSeconds = "vacation-seconds", true;
    Body = "body", true;
    Date = "date", true;
    Index = "index", true;
    Regex = "regex", true;
    Include = "include", true;
    Environment = "environment", true;
    Duplicate = "duplicate", true;
    EditHeader = "editheader", true;
    IHave = "ihave", true;
    SpecialUse = "special-use", true;
    SpamTest = "spamtest", true;
    SpamTestPlus = "spamtestplus", true;
    VirusTest = "virustest", true;
    ENotify = "enotify", true;
    Mime = "mime", true;
    ForEveryPart = "foreverypart", true;
    ExtractText = "extracttext", true;
    Replace = "replace", true;
    Enclose = "enclose", true;
    /// `debug_log`: to the script's log.
    Debug = "vnd.dovecot.debug", false;
    /// `${env.name}`.
    EnvironmentVariables = "vnd.dovecot.environment", false;
    /// The language of `.svtest` files; for `suite` only.
    TestSuite = "vnd.dovecot.testsuite", false;
}

impl Extension {
    /// The extension of a name. Names of capabilities mind case (RFC 5228 §2.10.5).
    pub fn named(name: &str) -> Option<Extension> {
        TABLE.iter().find(|(_, known, _)| *known == name).map(|(extension, _, _)| *extension)
    }

    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(known, _, _)| *known == self).map_or("", |(_, name, _)| name)
    }

    fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// A set of extensions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extensions(u64);

impl Extensions {
    pub const NONE: Extensions = Extensions(0);

    /// Those offered unless the operator says otherwise.
    pub fn offered() -> Extensions {
        TABLE
            .iter()
            .filter(|(_, _, offered)| *offered)
            .fold(Extensions::NONE, |set, (extension, _, _)| set.with(*extension))
    }

    pub fn contains(self, extension: Extension) -> bool {
        self.0 & extension.bit() != 0
    }

    #[must_use]
    pub fn with(self, extension: Extension) -> Extensions {
        Extensions(self.0 | extension.bit())
    }

    #[must_use]
    pub fn without(self, extension: Extension) -> Extensions {
        Extensions(self.0 & !extension.bit())
    }

    /// The names, in the order of the table.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(move |(extension, _, _)| self.contains(*extension)).map(|(_, name, _)| *name)
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_extension_has_its_own_bit_and_name() {
        let all = TABLE.iter().fold(Extensions::NONE, |set, (extension, _, _)| set.with(*extension));
        assert_eq!(all.names().count(), TABLE.len());
        for (extension, name, _) in TABLE {
            assert_eq!(Extension::named(name), Some(*extension));
            assert!(!all.without(*extension).contains(*extension));
        }
    }

    #[test]
    fn the_test_language_is_not_offered() {
        assert!(!Extensions::offered().contains(Extension::TestSuite));
        assert!(Extensions::offered().contains(Extension::Vacation));
    }
}
