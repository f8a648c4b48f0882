//! What is done to a value inside of the braces: the digests of Dovecot 2.3 (`%{sha1;rounds=2:user}`) and the filters
//! of 2.4 (`%{user | username | md5 | hexlify(2)}`), as far as homes, quotas and filters use them.
//!
//! A digest of 2.4 is octets and no text: `substr` and `%` work on the octets, and what is left of them at the end
//! becomes hexadecimal. In 2.3 a digest is text at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::modifier::decimal;
use super::parse::Cursor;
use super::{ExpandError, FILTERS_MAX, Mistake, PADDING_MAX, ROUNDS_MAX, Template, TemplateError, Variables};
use crate::digest::{Algorithm, hex};

/// `sha1;rounds=2,truncate=32,salt=%d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HashCall {
    algorithm: Algorithm,
    rounds: u32,
    /// The first so many bits, or all.
    truncate: Option<usize>,
    base64: bool,
    salt: Template,
}

impl HashCall {
    /// Splits a digest off the name of a variable. `place` is where the name stands.
    pub(super) fn parse<'a>(name: &'a str, place: Cursor<'_>) -> Result<(Option<HashCall>, &'a str), TemplateError> {
        let end = name.find([';', ':']).unwrap_or(name.len());
        let Some(algorithm) = name.get(..end).and_then(Algorithm::parse) else { return Ok((None, name)) };
        let (call, variable) =
            name.split_once(':').ok_or_else(|| place.mistake(Mistake::UnknownVariable(name.to_owned())))?;
        let nothing = Template { pieces: Vec::new() };
        let mut hash = HashCall { algorithm, rounds: 1, truncate: None, base64: false, salt: nothing };
        let mut options = call.split_once(';').map(|(_, options)| options);
        while let Some(rest) = options {
            let (option, after) = rest.split_once(',').map_or((rest, None), |(option, after)| (option, Some(after)));
            // Dovecot silently ignores what follows the salt.
            let misplaced = option.starts_with("salt=") && after.is_some();
            if misplaced || !hash.set(option, place)? {
                return Err(place.mistake(Mistake::UnknownOption(rest.to_owned())));
            }
            options = after;
        }
        Ok((Some(hash), variable))
    }

    /// Takes an option; `false` when it is unknown.
    fn set(&mut self, option: &str, place: Cursor<'_>) -> Result<bool, TemplateError> {
        let number = |text: &str| text.parse().map_err(|_| place.mistake(Mistake::Number(text.to_owned())));
        match option.split_once('=') {
            Some(("rounds", text)) => self.rounds = rounds(text, place)?,
            Some(("truncate", text)) => self.truncate = Some(number(text)?).filter(|bits| *bits > 0),
            Some(("format", "hex")) => self.base64 = false,
            Some(("format", "base64")) => self.base64 = true,
            Some(("salt", salt)) => self.salt = Template::parse(salt).map_err(|error| place.mistake(error.mistake))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The digest of a value, as text.
    pub(super) fn text_of(&self, value: &[u8], variables: &Variables) -> Result<Vec<u8>, ExpandError> {
        let mut digest = self.algorithm.rounds(self.rounds, &self.salt.expand_octets(variables)?, value);
        if let Some(bits) = self.truncate.filter(|bits| *bits < digest.len() * 8) {
            digest = first_bits(&digest, bits);
        }
        Ok(if self.base64 { STANDARD.encode(digest) } else { hex(&digest) }.into_bytes())
    }
}

fn rounds(text: &str, place: Cursor<'_>) -> Result<u32, TemplateError> {
    let number = text.parse().ok().filter(|rounds| (1..=ROUNDS_MAX).contains(rounds));
    number.ok_or_else(|| place.mistake(Mistake::Number(text.to_owned())))
}

/// The first bits as a number: whole octets, zeros on the left.
fn first_bits(octets: &[u8], bits: usize) -> Vec<u8> {
    let first = octets.get(..bits.div_ceil(8)).unwrap_or(octets);
    let surplus = first.len() * 8 - bits.min(first.len() * 8);
    let mut before = 0_u16;
    let shift = |octet: &u8| {
        let both = before << 8 | u16::from(*octet);
        before = u16::from(*octet);
        (both >> surplus).to_be_bytes()[1]
    };
    first.iter().map(shift).collect()
}

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    Lower,
    Upper,
    Reverse,
    RightTrim,
    Username,
    Domain,
    LdapDn,
    Default(String),
    Substr(i64, Option<i64>),
    Truncate(usize),
    Digest {
        algorithm: Algorithm,
        rounds: u32,
        salt: Vec<u8>,
    },
    /// Octets as hexadecimal, cut or filled up with zeros to so many digits.
    Hexlify(Option<usize>),
    /// A number as hexadecimal: so many digits, negative from the other end.
    Hex(i64),
    Base64,
    Modulo(u64),
}

