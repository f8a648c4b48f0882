//! The format of `dovecot-acl`: a line an identifier.
//!
//! ```text
//! anyone lr
//! group=staff lrws
//! "user=ana maria" lrwstipekxa
//! -user=luis w
//! user=eva lr :post some-plugins-own-right
//! ```
//!
//! Then come letters, and behind a colon rights by name, with spaces or commas between them. A minus takes away. What has a space
//! in it is quoted. Lines are sorted by identifier, in the order in which they are judged.
//!
//! Comments, empty lines and lines that make no sense are kept; names of rights that nobody here knows too. Pure.

use mail::acl::{Identifier, Rights};

/// The rows that a mailbox may have.
const ROWS_MAX: usize = 1_000;

/// What a mailbox's file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acl {
    rows: Vec<Row>,
    /// Comments and the like, which stand above the rest when the file is written.
    kept: Vec<String>,
    has_nonsense: bool,
}

/// What an identifier is given, or with a minus what is taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub identifier: Identifier,
    pub negative: bool,
    pub rights: Rights,
    /// Names of rights that are other plugins'.
    others: Vec<String>,
}

impl Acl {
    pub(crate) fn parse(content: &[u8]) -> Acl {
        let mut acl = Acl::default();
        for line in String::from_utf8_lossy(content).lines() {
            match Row::parse(line) {
                Some(row) => acl.merge(row),
                None => {
                    acl.has_nonsense |= !line.is_empty() && !line.starts_with('#');
                    acl.kept.push(line.to_owned());
                }
            }
        }
        acl
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let lines = self.kept.iter().cloned().chain(self.rows.iter().map(Row::encode));
        lines.map(|line| line + "\n").collect::<String>().into_bytes()
    }

    /// In the order of the file.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// False when a line is none that can be understood. Who knows whom it was to keep out? So others than the owner get nothing.
    pub fn makes_sense(&self) -> bool {
        !self.has_nonsense
    }

    /// What an identifier has now.
    pub fn rights_of(&self, identifier: &Identifier, negative: bool) -> Option<Rights> {
        self.place(identifier, negative).ok().map(|at| self.rows[at].rights)
    }

    /// Gives an identifier exactly these; none are written as such. False when there are too many rows already, or
    /// when its name cannot stand in a file.
    #[must_use]
    pub fn set(&mut self, identifier: Identifier, negative: bool, rights: Rights) -> bool {
        if parse_identifier(&encode_identifier(&identifier)).as_ref() != Some(&identifier) {
            return false;
        }
        match self.place(&identifier, negative) {
            Ok(at) => {
                self.rows[at].rights = rights;
                self.rows[at].others.clear();
            }
            Err(_) if self.rows.len() >= ROWS_MAX => return false,
            Err(at) => self.rows.insert(at, Row { identifier, negative, rights, others: Vec::new() }),
        }
        true
    }

    /// Nothing more is said of it.
    pub fn remove(&mut self, identifier: &Identifier, negative: bool) {
        if let Ok(at) = self.place(identifier, negative) {
            self.rows.remove(at);
        }
    }

    // Of an identifier that is there twice, both lines count.
    fn merge(&mut self, row: Row) {
        match self.place(&row.identifier, row.negative) {
            Ok(at) => {
                let known = &mut self.rows[at];
                known.rights = known.rights | row.rights;
                known.others.extend(row.others);
            }
            Err(at) => self.rows.insert(at, row),
        }
    }

    fn place(&self, identifier: &Identifier, negative: bool) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| (&row.identifier, row.negative).cmp(&(identifier, negative)))
    }
}

impl Row {
    fn parse(line: &str) -> Option<Row> {
        let (identifier, rest) = match line.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (identifier, rest) = line.split_once(' ').unwrap_or((line, ""));
                (identifier.to_owned(), rest)
            }
        };
        let positive = identifier.strip_prefix('-');
        let identifier_known = parse_identifier(positive.unwrap_or(&identifier))?;
        let (rights, others) = parse_rights(rest.trim_matches([' ', '\t']))?;
        Some(Row { identifier: identifier_known, negative: positive.is_some(), rights, others })
    }

    fn encode(&self) -> String {
        let minus = if self.negative { "-" } else { "" };
        let mut line = quote(format!("{minus}{}", encode_identifier(&self.identifier)));
        line.push(' ');
        line.push_str(&self.rights.file_letters());
        if !self.others.is_empty() {
            line.push_str(&format!(" :{}", self.others.join(" ")));
        }
        line
    }
}

