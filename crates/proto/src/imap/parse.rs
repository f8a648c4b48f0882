//! The tokens of IMAP's grammar (RFC 3501 §9), cut from a whole command that is in memory, literals and all.
//!
//! Promises: never reads past the command, never panics, copies only what it returns. Knows no command.

use std::borrow::Cow;

use mail::namespace::Separator;
use mail::search::Day;
use mail::{Flags, Keyword, MailboxName, ModSeq, NumberSet};

use super::response::Completion;

/// How many elements a parenthesized list may have.
pub const LIST_LENGTH_MAX: usize = 1_000;

/// Why a command is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The grammar is broken: `BAD`, with what was wrong as a sentence without its full stop.
    Syntax(Cow<'static, str>),
    /// The grammar is kept but an argument cannot be: `NO`.
    Refused(Completion),
}

pub type Parsed<T> = Result<T, Fault>;

impl Fault {
    /// How the command of this name ends because of it.
    pub fn completion(self, command: &str) -> Completion {
        match self {
            Fault::Syntax(text) => Completion::bad(format!("Error in IMAP command {command}: {text}.")),
            Fault::Refused(completion) => completion,
        }
    }
}

/// A syntax error with a fixed text.
pub fn syntax<T>(text: &'static str) -> Parsed<T> {
    Err(Fault::Syntax(Cow::Borrowed(text)))
}

/// A syntax error that names what was found.
pub fn syntax_at<T>(text: &str, found: &[u8]) -> Parsed<T> {
    const SHOWN_MAX: usize = 64;
    let shown: String = found.iter().take(SHOWN_MAX).filter(|b| b.is_ascii_graphic()).map(|b| char::from(*b)).collect();
    Err(Fault::Syntax(Cow::Owned(format!("{text} {}", shown.to_ascii_uppercase()))))
}

/// Which messages a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageSet {
    Numbers(NumberSet),
    /// `$`, what a search saved.
    Saved,
}

/// What is left of a command.
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    rest: &'a [u8],
    /// Of the levels in mailboxes' names.
    separator: Separator,
}

// RFC 3501 §9: ATOM-CHAR = <any CHAR except atom-specials>
pub fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

// RFC 3501 §9: ASTRING-CHAR = ATOM-CHAR / resp-specials
pub fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

