//! A password file in the form of Dovecot's passwd-file: reading it, logging in by it.
//!
//! ```text
//! # comment
//! ana@example.test:{ARGON2ID}$argon2id$v=19$…
//! bob:{SSHA}…:5000:5000::/var/vmail/bob::userdb_quota_rule=*:storage=2G allow_nets=10.0.0.0/8,::1
//! scanner:::::::nopassword allow_nets=192.0.2.7
//! name:password:uid:gid:gecos:home:shell:extra fields with spaces between them
//! ```
//!
//! Promises: every bad line is told with its number and never with a password; a name can be made to take as long as a
//! wrong password where it is not known. Opens no file (`disk` does), knows no clock, and remembers no login (`chain`
//! does).

mod edit;
mod network;
mod scram;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use proto::sasl::Secret;

pub use edit::{EditError, add, remove, set_password};
pub use network::Network;
use scram::Scram;
pub use scram::{Coverage, MadeUp, ScramSecret};

use crate::account::QuotaRule;
use crate::password::Hash;

/// Octets of a line.
pub const LINE_LENGTH_MAX: usize = 8192;
/// Octets of a name.
pub const NAME_LENGTH_MAX: usize = proto::sasl::LOGIN_LENGTH_MAX;
/// Lines with an account.
pub const ENTRIES_MAX: usize = 1_000_000;
/// Bad lines that are told; of the others only how many there are.
pub const MISTAKES_MAX: usize = 100;

/// Why a password file cannot be used: its bad lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswdFileError {
    /// `file:line: what is wrong`, at most [`MISTAKES_MAX`].
    pub mistakes: Vec<String>,
    /// How many more there are.
    pub untold: usize,
}

impl fmt::Display for PasswdFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistakes.join("\n"))?;
        if self.untold > 0 { write!(f, "\nand {} more", self.untold) } else { Ok(()) }
    }
}

impl std::error::Error for PasswdFileError {}

/// One account of the file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// In lower case.
    pub name: String,
    pub password: Password,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub home: Option<PathBuf>,
    /// Where it may log in from; empty: from anywhere.
    pub allow_nets: Vec<Network>,
    /// Extra fields that begin with `userdb_`, without that: what the account is. `quota_rule` has been parsed once.
    pub userdb: BTreeMap<String, String>,
    /// All other extra fields; a field without `=` has an empty value.
    pub passdb: BTreeMap<String, String>,
}

/// What is asked of who logs in.
#[derive(Debug, Clone)]
pub enum Password {
    Hash(Box<Hash>),
    /// `nopassword`: the networks are all that is asked.
    NotAsked,
    /// The field is empty: this is an account, and nobody logs in to it.
    Never,
}

/// What a login comes to. Who logs in is only told whether it succeeded; the rest is for the log.
#[derive(Debug)]
pub enum LogIn<'a> {
    Welcome(&'a Entry),
    UnknownName,
    WrongPassword,
    /// Right or wrong, but not from there.
    WrongNetwork,
}

/// Names and hashes, read once.
#[derive(Debug)]
pub struct PasswdFile {
    entries: HashMap<String, Entry>,
    /// Verified where there is nothing to verify, to take the same time.
    stand_in: Hash,
    scram: Scram,
}

impl PasswdFile {
    /// Reads the text of a file; `name` is for messages.
    ///
    /// # Errors
    /// All lines that are wrong.
    pub fn parse(name: &str, text: &str) -> Result<PasswdFile, PasswdFileError> {
        let mut entries: HashMap<String, Entry> = HashMap::new();
        let mut error = PasswdFileError { mistakes: Vec::new(), untold: 0 };
        for (index, line) in text.lines().enumerate().filter(|(_, line)| is_entry(line)) {
            let entry = Entry::parse(line).and_then(|entry| match entries.len() {
                _ if entries.contains_key(&entry.name) => Err(format!("{} is there twice", entry.name)),
                ENTRIES_MAX.. => Err(format!("more than {ENTRIES_MAX} accounts")),
                _ => Ok(entry),
            });
            match entry {
                Ok(entry) => drop(entries.insert(entry.name.clone(), entry)),
                Err(reason) => error.push(format!("{name}:{}: {reason}", index + 1)),
            }
        }
        if !error.mistakes.is_empty() {
            return Err(error);
        }
        Ok(PasswdFile { stand_in: stand_in(&entries), scram: Scram::new(&entries), entries })
    }

    /// The account of this name, in any case.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(&name.to_lowercase())
    }

    /// All accounts, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Checks a login and its password. `from` is the client's address, if it has one.
    /// Slow on purpose: call it where blocking is allowed.
    pub fn log_in(&self, login: &str, password: &Secret, from: Option<IpAddr>) -> LogIn<'_> {
        let name = login.to_lowercase();
        let Some(entry) = self.entries.get(&name) else { return LogIn::UnknownName };
        let right = match &entry.password {
            Password::Hash(hash) => hash.verify(login, password),
            Password::NotAsked => true,
            Password::Never => {
                self.take_as_long(login, password);
                false
            }
        };
        match right {
            false => LogIn::WrongPassword,
            true if !entry.is_allowed_from(from) => LogIn::WrongNetwork,
            true => LogIn::Welcome(entry),
        }
    }

    /// Takes as long as a wrong password of most accounts, so that time does not tell which names are known. An unknown name
    /// is not made to wait by itself: another source may know it.
    pub fn take_as_long(&self, login: &str, password: &Secret) {
        self.stand_in.verify(login, password);
    }
}