/// The text and what is behind the quote and its space.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut plain = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let rest = &quoted[at + 1..];
                return (rest.is_empty() || rest.starts_with(' ')).then_some((plain, rest.trim_start_matches(' ')));
            }
            '\\' => plain.push(chars.next()?.1),
            c => plain.push(c),
        }
    }
    None
}

fn quote(text: String) -> String {
    if !text.contains(' ') && !text.starts_with('"') {
        return text;
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "\\'");
    format!("\"{escaped}\"")
}

fn parse_rights(text: &str) -> Option<(Rights, Vec<String>)> {
    let (letters, names) = text.split_once(':').unwrap_or((text, ""));
    let mut rights = Rights::NONE;
    for letter in letters.trim_end_matches([' ', '\t']).chars() {
        rights = rights | Rights::of_letter(letter)?;
    }
    let mut others = Vec::new();
    for name in names.split([' ', ',', '\t']).filter(|name| !name.is_empty()) {
        match Rights::of_name(name) {
            Some(right) => rights = rights | right,
            None => others.push(name.to_owned()),
        }
    }
    Some((rights, others))
}

/// As it stands in the file, without a minus.
fn parse_identifier(text: &str) -> Option<Identifier> {
    let named = |prefix: &str| text.strip_prefix(prefix).filter(|name| fits_a_line(name)).map(str::to_owned);
    match text {
        "anyone" | "anonymous" => Some(Identifier::Anyone),
        "authenticated" => Some(Identifier::Authenticated),
        "owner" => Some(Identifier::Owner),
        _ => (named("user=").map(Identifier::User))
            .or_else(|| named("group=").map(Identifier::Group))
            .or_else(|| named("group-override=").map(Identifier::GroupOverride)),
    }
}

/// A line end in a name would be another line, and no name is nobody.
fn fits_a_line(name: &str) -> bool {
    !name.is_empty() && !name.contains(['\n', '\r', '\0'])
}

fn encode_identifier(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Anyone => "anyone".to_owned(),
        Identifier::Authenticated => "authenticated".to_owned(),
        Identifier::Owner => "owner".to_owned(),
        Identifier::User(name) => format!("user={name}"),
        Identifier::Group(name) => format!("group={name}"),
        Identifier::GroupOverride(name) => format!("group-override={name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dovecot_writes_is_written_the_same() {
        let content = "anyone r\nauthenticated l\ngroup=x \nowner alr\n\"user=b c\" lr\n\"-user=b c\" w\n\
                       user=\u{f1} akxeilprwts\ngroup-override=y l\n";
        assert_eq!(String::from_utf8(Acl::parse(content.as_bytes()).encode()).unwrap(), content);
    }

    #[test]
    fn names_stand_for_letters_and_foreign_ones_are_kept() {
        let acl = Acl::parse(b"# why\nuser=bob lr :insert,post foo\nuser=bob w\n");
        assert_eq!(acl.rights_of(&Identifier::User("bob".to_owned()), false).unwrap().to_string(), "lrwip");
        assert!(acl.makes_sense());
        assert_eq!(acl.encode(), b"# why\nuser=bob ilprw :foo\n");
    }

    #[test]
    fn a_line_that_makes_no_sense_is_kept_and_told() {
        for line in ["nonsense lr", "user=bob lrq", "user=bob lr q", "user= l", "\"user=bob lr", "\"user=b\"lr", "-"] {
            let acl = Acl::parse(format!("{line}\nuser=eva l\n").as_bytes());
            assert!(!acl.makes_sense() && acl.rows().len() == 1, "{line}");
            assert_eq!(acl.encode(), format!("{line}\nuser=eva l\n").as_bytes());
        }
    }

    #[test]
    fn no_name_slips_in_a_line() {
        assert_eq!(parse_identifier("user=eva\nanyone"), None);
        let two = Identifier::User("eva\nanyone".to_owned());
        assert!(!Acl::parse(b"").set(two, false, Rights::ALL));
        let odd = Identifier::User("a \"b\\".to_owned());
        let mut acl = Acl::parse(b"");
        assert!(acl.set(odd.clone(), true, Rights::ALL));
        assert_eq!(Acl::parse(&acl.encode()).rights_of(&odd, true), Some(Rights::ALL));
    }
}
