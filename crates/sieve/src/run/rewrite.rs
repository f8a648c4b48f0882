//! `replace` and `enclose` (RFC 5703 §5, §6): the message becomes another one, of which everything that follows speaks.
//!
//! Numbers of parts are moved along with the parts, so that loops under way stay where they are.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail::header::{Field, MailAddress, fields};
use memchr::memmem;

use crate::check::parse_mailboxes;
use crate::encode::header_value;
use crate::program::{Enclose, Replace};

use super::message::Message;
use super::{Fault, Ran, Rewritten, Run};

/// Octets moved per unit of work.
const OCTETS_PER_WORK: usize = 8;
/// RFC 5322 §2.1.1, RFC 2045 §6.7: the longest line of a text that is left as it is.
const LINE_LENGTH_MAX: usize = 998;
/// Octets of a line of base64 before they are encoded (RFC 2045 §6.8: 76 characters).
const BASE64_LINE_OCTETS: usize = 57;

/// A part with its header, apart from the empty line between.
struct Entity {
    header: String,
    body: String,
}

impl Run<'_, '_> {
    /// What has become of the message so far.
    pub(super) fn rewritten(&self) -> Rewritten {
        Rewritten {
            header: (self.edited || self.rewritten).then(|| self.message.header().to_vec()),
            body: self.rewritten.then(|| self.message.body().to_vec()),
        }
    }

    pub(super) fn replace(&mut self, replace: &Replace) -> Ran<()> {
        let text = self.expand(&replace.replacement)?.into_owned();
        let end = self.line_end();
        let entity = if replace.mime { self.entity(&text, end)? } else { plain(&text, end) };
        let message = self.message.clone();
        self.look_into(&message)?;
        match self.current_part() {
            0 => self.replace_message(&message, &entity, replace, end),
            part => self.replace_part(&message, part, &entity, end),
        }
    }

    /// What `:mime` has as replacement (RFC 2045 §2.4).
    fn entity(&mut self, text: &str, end: &str) -> Ran<Entity> {
        let text = with_line_ends(text, end);
        let (header, body) = match mail::header::header_end(text.as_bytes()).and_then(|at| text.split_at_checked(at)) {
            // The empty line is written again where the part is put together.
            Some((block, body)) => (block.strip_suffix(end).unwrap_or(block), body),
            None => (text.as_str(), ""),
        };
        if fields(header.as_bytes()).any(|field| field.name.is_empty()) {
            return self.fail(Fault::Invalid("replace action: the replacement has no valid header".to_owned()));
        }
        let line = if header.is_empty() || header.ends_with('\n') { "" } else { end };
        Ok(Entity { header: format!("{header}{line}"), body: body.to_owned() })
    }

    /// RFC 5703 §5: of the message, all stays that is not about its structure.
    fn replace_message(&mut self, message: &Message<'_>, entity: &Entity, replace: &Replace, end: &str) -> Ran<()> {
        let (subject, from) = (self.expand_some(replace.subject.as_ref())?, self.expand_some(replace.from.as_ref())?);
        let from = match from.as_deref().map(|from| (from, parse_mailboxes(from))) {
            None => None,
            Some((text, Some(mailboxes))) => Some(from_value(text, &mailboxes, end)),
            Some((text, None)) => {
                let why = format!("replace action: specified :from address '{text:.128}' is invalid");
                return self.fail(Fault::Invalid(why));
            }
        };
        let subject = subject.map(|subject| header_value(&subject, end));
        let mut block = kept_fields(message.header(), &[("Subject", &subject), ("From", &from)], end);
        for (name, value) in [("From", from), ("Subject", subject)] {
            block.extend(value.map(|value| format!("{name}: {value}{end}")).unwrap_or_default().into_bytes());
        }
        let of_structure = fields(entity.header.as_bytes()).filter(|field| is_of_structure(field.name));
        block.extend_from_slice(format!("MIME-Version: 1.0{end}").as_bytes());
        of_structure.filter(|field| !field.is("mime-version")).for_each(|field| block.extend_from_slice(field.whole));
        block.extend_from_slice(end.as_bytes());
        let old_end = message.structure().end_of(0);
        self.rewrite(block, entity.body.as_bytes().to_vec())?;
        self.move_loops(0, old_end);
        Ok(())
    }

