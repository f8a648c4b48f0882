//! The embedded directory: a file of names and password hashes, in the form of Dovecot's passwd-file.
//!
//! ```text
//! # comment
//! ana@example.test:{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$…
//! bob@example.test:{PLAIN}only-for-tests
//! ```
//!
//! Fields after a second colon are for other programs and are ignored. A login that succeeded is remembered for a while,
//! as a keyed hash, because an Argon2 hash costs tens of milliseconds and mail programs log in all the time.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Argon2, password_hash};
use aws_lc_rs::{constant_time, hmac};
use mail::Address;
use proto::sasl::Secret;

/// How long a success is remembered.
const REMEMBERED: Duration = Duration::from_secs(300);
/// How many successes are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Why a password file cannot be used: every bad line of it.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct PasswordFileError(Vec<String>);

/// Names and hashes, read once.
pub struct PasswordFile {
    hashes: HashMap<String, Scheme>,
    key: hmac::Key,
    remembered: Mutex<HashMap<String, (hmac::Tag, Instant)>>,
}

impl std::fmt::Debug for PasswordFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PasswordFile({} accounts)", self.hashes.len())
    }
}

enum Scheme {
    Argon2(String),
    Plain(Secret),
}

impl PasswordFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or lines of it are wrong: all of them, with their numbers. Never a password.
    pub fn load(file: &Path) -> Result<PasswordFile, PasswordFileError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| PasswordFileError(vec![format!("{}: {error}", file.display())]))?;
        PasswordFile::parse(&file.display().to_string(), &text)
    }

    /// Reads the text of a file; `name` is for messages.
    ///
    /// # Errors
    /// All lines that are wrong.
    pub fn parse(name: &str, text: &str) -> Result<PasswordFile, PasswordFileError> {
        let mut hashes = HashMap::new();
        let mut mistakes = Vec::new();
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        {
            match parse_line(line) {
                Ok((account, _)) if hashes.contains_key(&account) => {
                    mistakes.push(format!("{name}:{}: {account} is there twice", number + 1))
                }
                Ok((account, scheme)) => drop(hashes.insert(account, scheme)),
                Err(reason) => mistakes.push(format!("{name}:{}: {reason}", number + 1)),
            }
        }
        if !mistakes.is_empty() {
            return Err(PasswordFileError(mistakes));
        }
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new());
        let key = key.map_err(|_| PasswordFileError(vec!["the system gives no random numbers".to_owned()]))?;
        Ok(PasswordFile { hashes, key, remembered: Mutex::default() })
    }

    /// Whether an account has this name (in lower case).
    pub fn has(&self, name: &str) -> bool {
        self.hashes.contains_key(name)
    }

    /// The account's name, if login and password are right. Takes as long for an unknown name as for a wrong password.
    pub fn verify(&self, login: &str, password: &Secret) -> Option<String> {
        // RFC 4513 §5.1.2 is LDAP's rule, but nobody's password is empty here either.
        if password.reveal().is_empty() {
            return None;
        }
        let name = login.to_lowercase();
        let Some(scheme) = self.hashes.get(&name) else {
            let _ = matches_argon2(UNKNOWN, password);
            return None;
        };
        let tag = hmac::sign(&self.key, format!("{name}\0{}", password.reveal()).as_bytes());
        if self.is_remembered(&name, &tag) {
            return Some(name);
        }
        let right = match scheme {
            Scheme::Argon2(hash) => matches_argon2(hash, password),
            Scheme::Plain(plain) => {
                constant_time::verify_slices_are_equal(plain.reveal().as_bytes(), password.reveal().as_bytes()).is_ok()
            }
        };
        right.then(|| {
            self.remember(&name, tag);
            name
        })
    }

    fn is_remembered(&self, name: &str, tag: &hmac::Tag) -> bool {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let known = remembered.get(name).filter(|(_, since)| since.elapsed() < REMEMBERED);
        known.is_some_and(|(known, _)| constant_time::verify_slices_are_equal(known.as_ref(), tag.as_ref()).is_ok())
    }

    fn remember(&self, name: &str, tag: hmac::Tag) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(name.to_owned(), (tag, Instant::now()));
    }
}

/// A hash of nobody's password, so that an unknown name costs the same time.
const UNKNOWN: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNvbWVzb21lc28$7Ow7DUcsb5K0EKv3HhhXZkcxHnVYHJJKGqGNQKxdX0A";

fn parse_line(line: &str) -> Result<(String, Scheme), String> {
    let (name, rest) = line.split_once(':').ok_or("expected `address:{SCHEME}hash`")?;
    let address = Address::parse(name).map_err(|error| format!("`{name}`: {error}"))?;
    let (scheme, rest) = rest
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .ok_or("expected a scheme, as {ARGON2ID}, after the name")?;
    let hash = rest.split(':').next().unwrap_or_default().to_owned();
    let scheme = match scheme.to_ascii_uppercase().as_str() {
        "ARGON2ID" | "ARGON2I" => PasswordHash::new(&hash)
            .map(|_| Scheme::Argon2(hash.clone()))
            .map_err(|error| format!("the hash is damaged: {error}"))?,
        "PLAIN" => Scheme::Plain(Secret::new(rest.to_owned())),
        other => return Err(format!("the scheme {{{other}}} is not known; {{ARGON2ID}} and {{PLAIN}} are")),
    };
    Ok((address.key(), scheme))
}

fn matches_argon2(hash: &str, password: &Secret) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok())
}

/// A new hash of a password, with its scheme, as it stands in the file.
///
/// # Errors
/// When the system gives no random numbers, or the password is too long for Argon2.
pub fn hash_password(password: &Secret) -> Result<String, password_hash::Error> {
    let hash = Argon2::default().hash_password(password.reveal().as_bytes())?;
    Ok(format!("{{ARGON2ID}}{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_right_password_and_only_it_lets_in() {
        let line = format!("Ana@example.test:{}", hash_password(&secret("demo")).unwrap());
        let file = PasswordFile::parse("users", &line).unwrap();
        for _ in 0..2 {
            assert_eq!(file.verify("ANA@example.test", &secret("demo")).as_deref(), Some("ana@example.test"));
            assert_eq!(file.verify("ana@example.test", &secret("Demo")), None);
            assert_eq!(file.verify("ana@example.test", &secret("")), None);
            assert_eq!(file.verify("bob@example.test", &secret("demo")), None);
        }
    }

    #[test]
    fn a_plain_password_may_hold_a_colon() {
        let file = PasswordFile::parse("users", "bob@example.test:{PLAIN}a:b").unwrap();
        assert!(file.verify("bob@example.test", &secret("a:b")).is_some());
    }

    #[test]
    fn bad_lines_are_all_told_and_never_with_a_password() {
        let text = "# users\nana@example.test:{MD5}geheim\nno colon\nx@y:{ARGON2ID}geheim\nb@c.test:{PLAIN}x\nB@c.test:{PLAIN}x\n";
        let error = PasswordFile::parse("users", text).unwrap_err().to_string();
        for expected in ["users:2:", "users:3:", "users:4:", "users:6: b@c.test is there twice"] {
            assert!(error.contains(expected), "{error}");
        }
        assert!(!error.contains("geheim"), "{error}");
    }

    #[test]
    fn the_hash_for_unknown_names_is_a_real_one() {
        assert!(PasswordHash::new(UNKNOWN).is_ok());
    }
}
