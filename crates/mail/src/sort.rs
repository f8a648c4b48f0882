//! What IMAP sorts messages by (RFC 5256, RFC 5957), and the values that are compared. Pure; the store brings the messages.

use std::cmp::Ordering;

use crate::casemap::casemap;
use crate::date::DateTime;
use crate::digest::{Fields, Want};
use crate::header::{self, MailAddress, addresses};
use crate::subject::base_subject;
use crate::text::decode_words;

/// What one criterion looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Arrival,
    Cc,
    /// The sent date.
    Date,
    DisplayFrom,
    DisplayTo,
    From,
    Size,
    Subject,
    To,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Criterion {
    pub by: By,
    pub reverse: bool,
}

/// What is known of a message.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub size: u64,
    /// Seconds since 1970.
    pub internal_date: i64,
    /// A header block with the fields wanted.
    pub header: &'a [u8],
}

/// What is compared. The empty text comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Number(i64),
    Text(String),
}

/// What must be known.
pub fn want(criteria: &[Criterion]) -> Want {
    let names = criteria.iter().filter_map(|criterion| match criterion.by {
        By::Arrival | By::Size => None,
        By::Cc => Some("cc"),
        By::Date => Some("date"),
        By::DisplayFrom | By::From => Some("from"),
        By::DisplayTo | By::To => Some("to"),
        By::Subject => Some("subject"),
    });
    let names: Vec<Vec<u8>> = names.map(|name| name.as_bytes().to_vec()).collect();
    let fields = if names.is_empty() { Fields::None } else { Fields::Named(names) };
    // Where no Date can be read, the message is as old as its arrival.
    let date = criteria.iter().any(|criterion| matches!(criterion.by, By::Arrival | By::Date));
    Want { fields, date, ..Want::SIZE }
}

/// A message's values, one a criterion.
pub fn values(criteria: &[Criterion], facts: Facts<'_>) -> Vec<Value> {
    criteria.iter().map(|criterion| value(criterion.by, facts)).collect()
}

/// Where all are equal, the messages stay in their order: sort stably.
pub fn compare(criteria: &[Criterion], one: &[Value], other: &[Value]) -> Ordering {
    let each = criteria.iter().zip(one.iter().zip(other));
    let mut orders = each.map(|(criterion, (one, other))| match criterion.reverse {
        false => one.cmp(other),
        true => other.cmp(one),
    });
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn value(by: By, facts: Facts<'_>) -> Value {
    match by {
        By::Arrival => Value::Number(facts.internal_date),
        By::Date => Value::Number(sent_date(facts)),
        By::Size => Value::Number(i64::try_from(facts.size).unwrap_or(i64::MAX)),
        By::Cc => mailbox(facts, "cc"),
        By::From => mailbox(facts, "from"),
        By::To => mailbox(facts, "to"),
        By::DisplayFrom => display(facts, "from"),
        By::DisplayTo => display(facts, "to"),
        By::Subject => Value::Text(collated_subject(facts.header).text),
    }
}

/// RFC 5256 §2.2: the Date field in UTC, else when the message arrived.
pub fn sent_date(facts: Facts<'_>) -> i64 {
    let date = header::find(facts.header, "date").and_then(|field| DateTime::parse_rfc5322(field.value));
    date.map_or(facts.internal_date, |date| date.seconds)
}

/// The base subject in the form in which it is compared.
pub fn collated_subject(header: &[u8]) -> crate::subject::BaseSubject {
    // As in ENVELOPE, of two the last counts.
    let field = header::fields(header).filter(|field| field.is("subject")).last();
    let mut base = field.map(|field| base_subject(field.value)).unwrap_or_default();
    base.text = casemap(&base.text);
    base
}

fn first_address(facts: Facts<'_>, field: &str) -> Option<MailAddress> {
    addresses(header::find(facts.header, field)?.value).into_iter().next()
}

/// addr-mailbox of the first address.
fn mailbox(facts: Facts<'_>, field: &str) -> Value {
    let mailbox = first_address(facts, field).and_then(|address| address.mailbox);
    Value::Text(casemap(&decode_words(&mailbox.unwrap_or_default())))
}

// RFC 5957 §3
fn display(facts: Facts<'_>, field: &str) -> Value {
    let Some(MailAddress { name, mailbox, host, .. }) = first_address(facts, field) else {
        return Value::Text(String::new());
    };
    let name = name.map(|name| decode_words(&name)).filter(|name| !name.is_empty());
    let text = name.unwrap_or_else(|| {
        let local = mailbox.map(|mailbox| decode_words(&mailbox)).unwrap_or_default();
        host.map(|host| format!("{local}@{}", decode_words(&host))).unwrap_or(local)
    });
    Value::Text(casemap(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(criteria: &[Criterion], headers: &[&str]) -> Vec<usize> {
        let facts = |header| Facts { size: 5, internal_date: 1_000_000_000, header };
        let values: Vec<Vec<Value>> = headers.iter().map(|header| values(criteria, facts(header.as_bytes()))).collect();
        let mut order: Vec<usize> = (0..headers.len()).collect();
        order.sort_by(|one, other| compare(criteria, &values[*one], &values[*other]));
        order
    }

    fn by(by: By) -> Criterion {
        Criterion { by, reverse: false }
    }

    #[test]
    fn messages_are_sorted_by_what_is_asked() {
        let headers = [
            "Subject: Re: b\r\nFrom: =?utf-8?q?Zo=C3=A9?= <a@x>\r\nDate: Sat, 1 Jan 2000 00:00:00 -0100\r\n",
            "Subject: B\r\nFrom: c@x\r\nDate: Sat, 1 Jan 2000 00:30:00 +0000\r\n",
            "Subject: a\r\nFrom: Ana <b@x>\r\n",
            "From: team: d@x;\r\n",
        ];
        assert_eq!(sorted(&[by(By::Subject)], &headers), [3, 2, 0, 1]);
        assert_eq!(sorted(&[by(By::Subject), Criterion { by: By::Date, reverse: true }], &headers), [3, 2, 0, 1]);
        assert_eq!(sorted(&[by(By::Subject), by(By::Date)], &headers), [3, 2, 1, 0]);
        assert_eq!(sorted(&[by(By::From)], &headers), [0, 2, 1, 3]);
        assert_eq!(sorted(&[by(By::DisplayFrom)], &headers), [2, 1, 3, 0]);
        assert_eq!(sorted(&[by(By::Date)], &headers), [1, 0, 2, 3]);
        assert_eq!(sorted(&[Criterion { by: By::Size, reverse: true }], &headers), [0, 1, 2, 3]);
    }
}