/// Parses `| filter | filter` up to the closing brace.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Vec<Filter>, TemplateError> {
    let mut filters = Vec::new();
    loop {
        cursor.skip_spaces();
        let start = *cursor;
        if filters.len() == FILTERS_MAX {
            return Err(start.mistake(Mistake::Argument(format!("more than {FILTERS_MAX} filters"))));
        }
        if cursor.eat('|') {
            cursor.skip_spaces();
            let start = *cursor;
            let name = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            let arguments = arguments(cursor)?;
            filters.push(filter(name, &arguments, start)?);
        } else if cursor.eat('%') {
            cursor.skip_spaces();
            let digits = cursor.take_while(|c| c.is_ascii_digit());
            let modulus = digits.parse().ok().filter(|modulus| (1..=u64::from(u32::MAX)).contains(modulus));
            filters.push(Filter::Modulo(modulus.ok_or_else(|| start.mistake(Mistake::Number(digits.to_owned())))?));
        } else {
            return Ok(filters);
        }
    }
}

/// `(0, 2)`, `('nobody')`, `(rounds=2, salt='x')`: a name or nothing, and a value without its quotes.
type Argument = (String, String);

fn arguments(cursor: &mut Cursor<'_>) -> Result<Vec<Argument>, TemplateError> {
    let mut arguments = Vec::new();
    let start = *cursor;
    if !cursor.eat('(') {
        return Ok(arguments);
    }
    loop {
        cursor.skip_spaces();
        if cursor.eat(')') {
            return Ok(arguments);
        }
        let name =
            if is_named(cursor.rest()) { cursor.take_while(|c| c != '=').trim().to_owned() } else { String::new() };
        cursor.eat('=');
        cursor.skip_spaces();
        arguments.push((name, value(cursor)?));
        cursor.skip_spaces();
        if !cursor.eat(',') && cursor.peek() != Some(')') {
            return Err(start.mistake(Mistake::Unclosed));
        }
    }
}

fn is_named(rest: &str) -> bool {
    let after = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    after.len() < rest.len() && after.trim_start().starts_with('=')
}

/// A number, or a string in quotes. (2.4 also takes another variable there.)
fn value(cursor: &mut Cursor<'_>) -> Result<String, TemplateError> {
    let start = *cursor;
    for quote in ['\'', '"'] {
        if cursor.eat(quote) {
            let text = cursor.take_while(|c| c != quote && c != '\\');
            return match cursor.eat(quote) {
                true => Ok(text.to_owned()),
                false => Err(start.mistake(Mistake::Unclosed)),
            };
        }
    }
    let number = cursor.take_while(|c| c.is_ascii_digit() || c == '-');
    if number.parse::<i64>().is_err() {
        return Err(start.mistake(Mistake::Argument("a number or a string in quotes is expected".to_owned())));
    }
    Ok(number.to_owned())
}

