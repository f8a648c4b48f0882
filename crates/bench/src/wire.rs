//! One connection of a client that blocks: lines out, lines in, literals skipped.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(120);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const BUFFER: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Wire {
    reader: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(server: SocketAddr) -> io::Result<Wire> {
        let stream = TcpStream::connect_timeout(&server, CONNECT_PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire { reader: BufReader::with_capacity(BUFFER, stream), line: Vec::new() })
    }

    pub(crate) fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(octets)
    }

    /// The next line without its end.
    pub(crate) fn line(&mut self) -> io::Result<&[u8]> {
        self.line.clear();
        if self.reader.read_until(b'\n', &mut self.line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.line.trim_ascii_end())
    }

    /// An SMTP reply with this code, of however many lines.
    pub(crate) fn reply(&mut self, code: &str) -> io::Result<()> {
        loop {
            let line = self.line()?;
            if !line.starts_with(code.as_bytes()) {
                return Err(unexpected(line, code));
            }
            if line.get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }

    /// Sends an IMAP command and reads up to its tagged OK. Gives the octets that came.
    pub(crate) fn command(&mut self, tag: &str, command: &str) -> io::Result<u64> {
        self.send(format!("{tag} {command}\r\n").as_bytes())?;
        let expected = format!("{tag} OK");
        let mut octets = 0;
        loop {
            let line = self.line()?;
            octets += line.len() as u64 + 2;
            if line.starts_with(tag.as_bytes()) && line.get(tag.len()) == Some(&b' ') {
                return if line.starts_with(expected.as_bytes()) {
                    Ok(octets)
                } else {
                    Err(unexpected(line, &expected))
                };
            }
            if let Some(length) = literal(line) {
                octets += length;
                self.skip(length)?;
            }
        }
    }

    /// A POP3 status line that says `+OK`.
    pub(crate) fn pop3_line(&mut self) -> io::Result<String> {
        let line = self.line()?;
        if line.starts_with(b"+OK") {
            Ok(String::from_utf8_lossy(line).into_owned())
        } else {
            Err(unexpected(line, "+OK"))
        }
    }

    /// A POP3 answer of several lines, up to its dot.
    pub(crate) fn pop3_lines(&mut self) -> io::Result<()> {
        self.pop3_line()?;
        while self.line()? != b"." {}
        Ok(())
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.reader).take(length), &mut io::sink())?;
        if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// The length of a literal that a line announces at its end (RFC 9051 §4.3).
fn literal(line: &[u8]) -> Option<u64> {
    let digits = line.strip_suffix(b"}")?;
    let start = memchr::memrchr(b'{', digits)? + 1;
    std::str::from_utf8(&digits[start..]).ok()?.parse().ok()
}

fn unexpected(line: &[u8], expected: &str) -> io::Error {
    io::Error::other(format!("expected {expected:?}, heard {:?}", String::from_utf8_lossy(line)))
}

/// `name` as an IMAP quoted string.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_in_braces_at_the_end_announces_a_literal() {
        assert_eq!(literal(b"* 1 FETCH (BODY[] {42}"), Some(42));
        for line in [&b"* 1 FETCH (BODY[] {42} x"[..], b"* OK {a}", b"}", b""] {
            assert_eq!(literal(line), None);
        }
    }
}
