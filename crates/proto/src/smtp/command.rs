//! What an SMTP or LMTP client may say: a table of verbs, and the parsers of their arguments.
//!
//! A line becomes a `Command` or a `Fault`; nothing in between. Whether a command fits the moment is the server's to say.

use mail::address::AddressError;
use mail::{Domain, ForwardPath, ReversePath};

use super::parameter::{self, MailParameters, RcptParameters};
use super::profile::{Dialect, Profile};
use super::xclient::{self, ClientAttributes};

/// A name given by HELO, EHLO or LHLO, in octets (RFC 5321 §4.5.3.1.2).
pub const HELO_LENGTH_MAX: usize = 255;

/// A command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Helo {
        name: &'a str,
        extended: bool,
    },
    StartTls,
    Auth {
        mechanism: &'a str,
        initial: Option<&'a str>,
    },
    Mail(Box<Mail>),
    Rcpt(Box<Rcpt>),
    Data,
    Bdat {
        length: u64,
        last: bool,
    },
    Reset,
    Noop,
    Verify(&'a str),
    Flush(Domain),
    XClient(Box<ClientAttributes>),
    XForward(Box<ClientAttributes>),
    Expand,
    Help,
    Quit,
    /// A browser that was talked into speaking to us.
    Http,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Mail {
    pub reverse_path: ReversePath,
    pub parameters: MailParameters,
    pub quirks: Vec<Quirk>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Rcpt {
    pub forward_path: ForwardPath,
    pub parameters: RcptParameters,
    pub quirks: Vec<Quirk>,
}

/// A deviation from the grammar that is let pass, because programs in wide use do it and it cannot be misread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// `MAIL FROM: <a@example.test>`.
    SpaceAfterColon,
    /// `MAIL FROM:a@example.test`.
    NoAngleBrackets,
}

/// Why a line is no command. The peer's fault, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Unknown,
    Empty,
    TooLong,
    NotUtf8,
    BareLf,
    BareCr,
    /// The form it should have had.
    Syntax(&'static str),
    /// HELO and its kin; they are answered without an enhanced status (RFC 2034 §4).
    HeloSyntax(&'static str),
    SenderSyntax,
    RecipientSyntax,
    /// An address without a domain, as it was written.
    SenderUnqualified(String),
    RecipientUnqualified(String),
    /// A parameter that nobody offered, as it was written.
    ParameterUnknown(String),
    /// A parameter whose value is wrong.
    ParameterValue(&'static str),
    /// A parameter given twice.
    ParameterTwice(&'static str),
    /// ETRN without a domain; answered without an enhanced status, as Postfix does.
    EtrnSyntax,
    /// BDAT without a length: where its chunk ends cannot be known.
    BdatSyntax,
}

/// A row of the table of verbs.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    speakers: Speakers,
    /// Allowed before TLS where TLS is required (RFC 3207 §4).
    pub before_tls: bool,
    /// Allowed before AUTH where AUTH is required (RFC 4954 §6).
    pub before_login: bool,
    /// Moves nothing: too many of them count as errors.
    pub junk: bool,
    parse: for<'a> fn(&'a str, &Profile) -> Result<Command<'a>, Fault>,
}

#[derive(Debug, PartialEq, Eq)]
enum Speakers {
    All,
    /// SMTP and submission.
    Smtp,
    Lmtp,
    /// Peers that are trusted, in any dialect; HELP is silent about it.
    Peer,
    /// Nobody who has mail: HTTP's verbs, known so that they can be turned away.
    Browser,
}

impl Row {
    fn spoken_in(&self, dialect: Dialect) -> bool {
        match self.speakers {
            Speakers::All | Speakers::Peer | Speakers::Browser => true,
            Speakers::Smtp => dialect != Dialect::Lmtp,
            Speakers::Lmtp => dialect == Dialect::Lmtp,
        }
    }
}

#[rustfmt::skip]
pub static TABLE: &[Row] = &[
    // RFC 2033 §4.1: LMTP has LHLO instead of HELO and EHLO.
    Row { name: "EHLO",     speakers: Speakers::Smtp, before_tls: true,  before_login: true,  junk: true,  parse: ehlo },
    Row { name: "HELO",     speakers: Speakers::Smtp, before_tls: true,  before_login: true,  junk: true,  parse: helo },
    Row { name: "LHLO",     speakers: Speakers::Lmtp, before_tls: true,  before_login: true,  junk: true,  parse: lhlo },
    Row { name: "STARTTLS", speakers: Speakers::All,  before_tls: true,  before_login: true,  junk: false, parse: starttls },
    Row { name: "AUTH",     speakers: Speakers::All,  before_tls: false, before_login: true,  junk: false, parse: auth },
    Row { name: "MAIL",     speakers: Speakers::All,  before_tls: false, before_login: false, junk: false, parse: mail },
    Row { name: "RCPT",     speakers: Speakers::All,  before_tls: false, before_login: false, junk: false, parse: rcpt },
    Row { name: "DATA",     speakers: Speakers::All,  before_tls: false, before_login: false, junk: false, parse: data },
    Row { name: "BDAT",     speakers: Speakers::All,  before_tls: false, before_login: false, junk: false, parse: bdat },
    Row { name: "RSET",     speakers: Speakers::All,  before_tls: false, before_login: true,  junk: true,  parse: rset },
    Row { name: "NOOP",     speakers: Speakers::All,  before_tls: true,  before_login: true,  junk: true,  parse: noop },
    Row { name: "VRFY",     speakers: Speakers::All,  before_tls: false, before_login: false, junk: true,  parse: vrfy },
    Row { name: "ETRN",     speakers: Speakers::Smtp, before_tls: false, before_login: false, junk: true,  parse: etrn },
    Row { name: "XCLIENT",  speakers: Speakers::Peer, before_tls: true,  before_login: true,  junk: false, parse: xclient },
    Row { name: "XFORWARD", speakers: Speakers::Peer, before_tls: true,  before_login: true,  junk: false, parse: xforward },
    Row { name: "EXPN",     speakers: Speakers::All,  before_tls: false, before_login: false, junk: true,  parse: expn },
    Row { name: "HELP",     speakers: Speakers::All,  before_tls: false, before_login: true,  junk: true,  parse: help },
    Row { name: "QUIT",     speakers: Speakers::All,  before_tls: true,  before_login: true,  junk: false, parse: quit },
    Row { name: "GET",      speakers: Speakers::Browser, before_tls: true,  before_login: true,  junk: false, parse: http },
    Row { name: "POST",     speakers: Speakers::Browser, before_tls: true,  before_login: true,  junk: false, parse: http },
    Row { name: "PUT",      speakers: Speakers::Browser, before_tls: true,  before_login: true,  junk: false, parse: http },
    Row { name: "HEAD",     speakers: Speakers::Browser, before_tls: true,  before_login: true,  junk: false, parse: http },
    Row { name: "OPTIONS",  speakers: Speakers::Browser, before_tls: true,  before_login: true,  junk: false, parse: http },
    Row { name: "CONNECT",  speakers: Speakers::Browser, before_tls: true,  before_login: true,  junk: false, parse: http },
];

/// The verbs that HELP names.
pub fn verbs(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    let named = move |row: &&Row| row.spoken_in(dialect) && !matches!(row.speakers, Speakers::Browser | Speakers::Peer);
    TABLE.iter().filter(named).map(|row| row.name)
}

/// Finds the row of a line's verb, and the line's argument. RFC 5321 §2.4: verbs do not mind case.
pub fn find(line: &[u8], dialect: Dialect) -> Result<(&'static Row, &str), Fault> {
    // RFC 5321 §2.3.8: CR and LF occur only together, as the end of a line.
    if line.contains(&b'\n') {
        return Err(Fault::BareLf);
    }
    if line.contains(&b'\r') {
        return Err(Fault::BareCr);
    }
    let line = std::str::from_utf8(line).map_err(|_| Fault::NotUtf8)?;
    // RFC 5321 §4.1.1: tolerate white space at the end.
    let line = line.trim_end_matches([' ', '\t']);
    let (verb, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    if verb.is_empty() {
        return Err(Fault::Empty);
    }
    let row = TABLE.iter().find(|row| row.spoken_in(dialect) && row.name.eq_ignore_ascii_case(verb));
    Ok((row.ok_or(Fault::Unknown)?, argument.trim_start_matches([' ', '\t'])))
}

impl Row {
    /// Reads the argument of this row's verb.
    pub fn parse<'a>(&self, argument: &'a str, profile: &Profile) -> Result<Command<'a>, Fault> {
        (self.parse)(argument, profile)
    }
}

fn ehlo<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    hello(argument, true, "EHLO hostname")
}

