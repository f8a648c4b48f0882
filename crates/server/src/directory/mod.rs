//! Who is who: the one place that every role asks. Today it is a password file; LDAP will stand behind the same door.
//!
//! A directory that cannot answer says `Unavailable`: that never bounces mail and never lets anyone in.

mod password_file;

use std::path::{Path, PathBuf};

use mail::Address;
pub use proto::sasl::Secret;

pub use password_file::{PasswordFile, PasswordFileError, hash_password};

/// Someone who owns mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The whole address, in lower case: the one name of this account, whatever was typed.
    pub name: String,
    pub home: PathBuf,
}

/// What the directory says to a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogIn {
    Welcome(Account),
    /// No such account, or a wrong password: the same to whoever asks.
    Refused,
    Unavailable,
}

/// What the directory says of a recipient in a local domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Account(Account),
    Unknown,
    Unavailable,
}

/// Answers for all roles.
#[derive(Debug)]
pub struct Directory {
    users: PasswordFile,
    /// With `%u`, `%n` and `%d` in it.
    home: PathBuf,
    delimiter: char,
}

impl Directory {
    pub fn new(users: PasswordFile, home: PathBuf, delimiter: char) -> Directory {
        Directory { users, home, delimiter }
    }

    /// Checks a login name and password. Slow on purpose: call it where blocking is allowed.
    pub fn log_in(&self, login: &str, password: &Secret) -> LogIn {
        match self.users.verify(login, password) {
            Some(name) => self.account(&name).map_or(LogIn::Refused, LogIn::Welcome),
            None => LogIn::Refused,
        }
    }

    /// Who gets the mail for an address of a local domain; a detail (`ana+lists@…`) is ignored.
    pub fn recipient(&self, address: &Address) -> Lookup {
        let plain = address.split_detail(self.delimiter).0;
        let known = [address, &plain].into_iter().find(|address| self.users.has(&address.key()));
        known.and_then(|address| self.account(&address.key())).map_or(Lookup::Unknown, Lookup::Account)
    }

    fn account(&self, name: &str) -> Option<Account> {
        let address = Address::parse(name).ok()?;
        Some(Account { name: name.to_owned(), home: expand_home(&self.home, &address)? })
    }
}

/// Fills `%u`, `%n` and `%d` in. `None` for an address that would lead out of the folder.
fn expand_home(template: &Path, address: &Address) -> Option<PathBuf> {
    let (name, domain) = (address.local_part().to_lowercase(), address.domain().as_str().to_lowercase());
    let safe = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\0']);
    if !safe(&name) || !safe(&domain) {
        return None;
    }
    let mut home = String::new();
    let template = template.to_str()?;
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '%' { chars.next() } else { None }) {
            ('%', Some('u')) => home.push_str(&format!("{name}@{domain}")),
            ('%', Some('n')) => home.push_str(&name),
            ('%', Some('d')) => home.push_str(&domain),
            ('%', Some(other)) => home.push(other),
            (other, _) => home.push(other),
        }
    }
    Some(PathBuf::from(home))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_never_leads_out_of_its_folder() {
        let home = |address: &str| expand_home(Path::new("/mail/%d/%n"), &Address::parse(address).unwrap());
        assert_eq!(home("Ana@Example.test"), Some(PathBuf::from("/mail/example.test/ana")));
        assert_eq!(home("\"..\"@example.test"), None);
        assert_eq!(home("\"a/b\"@example.test"), None);
    }
}
