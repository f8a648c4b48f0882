//! The file format of transcripts: reads lines into steps. Knows nothing of sessions.

use super::{Failure, Peer};

/// The most bytes that one line may stand for, so that a slip of the pen in a repetition does not fill memory.
const EXPANDED_LENGTH_MAX: usize = 64 << 20;

/// What one line of a transcript says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes from the peer.
    Input(Vec<u8>),
    /// Bytes to the peer.
    Output(Vec<u8>),
    /// Content given to the house.
    Content(Vec<u8>),
    /// Any content may be given to the house here: it will not count.
    AnyContent,
    Ask(String),
    Answer(String),
    /// Something happens to the session.
    Event(String),
    /// The session wants something: close, start TLS, pause.
    Effect(String),
    /// What the session said it is waiting for.
    Waits(String),
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub line: usize,
    pub kind: Kind,
}

/// A transcript that was read.
#[derive(Debug, Clone)]
pub struct Transcript {
    pub(super) name: String,
    pub(super) settings: String,
    /// Each block is what may happen without the peer waiting for an answer.
    pub(super) blocks: Vec<Vec<Step>>,
}

impl Transcript {
    /// Reads the text of a transcript. `peer` says which of `C:` and `S:` goes in.
    pub fn parse(name: &str, text: &str, peer: Peer) -> Result<Transcript, Failure> {
        let mut transcript = Transcript { name: name.to_owned(), settings: String::new(), blocks: vec![Vec::new()] };
        for (index, row) in text.lines().enumerate() {
            let line = index + 1;
            transcript.add(line, row, peer).map_err(|expected| Failure {
                name: name.to_owned(),
                line,
                way: None,
                expected,
                got: row.to_owned(),
            })?;
        }
        transcript.blocks.retain(|block| !block.is_empty());
        Ok(transcript)
    }

    fn add(&mut self, line: usize, row: &str, peer: Peer) -> Result<(), String> {
        if row.trim().is_empty() {
            self.blocks.push(Vec::new());
            return Ok(());
        }
        let (mark, rest) = row.split_at_checked(2).unwrap_or((row, ""));
        let argument = rest.strip_prefix(' ').unwrap_or(rest);
        let kind = match mark.trim_end() {
            "#" | "##" => return Ok(()),
            "@" => {
                self.settings = rest.trim().to_owned();
                return Ok(());
            }
            "C:" => spoken(peer == Peer::Client, line_bytes(argument)?),
            "C|" => spoken(peer == Peer::Client, unescape(argument)?),
            "S:" => spoken(peer == Peer::Server, line_bytes(argument)?),
            "S|" => spoken(peer == Peer::Server, unescape(argument)?),
            "T:" => Kind::Content(line_bytes(argument)?),
            "T|" => Kind::Content(unescape(argument)?),
            "T*" => Kind::AnyContent,
            "?" => Kind::Ask(rest.trim().to_owned()),
            "!" => Kind::Answer(rest.trim().to_owned()),
            "+" => Kind::Event(rest.trim().to_owned()),
            "=" if rest.trim_start().starts_with("waits") => Kind::Waits(rest.trim().to_owned()),
            "=" => Kind::Effect(rest.trim().to_owned()),
            _ => return Err("a line that starts with # @ C: C| S: S| T: T| T* ? ! + or =".to_owned()),
        };
        if let Some(block) = self.blocks.last_mut() {
            block.push(Step { line, kind });
        }
        Ok(())
    }
}

fn spoken(by_peer: bool, bytes: Vec<u8>) -> Kind {
    if by_peer { Kind::Input(bytes) } else { Kind::Output(bytes) }
}

fn line_bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = unescape(text)?;
    bytes.extend_from_slice(b"\r\n");
    Ok(bytes)
}

/// Turns `\r`, `\n`, `\t`, `\\`, `\xHH` and the repetition `\(COUNT*TEXT)` into bytes. TEXT holds no `)`.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = escape(escaped, &mut bytes).ok_or("an escape: \\r \\n \\t \\\\ \\xHH or \\(COUNT*TEXT)")?;
        if bytes.len() > EXPANDED_LENGTH_MAX {
            return Err(format!("at most {EXPANDED_LENGTH_MAX} bytes"));
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Reads one escape, its backslash gone; gives what follows it.
fn escape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let mut chars = text.chars();
    match chars.next()? {
        'r' => bytes.push(b'\r'),
        'n' => bytes.push(b'\n'),
        't' => bytes.push(b'\t'),
        '\\' => bytes.push(b'\\'),
        'x' => {
            let (hex, rest) = chars.as_str().split_at_checked(2)?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            return Some(rest);
        }
        '(' => {
            let (inner, rest) = chars.as_str().split_once(')')?;
            let (count, repeated) = inner.split_once('*')?;
            let (count, repeated) = (count.parse::<usize>().ok()?, unescape(repeated).ok()?);
            count.checked_mul(repeated.len()).filter(|length| *length <= EXPANDED_LENGTH_MAX)?;
            bytes.extend_from_slice(&repeated.repeat(count));
            return Some(rest);
        }
        _ => return None,
    }
    Some(chars.as_str())
}

/// Bytes as a transcript would write them; long ones are shortened.
pub fn escaped(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 300;
    let mut shown: String = bytes.iter().take(SHOWN_MAX).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
    if bytes.len() > SHOWN_MAX {
        shown.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_odd_bytes_and_repetitions() {
        assert_eq!(unescape(r"a\x00\r\n\\\t").unwrap(), b"a\0\r\n\\\t");
        assert_eq!(unescape(r"\(3*ab\n)c").unwrap(), b"ab\nab\nab\nc");
        for bad in [r"\q", r"\x0", r"\(3*a", r"\(x*a)", "\\", r"\(99999999999*a)"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_mark_is_a_failure_with_its_line() {
        let failure = Transcript::parse("x", "# fine\nX: what\n", Peer::Client).unwrap_err();
        assert_eq!((failure.line, failure.got.as_str()), (2, "X: what"));
    }
}
