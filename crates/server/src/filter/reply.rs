//! The answers of `vacation` (RFC 5230): how often they are sent, and how. To whom, and what they say, the language knows.
//!
//! Nobody gets two within `:days`, whichever nodes his messages come to: who answers claims it first. An answer that is claimed
//! and not sent, because the node died between the two, is lost; two answers would be worse.

use std::time::{Duration, SystemTime};

use mail::envelope::{Body, Recipient};
use mail::{Address, Envelope, ReversePath};
use sieve::vacation::{self, Stamp};
use sieve::{Message, Vacation};
use store::{DuplicateKey, Duplicates};

use super::Delivery;
use crate::config::NextHop;
use crate::deliver::local::date_time;
use crate::deliver::{Acceptance, accept_copy};

/// RFC 5230 §4.1: seven days, unless the script says otherwise; as Pigeonhole, at least one and at most sixty.
const DAY: u64 = 86_400;
const SECONDS_DEFAULT: u64 = 7 * DAY;
const SECONDS_MIN: u64 = DAY;
const SECONDS_MAX: u64 = 60 * DAY;

/// Answers, if the rules allow it.
///
/// # Errors
/// Why an answer that was due was not given, for the user.
pub fn answer(delivery: &Delivery<'_>, duplicates: &Duplicates, vacation: &Vacation) -> Result<(), String> {
    let message = Message::new(&delivery.content);
    let mut vacation = vacation.clone();
    // What the account is called is an address of the user, too.
    vacation.addresses.push(delivery.account.name.clone());
    let judged = vacation::judge(&vacation, &message, &delivery.envelope());
    let (Some(sender), Ok(())) = (delivery.reverse_path.address(), judged) else {
        tracing::debug!(trace = %delivery.origin.trace, why = ?judged, "no vacation reply");
        return Ok(());
    };
    if let NextHop::Unknown = delivery.node.live().settings.next_hop(sender.domain()) {
        return Err(format!("there is no route to <{sender}>"));
    }
    let seconds = vacation.seconds.unwrap_or(SECONDS_DEFAULT).clamp(SECONDS_MIN, SECONDS_MAX);
    let key = DuplicateKey::new("vacation", &format!("{}\0{}", vacation.handle, sender.key()));
    match duplicates.claim(key, Duration::from_secs(seconds)) {
        Ok(true) => send(delivery, &vacation, sender, &message),
        Ok(false) => Ok(()),
        Err(error) => {
            tracing::error!(trace = %delivery.origin.trace, %error, "cannot tell whether a vacation reply was sent");
            Err("cannot remember whom an answer was sent to".to_owned())
        }
    }
}

fn send(delivery: &Delivery<'_>, vacation: &Vacation, sender: &Address, message: &Message<'_>) -> Result<(), String> {
    let node = delivery.node;
    let trace = node.ids.trace();
    let message_id = format!("<{trace}@{}>", node.live().settings.name);
    let stamp = Stamp { message_id: &message_id, date: date_time(SystemTime::now()) };
    let answer = vacation::answer(vacation, message, &delivery.envelope(), stamp);
    let envelope = Envelope {
        trace,
        // RFC 5230 §5.1: so that nobody answers it.
        reverse_path: ReversePath::Null,
        recipients: vec![Recipient::new(sender.clone())],
        body: Body::EightBitMime,
        smtputf8: !sender.is_ascii(),
        envelope_id: None,
        return_headers_only: true,
    };
    let detail = format!("vacation reply of <{}> to <{sender}>", delivery.recipient);
    let acceptance = Acceptance { envelope, header: "", session: delivery.origin.session, detail, settles: None };
    let queued = accept_copy::<queue::Error>(node, acceptance, |incoming| incoming.write(&answer.content));
    queued.map(|_| ()).map_err(|error| {
        tracing::error!(trace = %delivery.origin.trace, %error, "cannot send a vacation reply");
        "the queue does not take the answer".to_owned()
    })
}
