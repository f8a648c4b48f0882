//! Address lists of header fields (RFC 5322 §3.4 with the obsolete forms of §4.4), as IMAP's ENVELOPE shows them.
//!
//! ```text
//! list    = element *(("," / ";") element)          ; elements may be empty, §4.4
//! element = phrase "<" [route ":"] addr-spec ">"    ; mailbox
//!         / addr-spec                               ; its name may stand in a comment after it
//!         / phrase ":" list ";"                     ; group
//! ```
//!
//! What is missing in an address gets the names that Dovecot gives it, because an absent host already means a group.

use super::lexer::Lexer;

/// The most addresses read from one field; the rest is not looked at.
pub const ADDRESSES_MAX: usize = 10_000;
/// Stands for a local-part that is not there.
pub const MISSING_MAILBOX: &[u8] = b"MISSING_MAILBOX";
/// Stands for a domain that is not there.
pub const MISSING_DOMAIN: &[u8] = b"MISSING_DOMAIN";

/// An address as IMAP shows it (RFC 3501 §7.4.2). Without a host it is the start of a group, whose name is in `mailbox`;
/// with nothing at all it is the end of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailAddress {
    /// The display name, without its quotes; encoded words are kept.
    pub name: Option<Vec<u8>>,
    /// The source route of RFC 5322 §4.4, `@a,@b`.
    pub route: Option<Vec<u8>>,
    /// The local-part, without its quotes.
    pub mailbox: Option<Vec<u8>>,
    pub host: Option<Vec<u8>>,
}

impl MailAddress {
    /// The end of a group.
    fn group_end() -> MailAddress {
        MailAddress::default()
    }
}

/// Reads the addresses of a field's value, at most `ADDRESSES_MAX`.
pub fn addresses(value: &[u8]) -> Vec<MailAddress> {
    let mut list = List { lexer: Lexer::new(value), found: Vec::new(), in_group: false };
    while list.found.len() < ADDRESSES_MAX && list.element() {}
    if list.in_group {
        list.found.push(MailAddress::group_end());
    }
    list.found
}

struct List<'a> {
    lexer: Lexer<'a>,
    found: Vec<MailAddress>,
    in_group: bool,
}

