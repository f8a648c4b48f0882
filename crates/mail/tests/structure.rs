//! The MIME structure of odd messages, compared with what Dovecot 2.3.19 answered for the very same octets.
//!
//! `structure/NAME.eml` is the message, `structure/NAME.dovecot` the answers: `BODYSTRUCTURE (…)` on the first line, then
//! each section of up to three numbers that was not empty, as `BODY[2.1.MIME] octets` with `\r`, `\n`, `\\` and `\xNN`.
//!
//! Two habits of Dovecot are not ours: it shows an empty text/plain in a multipart that has no parts, and takes `.1` below
//! any text for the text itself, not only below a message (RFC 3501 §6.4.5).

use std::fs;
use std::path::Path;

use mail::mime::{Children, Indexer, Part};

#[test]
fn structure_and_sections_are_those_of_dovecot() {
    let mut names: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/structure"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    names.sort();
    assert!(names.len() >= 12, "the recorded messages are there");
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let message = fs::read(&path).unwrap();
        let answers = fs::read_to_string(path.with_extension("dovecot")).unwrap();
        let root = indexed(&message);
        let (structure, sections) = answers.split_once('\n').unwrap();
        let tree = Tree::parse(structure.strip_prefix("BODYSTRUCTURE ").unwrap());
        compare(&name, &root, &tree);
        let sections: Vec<_> = sections.lines().map(section).collect();
        for (section, expected) in &sections {
            let found = content(&root, section, &message);
            if found.is_none() && below_text(&root, section) {
                continue;
            }
            assert_eq!(shown(found.unwrap_or(b"missing")), shown(expected), "{name} BODY[{section}]");
        }
        compare_unanswered(&name, &root, &sections, &message);
    }
}

/// What Dovecot gave no octets for shall have none here.
fn compare_unanswered(name: &str, root: &Part, sections: &[(String, Vec<u8>)], message: &[u8]) {
    let numbers = || ["", "1", "2", "3", "4", "5", "6"].into_iter();
    let paths = numbers().flat_map(|a| numbers().map(move |b| [a, b])).filter(|path| !path[0].is_empty());
    for path in paths.map(|path| path.join(".").trim_end_matches('.').to_owned()) {
        for section in [path.clone(), format!("{path}.MIME"), format!("{path}.HEADER"), format!("{path}.TEXT")] {
            let found = content(root, &section, message).unwrap_or_default();
            let answered = sections.iter().any(|(known, _)| *known == section);
            assert!(answered || found.is_empty(), "{name} BODY[{section}] {}", shown(found));
        }
    }
}

fn indexed(message: &[u8]) -> Part {
    let mut indexer = Indexer::new();
    indexer.feed(message);
    indexer.finish()
}

fn slice<'a>(message: &'a [u8], range: &std::ops::Range<u64>) -> &'a [u8] {
    &message[range.start as usize..range.end as usize]
}

/// The octets of a section by our offsets.
fn content<'a>(root: &Part, section: &str, message: &'a [u8]) -> Option<&'a [u8]> {
    let (path, suffix) = numbers(section);
    let part = root.section(&path)?;
    let inner = match &part.children {
        _ if path.is_empty() => Some(root),
        Children::Message(inner) => Some(inner.as_ref()),
        _ => None,
    };
    let range = match suffix {
        "" if path.is_empty() => return Some(message),
        "" => &part.body,
        "MIME" => &part.header,
        "HEADER" => &inner?.header,
        _ => &inner?.body,
    };
    Some(slice(message, range))
}

fn numbers(section: &str) -> (Vec<u32>, &str) {
    let mut words = section.split('.').filter(|word| !word.is_empty());
    let suffix = words.clone().find(|word| word.parse::<u32>().is_err()).unwrap_or_default();
    let path = words.by_ref().map_while(|word| word.parse().ok()).collect();
    (path, suffix)
}

fn below_text(root: &Part, section: &str) -> bool {
    let (path, _) = numbers(section);
    let Some((1, parent)) = path.split_last() else { return false };
    root.section(parent).is_some_and(|part| part.children == Children::Leaf)
}

fn section(line: &str) -> (String, Vec<u8>) {
    let (section, octets) = line.strip_prefix("BODY[").unwrap().split_once("] ").unwrap();
    (section.to_owned(), unescaped(octets))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        octets.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            _ => byte,
        });
    }
    octets
}

fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

/// A parenthesised answer of IMAP.
#[derive(Debug, PartialEq)]
enum Tree {
    Atom(String),
    List(Vec<Tree>),
}

impl Tree {
    fn parse(text: &str) -> Tree {
        let (tree, rest) = Tree::first(text);
        assert_eq!(rest, "");
        tree
    }

    fn first(text: &str) -> (Tree, &str) {
        if let Some(mut rest) = text.strip_prefix('(') {
            let mut list = Vec::new();
            while !rest.starts_with(')') {
                let (tree, after) = Tree::first(rest);
                list.push(tree);
                rest = after.trim_start_matches(' ');
            }
            return (Tree::List(list), &rest[1..]);
        }
        if let Some(quoted) = text.strip_prefix('"') {
            let end = quoted.find('"').unwrap();
            return (Tree::Atom(quoted[..end].to_owned()), &quoted[end + 1..]);
        }
        let end = text.find([' ', ')']).unwrap();
        (Tree::Atom(text[..end].to_owned()), &text[end..])
    }

    fn list(&self) -> &[Tree] {
        match self {
            Tree::List(list) => list,
            Tree::Atom(atom) => panic!("{atom} is no list"),
        }
    }

    /// A string, or NIL.
    fn atom(&self) -> &str {
        match self {
            Tree::Atom(atom) => atom,
            Tree::List(list) => panic!("{list:?} is no string"),
        }
    }

    /// Names and values, sorted, names in lower case: Dovecot has an order of its own.
    fn params(&self) -> Vec<(String, String)> {
        if matches!(self, Tree::Atom(_)) {
            return Vec::new();
        }
        let pairs = self.list().chunks(2).map(|pair| (pair[0].atom().to_lowercase(), pair[1].atom().to_owned()));
        sorted(pairs.collect())
    }
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn params(params: &mail::mime::Params) -> Vec<(String, String)> {
    sorted(params.iter().map(|(name, value)| (text(name).to_lowercase(), text(value))).collect())
}

fn or_nil(octets: &Option<Vec<u8>>) -> String {
    octets.as_ref().map_or("NIL".to_owned(), |octets| text(octets))
}

fn compare(name: &str, part: &Part, tree: &Tree) {
    let list = tree.list();
    let (kind, subtype) = part.shown_type();
    match &part.children {
        // RFC 3501 §9: body-type-mpart = 1*body SP media-subtype SP body-fld-param …
        Children::Multipart(parts) => {
            let count = list.iter().take_while(|tree| matches!(tree, Tree::List(_))).count();
            assert_eq!(count, parts.len().max(1), "{name}");
            parts.iter().zip(list).for_each(|(part, tree)| compare(name, part, tree));
            assert_eq!(list[count].atom(), text(subtype), "{name}");
            assert_eq!(list[count + 1].params(), params(&part.media.params), "{name}");
        }
        // media-type media-subtype params id description encoding octets [lines]
        children => {
            assert_eq!([list[0].atom(), list[1].atom()], [text(kind), text(subtype)], "{name}");
            assert_eq!(list[2].params(), params(&part.media.params), "{name}");
            assert_eq!(list[3].atom(), or_nil(&part.media.id), "{name}");
            assert_eq!(list[4].atom(), or_nil(&part.media.description), "{name}");
            assert!(list[5].atom().eq_ignore_ascii_case(&text(&part.media.encoding)), "{name}");
            assert_eq!(list[6].atom(), (part.body.end - part.body.start).to_string(), "{name}");
            let mut after = 7;
            if let Children::Message(inner) = children {
                compare(name, inner, &list[8]);
                after = 9;
            }
            if after == 9 || kind.eq_ignore_ascii_case(b"text") {
                assert_eq!(list[after].atom(), part.lines.to_string(), "{name}");
                after += 1;
            }
            compare_disposition(name, part, &list[after + 1]);
        }
    }
}

fn compare_disposition(name: &str, part: &Part, tree: &Tree) {
    match &part.media.disposition {
        None => assert_eq!(tree.atom(), "NIL", "{name}"),
        Some((kind, parameters)) => {
            assert_eq!(tree.list()[0].atom(), text(kind), "{name}");
            assert_eq!(tree.list()[1].params(), params(parameters), "{name}");
        }
    }
}
