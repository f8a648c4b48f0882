//! STATUS (RFC 3501 §6.3.10), with SIZE (RFC 8438), DELETED and DELETED-STORAGE (RFC 9208 §4.1.4),
//! HIGHESTMODSEQ (RFC 7162 §3.1.7), APPENDLIMIT (RFC 7889), MAILBOXID (RFC 8474 §4.3).

use std::fmt;

use mail::{MailboxName, ObjectId, ObjectKind};

use crate::imap::ask::{Answer, Ask, MailboxStatus};
use crate::imap::command::Step;
use crate::imap::context::{Context, Limits};
use crate::imap::parse::{Parsed, Parser, syntax_at};
use crate::imap::response;
use crate::imap::view::Numbers;

/// A number that can be asked for, and where it is found.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    name: &'static str,
    value: fn(&MailboxStatus, &Limits) -> Value,
}

#[derive(Debug)]
enum Value {
    Number(u64),
    Id(ObjectId),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Id(id) => write!(f, "({})", id.show(ObjectKind::Mailbox)),
        }
    }
}

impl<N: Into<u64>> From<N> for Value {
    fn from(number: N) -> Value {
        Value::Number(number.into())
    }
}

const HIGHEST_MODSEQ: &str = "HIGHESTMODSEQ";

const ITEMS: [Item; 11] = [
    Item { name: "MESSAGES", value: |status, _| status.messages.into() },
    Item { name: "RECENT", value: |status, _| status.recent.into() },
    Item { name: "UIDNEXT", value: |status, _| status.uid_next.number().into() },
    Item { name: "UIDVALIDITY", value: |status, _| status.uid_validity.number().into() },
    Item { name: "UNSEEN", value: |status, _| status.unseen.into() },
    Item { name: "SIZE", value: |status, _| status.size.into() },
    Item { name: "DELETED", value: |status, _| status.deleted.into() },
    Item { name: "DELETED-STORAGE", value: |status, _| status.deleted_size.into() },
    Item { name: HIGHEST_MODSEQ, value: |status, _| status.highest_modseq.0.into() },
    Item { name: "APPENDLIMIT", value: |_, limits| limits.append_max.into() },
    Item { name: "MAILBOXID", value: |status, _| Value::Id(status.mailbox_id) },
];

// status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.space()?;
    let items = items(args)?;
    args.end()?;
    enable(&items, context);
    Ok(Step::ask(Ask::Status { name: name.clone() }, move |context, answer| match answer {
        Answer::Status(status) => {
            write(&name, &items, &status, context);
            Step::ok("Status completed.")
        }
        other => Step::failed(other),
    }))
}

// status-att = "MESSAGES" / "RECENT" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN"
/// A parenthesized list of them, also for LIST-STATUS (RFC 5819 §5).
pub fn items(args: &mut Parser<'_>) -> Parsed<Vec<Item>> {
    args.list(1, |args| {
        let name = args.atom()?;
        let known = ITEMS.iter().find(|item| item.name.eq_ignore_ascii_case(name));
        known.map_or_else(|| syntax_at("Invalid status item", name.as_bytes()), |item| Ok(*item))
    })
}

/// RFC 7162 §3.1: who asks for mod-sequences understands them.
pub fn enable(items: &[Item], context: &mut Context) {
    if items.iter().any(|item| item.name == HIGHEST_MODSEQ) {
        context.enable_condstore();
    }
}

// mailbox-data =/ "STATUS" SP mailbox SP "(" [status-att-list] ")"
pub fn write(name: &MailboxName, items: &[Item], status: &MailboxStatus, context: &mut Context) {
    let limits = context.limits();
    let number = |item: &Item| format!("{} {}", item.name, (item.value)(status, limits));
    let numbers: Vec<String> = items.iter().map(number).collect();
    context.out.push(b"* STATUS ");
    response::mailbox(name, context.separator(), &mut context.out);
    context.out.push(format!(" ({})\r\n", numbers.join(" ")).as_bytes());
}