fn filter(name: &str, arguments: &[Argument], place: Cursor<'_>) -> Result<Filter, TemplateError> {
    if let Some(algorithm) = Algorithm::parse(name) {
        return digest(algorithm, arguments, place);
    }
    let positional: Vec<&str> =
        arguments.iter().filter(|(name, _)| name.is_empty()).map(|(_, value)| value.as_str()).collect();
    if positional.len() != arguments.len() && name != "hash" {
        return Err(place.mistake(Mistake::Argument(format!("`{name}` has no named arguments"))));
    }
    let number = |text: &str| text.parse().map_err(|_| place.mistake(Mistake::Number(text.to_owned())));
    let size = |text: &str| {
        let size = text.parse().ok().filter(|size| *size <= PADDING_MAX.unsigned_abs() as usize);
        size.ok_or_else(|| place.mistake(Mistake::Number(text.to_owned())))
    };
    Ok(match (name, positional.as_slice()) {
        ("lower", []) => Filter::Lower,
        ("upper", []) => Filter::Upper,
        ("reverse", []) => Filter::Reverse,
        ("rtrim", []) => Filter::RightTrim,
        ("username", []) => Filter::Username,
        ("domain", []) => Filter::Domain,
        ("ldap_dn", []) => Filter::LdapDn,
        ("base64", []) => Filter::Base64,
        ("default", []) => Filter::Default(String::new()),
        ("default", [value]) => Filter::Default((*value).to_owned()),
        ("substr", [offset]) => Filter::Substr(number(offset)?, None),
        ("substr", [offset, length]) => Filter::Substr(number(offset)?, Some(number(length)?)),
        ("truncate", [length]) => Filter::Truncate(size(length)?),
        ("hexlify", []) => Filter::Hexlify(None),
        ("hexlify", [width]) => Filter::Hexlify(Some(size(width)?)),
        ("hex", []) => Filter::Hex(0),
        ("hex", [width]) => {
            size(width.trim_start_matches('-'))?;
            Filter::Hex(number(width)?)
        }
        ("hash", [algorithm]) => {
            let algorithm = Algorithm::parse(algorithm)
                .ok_or_else(|| place.mistake(Mistake::UnknownFilter((*algorithm).to_owned())))?;
            let named: Vec<Argument> = arguments.iter().filter(|(name, _)| !name.is_empty()).cloned().collect();
            digest(algorithm, &named, place)?
        }
        (known, _) if KNOWN.contains(&known) => {
            return Err(place.mistake(Mistake::Argument(format!("wrong arguments of `{known}`"))));
        }
        _ => return Err(place.mistake(Mistake::UnknownFilter(name.to_owned()))),
    })
}

/// Filters, to tell a wrong name from wrong arguments.
const KNOWN: [&str; 14] = [
    "lower", "upper", "reverse", "rtrim", "username", "domain", "ldap_dn", "base64", "default", "substr", "truncate",
    "hexlify", "hex", "hash",
];

fn digest(algorithm: Algorithm, arguments: &[Argument], place: Cursor<'_>) -> Result<Filter, TemplateError> {
    let (mut count, mut salt) = (1, Vec::new());
    for (name, value) in arguments {
        match name.as_str() {
            "rounds" => count = rounds(value, place)?,
            "salt" => salt = value.clone().into_bytes(),
            other => return Err(place.mistake(Mistake::UnknownOption(other.to_owned()))),
        }
    }
    Ok(Filter::Digest { algorithm, rounds: count, salt })
}

/// Runs a value through the filters.
pub(super) fn run(filters: &[Filter], value: Vec<u8>) -> Result<Vec<u8>, ExpandError> {
    let (mut value, mut is_binary) = (value, false);
    for filter in filters {
        value = filter.apply(value, is_binary)?;
        is_binary = match filter {
            Filter::Digest { .. } => true,
            // These give text.
            Filter::Hexlify(_) | Filter::Hex(_) | Filter::Base64 | Filter::Modulo(_) => false,
            _ => is_binary,
        };
    }
    Ok(if is_binary { hex(&value).into_bytes() } else { value })
}

