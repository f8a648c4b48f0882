//! The commands of ManageSieve: when each may come, and what it is made of.

use mail::ScriptName;
use mail::script_name::ScriptNameError;

use super::ask::Ask;
use super::reader::{Word, Words};

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Capability,
    StartTls,
    Logout,
    /// With what is to be said in the answer.
    Noop(Option<Vec<u8>>),
    Authenticate {
        mechanism: String,
        initial: Option<Vec<u8>>,
    },
    Unauthenticate,
    /// On scripts (RFC 5804 §2.5 to §2.12): a question for the house, and what is said when it is done.
    Script {
        ask: Ask,
        done: &'static str,
    },
}

/// Why words are no command.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    Unknown,
    /// Before login, or after it.
    NotNow(When),
    Arguments,
    Name(ScriptNameError),
    /// A script of so many octets.
    TooLarge(u64),
}

/// When a command may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    BeforeLogin,
    AfterLogin,
}

type Parse = fn(Vec<Word>) -> Result<Command, Fault>;

// RFC 5804 §2
const COMMANDS: [(&str, When, Parse); 14] = [
    ("AUTHENTICATE", When::BeforeLogin, authenticate),
    ("CAPABILITY", When::Always, |words| none(words, Command::Capability)),
    ("CHECKSCRIPT", When::AfterLogin, |words| script(check(words), "Script checked successfully.")),
    ("DELETESCRIPT", When::AfterLogin, |words| script(one_name(words).map(Ask::Delete), "Deletescript completed.")),
    ("GETSCRIPT", When::AfterLogin, |words| script(one_name(words).map(Ask::Get), "Getscript completed.")),
    ("HAVESPACE", When::AfterLogin, |words| script(have_space(words), "Putscript would succeed.")),
    ("LISTSCRIPTS", When::AfterLogin, |words| script(take::<0>(words).map(|_| Ask::List), "Listscripts completed.")),
    ("LOGOUT", When::Always, |words| none(words, Command::Logout)),
    ("NOOP", When::Always, noop),
    ("PUTSCRIPT", When::AfterLogin, |words| script(put(words), "PUTSCRIPT completed.")),
    ("RENAMESCRIPT", When::AfterLogin, |words| script(rename(words), "Renamescript completed.")),
    ("SETACTIVE", When::AfterLogin, |words| script(activate(words), "Setactive completed.")),
    ("STARTTLS", When::BeforeLogin, |words| none(words, Command::StartTls)),
    ("UNAUTHENTICATE", When::AfterLogin, |words| none(words, Command::Unauthenticate)),
];

/// Makes a command of words.
///
/// # Errors
/// Why it is none, or none now.
pub fn parse(words: Words, logged_in: bool) -> Result<Command, Fault> {
    let row = COMMANDS.iter().find(|(name, ..)| *name == words.name);
    let (_, when, parse) = row.ok_or(Fault::Unknown)?;
    let now = match when {
        When::Always => true,
        When::BeforeLogin => !logged_in,
        When::AfterLogin => logged_in,
    };
    if now { parse(words.strings) } else { Err(Fault::NotNow(*when)) }
}

fn none(words: Vec<Word>, command: Command) -> Result<Command, Fault> {
    let [] = take(words)?;
    Ok(command)
}

fn script(ask: Result<Ask, Fault>, done: &'static str) -> Result<Command, Fault> {
    ask.map(|ask| Command::Script { ask, done })
}

fn authenticate(mut words: Vec<Word>) -> Result<Command, Fault> {
    let initial = if words.len() == 2 { words.pop().map(kept).transpose()? } else { None };
    let [mechanism] = take(words)?;
    Ok(Command::Authenticate { mechanism: text(mechanism)?, initial })
}

fn noop(words: Vec<Word>) -> Result<Command, Fault> {
    if words.is_empty() {
        return Ok(Command::Noop(None));
    }
    let [tag] = take(words)?;
    Ok(Command::Noop(Some(kept(tag)?)))
}

fn one_name(words: Vec<Word>) -> Result<ScriptName, Fault> {
    let [name] = take(words)?;
    script_name(name)
}

fn have_space(words: Vec<Word>) -> Result<Ask, Fault> {
    let [name, size] = take(words)?;
    let size = text(size)?.parse().map_err(|_| Fault::Arguments)?;
    Ok(Ask::HaveSpace { name: script_name(name)?, size })
}

fn put(words: Vec<Word>) -> Result<Ask, Fault> {
    let [name, script] = take(words)?;
    Ok(Ask::Put { name: script_name(name)?, content: content(script)? })
}

fn check(words: Vec<Word>) -> Result<Ask, Fault> {
    let [script] = take(words)?;
    content(script).map(Ask::Check)
}

// RFC 5804 §2.8: the empty name means no script.
fn activate(words: Vec<Word>) -> Result<Ask, Fault> {
    let [name] = take(words)?;
    let none = matches!(&name, Word::Kept(name) if name.is_empty());
    if none { Ok(Ask::Activate(None)) } else { script_name(name).map(|name| Ask::Activate(Some(name))) }
}

fn rename(words: Vec<Word>) -> Result<Ask, Fault> {
    let [from, to] = take(words)?;
    Ok(Ask::Rename { from: script_name(from)?, to: script_name(to)? })
}

fn take<const N: usize>(words: Vec<Word>) -> Result<[Word; N], Fault> {
    words.try_into().map_err(|_| Fault::Arguments)
}

fn script_name(word: Word) -> Result<ScriptName, Fault> {
    match word {
        Word::TooLong(_) => Err(Fault::Name(ScriptNameError::TooLong)),
        word => ScriptName::parse(&text(word)?).map_err(Fault::Name),
    }
}

fn content(word: Word) -> Result<Vec<u8>, Fault> {
    match word {
        Word::Kept(content) => Ok(content),
        Word::TooLong(length) => Err(Fault::TooLarge(length)),
    }
}

fn text(word: Word) -> Result<String, Fault> {
    String::from_utf8(kept(word)?).map_err(|_| Fault::Arguments)
}

fn kept(word: Word) -> Result<Vec<u8>, Fault> {
    match word {
        Word::Kept(octets) => Ok(octets),
        Word::TooLong(_) => Err(Fault::Arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, strings: &[&str]) -> Words {
        let strings = strings.iter().map(|text| Word::Kept(text.as_bytes().to_vec())).collect();
        Words { name: name.into(), strings }
    }

    #[test]
    fn each_command_has_its_time_and_its_number_of_words() {
        for (name, when, _) in COMMANDS {
            for logged_in in [false, true] {
                let parsed = parse(words(name, &["a", "b", "c"]), logged_in);
                let now = when == When::Always || (when == When::AfterLogin) == logged_in;
                assert_eq!(parsed, Err(if now { Fault::Arguments } else { Fault::NotNow(when) }), "{name}");
            }
        }
        assert_eq!(parse(words("X", &[]), true), Err(Fault::Unknown));
    }

    #[test]
    fn the_empty_name_means_no_script_to_setactive_alone() {
        let parsed = parse(words("SETACTIVE", &[""]), true);
        assert!(matches!(parsed, Ok(Command::Script { ask: Ask::Activate(None), .. })));
        assert_eq!(parse(words("GETSCRIPT", &[""]), true), Err(Fault::Name(ScriptNameError::Empty)));
    }

    #[test]
    fn a_number_is_a_number() {
        for bad in ["-1", "x", "99999999999999999999999", ""] {
            assert_eq!(parse(words("HAVESPACE", &["a", bad]), true), Err(Fault::Arguments), "{bad}");
        }
    }
}