impl List<'_> {
    /// Reads up to the end of one element. False at the end of the value.
    fn element(&mut self) -> bool {
        let (words, comment) = self.phrase();
        match self.lexer.next() {
            Some(b'<') => self.angle_address(words),
            Some(b'@') => self.bare_address(words),
            Some(b':') if !self.in_group && !words.is_empty() => self.start_group(words),
            Some(b';') => {
                self.lone_phrase(words, comment);
                self.end_group();
            }
            Some(b',') => self.lone_phrase(words, comment),
            // An octet that may start nothing, as ">" or "]": passed over, what stood before it too.
            Some(_) => {}
            None => {
                self.lone_phrase(words, comment);
                return false;
            }
        }
        true
    }

    /// The words before the octet that decides what the element is, and the last comment among them.
    fn phrase(&mut self) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let mut words = Vec::new();
        let mut comment = None;
        loop {
            comment = self.lexer.skip_cfws().or(comment);
            match word(&mut self.lexer) {
                Some(word) => words.push(word),
                None => return (words, comment),
            }
        }
    }

    fn angle_address(&mut self, name: Vec<Vec<u8>>) {
        let name = joined(name);
        self.lexer.skip_cfws();
        let route = self.route();
        let mailbox = self.local_part();
        let host = if self.lexer.eat(b'@') { self.domain() } else { None };
        self.lexer.take_while(|byte| !matches!(byte, b'>' | b','));
        self.lexer.eat(b'>');
        self.end_element();
        self.push(name, route, mailbox, host);
    }

    // The words before "@" are the local-part; of several, the last one. Spaces do not belong there (RFC 5322 §4.4 has them
    // around dots only), so the words before it were meant as a name.
    fn bare_address(&mut self, mut words: Vec<Vec<u8>>) {
        let mailbox = words.pop();
        let host = self.domain();
        let comment = self.lexer.skip_cfws();
        self.end_element();
        self.push(joined(words).or(comment), None, mailbox, host);
    }

    fn lone_phrase(&mut self, mut words: Vec<Vec<u8>>, comment: Option<Vec<u8>>) {
        match words.len() {
            0 => {}
            1 => self.push(comment, None, words.pop(), None),
            _ => self.push(joined(words), None, None, None),
        }
    }

    fn start_group(&mut self, words: Vec<Vec<u8>>) {
        self.in_group = true;
        self.found.push(MailAddress { mailbox: joined(words), ..MailAddress::default() });
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.found.push(MailAddress::group_end());
        }
    }

    // RFC 5322 §4.4: obs-route = obs-domain-list ":"; obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain])
    fn route(&mut self) -> Option<Vec<u8>> {
        if self.lexer.peek() != Some(b'@') {
            return None;
        }
        let before = self.lexer;
        let route = self.lexer.take_while(|byte| !matches!(byte, b':' | b'>' | b'<'));
        if !self.lexer.eat(b':') {
            self.lexer = before;
            return None;
        }
        Some(route.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect())
    }

    // RFC 5322 §4.4: obs-local-part = word *("." word), white space allowed around the dots.
    fn local_part(&mut self) -> Option<Vec<u8>> {
        let mut local_part = Vec::new();
        loop {
            self.lexer.skip_cfws();
            match word(&mut self.lexer) {
                Some(word) => local_part.extend(word),
                None => return Some(local_part).filter(|local_part| !local_part.is_empty()),
            }
        }
    }

    // RFC 5322 §4.4: obs-domain = atom *("." atom), or §3.4.1 domain-literal.
    fn domain(&mut self) -> Option<Vec<u8>> {
        let mut domain = Vec::new();
        self.lexer.skip_cfws();
        loop {
            domain.extend_from_slice(self.lexer.take_while(is_atext));
            if self.lexer.eat(b'[') {
                domain.push(b'[');
                domain.extend_from_slice(self.lexer.take_while(|byte| byte.is_ascii_graphic() && byte != b']'));
                domain.push(b']');
                self.lexer.eat(b']');
            }
            let before = self.lexer;
            self.lexer.skip_cfws();
            if !self.lexer.eat(b'.') {
                self.lexer = before;
                return Some(domain).filter(|domain| !domain.is_empty());
            }
            domain.push(b'.');
            self.lexer.skip_cfws();
        }
    }

    /// Skips to the separator after an address, and over it.
    fn end_element(&mut self) {
        self.lexer.skip_cfws();
        self.lexer.take_while(|byte| !matches!(byte, b',' | b';'));
        if self.lexer.peek() == Some(b',') {
            self.lexer.next();
        }
    }

    fn push(&mut self, name: Option<Vec<u8>>, route: Option<Vec<u8>>, mailbox: Option<Vec<u8>>, host: Option<Vec<u8>>) {
        let mailbox = mailbox.filter(|mailbox| !mailbox.is_empty()).unwrap_or(MISSING_MAILBOX.to_vec());
        let host = host.unwrap_or(MISSING_DOMAIN.to_vec());
        let name = name.filter(|name| !name.is_empty());
        self.found.push(MailAddress { name, route, mailbox: Some(mailbox), host: Some(host) });
    }
}

/// An atom with its dots, or a quoted string, or both without space between them (`"a".b`).
fn word(lexer: &mut Lexer<'_>) -> Option<Vec<u8>> {
    let mut word = Vec::new();
    let mut any = false;
    loop {
        let atom = lexer.take_while(|byte| is_atext(byte) || byte == b'.');
        word.extend_from_slice(atom);
        any |= !atom.is_empty();
        if !lexer.eat(b'"') {
            return any.then_some(word);
        }
        any = true;
        word.extend(lexer.quoted());
    }
}