impl Filter {
    fn apply(&self, mut value: Vec<u8>, is_binary: bool) -> Result<Vec<u8>, ExpandError> {
        match self {
            Filter::Lower => value.make_ascii_lowercase(),
            Filter::Upper => value.make_ascii_uppercase(),
            Filter::Reverse => value.reverse(),
            Filter::RightTrim => value.truncate(value.trim_ascii_end().len()),
            Filter::Username => value.truncate(at_sign(&value).unwrap_or(value.len())),
            Filter::Domain => drop(value.drain(..at_sign(&value).map_or(value.len(), |at| at + 1))),
            Filter::LdapDn => value = value.split(|octet| *octet == b'.').collect::<Vec<_>>().join(&b",dc="[..]),
            Filter::Default(default) if value.is_empty() => value = default.clone().into_bytes(),
            Filter::Default(_) => {}
            Filter::Substr(offset, length) => return substr(&value, *offset, *length),
            Filter::Truncate(length) => value.truncate(*length),
            Filter::Digest { algorithm, rounds, salt } => value = algorithm.rounds(*rounds, salt, &value),
            Filter::Hexlify(width) => value = hexlify(&value, *width),
            Filter::Hex(width) => value = number_as_hex(decimal(&value).ok_or(ExpandError::NotANumber)?, *width),
            Filter::Base64 => value = STANDARD.encode(&value).into_bytes(),
            Filter::Modulo(modulus) => value = modulo(&value, *modulus, is_binary)?.to_string().into_bytes(),
        }
        Ok(value)
    }
}

fn at_sign(value: &[u8]) -> Option<usize> {
    value.iter().position(|octet| *octet == b'@')
}

/// From `offset` on (negative: from the end) `length` octets (negative: all but so many). Beyond the end is an error.
fn substr(value: &[u8], offset: i64, length: Option<i64>) -> Result<Vec<u8>, ExpandError> {
    let clip = |number: i64, size: usize| {
        let magnitude = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
        let from_end = number < 0;
        (if from_end { size.checked_sub(magnitude) } else { Some(magnitude) }).ok_or(ExpandError::OutOfBounds)
    };
    let rest = value.get(clip(offset, value.len())?..).ok_or(ExpandError::OutOfBounds)?;
    let length = length.map_or(Ok(rest.len()), |length| clip(length, rest.len()))?;
    rest.get(..length).map(<[u8]>::to_vec).ok_or(ExpandError::OutOfBounds)
}

fn hexlify(value: &[u8], width: Option<usize>) -> Vec<u8> {
    let digits = hex(value);
    let width = width.unwrap_or(digits.len());
    let cut: String = digits.chars().take(width).collect();
    format!("{cut:0>width$}").into_bytes()
}

/// `hex(4)` keeps the last four digits or fills up on the left, `hex(-4)` the first four or on the right.
fn number_as_hex(number: u64, width: i64) -> Vec<u8> {
    let digits = format!("{number:x}");
    let size = usize::try_from(width.unsigned_abs()).unwrap_or(0);
    match width {
        0 => digits,
        1.. => format!("{:0>size$}", digits.chars().skip(digits.len().saturating_sub(size)).collect::<String>()),
        _ => format!("{:0<size$}", digits.chars().take(size).collect::<String>()),
    }
    .into_bytes()
}