fn helo<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    hello(argument, false, "HELO hostname")
}

fn lhlo<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    hello(argument, true, "LHLO hostname")
}

// RFC 5321 §4.1.4: a name that is not the client's is no reason to refuse. So any word will do that can stand in a header.
fn hello<'a>(argument: &'a str, extended: bool, form: &'static str) -> Result<Command<'a>, Fault> {
    match argument.split([' ', '\t']).next() {
        Some(name) if !name.is_empty() && name.len() <= HELO_LENGTH_MAX && !name.contains(char::is_control) => {
            Ok(Command::Helo { name, extended })
        }
        _ => Err(Fault::HeloSyntax(form)),
    }
}

fn starttls<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    alone(argument, Command::StartTls, "STARTTLS")
}

// RFC 4954 §4: AUTH mechanism [initial-response]
fn auth<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    let mut words = argument.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(Fault::Syntax("AUTH mechanism")),
    }
}

// RFC 5321 §4.1.1.2: "MAIL FROM:" Reverse-path [SP Mail-parameters]
fn mail<'a>(argument: &'a str, profile: &Profile) -> Result<Command<'a>, Fault> {
    let (path, parameters, quirks) =
        split_path(argument, "FROM:").map_err(|why| why.fault("MAIL FROM:<address>", Fault::SenderSyntax))?;
    let reverse_path = ReversePath::parse(path).map_err(|error| match error {
        AddressError::NoDomain => Fault::SenderUnqualified(path.to_owned()),
        _ => Fault::SenderSyntax,
    })?;
    let parameters = parameter::mail(parameters, profile)?;
    Ok(Command::Mail(Box::new(Mail { reverse_path, parameters, quirks })))
}

