//! The keys that SCRAM logins need, for every name: those of the file, or made up for a name that it has not.
//!
//! Promises: what is made up for a name is the same at every attempt, on every node with the same `MadeUp`, after every restart
//! and every edit of the file, as what is found is; and it takes as long. So nobody learns by SCRAM who is in the file.
//! Only the number of rounds follows the file: it is that of most accounts.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

use super::{Entry, PasswdFile, Password};
use crate::password::{Hash, SCRAM_ROUNDS, prepared};

/// Octets of a salt, as Dovecot's and ours have.
const SALT_LENGTH: usize = 16;

/// How many of the accounts with a password can log in by SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    None,
    Some,
    All,
}

/// What a server needs for one exchange (RFC 5802 §3).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramSecret {
    pub salt: Vec<u8>,
    pub rounds: u32,
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
}

impl std::fmt::Debug for ScramSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScramSecret({} rounds, …)", self.rounds)
    }
}

/// Makes salts and keys up, of names and of a secret: whoever knew the secret could tell them from real ones.
#[derive(Clone)]
pub struct MadeUp(hmac::Key);

impl std::fmt::Debug for MadeUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MadeUp(…)")
    }
}

impl MadeUp {
    /// Of a secret that nobody can guess and that all nodes have.
    pub fn of(secret: &[u8]) -> MadeUp {
        MadeUp(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Good for this process only. `None` when the system gives no random numbers.
    pub fn random() -> Option<MadeUp> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok().map(MadeUp)
    }

    fn make(&self, what: &[u8], name: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        [what, b"\0", name.as_bytes()].iter().for_each(|part| context.update(part));
        context.sign().as_ref().to_vec()
    }
}

pub(super) struct Scram {
    /// Of most accounts that have keys, and of all keys that are made.
    rounds: u32,
    /// Some passwords are stored as they are, and their keys are computed: then they are for every name.
    computes: bool,
    coverage: Coverage,
}

impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scram({:?}, …)", self.coverage)
    }
}

impl Scram {
    pub fn new(entries: &HashMap<String, Entry>) -> Scram {
        let hashes = || entries.values().filter_map(|entry| hash(&entry.password));
        let (serving, all) = (hashes().filter(|hash| hash.serves_scram()).count(), hashes().count());
        let mut rounds: BTreeMap<u32, usize> = BTreeMap::new();
        hashes().filter_map(Hash::scram).filter(|keys| keys.can_serve()).for_each(|keys| {
            *rounds.entry(keys.rounds()).or_default() += 1;
        });
        Scram {
            rounds: rounds.iter().max_by_key(|(_, count)| **count).map_or(SCRAM_ROUNDS, |(rounds, _)| *rounds),
            computes: hashes().any(|hash| hash.plain().is_some()),
            coverage: match serving {
                0 => Coverage::None,
                _ if serving < all => Coverage::Some,
                _ => Coverage::All,
            },
        }
    }
}

fn hash(password: &Password) -> Option<&Hash> {
    if let Password::Hash(hash) = password { Some(hash) } else { None }
}

impl PasswdFile {
    /// Whether SCRAM is for everybody in this file, for some or for nobody.
    pub fn scram_coverage(&self) -> Coverage {
        self.scram.coverage
    }

    /// The account that may prove itself by SCRAM under this name.
    pub fn scram_entry(&self, login: &str) -> Option<&Entry> {
        let entry = self.entry(&prepared(login))?;
        hash(&entry.password).is_some_and(Hash::serves_scram).then_some(entry)
    }

