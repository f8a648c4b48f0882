//! mbox files (RFC 4155) with mboxrd quoting: a line of a message that begins with any number of `>` and then `From ` has
//! one `>` more in the file, so that nothing is lost on the way. Flags stand in `Status`, `X-Status` and `X-Keywords`.
//!
//! ```text
//! From MAILER-DAEMON Sat Nov 21 12:00:00 2026
//! Subject: x
//! Status: RO
//!
//! >From here on
//! ```
//!
//! A message begins at a line `From ` at the start or after an empty line. Line ends are LF; CR LF is read too. Pure
//! but for the reader and writer that it is given.

use std::io::{self, BufRead, Write};

use mail::date::DateTime;
use mail::{Flags, Keyword};

/// A longer line is handled in pieces; only its start is looked at.
const PIECE: u64 = 64 << 10;
/// A header that is longer is taken for a body from there on.
const HEADER_MAX: usize = 1 << 20;

/// What stands beside the content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    pub flags: Flags,
    pub keywords: Vec<Keyword>,
    pub date: Option<DateTime>,
}

const STATUS: [(char, Flags); 1] = [('R', Flags::SEEN)];
const X_STATUS: [(char, Flags); 4] =
    [('A', Flags::ANSWERED), ('F', Flags::FLAGGED), ('T', Flags::DRAFT), ('D', Flags::DELETED)];

/// Reads one message from where `input` stands, which must be its `From ` line; empty lines before it are passed over.
/// `each` gets the content with CR LF line ends, without the headers that hold flags. `None` at the end of the file.
///
/// # Errors
/// Those of the input, and [`io::ErrorKind::InvalidData`] for something else than a `From ` line.
pub fn read(input: &mut impl BufRead, each: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Option<Marks>> {
    let mut line = Vec::new();
    while line.is_empty() || plain(&line).is_empty() {
        if piece(input, &mut line)? == 0 {
            return Ok(None);
        }
    }
    let Some(envelope) = line.strip_prefix(b"From ") else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "no mbox file: a message does not begin with \"From \"",
        ));
    };
    let mut marks = Marks { date: envelope_date(&String::from_utf8_lossy(envelope)), ..Marks::default() };
    let (mut header, mut in_header) = (0, true);
    let mut empty_lines: Vec<u8> = Vec::new();
    let mut at_start = true;
    loop {
        // A message ends before a `From ` that stands after an empty line; that line is not part of it.
        if !empty_lines.is_empty() && at_start && input.fill_buf()?.starts_with(b"From ") {
            break;
        }
        if piece(input, &mut line)? == 0 {
            break;
        }
        let ends = line.ends_with(b"\n");
        if at_start && ends && plain(&line).is_empty() {
            in_header = false;
            if !empty_lines.is_empty() {
                each(b"\r\n")?;
            }
            empty_lines = b"\r\n".to_vec();
            continue;
        }
        if !empty_lines.is_empty() {
            each(&empty_lines)?;
            empty_lines.clear();
        }
        header += line.len();
        if !(at_start && in_header && header <= HEADER_MAX && marks.take(&line)) {
            let unquoted = if at_start && is_quoted(&line) { line.get(1..).unwrap_or_default() } else { &line };
            each(plain(unquoted))?;
            if ends {
                each(b"\r\n")?;
            }
        }
        at_start = ends;
    }
    Ok(Some(marks))
}

/// At most `PIECE` octets of a line.
fn piece(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    io::Read::take(input, PIECE).read_until(b'\n', line)
}

fn plain(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn is_quoted(line: &[u8]) -> bool {
    let unquoted = line.iter().position(|&byte| byte != b'>').unwrap_or(line.len());
    unquoted > 0 && line.get(unquoted..).is_some_and(|rest| rest.starts_with(b"From "))
}

impl Marks {
    /// Reads a header that holds flags; false for any other.
    fn take(&mut self, line: &[u8]) -> bool {
        let line = String::from_utf8_lossy(plain(line));
        let Some((name, value)) = line.split_once(':') else { return false };
        let known: &[(char, Flags)] = match name.to_ascii_lowercase().as_str() {
            "status" => &STATUS,
            "x-status" => &X_STATUS,
            "x-keywords" => {
                self.keywords.extend(value.split_ascii_whitespace().filter_map(Keyword::parse));
                return true;
            }
            _ => return false,
        };
        let flags = known.iter().filter(|(letter, _)| value.contains(*letter)).map(|(_, flag)| *flag);
        self.flags = flags.fold(self.flags, Flags::with);
        true
    }

    fn headers(&self) -> String {
        let letters = |known: &[(char, Flags)]| {
            known.iter().filter(|(_, flag)| self.flags.contains(*flag)).map(|(letter, _)| *letter).collect::<String>()
        };
        let mut text = format!("Status: {}O\n", letters(&STATUS));
        let others = letters(&X_STATUS);
        if !others.is_empty() {
            text.push_str(&format!("X-Status: {others}\n"));
        }
        if !self.keywords.is_empty() {
            let names: Vec<&str> = self.keywords.iter().map(Keyword::as_str).collect();
            text.push_str(&format!("X-Keywords: {}\n", names.join(" ")));
        }
        text
    }
}

/// Writes one message, piece by piece.
#[derive(Debug)]
pub struct Writer<'w, W: Write> {
    output: &'w mut W,
    headers: Option<String>,
    /// What stands of the line that is not whole yet; lines are short or not worth keeping whole.
    line: Vec<u8>,
    at_start: bool,
}

