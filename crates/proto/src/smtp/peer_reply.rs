//! Replies that a server gives us (RFC 5321 §4.2): one or more lines become one `Reply`.
//!
//! Bounded, and cleaned: what a peer says ends in our log and in reports to senders.

use mail::{EnhancedStatus, Reply};

use crate::input::{Input, Line};

/// Octets of a reply line. RFC 5321 §4.5.3.1.5 has 512; some servers say more.
pub const LINE_LENGTH_MAX: usize = 2048;
/// Lines of one reply.
pub const LINES_MAX: usize = 256;

/// Gathers the lines of a reply.
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    lines: Vec<String>,
}

/// What the input holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Reply(Reply),
    Unfinished,
    /// Not a reply; nothing that follows can be trusted.
    Nonsense,
}

impl ReplyReader {
    /// Reads the next reply from the input.
    pub fn read(&mut self, input: &mut Input) -> Heard {
        loop {
            let line = match input.line(LINE_LENGTH_MAX) {
                Line::Whole(line) => line,
                Line::Unfinished => return Heard::Unfinished,
                Line::TooLong => return Heard::Nonsense,
            };
            let Some((code, last, text)) = parse_line(&line) else { return Heard::Nonsense };
            if *self.code.get_or_insert(code) != code || self.lines.len() >= LINES_MAX {
                return Heard::Nonsense;
            }
            self.lines.push(text);
            if last {
                return Heard::Reply(std::mem::take(self).whole(code));
            }
        }
    }

    /// RFC 2034 §4: the status stands on each line; it is kept once.
    fn whole(mut self, code: u16) -> Reply {
        let status = self.lines.first().and_then(|line| split_status(line, code)).map(|(status, _)| status);
        if status.is_some() {
            for line in &mut self.lines {
                if let Some((_, text)) = split_status(line, code) {
                    *line = text.to_owned();
                }
            }
        }
        Reply { code, status, text: self.lines.join("\n") }
    }
}

// RFC 5321 §4.2: Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
fn parse_line(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    if !matches!(code, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
        return None;
    }
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    let (last, text) = match rest {
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return None,
    };
    let text = String::from_utf8_lossy(text).replace(char::is_control, " ");
    Some((code, last, text))
}

fn split_status(line: &str, code: u16) -> Option<(EnhancedStatus, &str)> {
    let (word, text) = line.split_once(' ').unwrap_or((line, ""));
    let status = EnhancedStatus::parse(word)?;
    (u16::from(status.class) == code / 100).then_some((status, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Heard {
        let mut input = Input::default();
        input.push(text.as_bytes());
        ReplyReader::default().read(&mut input)
    }

    #[test]
    fn lines_are_gathered_and_the_status_is_taken_out() {
        assert_eq!(read("250 2.1.5 Ok\r\n"), Heard::Reply(Reply::new(250, (2, 1, 5), "Ok")));
        assert_eq!(
            read("550-5.1.1 no\r\n550 5.1.1 such user\r\n"),
            Heard::Reply(Reply::new(550, (5, 1, 1), "no\nsuch user"))
        );
        assert_eq!(read("250-mx\r\n250 SIZE\r\n"), Heard::Reply(Reply::plain(250, "mx\nSIZE")));
        assert_eq!(read("354\r\n"), Heard::Reply(Reply::plain(354, "")));
        // A status of another class than the code is text.
        assert_eq!(read("250 5.1.1 x\r\n"), Heard::Reply(Reply::plain(250, "5.1.1 x")));
        assert_eq!(read("250-a\r\n"), Heard::Unfinished);
    }

    #[test]
    fn nonsense_is_told_apart() {
        let many = "250-x\r\n".repeat(LINES_MAX + 1);
        let long = "x".repeat(LINE_LENGTH_MAX + 10);
        for bad in
            ["hello\r\n", "\r\n", "25\r\n", "250x\r\n", "150 x\r\n", "650 x\r\n", "250-a\r\n251 b\r\n", &many, &long]
        {
            assert_eq!(read(bad), Heard::Nonsense, "{bad:?}");
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_log() {
        assert_eq!(read("250 a\x1b[2J\nb\r\n"), Heard::Reply(Reply::plain(250, "a [2J b")));
    }
}