    /// The keys of a name, known or not. Slow when passwords are stored as they are: call it where blocking is allowed.
    pub fn scram_secret(&self, login: &str, made_up: &MadeUp) -> ScramSecret {
        let (scram, name) = (&self.scram, prepared(login).to_lowercase());
        let mut salt = made_up.make(b"salt", &name);
        salt.truncate(SALT_LENGTH);
        let entry_hash = self.scram_entry(login).and_then(|entry| hash(&entry.password));
        if scram.computes && entry_hash.is_none_or(|hash| hash.plain().is_none()) {
            let nobody = Hash::parse("{PLAIN}nobody").ok();
            std::hint::black_box(nobody.and_then(|nobody| nobody.scram_keys(&salt, scram.rounds)));
        }
        match entry_hash.and_then(|hash| hash.scram_keys(&salt, scram.rounds)) {
            Some(keys) => ScramSecret {
                salt: keys.salt().to_vec(),
                rounds: keys.rounds(),
                stored_key: keys.stored_key().to_vec(),
                server_key: keys.server_key().to_vec(),
            },
            // To prove these, a client would have to find what hashes to them.
            None => ScramSecret {
                stored_key: made_up.make(b"stored", &name),
                server_key: made_up.make(b"server", &name),
                salt,
                rounds: scram.rounds,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn file(text: &str) -> PasswdFile {
        PasswdFile::parse("users", text).unwrap()
    }

    fn secret(users: &PasswdFile, login: &str) -> ScramSecret {
        users.scram_secret(login, &MadeUp::of(b"secret"))
    }

    #[test]
    fn stored_keys_are_given_and_stored_passwords_make_them() {
        let users = file(&format!(
            "user:{{SCRAM-SHA-256}}{KEYS}\nana:{{PLAIN}}pencil\nbob:{{ARGON2ID}}$argon2id$v=19$m=19456,t=2,p=1$c29tZXNvbWVzb21lc28$7Ow7DUcsb5K0EKv3HhhXZkcxHnVYHJJKGqGNQKxdX0A\n"
        ));
        let user = secret(&users, "User");
        assert_eq!((user.rounds, user.salt.len()), (4096, 16));
        let ana = secret(&users, "ana");
        assert_eq!((ana.rounds, ana.salt.len()), (4096, 16));
        let again = Hash::parse("{PLAIN}pencil").unwrap().scram_keys(&ana.salt, 4096).unwrap();
        assert_eq!(ana.stored_key, again.stored_key());
        assert_ne!(ana.stored_key, user.stored_key);
        assert!(users.scram_entry("bob").is_none() && users.scram_entry("USER").is_some());
        assert_eq!(users.scram_coverage(), Coverage::Some);
    }

    #[test]
    fn a_name_that_is_not_there_looks_like_one_that_is() {
        let users = file(&format!("user:{{SCRAM-SHA-256}}{KEYS}\n"));
        let nobody = secret(&users, "nobody");
        assert_eq!(nobody, secret(&users, "NOBODY"));
        assert_ne!(nobody.salt, secret(&users, "nobody2").salt);
        assert_eq!((nobody.rounds, nobody.salt.len(), nobody.stored_key.len()), (4096, 16, 32));
        assert_eq!(users.scram_coverage(), Coverage::All);
    }

    #[test]
    fn an_edit_changes_nothing_that_was_made_up_and_another_secret_everything() {
        let text = format!("user:{{SCRAM-SHA-256}}{KEYS}\nana:{{PLAIN}}pencil\n");
        let (before, after) = (file(&text), file(&format!("{text}new:{{PLAIN}}pen\n")));
        for name in ["user", "ana", "nobody"] {
            assert_eq!(secret(&before, name), secret(&after, name), "{name}");
        }
        let other = MadeUp::of(b"another secret");
        assert_ne!(secret(&before, "nobody").salt, before.scram_secret("nobody", &other).salt);
    }

    #[test]
    fn keys_with_too_few_rounds_and_those_for_sha_1_serve_nobody() {
        let few = file(&format!("user:{{SCRAM-SHA-256}}{}\n", KEYS.replace("4096", "4095")));
        assert_eq!(few.scram_coverage(), Coverage::None);
        let sha1 =
            file("user:{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=\n");
        assert_eq!(sha1.scram_coverage(), Coverage::None);
    }
}