// RFC 3501 §9: list-char = ATOM-CHAR / list-wildcards / resp-specials
fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || byte == b'%' || byte == b'*'
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a [u8]) -> Parser<'a> {
        Parser { rest: text, separator: Separator::default() }
    }

    /// The same for a client that is told another separator between levels.
    pub fn with_separator(self, separator: Separator) -> Parser<'a> {
        Parser { separator, ..self }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may follow.
    pub fn end(&self) -> Parsed<()> {
        if self.at_end() { Ok(()) } else { syntax("Unexpected arguments") }
    }

    /// Takes this byte if it is next.
    pub fn take_if(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    pub fn expect(&mut self, byte: u8) -> Parsed<()> {
        match (self.take_if(byte), self.at_end(), byte) {
            (true, ..) => Ok(()),
            (false, true, _) => syntax("Missing argument"),
            (false, false, b' ') => syntax("Missing space between arguments"),
            (false, false, b'(') => syntax("Missing '('"),
            (false, false, b')') => syntax("Missing ')'"),
            _ => syntax("Invalid arguments"),
        }
    }

    pub fn space(&mut self) -> Parsed<()> {
        self.expect(b' ')
    }

    /// Takes bytes while they fit; perhaps none.
    pub fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|byte| !fits(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn some_while(&mut self, fits: impl Fn(u8) -> bool, missing: &'static str) -> Parsed<&'a [u8]> {
        let taken = self.take_while(fits);
        if taken.is_empty() { syntax(if self.at_end() { "Missing argument" } else { missing }) } else { Ok(taken) }
    }

    // atom = 1*ATOM-CHAR
    pub fn atom(&mut self) -> Parsed<&'a str> {
        let atom = self.some_while(is_atom_char, "Invalid atom")?;
        std::str::from_utf8(atom).or_else(|_| syntax("Invalid atom"))
    }

    // number = 1*DIGIT ; (0 <= n < 4,294,967,296)
    pub fn number(&mut self) -> Parsed<u32> {
        let digits = self.some_while(|byte| byte.is_ascii_digit(), "Invalid number")?;
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        number.map_or_else(|| syntax("Invalid number"), Ok)
    }

    // nz-number = digit-nz *DIGIT
    pub fn nz_number(&mut self) -> Parsed<u32> {
        match self.number()? {
            0 => syntax("Invalid number"),
            number => Ok(number),
        }
    }

    // mod-sequence-valzer = "0" / mod-sequence-value (RFC 7162 §7): 63 bits. Zero is taken wherever a value may stand: some
    // clients know nothing yet.
    pub fn mod_sequence(&mut self) -> Parsed<ModSeq> {
        let digits = self.some_while(|byte| byte.is_ascii_digit(), "Invalid mod-sequence")?;
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
        number
            .and_then(|number| u64::try_from(number).ok())
            .map_or_else(|| syntax("Invalid mod-sequence"), |n| Ok(ModSeq(n)))
    }

    // sequence-set = (seq-number / seq-range) *("," sequence-set)
    pub fn sequence_set(&mut self) -> Parsed<NumberSet> {
        let text = self.take_while(|byte| byte.is_ascii_digit() || b"*,:".contains(&byte));
        let set = std::str::from_utf8(text).ok().and_then(NumberSet::parse);
        set.map_or_else(|| syntax("Invalid messageset"), Ok)
    }

    // sequence-set =/ seq-last-command, seq-last-command = "$" (RFC 5182 §3)
    pub fn message_set(&mut self) -> Parsed<MessageSet> {
        if self.take_if(b'$') { Ok(MessageSet::Saved) } else { self.sequence_set().map(MessageSet::Numbers) }
    }

    // string = quoted / literal
    pub fn string(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => syntax(if self.at_end() { "Missing argument" } else { "Invalid arguments" }),
        }
    }

    // astring = 1*ASTRING-CHAR / string
    pub fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => self.some_while(is_astring_char, "Invalid arguments").map(<[u8]>::to_vec),
        }
    }

    // list-mailbox = 1*list-char / string
    pub fn list_mailbox(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => self.some_while(is_list_char, "Invalid arguments").map(<[u8]>::to_vec),
        }
    }

    // nstring = string / nil
    pub fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if self.peek().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'n')) {
            return if self.atom()?.eq_ignore_ascii_case("NIL") { Ok(None) } else { syntax("Invalid arguments") };
        }
        self.string().map(Some)
    }

    // quoted = DQUOTE *QUOTED-CHAR DQUOTE
    // QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials
    // TEXT-CHAR = <any CHAR except CR and LF>; octets above 127 are let through for whom takes UTF-8.
    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0)));
            if self.take_if(b'"') {
                return Ok(text);
            }
            self.expect(b'\\').or_else(|_| syntax("Missing '\"'"))?;
            match self.peek() {
                Some(byte @ (b'"' | b'\\')) => text.push(byte),
                _ => return syntax("Escaping is only for '\\' and '\"'"),
            }
            self.rest = &self.rest[1..];
        }
    }

    // literal = "{" number ["+"] "}" CRLF *CHAR8
    fn literal(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'{')?;
        let length = self.number()? as usize;
        self.take_if(b'+');
        let announced = self.take_if(b'}') && self.take_if(b'\r') && self.take_if(b'\n');
        match self.rest.split_at_checked(length) {
            // RFC 3501 §9: CHAR8 is any octet except NUL.
            Some((literal, rest)) if announced && !literal.contains(&0) => {
                self.rest = rest;
                Ok(literal.to_vec())
            }
            _ => syntax("Invalid literal"),
        }
    }

    /// A mailbox's name: an astring in modified UTF-7 (RFC 3501 §5.1.3).
    pub fn mailbox(&mut self) -> Parsed<MailboxName> {
        let encoded = self.astring()?;
        self.mailbox_name(&encoded)
    }

    /// From modified UTF-7. A name that cannot be is the client's fault, but no broken grammar: `NO`, as every server has it.
    pub fn mailbox_name(&self, encoded: &[u8]) -> Parsed<MailboxName> {
        let text = std::str::from_utf8(encoded).map_err(|_| mail::mailbox_name::NameError::Encoding);
        let name = text.and_then(|text| self.separator.parse_mutf7(text));
        name.map_err(|error| Fault::Refused(Completion::bad_name(error)))
    }

    /// A parenthesized list with at least `least` elements, one space between them.
    pub fn list<T>(&mut self, least: usize, mut element: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(b'(')?;
        let mut elements = Vec::new();
        while self.peek() != Some(b')') {
            if !elements.is_empty() {
                self.space()?;
            }
            if elements.len() == LIST_LENGTH_MAX {
                return syntax("Too many elements in a list");
            }
            elements.push(element(self)?);
        }
        self.expect(b')')?;
        if elements.len() < least { syntax("Empty list") } else { Ok(elements) }
    }

    // flag-list = "(" [flag *(SP flag)] ")"
    pub fn flag_list(&mut self) -> Parsed<(Flags, Vec<Keyword>)> {
        let mut found = (Flags::NONE, Vec::new());
        self.list(0, |parser| parser.flag(&mut found))?;
        Ok(found)
    }

    // flag = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword
    // \Recent is no flag of this rule: only the server sets it.
    pub fn flag(&mut self, found: &mut (Flags, Vec<Keyword>)) -> Parsed<()> {
        if self.take_if(b'\\') {
            let name = self.atom()?;
            return match Flags::system(&format!("\\{name}")) {
                Some(flag) => {
                    found.0 = found.0.with(flag);
                    Ok(())
                }
                None => syntax_at("Invalid system flag", format!("\\{name}").as_bytes()),
            };
        }
        match Keyword::parse(self.atom()?) {
            Some(keyword) if found.1.contains(&keyword) => Ok(()),
            Some(keyword) => {
                found.1.push(keyword);
                Ok(())
            }
            None => syntax("Invalid keyword"),
        }
    }

    // date = date-text / DQUOTE date-text DQUOTE
    pub fn date(&mut self) -> Parsed<Day> {
        let text = self.astring()?;
        let day = std::str::from_utf8(&text).ok().and_then(mail::date::parse_imap_day);
        day.map_or_else(|| syntax("Invalid date"), Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_in_three_forms() {
        let mut parser = Parser::new(b"a]b \"q\\\"\\\\\" {3}\r\nx\r\n {2+}\r\nok");
        assert_eq!(parser.astring(), Ok(b"a]b".to_vec()));
        parser.space().unwrap();
        assert_eq!(parser.astring(), Ok(b"q\"\\".to_vec()));
        parser.space().unwrap();
        assert_eq!(parser.astring(), Ok(b"x\r\n".to_vec()));
        parser.space().unwrap();
        assert_eq!(parser.string(), Ok(b"ok".to_vec()));
        assert!(parser.at_end());
    }

    #[test]
    fn broken_strings_are_syntax_errors() {
        for bad in ["", "(", "\"x", "\"x\\", "\"\\x\"", "{3}\r\nab", "{x}\r\n", "{1}a", "{1}\r\n\0", "ñ"] {
            assert!(matches!(Parser::new(bad.as_bytes()).astring(), Err(Fault::Syntax(_))), "{bad:?}");
        }
    }

    #[test]
    fn flags_are_system_flags_and_keywords() {
        let mut parser = Parser::new(b"(\\seen $MDNSent work WORK)");
        let (flags, keywords) = parser.flag_list().unwrap();
        assert_eq!(flags, Flags::SEEN);
        assert_eq!(keywords.len(), 2);
        for bad in ["(\\Recent)", "(\\Foo)", "(a", "(a  b)", "a", "(\\)"] {
            assert!(Parser::new(bad.as_bytes()).flag_list().is_err(), "{bad}");
        }
    }
}