// RFC 5321 §4.1.1.3: "RCPT TO:" Forward-path [SP Rcpt-parameters]
fn rcpt<'a>(argument: &'a str, profile: &Profile) -> Result<Command<'a>, Fault> {
    let (path, parameters, quirks) =
        split_path(argument, "TO:").map_err(|why| why.fault("RCPT TO:<address>", Fault::RecipientSyntax))?;
    let forward_path = ForwardPath::parse(path).map_err(|error| match error {
        AddressError::NoDomain => Fault::RecipientUnqualified(path.to_owned()),
        _ => Fault::RecipientSyntax,
    })?;
    let parameters = parameter::rcpt(parameters, profile)?;
    Ok(Command::Rcpt(Box::new(Rcpt { forward_path, parameters, quirks })))
}

fn data<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    alone(argument, Command::Data, "DATA")
}

// RFC 3030 §2: bdat-cmd = "BDAT" SP chunk-size [SP end-marker]; chunk-size = 1*DIGIT; end-marker = "LAST"
fn bdat<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    let mut words = argument.split_ascii_whitespace();
    let length = words.next().and_then(parameter::digits).ok_or(Fault::BdatSyntax)?;
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Bdat { length, last: false }),
        (Some(marker), None) if marker.eq_ignore_ascii_case("LAST") => Ok(Command::Bdat { length, last: true }),
        _ => Err(Fault::BdatSyntax),
    }
}

fn rset<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    alone(argument, Command::Reset, "RSET")
}

fn noop<'a>(_: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    Ok(Command::Noop)
}

fn vrfy<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    if argument.is_empty() { Err(Fault::Syntax("VRFY address")) } else { Ok(Command::Verify(argument)) }
}

// RFC 1985 §5.1: ETRN domain. Its other forms (`@domain`, `#queue`) are not known.
fn etrn<'a>(argument: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    match argument {
        "" => Err(Fault::EtrnSyntax),
        _ => Domain::parse(argument).map(Command::Flush).map_err(|_| Fault::Syntax("ETRN domain")),
    }
}

fn xclient<'a>(argument: &'a str, profile: &Profile) -> Result<Command<'a>, Fault> {
    if !profile.xclient {
        return Err(Fault::Unknown);
    }
    xclient::attributes(argument, "XCLIENT attribute=value...").map(|client| Command::XClient(Box::new(client)))
}

fn xforward<'a>(argument: &'a str, profile: &Profile) -> Result<Command<'a>, Fault> {
    if !profile.xforward {
        return Err(Fault::Unknown);
    }
    xclient::attributes(argument, "XFORWARD attribute=value...").map(|client| Command::XForward(Box::new(client)))
}

fn expn<'a>(_: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    Ok(Command::Expand)
}

fn help<'a>(_: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    Ok(Command::Help)
}

fn quit<'a>(_: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    Ok(Command::Quit)
}

fn http<'a>(_: &'a str, _: &Profile) -> Result<Command<'a>, Fault> {
    Ok(Command::Http)
}

fn alone<'a>(argument: &str, command: Command<'a>, form: &'static str) -> Result<Command<'a>, Fault> {
    if argument.is_empty() { Ok(command) } else { Err(Fault::Syntax(form)) }
}

#[derive(Debug, PartialEq, Eq)]
enum NoPath {
    /// The keyword or the whole path is missing.
    Missing,
    /// The angle brackets do not close, or something sticks to them.
    Brackets,
}

impl NoPath {
    fn fault(self, form: &'static str, syntax: Fault) -> Fault {
        if self == NoPath::Missing { Fault::Syntax(form) } else { syntax }
    }
}

