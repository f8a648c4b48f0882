//! A snapshot's file: what an account consisted of at one moment, as JSON, and a last line with the SHA-256 of all before.
//! `docs/internals/backup.md` has the format.

use serde::{Deserialize, Serialize};

use crate::digest;

pub(crate) const VERSION: u32 = 1;

/// One backup of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub version: u32,
    /// The account's name.
    pub account: String,
    /// When it was made, in milliseconds since 1970 (UTC).
    pub taken: u64,
    pub mailboxes: Vec<MailboxRecord>,
    /// The account's own files, and its Sieve scripts, by name and content.
    pub files: Vec<FileRecord>,
    pub sieve: Vec<FileRecord>,
    /// What could not be read when it was made, in words for the operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRecord {
    /// In UTF-8, with a slash between levels.
    pub name: String,
    pub uid_validity: u32,
    /// The content of the list of UIDs.
    pub uidlist: String,
    pub files: Vec<FileRecord>,
    pub messages: Vec<MessageRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    pub name: String,
    pub content: String,
    /// Where it leads, if it is a symbolic link; the content is then that of the script it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    pub uid: u32,
    /// The file's name without flags; octets outside of printable ASCII, and `%`, as `%XX`.
    pub base: String,
    /// The flags, as they stood in the file's name.
    pub suffix: String,
    /// The internal date, seconds and nanoseconds since 1970.
    pub date: (i64, u32),
    /// Octets on disk.
    pub size: u64,
    pub content: String,
}

impl Snapshot {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        let sum = digest::of(text.as_bytes());
        text.push_str(&sum);
        text.push('\n');
        text.into_bytes()
    }

    /// `None` when it is not whole, or was written by a later version.
    pub(crate) fn parse(content: &[u8]) -> Option<Snapshot> {
        let text = std::str::from_utf8(content).ok()?.strip_suffix('\n')?;
        let (body, sum) = text.rsplit_once('\n')?;
        let whole = digest::of(format!("{body}\n").as_bytes()) == sum;
        let snapshot: Snapshot = whole.then(|| serde_json::from_str(body).ok())??;
        (snapshot.version == VERSION).then_some(snapshot)
    }

    pub fn messages(&self) -> usize {
        self.mailboxes.iter().map(|mailbox| mailbox.messages.len()).sum()
    }

    pub fn octets(&self) -> u64 {
        self.mailboxes.iter().flat_map(|mailbox| &mailbox.messages).map(|message| message.size).sum()
    }

    /// Every content it needs.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &str> {
        let mailboxes = self.mailboxes.iter().flat_map(|mailbox| {
            let files = mailbox.files.iter().map(|file| file.content.as_str());
            let messages = mailbox.messages.iter().map(|message| message.content.as_str());
            std::iter::once(mailbox.uidlist.as_str()).chain(files).chain(messages)
        });
        mailboxes.chain(self.files.iter().chain(&self.sieve).map(|file| file.content.as_str()))
    }
}

pub(crate) fn escape(bytes: &[u8]) -> String {
    let one = |&byte: &u8| match byte {
        b'%' => "%25".to_owned(),
        b'!'..=b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

pub(crate) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back() {
        for name in [&b"1.M2P3.vm,S=1"[..], b"\xff%41 \n", b""] {
            assert_eq!(unescape(&escape(name)).as_deref(), Some(name));
        }
        assert_eq!((unescape("%4"), unescape("%zz")), (None, None));
    }

    #[test]
    fn a_changed_octet_is_seen() {
        let snapshot = Snapshot {
            version: VERSION,
            account: "ana".into(),
            taken: 7,
            mailboxes: vec![],
            files: vec![],
            sieve: vec![],
            missing: vec![],
        };
        let whole = snapshot.encode();
        assert_eq!(Snapshot::parse(&whole), Some(snapshot));
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            assert_eq!(Snapshot::parse(&bad), None, "{at}");
            assert_eq!(Snapshot::parse(&whole[..at]), None);
        }
    }
}
