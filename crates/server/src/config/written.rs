//! What the file says, checked row by row against the schema. Every mistake is found, none stops the reading.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;
use super::nearest::nearest;
use super::schema::{self, Kind, Row, Table};
use super::units::{parse_duration, parse_size};

/// The longest file read.
pub const FILE_LENGTH_MAX: usize = 4 * 1024 * 1024;

/// A value that fits its row's kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(i64),
    Size(u64),
    Duration(Duration),
    /// Each with its own place in the file.
    Texts(Vec<(String, Range<usize>)>),
}

/// One table of the file, defaults filled in.
#[derive(Debug)]
pub struct WrittenTable {
    /// Where its header or first key stands; `None` when the file lacks it.
    pub span: Option<Range<usize>>,
    values: BTreeMap<&'static str, (Value, Option<Range<usize>>)>,
}

/// The whole file: each table of the schema, those that repeat in the order of the file.
#[derive(Debug, Default)]
pub struct Written(BTreeMap<&'static str, Vec<WrittenTable>>);

/// Reads a file. What is missing or wrong is a mistake and stays out of the result.
pub fn read(text: &str) -> (Written, Vec<Mistake>) {
    if text.len() > FILE_LENGTH_MAX {
        let mistake = Mistake::at(0..0, format!("the file is longer than {FILE_LENGTH_MAX} octets"));
        return (Written::default(), vec![mistake]);
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<Mistake> = errors.iter().map(syntax_mistake).collect();
    let root = root.into_inner();
    unknown_tables(&root, &mut mistakes);
    let mut written = Written::default();
    for table in schema::TABLES {
        written.0.insert(table.name, read_tables(table, &root, &mut mistakes));
    }
    (written, mistakes)
}

fn syntax_mistake(error: &toml::de::Error) -> Mistake {
    Mistake { span: error.span(), message: error.message().to_owned(), help: None }
}

fn unknown_tables(root: &DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    for key in root.keys().filter(|key| schema::table(key.get_ref()).is_none()) {
        let near = nearest(key.get_ref(), schema::TABLES.iter().map(|table| table.name));
        mistakes.push(unknown("table", key, near));
    }
}

fn unknown(what: &str, key: &Spanned<impl AsRef<str>>, near: Option<&str>) -> Mistake {
    let mistake = Mistake::at(key.span(), format!("unknown {what} `{}`", key.get_ref().as_ref()));
    match near {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None => mistake,
    }
}

fn read_tables(table: &'static Table, root: &DeTable<'_>, mistakes: &mut Vec<Mistake>) -> Vec<WrittenTable> {
    // A single table that is not written has its defaults; what it must have is missed by whoever needs it.
    let unwritten =
        || if table.repeats { Vec::new() } else { vec![WrittenTable { span: None, values: defaults(table) }] };
    let Some((_, value)) = root.iter().find(|(key, _)| key.get_ref() == table.name) else { return unwritten() };
    match (value.get_ref(), table.repeats) {
        (DeValue::Table(entries), false) => vec![read_table(table, entries, value.span(), mistakes)],
        (DeValue::Array(items), true) => items.iter().filter_map(|item| read_item(table, item, mistakes)).collect(),
        _ => {
            let form = if table.repeats { format!("[[{}]]", table.name) } else { format!("[{}]", table.name) };
            mistakes.push(
                Mistake::at(value.span(), format!("`{}` is not a table of this form", table.name))
                    .help(format!("write {form}")),
            );
            unwritten()
        }
    }
}

fn read_item(table: &'static Table, item: &Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> Option<WrittenTable> {
    let DeValue::Table(entries) = item.get_ref() else {
        mistakes.push(Mistake::at(item.span(), format!("expected a table, as [[{}]]", table.name)));
        return None;
    };
    Some(read_table(table, entries, item.span(), mistakes))
}

fn read_table(
    table: &'static Table,
    entries: &DeTable<'_>,
    span: Range<usize>,
    mistakes: &mut Vec<Mistake>,
) -> WrittenTable {
    let mut values = defaults(table);
    for (key, value) in entries.iter() {
        let Some(row) = table.row(key.get_ref()) else {
            let near = nearest(key.get_ref(), table.rows.iter().map(|row| row.key));
            mistakes.push(unknown("option", key, near));
            continue;
        };
        match check(row.kind, value, mistakes) {
            Ok(good) => drop(values.insert(row.key, (good, Some(value.span())))),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let missing = |row: &&Row| row.required && !entries.keys().any(|key| key.get_ref() == row.key);
    for row in table.rows.iter().filter(missing) {
        mistakes.push(Mistake::at(span.clone(), format!("`{}` is missing", row.key)).help(row.sentence));
    }
    WrittenTable { span: Some(span), values }
}

fn defaults(table: &'static Table) -> BTreeMap<&'static str, (Value, Option<Range<usize>>)> {
    let filled = table.rows.iter().filter_map(|row| Some((row, row.default?)));
    filled.map(|(row, default)| (row.key, (default_value(row, default), None))).collect()
}

/// A default is written in the schema as it would be in the file. A test reads them all.
fn default_value(row: &Row, default: &str) -> Value {
    let value = DeValue::parse(default).ok().and_then(|value| check(row.kind, &value, &mut Vec::new()).ok());
    value.unwrap_or_else(|| panic!("the default of `{}` does not fit its kind", row.key))
}

fn check(kind: Kind, value: &Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> Result<Value, Mistake> {
    let wrong = || Mistake::at(value.span(), format!("expected {}", expected(kind)));
    let text = value.get_ref().as_str();
    match kind {
        Kind::Text | Kind::Path => {
            text.filter(|text| !text.is_empty()).map(|text| Value::Text(text.to_owned())).ok_or_else(wrong)
        }
        Kind::Duration => text.and_then(parse_duration).map(Value::Duration).ok_or_else(wrong),
        Kind::Size => text
            .and_then(parse_size)
            .or_else(|| integer(value).and_then(|n| u64::try_from(n).ok()))
            .map(Value::Size)
            .ok_or_else(wrong),
        Kind::Number { min, max } => {
            integer(value).filter(|n| (min..=max).contains(n)).map(Value::Number).ok_or_else(wrong)
        }
        Kind::Choice(words) => choice(words, value).map(Value::Text),
        Kind::Texts => list(kind, value, mistakes, |item| {
            let text = item.get_ref().as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| Mistake::at(item.span(), "expected a text"))
        }),
        Kind::Choices(words) => list(kind, value, mistakes, |item| choice(words, item)),
    }
}

fn integer(value: &Spanned<DeValue<'_>>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn choice(words: &[&str], value: &Spanned<DeValue<'_>>) -> Result<String, Mistake> {
    let typed = value.get_ref().as_str();
    if let Some(word) = typed.and_then(|typed| words.iter().find(|word| **word == typed)) {
        return Ok((*word).to_owned());
    }
    let mistake = Mistake::at(value.span(), format!("expected {}", one_of(words)));
    match typed.and_then(|typed| nearest(typed, words.iter().copied())) {
        Some(near) => Err(mistake.help(format!("did you mean \"{near}\"?"))),
        None => Err(mistake),
    }
}

fn list(
    kind: Kind,
    value: &Spanned<DeValue<'_>>,
    mistakes: &mut Vec<Mistake>,
    item: impl Fn(&Spanned<DeValue<'_>>) -> Result<String, Mistake>,
) -> Result<Value, Mistake> {
    let DeValue::Array(items) = value.get_ref() else {
        return Err(Mistake::at(value.span(), format!("expected {}", expected(kind))));
    };
    let mut good = Vec::new();
    for entry in items.iter() {
        match item(entry) {
            Ok(text) => good.push((text, entry.span())),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    Ok(Value::Texts(good))
}

/// What a kind wants, as the rest of a sentence that begins with "expected".
pub fn expected(kind: Kind) -> String {
    match kind {
        Kind::Text => "a text".to_owned(),
        Kind::Path => "a path".to_owned(),
        Kind::Duration => "a duration, as \"30s\", \"5m\", \"12h\" or \"1d\"".to_owned(),
        Kind::Size => "a size, as 1000, \"64K\", \"25M\" or \"2G\"".to_owned(),
        Kind::Number { min, max } => format!("a whole number from {min} to {max}"),
        Kind::Choice(words) => one_of(words),
        Kind::Texts => "a list of texts, as [\"a\", \"b\"]".to_owned(),
        Kind::Choices(words) => format!("a list of words out of {}", quoted(words)),
    }
}

fn one_of(words: &[&str]) -> String {
    format!("one of {}", quoted(words))
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

impl Written {
    /// All tables of a name, in the order of the file.
    pub fn tables(&self, name: &str) -> &[WrittenTable] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The one table of a name that does not repeat.
    pub fn table(&self, name: &str) -> Option<&WrittenTable> {
        self.tables(name).first()
    }
}

impl WrittenTable {
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn texts(&self, key: &str) -> &[(String, Range<usize>)] {
        match self.value(key) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// Panics when the schema has no default for this option: then the code asks for the wrong thing.
    pub fn duration(&self, key: &str) -> Duration {
        match self.value(key) {
            Some(Value::Duration(duration)) => *duration,
            other => panic!("`{key}` is {other:?}, not a duration with a default"),
        }
    }

    /// Panics like `duration`.
    pub fn size(&self, key: &str) -> u64 {
        match self.value(key) {
            Some(Value::Size(size)) => *size,
            other => panic!("`{key}` is {other:?}, not a size with a default"),
        }
    }

    /// Panics like `duration`. Bounds are the row's, so it fits.
    pub fn number(&self, key: &str) -> usize {
        match self.value(key) {
            Some(Value::Number(number)) => usize::try_from(*number).unwrap_or(usize::MAX),
            other => panic!("`{key}` is {other:?}, not a number with a default"),
        }
    }

    /// Where an option's value stands, or else its table.
    pub fn place(&self, key: &str) -> Option<Range<usize>> {
        let written = self.values.get(key).and_then(|(_, span)| span.clone());
        written.or_else(|| self.span.clone())
    }

    /// Whether the file itself has this option.
    pub fn value_is_written(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|(_, span)| span.is_some())
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).map(|(value, _)| value)
    }
}
