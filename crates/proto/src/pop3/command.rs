//! What a POP3 client may say: a table of commands with the states that allow them, and the parsers of their arguments.

/// When a command is allowed (RFC 1939 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before login.
    Authorization,
    /// After it.
    Transaction,
    Always,
}

/// A command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Capa,
    Quit,
    User(&'a str),
    Pass(&'a str),
    /// Without a mechanism: which are there?
    Auth {
        mechanism: Option<&'a str>,
        initial: Option<&'a str>,
    },
    Stls,
    Stat,
    List(Option<u32>),
    Uidl(Option<u32>),
    Retr(u32),
    Top {
        message: u32,
        lines: u64,
    },
    Dele(u32),
    Rset,
    Noop,
    /// RFC 1460 §8; offered by setting only.
    Last,
    Utf8,
    /// A language range; without one: which are there?
    Lang(Option<&'a str>),
}

/// Why a line is no command. The client's fault, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Unknown(String),
    TooLong,
    NotUtf8,
    BareNewline,
    /// No message number, as it was written.
    Number(String),
    /// More than there should be, as it was written.
    Noise(String),
    NoLogin,
}

/// A row of the table of commands.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub when: When,
    parse: for<'a> fn(&'a str) -> Result<Command<'a>, Fault>,
}

#[rustfmt::skip]
pub static TABLE: &[Row] = &[
    Row { name: "CAPA", when: When::Always,        parse: |_| Ok(Command::Capa) },
    Row { name: "QUIT", when: When::Always,        parse: |_| Ok(Command::Quit) },
    Row { name: "USER", when: When::Authorization, parse: |argument| if argument.is_empty() { Err(Fault::NoLogin) } else { Ok(Command::User(argument)) } },
    // RFC 1939 §7: the password may hold spaces.
    Row { name: "PASS", when: When::Authorization, parse: |argument| Ok(Command::Pass(argument)) },
    Row { name: "AUTH", when: When::Authorization, parse: auth },
    Row { name: "STLS", when: When::Authorization, parse: |_| Ok(Command::Stls) },
    Row { name: "STAT", when: When::Transaction,   parse: |_| Ok(Command::Stat) },
    Row { name: "LIST", when: When::Transaction,   parse: |argument| optional(argument).map(Command::List) },
    Row { name: "UIDL", when: When::Transaction,   parse: |argument| optional(argument).map(Command::Uidl) },
    Row { name: "RETR", when: When::Transaction,   parse: |argument| single(argument).map(Command::Retr) },
    Row { name: "TOP",  when: When::Transaction,   parse: top },
    Row { name: "DELE", when: When::Transaction,   parse: |argument| single(argument).map(Command::Dele) },
    Row { name: "RSET", when: When::Transaction,   parse: |_| Ok(Command::Rset) },
    Row { name: "NOOP", when: When::Transaction,   parse: |_| Ok(Command::Noop) },
    Row { name: "LAST", when: When::Transaction,   parse: |_| Ok(Command::Last) },
    Row { name: "UTF8", when: When::Authorization, parse: |_| Ok(Command::Utf8) },
    // RFC 6856 §3.2: a basic language range (RFC 4647 §2.1).
    Row { name: "LANG", when: When::Always,        parse: |argument| Ok(Command::Lang(Some(argument.trim()).filter(|range| !range.is_empty()))) },
];

/// Reads a line in a state. A command of another state is unknown.
pub fn parse(line: &[u8], logged_in: bool) -> Result<Command<'_>, Fault> {
    if line.contains(&b'\n') || line.contains(&b'\r') {
        return Err(Fault::BareNewline);
    }
    let line = std::str::from_utf8(line).map_err(|_| Fault::NotUtf8)?;
    let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
    let allowed = |row: &Row| row.when == When::Always || (row.when == When::Transaction) == logged_in;
    let row = TABLE.iter().find(|row| row.name.eq_ignore_ascii_case(name) && allowed(row));
    (row.ok_or_else(|| Fault::Unknown(name.to_owned()))?.parse)(argument)
}

// RFC 5034 §4: AUTH mechanism [initial-response]
fn auth(argument: &str) -> Result<Command<'_>, Fault> {
    let mut words = argument.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (mechanism, initial, None) => Ok(Command::Auth { mechanism, initial }),
        (_, _, Some(noise)) => Err(Fault::Noise(noise.to_owned())),
    }
}

fn top(argument: &str) -> Result<Command<'_>, Fault> {
    let mut words = argument.split_ascii_whitespace();
    let message = number(words.next().unwrap_or_default())?;
    match (words.next(), words.next()) {
        (Some(lines), None) => match digits(lines) {
            Some(lines) => Ok(Command::Top { message, lines }),
            None => Err(Fault::Noise(lines.to_owned())),
        },
        (lines, noise) => Err(Fault::Noise(noise.or(lines).unwrap_or_default().to_owned())),
    }
}

fn optional(argument: &str) -> Result<Option<u32>, Fault> {
    if argument.trim().is_empty() { Ok(None) } else { single(argument).map(Some) }
}

fn single(argument: &str) -> Result<u32, Fault> {
    let mut words = argument.split_ascii_whitespace();
    let message = number(words.next().unwrap_or_default())?;
    match words.next() {
        Some(noise) => Err(Fault::Noise(noise.to_owned())),
        None => Ok(message),
    }
}

fn number(word: &str) -> Result<u32, Fault> {
    let number = digits(word).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or_else(|| Fault::Number(word.to_owned()))
}

fn digits(word: &str) -> Option<u64> {
    let good = (1..=20).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| word.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_another_state_are_unknown() {
        assert_eq!(parse(b"stat", true), Ok(Command::Stat));
        assert_eq!(parse(b"STAT", false), Err(Fault::Unknown("STAT".into())));
        assert_eq!(parse(b"USER ana", true), Err(Fault::Unknown("USER".into())));
        assert_eq!(parse(b"QUIT", true), parse(b"QUIT", false));
    }

    #[test]
    fn arguments_are_numbers_and_nothing_else() {
        assert_eq!(parse(b"TOP 1 0", true), Ok(Command::Top { message: 1, lines: 0 }));
        assert_eq!(parse(b"LIST ", true), Ok(Command::List(None)));
        for bad in [
            "RETR",
            "RETR 0",
            "RETR -1",
            "RETR +1",
            "RETR 4294967296",
            "RETR 1 2",
            "TOP 1",
            "TOP 1 x",
            "TOP 1 2 3",
            "LIST x",
            "DELE 1x",
        ] {
            assert!(parse(bad.as_bytes(), true).is_err(), "{bad}");
        }
        assert_eq!(parse(b"PASS a b ", false), Ok(Command::Pass("a b ")));
        assert_eq!(parse(b"NOOP\nDELE 1", true), Err(Fault::BareNewline));
    }
}