/// Cuts an argument into the inside of its path and its parameters.
fn split_path<'a>(argument: &'a str, keyword: &str) -> Result<(&'a str, &'a str, Vec<Quirk>), NoPath> {
    let (head, rest) = argument.split_at_checked(keyword.len()).ok_or(NoPath::Missing)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(NoPath::Missing);
    }
    let mut quirks = Vec::new();
    let path = rest.trim_start_matches([' ', '\t']);
    if path.len() < rest.len() {
        quirks.push(Quirk::SpaceAfterColon);
    }
    if path.is_empty() {
        return Err(NoPath::Missing);
    }
    let Some(inside) = path.strip_prefix('<') else {
        quirks.push(Quirk::NoAngleBrackets);
        let (path, parameters) = path.split_once(' ').unwrap_or((path, ""));
        return Ok((path, parameters, quirks));
    };
    let (path, after) = closing_bracket(inside).and_then(|end| inside.split_at_checked(end)).ok_or(NoPath::Brackets)?;
    let parameters = after.strip_prefix('>').unwrap_or(after);
    if parameters.is_empty() || parameters.starts_with([' ', '\t']) {
        Ok((path, parameters, quirks))
    } else {
        Err(NoPath::Brackets)
    }
}

/// Where the path ends. A `>` inside of a quoted local-part does not end it (RFC 5321 §4.1.2).
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command<'_>, Fault> {
        let profile = Profile::new(Dialect::Smtp, "mx.example.test");
        find(line.as_bytes(), Dialect::Smtp).and_then(|(row, argument)| row.parse(argument, &profile))
    }

    fn sender(line: &str) -> (String, Vec<Quirk>) {
        let Ok(Command::Mail(mail)) = parse(line) else { panic!("{line}: {:?}", parse(line)) };
        (mail.reverse_path.to_string(), mail.quirks)
    }

    #[test]
    fn paths_may_be_quoted_routed_or_null() {
        assert_eq!(sender("mail from:<>"), (String::new(), vec![]));
        assert_eq!(sender("MAIL FROM:<\"a>b\\\"c\"@x.test>").0, "\"a>b\\\"c\"@x.test");
        assert_eq!(sender("MAIL FROM:<@a.test,@b.test:c@x.test> SIZE=5").0, "c@x.test");
    }

    #[test]
    fn tolerated_deviations_are_named() {
        assert_eq!(sender("MAIL FROM: <a@x.test>").1, [Quirk::SpaceAfterColon]);
        assert_eq!(sender("MAIL FROM:a@x.test").1, [Quirk::NoAngleBrackets]);
        assert_eq!(sender("MAIL FROM: a@x.test SIZE=5").1, [Quirk::SpaceAfterColon, Quirk::NoAngleBrackets]);
    }

    #[test]
    fn broken_paths_are_faults() {
        for line in [
            "MAIL FROM:<a@x.test",
            "MAIL FROM:<a@x.test>SIZE=5",
            "MAIL FROM:<a b@x.test>",
            "MAIL FROM:<a@>",
            "MAIL FROM:<@x.test>",
            "MAIL FROM:<\"a@x.test>",
        ] {
            assert_eq!(parse(line), Err(Fault::SenderSyntax), "{line}");
        }
        for line in
            ["MAIL", "MAIL FROM", "MAIL FROM:", "MAIL TO:<a@x.test>", "MAIL FROM : <a@x.test>", "MAIL FRO\u{e9}:"]
        {
            assert_eq!(parse(line), Err(Fault::Syntax("MAIL FROM:<address>")), "{line}");
        }
        assert_eq!(parse("RCPT TO:<>"), Err(Fault::RecipientSyntax));
        assert_eq!(parse("RCPT TO:<ana>"), Err(Fault::RecipientUnqualified("ana".into())));
        assert_eq!(parse("MAIL FROM:<ana>"), Err(Fault::SenderUnqualified("ana".into())));
    }

    #[test]
    fn every_verb_stands_once_in_the_table() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[index + 1..].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }

    #[test]
    fn lmtp_knows_no_ehlo_and_smtp_no_lhlo() {
        assert!(matches!(find(b"EHLO x", Dialect::Lmtp), Err(Fault::Unknown)));
        assert!(matches!(find(b"LHLO x", Dialect::Submission), Err(Fault::Unknown)));
    }

    #[test]
    fn the_length_of_a_chunk_is_digits_only() {
        assert_eq!(parse("BDAT 86 LAST"), Ok(Command::Bdat { length: 86, last: true }));
        for line in
            ["BDAT", "BDAT x", "BDAT -1", "BDAT +1", "BDAT 1 FIRST", "BDAT 1 LAST x", "BDAT 99999999999999999999999"]
        {
            assert_eq!(parse(line), Err(Fault::BdatSyntax), "{line}");
        }
    }
}