impl<'w, W: Write> Writer<'w, W> {
    /// # Errors
    /// Those of the output, here and below.
    pub fn begin(output: &'w mut W, marks: &Marks) -> io::Result<Writer<'w, W>> {
        let date = marks.date.unwrap_or(DateTime::utc(0));
        writeln!(output, "From MAILER-DAEMON {}", asctime(date))?;
        Ok(Writer { output, headers: Some(marks.headers()), line: Vec::new(), at_start: true })
    }

    pub fn write(&mut self, crlf_bytes: &[u8]) -> io::Result<()> {
        for part in crlf_bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() as u64 >= PIECE {
                self.put_line()?;
            }
        }
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.put_line()?;
        }
        if !self.at_start {
            self.output.write_all(b"\n")?;
        }
        if let Some(headers) = self.headers.take() {
            self.output.write_all(headers.as_bytes())?;
        }
        self.output.write_all(b"\n")
    }

    fn put_line(&mut self) -> io::Result<()> {
        let ends = self.line.ends_with(b"\n");
        let held = !ends && self.line.ends_with(b"\r");
        let text = if held { self.line.strip_suffix(b"\r").unwrap_or(&self.line) } else { plain(&self.line) };
        let is_flags = self.headers.is_some() && self.at_start && Marks::default().take(text);
        if self.at_start
            && ends
            && text.is_empty()
            && let Some(headers) = self.headers.take()
        {
            self.output.write_all(headers.as_bytes())?;
        }
        if !is_flags {
            if self.at_start && (text.starts_with(b"From ") || is_quoted(text)) {
                self.output.write_all(b">")?;
            }
            self.output.write_all(text)?;
            if ends {
                self.output.write_all(b"\n")?;
            }
        }
        self.at_start = ends;
        self.line.clear();
        if held {
            self.line.push(b'\r');
        }
        Ok(())
    }
}

/// `Sat Nov 21 12:00:00 2026`, in UTC (RFC 4155, appendix A).
fn asctime(date: DateTime) -> String {
    let text = DateTime::utc(date.seconds).to_rfc5322();
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [week_day, day, month, year, time, ..] => format!("{week_day} {month} {day:>2} {time} {year}"),
        _ => "Thu Jan  1 00:00:00 1970".to_owned(),
    }
}

fn envelope_date(envelope: &str) -> Option<DateTime> {
    let words: Vec<&str> = envelope.split_ascii_whitespace().collect();
    let [month, day, time, year] = words.get(words.len().checked_sub(4)?..)? else { return None };
    DateTime::parse_imap(&format!("{day:>2}-{month}-{year} {time} +0000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &str, marks: &Marks) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = Writer::begin(&mut file, marks).unwrap();
        // Cut anywhere.
        content.as_bytes().chunks(3).for_each(|piece| writer.write(piece).unwrap());
        writer.finish().unwrap();
        file
    }

    fn read_all(mut file: &[u8]) -> Vec<(Marks, String)> {
        let mut messages = Vec::new();
        loop {
            let mut content = Vec::new();
            let each = &mut |piece: &[u8]| {
                content.extend_from_slice(piece);
                Ok(())
            };
            match read(&mut file, each).unwrap() {
                Some(marks) => messages.push((marks, String::from_utf8(content).unwrap())),
                None => return messages,
            }
        }
    }

    fn marks() -> Marks {
        let keywords = vec![Keyword::parse("work").unwrap(), Keyword::parse("$Label1").unwrap()];
        Marks { flags: Flags::SEEN.with(Flags::FLAGGED), keywords, date: Some(DateTime::utc(1_795_220_146)) }
    }

    #[test]
    fn content_flags_keywords_and_date_come_back() {
        let contents = [
            "Subject: a\r\n\r\nFrom me\r\n>From you\r\n\r\nFrom us\r\n>>From all\r\n",
            "Subject: b\r\n\r\n\r\n\r\nends in empty lines\r\n\r\n\r\n",
            "Subject: c\r\n\r\n",
        ];
        let file: Vec<u8> = contents.iter().flat_map(|content| written(content, &marks())).collect();
        let messages = read_all(&file);
        assert_eq!(messages.len(), contents.len());
        for ((found, content), expected) in messages.iter().zip(contents) {
            assert_eq!((content.as_str(), found), (expected, &marks()));
        }
    }

    #[test]
    fn flags_of_another_program_are_not_part_of_the_content() {
        let file = b"From x@y Sat Nov 21 12:00:00 2026\nStatus: RO\nX-Status: AF\nSubject: x\n\nStatus: is text\n";
        let (marks, content) = read_all(file).remove(0);
        assert_eq!(content, "Subject: x\r\n\r\nStatus: is text\r\n");
        assert_eq!(marks.flags, Flags::SEEN.with(Flags::ANSWERED).with(Flags::FLAGGED));
        assert_eq!(marks.date.unwrap().to_rfc5322(), "Sat, 21 Nov 2026 12:00:00 +0000");
    }

    #[test]
    fn something_else_is_refused() {
        assert!(read(&mut &b"Subject: x\n\n"[..], &mut |_| Ok(())).is_err());
        assert_eq!(read(&mut &b"\n\n"[..], &mut |_| Ok(())).unwrap(), None);
    }
}
