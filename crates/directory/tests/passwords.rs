//! Password hashes against those that the real Dovecot made, recorded in `data/dovecot-hashes.tsv`.

use std::collections::BTreeSet;

use directory::password::{self, Hash, HashError};
use proto::sasl::Secret;

const LOGIN: &str = "ana@example.test";

/// Scheme, password and hash of every line.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let text = include_str!("data/dovecot-hashes.tsv");
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut columns = line.split('\t');
        (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap())
    })
}

/// Hashes Dovecot itself does not take back, or that we refuse.
fn is_usable(scheme: &str) -> bool {
    !matches!(scheme, "DES-CRYPT" | "PLAIN-TRUNC")
}

#[test]
fn the_right_password_is_right_and_no_other_is() {
    let mut seen = BTreeSet::new();
    for (scheme, password, text) in rows().filter(|(scheme, _, _)| is_usable(scheme)) {
        let hash = Hash::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(hash.verify(LOGIN, &Secret::new(password)), "{text}");
        for wrong in [format!("{password}x"), password.to_uppercase() + "y", String::new()] {
            // bcrypt sees 72 octets of a password.
            let cut = scheme == "BLF-CRYPT" && password.len() >= 72;
            assert!(cut || !hash.verify(LOGIN, &Secret::new(wrong)), "{text}");
        }
        seen.insert(hash.scheme());
    }
    let all: BTreeSet<_> = password::schemes().map(|(name, _)| name).filter(|name| is_usable(name)).collect();
    assert_eq!(seen, all);
}

#[test]
fn every_scheme_that_dovecot_lists_is_known() {
    let known: BTreeSet<_> = password::schemes().map(|(name, _)| name).collect();
    let listed: BTreeSet<_> = rows().map(|(scheme, _, _)| scheme.split('.').next().unwrap()).collect();
    assert_eq!(known, listed);
}

#[test]
fn a_digest_of_name_and_domain_is_for_that_login_only() {
    let (_, password, text) = rows().find(|(scheme, _, _)| *scheme == "DIGEST-MD5").unwrap();
    let hash = Hash::parse(text).unwrap();
    assert!(!hash.verify("ana@example.org", &Secret::new(password)));
    assert!(!hash.verify("ana", &Secret::new(password)));
}

#[test]
fn no_text_of_a_hash_makes_it_panic_or_lets_anybody_in() {
    let password = Secret::new("P@ssw0rd");
    for (scheme, _, text) in rows() {
        let is_slow = ["ARGON2", "CRYPT", "SCRAM", "PBKDF2", "OTP", "MD5"].iter().any(|slow| scheme.contains(slow));
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let hash = Hash::parse(&text[..cut]);
            // A cut password in plain text is another password, a cut salt another salt.
            if let Ok(hash) = hash.as_ref().filter_fast(is_slow) {
                assert!(!hash.verify(LOGIN, &password), "{}", &text[..cut]);
            }
        }
        for (index, _) in text.char_indices() {
            for strange in ["\0", "ñ", "$", ",", "-", "=", "999999999999"] {
                let changed = format!("{}{strange}{}", &text[..index], &text[index..]);
                if let Ok(hash) = Hash::parse(&changed).as_ref().filter_fast(is_slow) {
                    hash.verify(LOGIN, &password);
                }
            }
        }
    }
}

/// Leaves out what would take the test too long to verify.
trait FilterFast {
    fn filter_fast(self, is_slow: bool) -> Self;
}

impl FilterFast for Result<&Hash, &HashError> {
    fn filter_fast(self, is_slow: bool) -> Self {
        self.and_then(|hash| if is_slow { Err(&HashError::NoScheme) } else { Ok(hash) })
    }
}