    fn replace_part(&mut self, message: &Message<'_>, part: usize, entity: &Entity, end: &str) -> Ran<()> {
        let structure = message.structure();
        let (old_count, old_end) = (structure.len(), structure.end_of(part));
        let Some(node) = structure.part(part) else { return Ok(()) };
        let mut new = if node.is_message { kept_fields(node.block(), &[], end) } else { Vec::new() };
        new.extend_from_slice(entity.header.as_bytes());
        new.extend_from_slice(end.as_bytes());
        new.extend_from_slice(entity.body.as_bytes());
        let within = Message::new(&new).structure().len();
        let at = |offset: usize| offset.saturating_sub(message.header().len());
        let before = message.body().get(..at(node.header.start)).unwrap_or_default();
        let after = message.body().get(at(node.body.end)..).unwrap_or_default();
        // Of an empty part and after a delimiter, the line end before the next one is not a part of that.
        let line = if after.is_empty() || after.starts_with(b"\n") || after.starts_with(b"\r\n") { "" } else { end };
        let body = [before, &new, line.as_bytes(), after].concat();
        self.rewrite(message.header().to_vec(), body)?;
        // A replacement may hold the line that ends a part around it.
        let changed = self.message.clone();
        let (count, new_end) = (changed.structure().len(), changed.structure().end_of(part));
        if new_end != part + within || count + (old_end - part) != old_count + within {
            let why = "replace action: the replacement would end the part that it is in";
            return self.fail(Fault::Invalid(why.to_owned()));
        }
        self.move_loops(part, old_end);
        Ok(())
    }

    /// After a part was replaced: what is behind it has other numbers, and what is within it is not walked over (§5).
    fn move_loops(&mut self, part: usize, old_end: usize) {
        let message = self.message.clone();
        let new_end = message.structure().end_of(part);
        for around in &mut self.loops {
            around.end = (around.end.max(old_end) - old_end) + new_end;
            if around.part == part {
                around.next = new_end;
            }
        }
    }

    pub(super) fn enclose(&mut self, enclose: &Enclose) -> Ran<()> {
        let subject = self.expand_some(enclose.subject.as_ref())?;
        let (names, text) = (self.expand_all(&enclose.headers)?, self.expand(&enclose.text)?.into_owned());
        let (end, message) = (self.line_end(), self.message.clone());
        self.look_into(&message)?;
        let date = self.world.now().to_rfc5322();
        let mut block = enclosing_fields(&message, &names, subject.as_deref(), end);
        for (name, value) in [("From", format!("<{}>", self.envelope.to)), ("Date", date)] {
            if !names.iter().any(|copied| copied.eq_ignore_ascii_case(name)) {
                block.extend_from_slice(format!("{name}: {value}{end}").as_bytes());
            }
        }
        let note = plain(&text, end);
        let boundary = boundary(&[message.header(), message.body(), note.body.as_bytes()]);
        let eight_bit = !message.header().is_ascii() || !message.body().is_ascii();
        let encoding = if eight_bit { format!("Content-Transfer-Encoding: 8bit{end}") } else { String::new() };
        let is =
            format!("MIME-Version: 1.0{end}Content-Type: multipart/mixed; boundary=\"{boundary}\"{end}{encoding}{end}");
        block.extend_from_slice(is.as_bytes());
        let before = format!(
            "--{boundary}{end}{}{end}{}{end}--{boundary}{end}Content-Type: message/rfc822{end}{encoding}{end}",
            note.header, note.body
        );
        // The message as it is, octet for octet (§11). Without an empty line it is a header only, and stays one.
        let after = format!("{end}--{boundary}--{end}");
        let body = [before.as_bytes(), message.header(), message.body(), after.as_bytes()];
        let unenclosed = self.rewritten();
        let old_count = message.structure().len();
        self.rewrite(block, body.concat())?;
        self.unenclosed.get_or_insert(unenclosed);
        self.follow_enclosed(old_count);
        Ok(())
    }

    /// What was part 0 is now within the new message, its text, and the part that holds the old message.
    fn follow_enclosed(&mut self, old_count: usize) {
        const BEFORE: usize = 3;
        let message = self.message.clone();
        let count = message.structure().len();
        for around in &mut self.loops {
            (around.part, around.next, around.end) = (around.part + BEFORE, around.next + BEFORE, around.end + BEFORE);
            // Parts that lie too deep now are no parts any more.
            if count != old_count + BEFORE {
                around.next = around.end;
            }
        }
    }

    /// The message is another from now on.
    fn rewrite(&mut self, header: Vec<u8>, body: Vec<u8>) -> Ran<()> {
        self.edits += 1;
        let size = header.len() + body.len();
        let size_max = self.size_first.saturating_add(self.limits.growth_max);
        if self.edits > self.limits.edits_max || size > size_max {
            return self.fail(Fault::TooMuch("message edit"));
        }
        self.work(size / OCTETS_PER_WORK)?;
        self.message = Message::owned_pieces(header, &body);
        self.rewritten = true;
        let message = self.message.clone();
        self.look_into(&message)?;
        message.structure();
        Ok(())
    }
}

