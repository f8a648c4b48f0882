//! `maildirsize`, the file of the Maildir++ quota: the limits on the first line, then a sum and changes to it.
//!
//! ```text
//! 2147483648S,100000C
//! 20132 4
//! 512 1
//! -512 -1
//! ```
//!
//! Whoever finds more than [`LENGTH_MAX`] octets in it counts anew and writes one sum. The specification lets everybody
//! append without a lock; NFS has no append that is safe from other clients, so we append under a dot lock of our own.
//! Dovecot appends in its way; what it overwrites, or we of it, the next count finds. Pure.

use mail::quota::Limits;

use super::Amount;

/// Dovecot reads no more than this.
pub(super) const LENGTH_MAX: usize = 5120;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct MaildirSize {
    header: Vec<u8>,
    pub(super) total: Amount,
    len: usize,
}

impl MaildirSize {
    /// `None` when it must be made anew: too long, torn, or with a line that makes no sense.
    pub(super) fn parse(content: &[u8]) -> Option<MaildirSize> {
        let text = std::str::from_utf8(content).ok().filter(|text| text.len() < LENGTH_MAX)?;
        let (header, lines) = text.strip_suffix('\n')?.split_once('\n')?;
        let change = |line: &str| {
            let mut numbers = line.split_ascii_whitespace().map(|number| number.parse().ok());
            let amount = Amount { storage: numbers.next()??, messages: numbers.next()?? };
            numbers.next().is_none().then_some(amount)
        };
        let total = lines.split('\n').map(change).sum::<Option<Amount>>()?;
        Some(MaildirSize { header: header.as_bytes().to_vec(), total, len: content.len() })
    }

    /// The line that makes of this file's total another one, if the file has room for it and tells the right limits.
    pub(super) fn line_to(&self, total: Amount, limits: Limits) -> Option<String> {
        let line = line(total.minus(self.total));
        (self.len + line.len() < LENGTH_MAX && self.header == header(limits).as_bytes()).then_some(line)
    }
}

/// A file with one sum.
pub(super) fn whole(total: Amount, limits: Limits) -> String {
    format!("{}\n{}", header(limits), line(total))
}

fn line(amount: Amount) -> String {
    format!("{} {}\n", amount.storage, amount.messages)
}

/// As Dovecot writes it; it counts anew when it finds another one.
fn header(limits: Limits) -> String {
    match (limits.storage, limits.messages) {
        (Some(storage), Some(messages)) => format!("{storage}S,{messages}C"),
        (None, Some(messages)) => format!("{messages}C"),
        (storage, None) => format!("{}S", storage.unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_changes_are_added_up() {
        let file = MaildirSize::parse(b"1000S,10C\n700 7\n      12     1\n-712 -1\n").unwrap();
        assert_eq!(file.total, Amount { storage: 0, messages: 7 });
        let limits = Limits { storage: Some(1000), messages: Some(10) };
        assert_eq!(file.line_to(Amount { storage: 5, messages: 8 }, limits).unwrap(), "5 1\n");
        assert_eq!(file.line_to(Amount::NOTHING, Limits::default()), None);
    }

    #[test]
    fn what_makes_no_sense_is_made_anew() {
        for bad in
            [&b""[..], b"1000S\n", b"1000S\n1 1", b"1000S\n1\n", b"1000S\n1 1 1\n", b"1000S\n1 a\n", b"1000S\n\0\0\n"]
        {
            assert_eq!(MaildirSize::parse(bad), None, "{bad:?}");
        }
        assert_eq!(MaildirSize::parse(format!("0S\n{}", "1 1\n".repeat(1280)).as_bytes()), None);
    }

    #[test]
    fn a_file_has_room_up_to_the_bound_of_its_readers() {
        let mut content = whole(Amount::NOTHING, Limits::default());
        let mut total = Amount::NOTHING;
        loop {
            total = total.plus(Amount::message(1000));
            let Some(line) = MaildirSize::parse(content.as_bytes()).unwrap().line_to(total, Limits::default()) else {
                break;
            };
            content.push_str(&line);
        }
        assert!(content.len() > LENGTH_MAX - 10 && content.len() < LENGTH_MAX);
    }

    #[test]
    fn headers_are_dovecots() {
        let limits = |storage, messages| Limits { storage, messages };
        assert_eq!(header(limits(Some(5), Some(6))), "5S,6C");
        assert_eq!(header(limits(None, Some(6))), "6C");
        assert_eq!(header(limits(None, None)), "0S");
    }
}