// RFC 5322 §3.2.3: atext, with any octet above ASCII (RFC 6532 §3.2, and raw 8-bit names are frequent).
fn is_atext(byte: u8) -> bool {
    let special = matches!(
        byte,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^' | b'_' | b'`' | b'{' | b'|' | b'}' | b'~'
    );
    !byte.is_ascii() || byte.is_ascii_alphanumeric() || special
}

fn joined(mut words: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let name = if words.len() == 1 { words.pop()? } else { words.join(&b' ') };
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(address: &MailAddress) -> String {
        let text = |part: &Option<Vec<u8>>| {
            part.as_ref().map_or("NIL".to_owned(), |part| String::from_utf8_lossy(part).into_owned())
        };
        [&address.name, &address.route, &address.mailbox, &address.host].map(text).join("|")
    }

    fn shown(value: &str) -> Vec<String> {
        addresses(value.as_bytes()).iter().map(show).collect()
    }

    // The answers are those that Dovecot 2.3.19 gave to FETCH ENVELOPE.
    #[test]
    fn addresses_read_as_dovecot_reads_them() {
        for (value, expected) in [
            ("\"Uno, \\\"x\\\"\" <uno@a.b>", "Uno, \"x\"|NIL|uno|a.b"),
            ("dos@a.b (Dos (two))", "Dos (two)|NIL|dos|a.b"),
            ("=?utf-8?q?tres?= y cuatro <\"a b\"@c.d>", "=?utf-8?q?tres?= y cuatro|NIL|a b|c.d"),
            ("<@r1,@r2:a@b>", "NIL|@r1,@r2|a|b"),
            ("<a.b @ c.d>", "NIL|NIL|a.b|c.d"),
            ("a@[1.2.3.4]", "NIL|NIL|a|[1.2.3.4]"),
            ("\"q\" <>", "q|NIL|MISSING_MAILBOX|MISSING_DOMAIN"),
            ("foo bar", "foo bar|NIL|MISSING_MAILBOX|MISSING_DOMAIN"),
            ("<foo>", "NIL|NIL|foo|MISSING_DOMAIN"),
            ("a@", "NIL|NIL|a|MISSING_DOMAIN"),
            ("@b", "NIL|NIL|MISSING_MAILBOX|b"),
            ("x", "NIL|NIL|x|MISSING_DOMAIN"),
            ("\"A\" \"B\" c <a@b>", "A B c|NIL|a|b"),
            ("A (x) <a@b>", "A|NIL|a|b"),
            ("A\r\n\tB <a@b>", "A B|NIL|a|b"),
            ("\"a\\\"b\"@c", "NIL|NIL|a\"b|c"),
            ("<\"a@b\">", "NIL|NIL|a@b|MISSING_DOMAIN"),
            ("A <a@b>x", "A|NIL|a|b"),
            ("Mr. A <a@b>", "Mr. A|NIL|a|b"),
            ("\"\" <a@b>", "NIL|NIL|a|b"),
            ("a@b c@d", "NIL|NIL|a|b"),
        ] {
            assert_eq!(shown(value), [expected], "{value}");
        }
        assert_eq!(shown("(only)"), [""; 0]);
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn a_group_has_a_start_and_an_end() {
        let end = "NIL|NIL|NIL|NIL";
        let group = ["NIL|NIL|Group|NIL", "NIL|NIL|a|b", "NIL|NIL|c|d", end, "NIL|NIL|x|y"];
        assert_eq!(shown("Group: a@b, c@d;, x@y"), group);
        assert_eq!(shown("undisclosed-recipients:;"), ["NIL|NIL|undisclosed-recipients|NIL", end]);
        assert_eq!(shown("grp: a@b"), ["NIL|NIL|grp|NIL", "NIL|NIL|a|b", end], "it ends with the value at the latest");
    }

    // RFC 5322 §4.4 allows empty elements; semicolons are what some programs put for commas. Dovecot makes a nameless
    // address of the former and stops at the latter.
    #[test]
    fn separators_without_addresses_are_passed_over() {
        assert_eq!(shown("a@b,,;c@d;"), ["NIL|NIL|a|b", "NIL|NIL|c|d"]);
    }

    #[test]
    fn more_addresses_than_the_bound_are_not_read() {
        assert_eq!(addresses("a@b,".repeat(ADDRESSES_MAX + 5).as_bytes()).len(), ADDRESSES_MAX);
    }
}
