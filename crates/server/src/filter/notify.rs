//! The notifications of `notify` (RFC 5435, RFC 5436): to whom they go and through what. What they say, the language knows.
//!
//! They are sent last, once the message is kept. A delivery that is tried again and finds its message there sends none: the earlier
//! attempt did, or it died just then and they are lost (RFC 5436 §2.7 forbids to send them again).

use std::collections::BTreeSet;
use std::time::SystemTime;

use mail::envelope::{Body, Recipient};
use mail::{Address, Envelope, ReversePath};
use sieve::notify::{self, Notice};
use sieve::vacation::Stamp;
use sieve::{Action, Message};

use super::Delivery;
use crate::config::NextHop;
use crate::deliver::local::date_time;
use crate::deliver::{Acceptance, accept_copy};

/// Sends the notifications among the actions. Why some of them were not sent, for the user.
pub fn tell_all(delivery: &Delivery<'_>, actions: &[Action]) -> Vec<String> {
    let message = Message::new(&delivery.content);
    let mut told = BTreeSet::new();
    let mut failures = Vec::new();
    for action in actions {
        let Action::Notify(notification) = action else { continue };
        let node = delivery.node;
        let message_id = format!("<{}@{}>", node.ids.trace(), node.live().settings.name);
        let stamp = Stamp { message_id: &message_id, date: date_time(SystemTime::now()) };
        let notice = notify::compose(notification, &message, &delivery.envelope(), stamp, &mut told);
        match notice {
            Some(notice) => failures.extend(tell(delivery, notice).err()),
            None => tracing::debug!(trace = %delivery.origin.trace, "no notification"),
        }
    }
    failures
}

fn tell(delivery: &Delivery<'_>, notice: Notice) -> Result<(), String> {
    let settings = &delivery.node.live().settings;
    let is_reachable = |address: &Address| !matches!(settings.next_hop(address.domain()), NextHop::Unknown);
    let Notice { sender, recipients, content } = notice;
    let (recipients, unreachable): (Vec<Address>, Vec<Address>) = recipients.into_iter().partition(is_reachable);
    if !recipients.is_empty() {
        send(delivery, reverse_path(delivery, &sender), &recipients, &content)?;
    }
    unreachable.first().map_or(Ok(()), |address| Err(format!("there is no route to <{address}>")))
}

/// RFC 5435 §3.3, RFC 5436 §2.7: who `:from` names is shown; reports about a notification go to him only if he is the owner of the
/// script, else to the owner. One about nobody's message comes from nobody.
fn reverse_path(delivery: &Delivery<'_>, sender: &str) -> ReversePath {
    if sender.is_empty() {
        return ReversePath::Null;
    }
    let account = &delivery.account.name;
    let own = Address::parse(sender).ok().filter(|sender| sender.to_string().eq_ignore_ascii_case(account));
    ReversePath::Address(own.unwrap_or_else(|| delivery.recipient.clone()))
}

fn send(delivery: &Delivery<'_>, reverse_path: ReversePath, to: &[Address], content: &[u8]) -> Result<(), String> {
    let node = delivery.node;
    let names: Vec<String> = to.iter().map(|address| format!("<{address}>")).collect();
    let envelope = Envelope {
        trace: node.ids.trace(),
        smtputf8: !to.iter().chain(reverse_path.address()).all(Address::is_ascii),
        reverse_path,
        recipients: to.iter().cloned().map(Recipient::new).collect(),
        body: Body::EightBitMime,
        envelope_id: None,
        return_headers_only: true,
    };
    let detail = format!("notification of <{}> to {}", delivery.recipient, names.join(", "));
    let acceptance = Acceptance { envelope, header: "", session: delivery.origin.session, detail, settles: None };
    let queued = accept_copy::<queue::Error>(node, acceptance, |incoming| incoming.write(content));
    queued.map(|_| ()).map_err(|error| {
        tracing::error!(trace = %delivery.origin.trace, %error, "cannot send a notification");
        "the queue does not take the notification".to_owned()
    })
}