impl PasswdFileError {
    fn push(&mut self, mistake: String) {
        if self.mistakes.len() < MISTAKES_MAX {
            self.mistakes.push(mistake);
        } else {
            self.untold += 1;
        }
    }
}

/// Whether a line is neither empty nor a comment.
fn is_entry(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

/// The hash of some account with the scheme that most accounts have, or a hash of nobody's password.
fn stand_in(entries: &HashMap<String, Entry>) -> Hash {
    let mut counts: BTreeMap<&str, (usize, &Hash)> = BTreeMap::new();
    for entry in entries.values() {
        if let Password::Hash(hash) = &entry.password {
            counts.entry(hash.scheme()).or_insert((0, hash)).0 += 1;
        }
    }
    let most = counts.values().max_by_key(|(count, _)| *count);
    most.map_or_else(Hash::of_nobody, |(_, hash)| (*hash).clone())
}

impl Entry {
    /// Reads a line. The reason why it is wrong never repeats anything but its name.
    fn parse(line: &str) -> Result<Entry, String> {
        if line.len() > LINE_LENGTH_MAX {
            return Err(format!("the line is longer than {LINE_LENGTH_MAX} octets"));
        }
        let mut fields = line.trim_end_matches('\r').splitn(8, ':');
        let mut field = || fields.next().filter(|field| !field.is_empty());
        let name = entry_name(field().unwrap_or_default())?;
        let (password, uid, gid, _gecos, home, _shell, extra) =
            (field(), field(), field(), field(), field(), field(), field());
        if !line.contains(':') {
            return Err("expected `name:{SCHEME}hash`".to_owned());
        }
        let mut entry = Entry {
            password: Password::Never,
            uid: number(uid, &name, "user")?,
            gid: number(gid, &name, "group")?,
            home: home.map(PathBuf::from),
            allow_nets: Vec::new(),
            userdb: BTreeMap::new(),
            passdb: BTreeMap::new(),
            name,
        };
        entry.take_extra_fields(extra.unwrap_or_default())?;
        entry.password = entry.judge_password(password)?;
        Ok(entry)
    }

    fn take_extra_fields(&mut self, extra: &str) -> Result<(), String> {
        for field in extra.split(' ').filter(|field| !field.is_empty()) {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            match key.strip_prefix("userdb_") {
                Some(key) => drop(self.userdb.insert(key.to_owned(), value.to_owned())),
                None => drop(self.passdb.insert(key.to_owned(), value.to_owned())),
            }
        }
        if let Some(nets) = self.passdb.get("allow_nets") {
            let network = |text: &str| {
                Network::parse(text).ok_or_else(|| format!("{}: `{text}` in allow_nets is no network", self.name))
            };
            self.allow_nets = nets.split(',').map(network).collect::<Result<_, _>>()?;
        }
        for (key, rule) in self.userdb.iter().filter(|(key, _)| key.starts_with("quota_rule")) {
            QuotaRule::parse(rule).map_err(|error| format!("{}: {key}: {error}", self.name))?;
        }
        Ok(())
    }

    fn judge_password(&self, password: Option<&str>) -> Result<Password, String> {
        let name = &self.name;
        match (password, self.passdb.contains_key("nopassword")) {
            (Some(_), true) => Err(format!("{name}: nopassword, and yet there is a password")),
            // Dovecot lets everybody in then, from everywhere.
            (None, true) if self.allow_nets.is_empty() => Err(format!("{name}: nopassword needs allow_nets")),
            (None, true) => Ok(Password::NotAsked),
            (None, false) => Ok(Password::Never),
            (Some(hash), false) => {
                let hash = Hash::parse(hash).map_err(|error| format!("{name}: {error}"))?;
                Ok(Password::Hash(Box::new(hash)))
            }
        }
    }

    /// Whether it may log in from this address. A client without an address is not in any network.
    pub(crate) fn is_allowed_from(&self, from: Option<IpAddr>) -> bool {
        let contains = |network: &Network| from.is_some_and(|from| network.contains(from));
        self.allow_nets.is_empty() || self.allow_nets.iter().any(contains)
    }

    /// The rules of `userdb_quota_rule`, `userdb_quota_rule2` and so on.
    pub fn quota_rules(&self) -> impl Iterator<Item = QuotaRule> {
        let rules = self.userdb.iter().filter(|(key, _)| key.starts_with("quota_rule"));
        rules.filter_map(|(_, rule)| QuotaRule::parse(rule).ok())
    }
}

/// A name in lower case: without colons (which end it), spaces and controls.
fn entry_name(text: &str) -> Result<String, String> {
    let is_wrong = |c: char| c.is_control() || c.is_whitespace() || c == ':';
    match text {
        "" => Err("a name is missing".to_owned()),
        text if text.len() > NAME_LENGTH_MAX => Err(format!("the name is longer than {NAME_LENGTH_MAX} octets")),
        text if text.contains(is_wrong) || text.starts_with('#') => Err("this is no name".to_owned()),
        text => Ok(text.to_lowercase()),
    }
}

fn number(field: Option<&str>, name: &str, whose: &str) -> Result<Option<u32>, String> {
    // What stands there may be the rest of a password with a colon in it, so it is not repeated.
    let wrong = |_| format!("{name}: the {whose} id is no number (a colon ends the password)");
    field.map(|text| text.parse().map_err(wrong)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::{NewHash, make};

    fn file(text: &str) -> PasswdFile {
        PasswdFile::parse("users", text).unwrap()
    }

    fn welcomes(file: &PasswdFile, login: &str, password: &str, from: Option<&str>) -> bool {
        let from = from.map(|from| from.parse().unwrap());
        matches!(file.log_in(login, &Secret::new(password), from), LogIn::Welcome(_))
    }

    #[test]
    fn the_right_password_and_only_it_lets_in() {
        let hash = make(NewHash::default(), &Secret::new("demo")).unwrap();
        let file = file(&format!("# users\n\nAna@example.test:{hash}\nbob:{{PLAIN}}b\n"));
        for _ in 0..2 {
            assert!(welcomes(&file, "ANA@example.test", "demo", None));
            assert!(!welcomes(&file, "ana@example.test", "Demo", None));
            assert!(!welcomes(&file, "ana@example.test", "", None));
            assert!(!welcomes(&file, "carol@example.test", "demo", None));
        }
        assert!(welcomes(&file, "bob", "b", Some("192.0.2.1")));
    }

    #[test]
    fn every_field_of_a_line_is_read() {
        let file = file(
            "bob:{PLAIN}b:5000:5001:Bob,,,:/var/vmail/bob:/bin/false:userdb_quota_rule=*:storage=2G \
             userdb_quota_rule2=Trash:storage=+100M userdb_mail=maildir:~/m nodelay allow_nets=10.0.0.0/8,::1\r\n",
        );
        let bob = file.entry("BOB").unwrap();
        assert_eq!((bob.uid, bob.gid), (Some(5000), Some(5001)));
        assert_eq!(bob.home, Some(PathBuf::from("/var/vmail/bob")));
        assert_eq!(bob.userdb["mail"], "maildir:~/m");
        assert_eq!(bob.passdb["nodelay"], "");
        assert_eq!(bob.quota_rules().count(), 2);
        assert!(welcomes(&file, "bob", "b", Some("10.1.2.3")));
        assert!(welcomes(&file, "bob", "b", Some("::ffff:10.1.2.3")));
        assert!(welcomes(&file, "bob", "b", Some("::1")));
        assert!(!welcomes(&file, "bob", "b", Some("11.1.2.3")));
        assert!(!welcomes(&file, "bob", "b", None));
        assert!(!welcomes(&file, "bob", "x", Some("10.1.2.3")));
    }

    #[test]
    fn without_a_password_only_the_network_counts_and_an_empty_field_lets_nobody_in() {
        let file = file("scanner:::::::nopassword allow_nets=192.0.2.7\nlist:\n");
        assert!(welcomes(&file, "scanner", "", Some("192.0.2.7")));
        assert!(!welcomes(&file, "scanner", "", Some("192.0.2.8")));
        assert!(!welcomes(&file, "scanner", "", None));
        assert!(!welcomes(&file, "list", "", None));
        assert!(!welcomes(&file, "list", "x", None));
    }

    #[test]
    fn bad_lines_are_all_told_and_never_with_a_password() {
        let text = "# users\nana:{FOO}geheim\ngeheim\nx:{ARGON2ID}geheim\nb:{PLAIN}x\nB:{PLAIN}x\n:{PLAIN}geheim\n\
                    c:{PLAIN}a:geheim\nd:{PLAIN}x::::::userdb_quota_rule=*:bytes=\ne:{DES-CRYPT}geheim\n\
                    f:{PLAIN}x::::::allow_nets=10.0.0.0/33\ng:::::::nopassword\nh:geheim\ni j:{PLAIN}geheim\n";
        let error = PasswdFile::parse("users", text).unwrap_err();
        let told = error.to_string();
        assert_eq!(error.mistakes.len(), 12, "{told}");
        for expected in
            ["users:2: ana: the scheme {FOO}", "users:3: expected", "users:6: b is there twice", "users:13:"]
        {
            assert!(told.contains(expected), "{told}");
        }
        assert!(!told.contains("geheim"), "{told}");
        let many = PasswdFile::parse("users", &"x\n".repeat(150)).unwrap_err();
        assert!(many.to_string().ends_with("and 50 more"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let file = file("ana:{PLAIN}geheim\n");
        welcomes(&file, "ana", "geheim", None);
        assert!(!format!("{file:?}").contains("geheim"));
    }
}
