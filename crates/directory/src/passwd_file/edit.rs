//! Changing a password file: from its text to its new text. Comments, order, line ends and other fields stay as they
//! are.
//!
//! Pure; the caller reads the file, and writes the new text through `disk` by rename, so that no reader sees half of
//! it.

use std::fmt;

use super::{Entry, entry_name, is_entry};
use crate::password::Hash;

/// Why a password file is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// Such an account is there already.
    Exists,
    /// There is no such account.
    Unknown,
    /// What is wrong with the name.
    Name(String),
    /// The hash cannot be read, or has a colon or a line end in it, which the file's form does not allow.
    Hash,
    /// The line would not be read again; the reason, as of a bad line.
    Line(String),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EditError::Exists => f.write_str("this account is there already"),
            EditError::Unknown => f.write_str("there is no such account"),
            EditError::Name(reason) | EditError::Line(reason) => f.write_str(reason),
            EditError::Hash => f.write_str("the hash cannot stand in a password file"),
        }
    }
}

impl std::error::Error for EditError {}

/// The text with a new account at its end. `hash` has its scheme (`password::make`).
///
/// # Errors
/// The account exists, or name or hash are wrong.
pub fn add(text: &str, name: &str, hash: &str) -> Result<String, EditError> {
    let name = entry_name(name).map_err(EditError::Name)?;
    check_hash(hash)?;
    if text.lines().any(|line| is_entry_of(line, &name)) {
        return Err(EditError::Exists);
    }
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let before = if text.is_empty() || text.ends_with('\n') { "" } else { line_end };
    Ok(format!("{text}{before}{name}:{hash}{line_end}"))
}

/// The text with another password for an account.
///
/// # Errors
/// There is no such account, the hash is wrong, or the account is one without a password.
pub fn set_password(text: &str, name: &str, hash: &str) -> Result<String, EditError> {
    let name = entry_name(name).map_err(EditError::Name)?;
    check_hash(hash)?;
    let mut found = false;
    let mut changed = String::with_capacity(text.len() + hash.len());
    for line in text.split_inclusive('\n') {
        if !is_entry_of(line, &name) {
            changed.push_str(line);
            continue;
        }
        found = true;
        let content = line.trim_end_matches(['\r', '\n']);
        let line_end = line.get(content.len()..).unwrap_or_default();
        let mut fields = content.splitn(3, ':');
        let (written_name, _old, rest) = (fields.next().unwrap_or_default(), fields.next(), fields.next());
        let rest = rest.map(|rest| format!(":{rest}")).unwrap_or_default();
        let content = format!("{written_name}:{hash}{rest}");
        Entry::parse(&content).map_err(EditError::Line)?;
        changed.push_str(&content);
        changed.push_str(line_end);
    }
    if found { Ok(changed) } else { Err(EditError::Unknown) }
}

/// The text without an account.
///
/// # Errors
/// There is no such account.
pub fn remove(text: &str, name: &str) -> Result<String, EditError> {
    let name = entry_name(name).map_err(EditError::Name)?;
    let kept: String = text.split_inclusive('\n').filter(|line| !is_entry_of(line, &name)).collect();
    if kept.len() == text.len() { Err(EditError::Unknown) } else { Ok(kept) }
}

fn check_hash(hash: &str) -> Result<(), EditError> {
    let is_wrong = hash.contains([':', '\r', '\n', '\0']) || Hash::parse(hash).is_err();
    if is_wrong { Err(EditError::Hash) } else { Ok(()) }
}

fn is_entry_of(line: &str, name: &str) -> bool {
    let written = line.split(':').next().unwrap_or_default().trim_end_matches(['\r', '\n']);
    is_entry(line) && written.to_lowercase() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# people\nAna:{PLAIN}a:5000:5000::/home/ana::userdb_quota_rule=*:bytes=1\n\n# machines\nbob:{PLAIN}b";

    #[test]
    fn comments_order_and_other_fields_stay() {
        let text = add(TEXT, "Carol", "{PLAIN}c").unwrap();
        assert_eq!(text, format!("{TEXT}\ncarol:{{PLAIN}}c\n"));
        let text = set_password(&text, "ana", "{PLAIN}new").unwrap();
        assert_eq!(text, format!("{TEXT}\ncarol:{{PLAIN}}c\n").replace("{PLAIN}a:", "{PLAIN}new:"));
        let text = remove(&text, "BOB").unwrap();
        assert!(text.ends_with("\n# machines\ncarol:{PLAIN}c\n"), "{text}");
        assert_eq!(super::super::PasswdFile::parse("users", &text).unwrap().entries().count(), 2);
    }

    #[test]
    fn line_ends_stay() {
        let text = add("ana:{PLAIN}a\r\n", "bob", "{PLAIN}b").unwrap();
        assert_eq!(text, "ana:{PLAIN}a\r\nbob:{PLAIN}b\r\n");
        assert_eq!(set_password(&text, "ana", "{PLAIN}x").unwrap(), "ana:{PLAIN}x\r\nbob:{PLAIN}b\r\n");
        assert_eq!(set_password("ana:", "ana", "{PLAIN}x").unwrap(), "ana:{PLAIN}x");
        assert_eq!(add("", "ana", "{PLAIN}a").unwrap(), "ana:{PLAIN}a\n");
    }

    #[test]
    fn nothing_can_be_slipped_into_another_line_or_field() {
        assert!(matches!(add(TEXT, "eve:{PLAIN}x\nroot", "{PLAIN}x"), Err(EditError::Name(_))));
        assert!(matches!(add(TEXT, "#eve", "{PLAIN}x"), Err(EditError::Name(_))));
        assert!(matches!(add(TEXT, "", "{PLAIN}x"), Err(EditError::Name(_))));
        assert_eq!(add(TEXT, "eve", "{PLAIN}x:0:0"), Err(EditError::Hash));
        assert_eq!(add(TEXT, "eve", "{PLAIN}x\nroot:{PLAIN}x"), Err(EditError::Hash));
        assert_eq!(add(TEXT, "eve", "no scheme"), Err(EditError::Hash));
        assert_eq!(add(TEXT, "ANA", "{PLAIN}x"), Err(EditError::Exists));
        assert_eq!(set_password(TEXT, "eve", "{PLAIN}x"), Err(EditError::Unknown));
        assert_eq!(remove(TEXT, "# people"), Err(EditError::Name("this is no name".to_owned())));
        assert_eq!(remove(TEXT, "eve"), Err(EditError::Unknown));
        let without = "s:::::::nopassword allow_nets=::1\n";
        assert!(matches!(set_password(without, "s", "{PLAIN}x"), Err(EditError::Line(_))));
    }
}