/// Octets are one large number; text must be a number.
fn modulo(value: &[u8], modulus: u64, is_binary: bool) -> Result<u64, ExpandError> {
    if is_binary {
        // The modulus is at most 32 bits (`parse`), so nothing overflows.
        return Ok(value.iter().fold(0, |rest, octet| (rest << 8 | u64::from(*octet)) % modulus));
    }
    Ok(decimal(value).ok_or(ExpandError::NotANumber)? % modulus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str) -> Result<String, ExpandError> {
        Template::parse(template).unwrap().expand(&Variables::new("Ana.Maria@Example.test"))
    }

    #[test]
    fn filters_run_from_left_to_right() {
        for (template, expected) in [
            ("%{user | username | lower}", "ana.maria"),
            ("%{user|domain|upper}", "EXAMPLE.TEST"),
            ("%{user | username | substr(0, 3)}", "Ana"),
            ("%{user | username | substr(-5)}", "Maria"),
            ("%{user | username | substr(4, -1)}", "Mari"),
            ("%{ user | domain | ldap_dn }", "Example,dc=test"),
            ("%{ldap:quota | default('2G')}", "2G"),
            ("%{user | truncate(3) | reverse}", "anA"),
            ("<%{user | username | default(\"x|}y\")}>", "<Ana.Maria>"),
        ] {
            assert_eq!(expand(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn a_digest_is_octets_until_the_end() {
        // printf %s 'Ana.Maria@Example.test' | md5sum, sha1sum
        let (md5, sha1) = (hex_of("md5"), hex_of("sha1"));
        assert_eq!(expand("%{user | md5}").unwrap(), md5);
        assert_eq!(expand("%{user | hash('sha1')}").unwrap(), sha1);
        assert_eq!(expand("%{user | md5 | hexlify(2)}").unwrap(), md5[..2]);
        assert_eq!(expand("%{user | sha1 | substr(0, 1)}").unwrap(), sha1[..2]);
        assert_eq!(expand("%{user | md5 | hexlify | substr(2, 1)}").unwrap(), expand("%2.1Mu").unwrap());
        assert_eq!(expand("%{user | md5 | substr(0, 8) % 256 | hex(2)}").unwrap(), expand("%2.256Nu").unwrap());
        assert_eq!(expand("%{user | md5 | substr(4, 4)}").unwrap(), expand("%8.0Nu").unwrap());
        assert_eq!(expand("%{user | sha256(rounds=3, salt='x')}"), expand("%{sha256;rounds=3,salt=x:user}"));
    }

    fn hex_of(algorithm: &str) -> String {
        hex(&Algorithm::parse(algorithm).unwrap().digest(&[b"Ana.Maria@Example.test"]))
    }

    #[test]
    fn numbers_are_cut_and_filled_up() {
        assert_eq!(expand("%{ldap:x | default('1727121943') | hex(2)}").as_deref(), Ok("17"));
        assert_eq!(expand("%{ldap:x | default('1727121943') | hex(-2)}").as_deref(), Ok("66"));
        assert_eq!(expand("%{ldap:x | default('22') | hex(4)}").as_deref(), Ok("0016"));
        assert_eq!(expand("%{ldap:x | default('22') | hex(-4)}").as_deref(), Ok("1600"));
        assert_eq!(expand("%{ldap:x | default('3') | hexlify(4)}").as_deref(), Ok("0033"));
        assert_eq!(expand("%{ldap:x | default('143') % 5}").as_deref(), Ok("3"));
    }

    #[test]
    fn what_a_filter_cannot_do_is_an_error_and_no_guess() {
        assert_eq!(expand("%{user | substr(99)}"), Err(ExpandError::OutOfBounds));
        assert_eq!(expand("%{user | substr(-99, 1)}"), Err(ExpandError::OutOfBounds));
        assert_eq!(expand("%{user | substr(1, 99)}"), Err(ExpandError::OutOfBounds));
        assert_eq!(expand("%{user | hex}"), Err(ExpandError::NotANumber));
        assert_eq!(expand("%{user % 3}"), Err(ExpandError::NotANumber));
        let mistake = |text: &str| Template::parse(text).unwrap_err().mistake;
        assert!(matches!(mistake("%{user | lower(1)}"), Mistake::Argument(_)));
        assert!(matches!(mistake("%{user | substr}"), Mistake::Argument(_)));
        assert!(matches!(mistake("%{user | substr(x)}"), Mistake::Argument(_)));
        assert!(matches!(mistake("%{user | default('x}"), Mistake::Unclosed));
        assert!(matches!(mistake("%{user | substr(1"), Mistake::Unclosed));
        assert!(matches!(mistake("%{user | md5(rounds=0)}"), Mistake::Number(_)));
        assert!(matches!(mistake("%{user | md5(rounds=99999)}"), Mistake::Number(_)));
        assert!(matches!(mistake("%{user | md5(peper='x')}"), Mistake::UnknownOption(_)));
        assert!(matches!(mistake("%{user % 0}"), Mistake::Number(_)));
        assert!(matches!(mistake("%{sha1;salt=a,rounds=2:user}"), Mistake::UnknownOption(_)));
        assert!(matches!(mistake("%{sha1;x=1:user}"), Mistake::UnknownOption(_)));
        assert!(matches!(mistake("%{sha1}"), Mistake::UnknownVariable(_)));
    }
}