/// RFC 5703 §5: "those relating to the MIME structure".
fn is_of_structure(name: &[u8]) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
        || name.eq_ignore_ascii_case(b"mime-version")
}

/// The fields of a message that is replaced. Those that get a new value stay with another name (§5).
fn kept_fields(block: &[u8], renamed: &[(&str, &Option<String>)], end: &str) -> Vec<u8> {
    let mut kept = Vec::with_capacity(block.len());
    for field in fields(block).filter(|field| !is_of_structure(field.name)) {
        if renamed.iter().any(|(name, value)| value.is_some() && field.is(name)) {
            kept.extend_from_slice(b"Original-");
        }
        push_field(&mut kept, field, end);
    }
    kept
}

/// The last field of a message may lack its line end.
fn push_field(block: &mut Vec<u8>, field: Field<'_>, end: &str) {
    block.extend_from_slice(field.whole);
    if !field.whole.ends_with(b"\n") {
        block.extend_from_slice(end.as_bytes());
    }
}

/// What the new message has from the one it encloses (§6).
fn enclosing_fields(message: &Message<'_>, names: &[String], subject: Option<&str>, end: &str) -> Vec<u8> {
    let is_copied = |name: &[u8]| names.iter().any(|copied| copied.as_bytes().eq_ignore_ascii_case(name));
    let mut block = Vec::new();
    for field in fields(message.header()).filter(|field| !field.name.is_empty() && !is_of_structure(field.name)) {
        let is_subject = field.is("subject");
        let copied = if is_subject { subject.is_none() } else { is_copied(field.name) };
        if copied {
            push_field(&mut block, field, end);
        }
    }
    let subject = subject.map(|subject| format!("Subject: {}{end}", header_value(subject, end)));
    block.extend(subject.unwrap_or_default().into_bytes());
    block
}

/// A value of From: as it was written, or with its names encoded.
fn from_value(text: &str, mailboxes: &[MailAddress], end: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let lossy = |octets: &Option<Vec<u8>>| String::from_utf8_lossy(octets.as_deref().unwrap_or_default()).into_owned();
    let written = mailboxes.iter().map(|address| {
        let plain = format!("{}@{}", lossy(&address.mailbox), lossy(&address.host));
        match lossy(&address.name) {
            name if name.is_empty() => format!("<{plain}>"),
            name if name.is_ascii() => format!("\"{}\" <{plain}>", name.replace('\\', "\\\\").replace('"', "\\\"")),
            name => format!("{} <{plain}>", header_value(&name, end)),
        }
    });
    written.collect::<Vec<_>>().join(&format!(",{end} "))
}

fn with_line_ends(text: &str, end: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', end)
}

/// A text as a part. What would not come through as it is (or could be taken for a delimiter) is encoded.
fn plain(text: &str, end: &str) -> Entity {
    let text = with_line_ends(text, end);
    let mut lines = text.lines();
    let is_plain = text.bytes().all(|byte| byte.is_ascii() && byte != 0)
        && lines.all(|line| line.len() <= LINE_LENGTH_MAX && !line.starts_with("--") && !line.starts_with("From "));
    let encoding = if is_plain { "7bit" } else { "base64" };
    let header = format!("Content-Type: text/plain; charset=utf-8{end}Content-Transfer-Encoding: {encoding}{end}");
    if is_plain {
        return Entity { header, body: text };
    }
    // RFC 2045 §6.8: line ends of a text are CRLF before they are encoded.
    let octets = with_line_ends(&text, "\r\n").into_bytes();
    let lines: Vec<String> = octets.chunks(BASE64_LINE_OCTETS).map(|line| STANDARD.encode(line)).collect();
    Entity { header, body: lines.join(end) }
}

/// One that stands in none of these texts (RFC 2046 §5.1.1).
fn boundary(texts: &[&[u8]]) -> String {
    const NAME: &str = "=_enclosed-";
    const DIGITS: usize = 12;
    let mut used = HashSet::new();
    for text in texts {
        for at in memmem::find_iter(text, NAME) {
            let digits = text.get(at + NAME.len()..).and_then(|after| after.get(..DIGITS)).unwrap_or_default();
            used.extend(std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok()));
        }
    }
    let free = (0..).find(|number| !used.contains(number)).unwrap_or_default();
    format!("{NAME}{free:0DIGITS$}")
}
