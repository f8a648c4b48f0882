//! The format of `subscriptions`. Version 2: a line `V<TAB>2`, an empty line, then a mailbox a line with a tab between
//! levels, tab-escaped. Version 1 has only the lines, with a dot between levels. Names are encoded as folders are.
//! Lines that are no mailbox names are kept. Pure; the file is `account`'s.

use std::collections::BTreeSet;

use mail::MailboxName;

use crate::layout::Encoding;

/// So much of the file is read: tens of thousands of names.
pub(crate) const LENGTH_MAX: usize = 1 << 20;

const HEADER: &str = "V\t2\n\n";

/// The names in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions(Vec<Line>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Name(MailboxName),
    /// As it stands in version 2.
    Foreign(String),
}

impl Subscriptions {
    pub(crate) fn parse(content: &[u8], encoding: Encoding) -> Subscriptions {
        let content = String::from_utf8_lossy(content);
        let (mut subscriptions, mut seen) = (Subscriptions::default(), BTreeSet::new());
        let (lines, separator) = match content.strip_prefix("V\t2\n") {
            Some(lines) => (lines, '\t'),
            None => (&*content, '.'),
        };
        for line in lines.lines().filter(|line| !line.is_empty() && !line.contains('\0')) {
            let line = match name(line, separator, encoding) {
                Some(name) => Line::Name(name),
                None if separator == '\t' => Line::Foreign(line.to_owned()),
                None => Line::Foreign(escape(line)),
            };
            if seen.insert(line.clone()) {
                subscriptions.0.push(line);
            }
        }
        subscriptions
    }

    pub(crate) fn encode(&self, encoding: Encoding) -> Vec<u8> {
        let mut content = HEADER.to_owned();
        for line in &self.0 {
            match line {
                Line::Name(name) => content.push_str(&encode_name(name, encoding)),
                Line::Foreign(line) => content.push_str(line),
            }
            content.push('\n');
        }
        content.into_bytes()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &MailboxName> {
        self.0.iter().filter_map(|line| if let Line::Name(name) = line { Some(name) } else { None })
    }

    pub(crate) fn contains(&self, name: &MailboxName) -> bool {
        self.names().any(|known| known == name)
    }

    /// False when it was there.
    pub(crate) fn add(&mut self, name: &MailboxName) -> bool {
        let new = !self.contains(name);
        if new {
            self.0.push(Line::Name(name.clone()));
        }
        new
    }

    /// False when it was not there.
    pub(crate) fn remove(&mut self, name: &MailboxName) -> bool {
        let before = self.0.len();
        self.0.retain(|line| *line != Line::Name(name.clone()));
        self.0.len() != before
    }
}

fn name(line: &str, separator: char, encoding: Encoding) -> Option<MailboxName> {
    let levels: Vec<String> = match separator {
        '\t' => line.split('\t').map(unescape).collect::<Option<_>>()?,
        _ => line.split(separator).map(str::to_owned).collect(),
    };
    // A slash within a level would become two levels.
    let plain = levels.iter().all(|level| !level.contains('/'));
    plain.then(|| encoding.decode(&levels.join("/")))?
}

fn encode_name(name: &MailboxName, encoding: Encoding) -> String {
    let encoded = encoding.encode(name);
    encoded.split('/').map(escape).collect::<Vec<_>>().join("\t")
}

// Dovecot's tab-escaping: \001 and a letter stands for a control octet.
const ESCAPES: [(char, char); 5] = [('\0', '0'), ('\x01', '1'), ('\t', 't'), ('\r', 'r'), ('\n', 'n')];

pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match ESCAPES.iter().find(|(plain, _)| *plain == c) {
            Some((_, letter)) => escaped.extend(['\x01', *letter]),
            None => escaped.push(c),
        }
    }
    escaped
}

pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x01' => {
                let letter = chars.next()?;
                plain.push(ESCAPES.iter().find(|(_, known)| *known == letter)?.0);
            }
            _ => plain.push(c),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::ModifiedUtf7;

    fn parse(name: &str) -> MailboxName {
        MailboxName::parse(name).unwrap()
    }

    #[test]
    fn both_versions_are_read_and_version_2_is_written() {
        let old = Subscriptions::parse(b"INBOX\nProyectos.2026\nA&APE-os\n", ModifiedUtf7);
        let new = Subscriptions::parse(b"V\t2\n\nINBOX\nProyectos\t2026\nA&APE-os\n", ModifiedUtf7);
        assert_eq!(old, new);
        assert!(new.contains(&parse("Proyectos/2026")) && new.contains(&parse("A\u{f1}os")));
        assert_eq!(old.encode(ModifiedUtf7), b"V\t2\n\nINBOX\nProyectos\t2026\nA&APE-os\n");
    }

    #[test]
    fn lines_that_are_no_names_are_kept() {
        let content = b"V\t2\n\nA&APE\nTrash\na/b\n";
        let mut subscriptions = Subscriptions::parse(content, ModifiedUtf7);
        assert_eq!(subscriptions.names().count(), 1);
        assert!(!subscriptions.add(&parse("Trash")));
        assert_eq!(subscriptions.encode(ModifiedUtf7), content);
        assert!(subscriptions.remove(&parse("Trash")));
        assert_eq!(subscriptions.encode(ModifiedUtf7), b"V\t2\n\nA&APE\na/b\n");
    }
}
