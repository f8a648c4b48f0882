//! Carries out what scripts decided about one message for one account.
//!
//! First what refuses it, then what keeps it, then what sends it on or answers it. What cannot be carried out keeps the message in INBOX
//! instead (RFC 5228 §2.10.6), and the user finds the reason in his log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use directory::Account;
use mail::envelope::{Body, Recipient};
use mail::{Address, Envelope, Flags, Keyword, MailboxName, Outcome, Reply, ReversePath};
use sieve::{Action, FileInto, Message, Reports, Rewritten, Seen};
use store::{Duplicates, Original};

use super::sequence::{self, Decision, Failure, Source, Whose};
use super::world::{Known, ScriptWorld, delivery_items, duplicate_key, own_mailbox, with_use};
use super::{log, notify, reply};
use crate::config::NextHop;
use crate::deliver::local::{self, Origin};
use crate::deliver::{Acceptance, accept_copy};
use crate::node::Node;
use crate::quota;
use crate::steps::StepKind;

/// One message on its way to one account that has scripts.
#[derive(Debug)]
pub struct Delivery<'a> {
    pub node: &'a Node,
    pub account: &'a Account,
    pub recipient: &'a Address,
    pub reverse_path: &'a ReversePath,
    pub origin: Origin<'a>,
    /// The message as it is to be kept, with the header fields of the delivery.
    pub content: Vec<u8>,
    /// The same on disk already, for several.
    pub original: Option<&'a Original>,
}

/// Where a message is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub mailbox: MailboxName,
    pub flags: Flags,
    pub keywords: Vec<Keyword>,
    pub create: bool,
}

/// Runs the scripts and does what they want. Blocking.
pub fn deliver(delivery: &Delivery<'_>, sources: &[Source]) -> Outcome {
    let (node, account) = (delivery.node, delivery.account);
    let live = node.live();
    let mailboxes = match quota::open(&node.store(), &live.settings.quota, account) {
        Ok(mailboxes) => mailboxes,
        Err(error) => return local::failed(node, &delivery.origin, delivery.recipient, &error),
    };
    let (store, home) = (node.store(), &account.home);
    let (scripts, duplicates) = (store.scripts(home), store.duplicates(home));
    let disk = node.disk();
    let mut world = ScriptWorld {
        programs: &node.programs,
        disk: &*disk,
        settings: &live.settings.sieve,
        namespaces: &live.settings.namespaces,
        mailboxes: &mailboxes,
        scripts: &scripts,
        duplicates: Some(&duplicates),
        envelope: delivery.envelope(),
        delimiter: live.settings.recipient_delimiter.to_string(),
        host: &live.settings.name,
        flags: Vec::new(),
        items: delivery_items(),
        known: Known::default(),
    };
    let message = Message::new(&delivery.content);
    let decision = sequence::run(sources, &message, &mut world);
    let Decision { actions, implicit_keep, changed, redirected, seen, failures } = decision;
    let (kept, found) = (BTreeSet::new(), false);
    let mut work =
        Work { delivery, mailboxes: &mailboxes, duplicates: &duplicates, changed, redirected, kept, found, failures };
    let outcome = work.carry_out(&actions, implicit_keep, &seen);
    work.tell_failures();
    outcome
}

impl Delivery<'_> {
    pub fn envelope(&self) -> sieve::Envelope {
        sieve::Envelope {
            from: self.reverse_path.address().map(ToString::to_string).unwrap_or_default(),
            to: self.recipient.to_string(),
            original_to: None,
            auth: None,
        }
    }

    fn tell(&self, kind: StepKind, detail: String) {
        self.node.steps.tell(kind, self.origin.trace, self.origin.session, self.origin.queue, detail);
    }
}

struct Work<'a> {
    delivery: &'a Delivery<'a>,
    mailboxes: &'a Arc<store::Account>,
    duplicates: &'a Duplicates,
    /// What the scripts have made of the message, and what of it is sent on if that is something else.
    changed: Rewritten,
    redirected: Option<Rewritten>,
    /// Where the message is by now.
    kept: BTreeSet<MailboxName>,
    /// An earlier attempt has kept it somewhere.
    found: bool,
    failures: Vec<Failure>,
}

impl Work<'_> {
    fn carry_out(&mut self, actions: &[Action], implicit_keep: Option<Vec<String>>, seen: &[Seen]) -> Outcome {
        let delivery = self.delivery;
        if let Some(reason) = actions.iter().find_map(refusal) {
            delivery.tell(StepKind::Bounced, format!("<{}> refused by a script", delivery.recipient));
            // RFC 5435 §3: whatever else is done.
            self.notify_all(actions);
            return Outcome::Bounced(rejected(delivery.recipient, reason));
        }
        let keep = self.file_all(actions, implicit_keep);
        let mut outcome = keep.map(|flags| self.keep(&flags));
        // Whoever is told to try again sends the message again: nothing may have left before.
        if let Some(refused @ (Outcome::Bounced(_) | Outcome::Deferred(_))) = outcome {
            return refused;
        }
        if !self.redirect_all(actions) && outcome.is_none() {
            outcome = Some(self.keep(&[]));
        }
        let outcome = outcome.unwrap_or_else(|| self.gone());
        // What is tried again must not be answered, nor be a duplicate then.
        if let Outcome::Delivered(_) = outcome {
            self.notify_all(actions);
            self.answer_all(actions);
            self.remember(seen);
        }
        outcome
    }

    fn fail(&mut self, action: &str, why: &str) {
        // What could not be carried out is the user's to know.
        let why = format!("{action} action: {why}");
        self.failures.push(Failure { script: String::new(), whose: Whose::User, why });
    }

    /// Puts the message into all mailboxes but INBOX. With which flags it is to be kept there, if it is.
    fn file_all(&mut self, actions: &[Action], mut keep: Option<Vec<String>>) -> Option<Vec<String>> {
        for action in actions {
            match action {
                Action::Keep { flags } => keep = Some(flags.clone()),
                Action::FileInto(wanted) => {
                    if let Err(why) = self.file_into(wanted) {
                        self.fail("fileinto", &why);
                        keep.get_or_insert_default();
                    }
                }
                _ => {}
            }
        }
        keep
    }

    /// Whether all that was to be sent on is in the queue.
    fn redirect_all(&mut self, actions: &[Action]) -> bool {
        let mut all = true;
        for action in actions {
            if let Action::Redirect { address, reports, .. } = action
                && let Err(why) = self.redirect(address, *reports)
            {
                self.fail("redirect", &why);
                all = false;
            }
        }
        all
    }

    /// The end of a message that is not in INBOX because the scripts did not want it there.
    fn gone(&self) -> Outcome {
        let delivery = self.delivery;
        if self.kept.is_empty() {
            // Redirects have a line of their own in the log.
            tracing::info!(trace = %delivery.origin.trace, recipient = %delivery.recipient, "scripts keep the message nowhere");
        }
        local::saved(&delivery.origin, delivery.recipient)
    }

    /// Nobody waits for an answer that cannot be given (RFC 5230 §4): it is no reason to keep the message.
    fn answer_all(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Vacation(vacation) = action
                && let Err(why) = reply::answer(self.delivery, self.duplicates, vacation)
            {
                self.fail("vacation", &why);
            }
        }
    }

    /// As with answers, what cannot be sent is no reason to keep the message.
    fn notify_all(&mut self, actions: &[Action]) {
        // RFC 5436 §2.7: not again, if the earlier attempt has come as far.
        if self.delivery.origin.again && (self.found || self.kept.is_empty()) {
            return;
        }
        for why in notify::tell_all(self.delivery, actions) {
            self.fail("notify", &why);
        }
    }

    // RFC 7352 §3: remembered once the message is delivered.
    fn remember(&self, seen: &[Seen]) {
        let key = |seen: &Seen| (duplicate_key(&seen.handle, &seen.id), Duration::from_secs(seen.seconds));
        if let Err(error) = self.duplicates.keep(&seen.iter().map(key).collect::<Vec<_>>()) {
            tracing::warn!(trace = %self.delivery.origin.trace, %error, "cannot remember that a message was seen");
        }
    }

    /// Into INBOX, or what stands for it, with these flags. Where that fails and the message is in another mailbox already, it counts as kept: tried
    /// again, it would come there again.
    fn keep(&mut self, flags: &[String]) -> Outcome {
        let (flags, keywords) = parse_flags(flags);
        let delivery = self.delivery;
        let mailbox = local::kept_in(delivery.node, self.mailboxes, delivery.account, delivery.recipient);
        let place = Place { mailbox, flags, keywords, create: false };
        match self.put(&place) {
            Err(error) if self.kept.is_empty() => {
                return local::failed(delivery.node, &delivery.origin, delivery.recipient, &error);
            }
            Err(error) => self.fail("keep", &error.to_string()),
            Ok(()) => {}
        }
        local::saved(&delivery.origin, delivery.recipient)
    }

    fn file_into(&mut self, wanted: &FileInto) -> Result<(), String> {
        let named = own_mailbox(&self.delivery.node.live().settings.namespaces, &wanted.mailbox)?;
        // RFC 8579 §5: the mailbox with the use, and the named one only if there is none.
        let with_use = wanted.special_use.as_deref().and_then(|attribute| with_use(self.mailboxes, attribute));
        let (flags, keywords) = parse_flags(&wanted.flags);
        let place = Place { mailbox: with_use.unwrap_or(named), flags, keywords, create: wanted.create };
        self.put(&place).map_err(|error| format!("failed to store into mailbox '{}': {error}", wanted.mailbox))
    }

    /// Puts the message into a mailbox, once.
    fn put(&mut self, place: &Place) -> store::Result<()> {
        if self.kept.contains(&place.mailbox) {
            return Ok(());
        }
        match self.put_once(place) {
            Err(store::Error::NoSuchMailbox) if place.create => {
                match self.mailboxes.create(&place.mailbox, None) {
                    Ok(()) | Err(store::Error::MailboxExists) => {}
                    Err(error) => return Err(error),
                }
                self.put_once(place)?;
            }
            other => other?,
        }
        self.kept.insert(place.mailbox.clone());
        let delivery = self.delivery;
        let detail = format!("<{}> in {} of {}", delivery.recipient, place.mailbox, delivery.account.name);
        delivery.tell(StepKind::Stored, detail);
        Ok(())
    }

    fn put_once(&mut self, place: &Place) -> store::Result<()> {
        let delivery = self.delivery;
        let key = local::delivery_key(&delivery.origin, delivery.recipient);
        if delivery.origin.again && self.mailboxes.was_delivered(&place.mailbox, &key)? {
            self.found = true;
            return Ok(());
        }
        let is_marked = !place.flags.is_empty() || !place.keywords.is_empty();
        if let Some(original) = delivery.original
            && self.changed == Rewritten::default()
            && !is_marked
        {
            return original.deliver_if(self.mailboxes, &place.mailbox, &key, &|| delivery.origin.claim.take());
        }
        let mut draft = self.mailboxes.draft_for(&place.mailbox, &key)?;
        self.changed.pieces(&delivery.content).into_iter().try_for_each(|piece| draft.write(piece))?;
        if !is_marked {
            return draft.deliver_if(&|| delivery.origin.claim.take());
        }
        delivery.origin.is_wanted()?;
        draft.deliver_marked(place.flags, &place.keywords)
    }

    fn redirect(&self, address: &Address, reports: Reports) -> Result<(), String> {
        let delivery = self.delivery;
        let (node, live) = (delivery.node, delivery.node.live());
        if let NextHop::Unknown = live.settings.next_hop(address.domain()) {
            return Err(format!("there is no route to <{address}>"));
        }
        delivery.origin.is_wanted().map_err(|error| error.to_string())?;
        let user = &delivery.account.name;
        if is_redirected_by(&delivery.content, user) {
            return Err("the message was redirected from here before".to_owned());
        }
        // RFC 6009 §6.1: whoever wants to hear what becomes of it hears it.
        let reverse_path = match delivery.reverse_path {
            ReversePath::Address(_) if reports != Reports::default() => {
                ReversePath::Address(delivery.recipient.clone())
            }
            other => other.clone(),
        };
        let notify = reports.notify.unwrap_or_default();
        let envelope = Envelope {
            trace: delivery.origin.trace.clone(),
            reverse_path,
            recipients: vec![Recipient { notify, ..Recipient::new(address.clone()) }],
            body: Body::EightBitMime,
            smtputf8: !address.is_ascii(),
            envelope_id: None,
            return_headers_only: reports.headers_only.unwrap_or(false),
        };
        let detail = format!("<{}> redirected to <{address}>", delivery.recipient);
        let header = format!("{REDIRECTED_FROM}: {user}\r\n");
        let acceptance =
            Acceptance { envelope, header: &header, session: delivery.origin.session, detail, settles: None };
        let sent = self.redirected.as_ref().unwrap_or(&self.changed);
        let queued = accept_copy::<queue::Error>(node, acceptance, |incoming| {
            sent.pieces(&delivery.content).into_iter().try_for_each(|piece| incoming.write(piece))
        });
        queued.map(|_| ()).map_err(|error| {
            tracing::error!(trace = %delivery.origin.trace, %error, "cannot redirect a message");
            "the queue does not take it now".to_owned()
        })
    }

    fn tell_failures(&self) {
        let delivery = self.delivery;
        for Failure { script, whose, why } in &self.failures {
            let (trace, user) = (delivery.origin.trace, &delivery.account.name);
            match whose {
                Whose::Platform => tracing::error!(%trace, user, script, why, "a Sieve script of the platform failed"),
                Whose::User => {
                    tracing::info!(%trace, user, script, why, "a user's Sieve script failed");
                    log::write(delivery.node, &delivery.account.home, trace, script, why);
                }
            }
        }
    }
}

/// The header field by which a redirected message is known again, as Pigeonhole writes it.
const REDIRECTED_FROM: &str = "X-Sieve-Redirected-From";

fn is_redirected_by(content: &[u8], user: &str) -> bool {
    let header = content.get(..mail::header::header_end(content).unwrap_or(content.len())).unwrap_or_default();
    let mut fields = mail::header::fields(header);
    fields.any(|field| field.is(REDIRECTED_FROM) && field.value.trim_ascii() == user.as_bytes())
}

fn refusal(action: &Action) -> Option<&str> {
    if let Action::Reject { reason, .. } = action { Some(reason) } else { None }
}

/// RFC 5429 §2.1: the sender hears the reason in the protocol, and its server makes the report.
fn rejected(recipient: &Address, reason: &str) -> Reply {
    let plain = |c: char| if c == '\n' || (' '..='~').contains(&c) { c } else { '?' };
    let reason: String = reason.replace('\r', "").trim_end().chars().map(plain).take(REASON_LENGTH_MAX).collect();
    let reason = if reason.is_empty() { "Message refused".to_owned() } else { reason };
    Reply::new(550, (5, 7, 1), format!("<{recipient}> {reason}"))
}

/// Characters of a reason that are told.
const REASON_LENGTH_MAX: usize = 1024;

/// Names that are no flags are left out (RFC 5232 §2).
pub fn parse_flags(names: &[String]) -> (Flags, Vec<Keyword>) {
    let flags = names.iter().filter_map(|name| Flags::system(name)).fold(Flags::NONE, Flags::with);
    (flags, names.iter().filter_map(|name| Keyword::parse(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_becomes_a_reply_that_every_server_understands() {
        let ana = Address::parse("ana@example.test").unwrap();
        let reply = rejected(&ana, "No.\r\nEs un a\u{f1}o\0.\r\n");
        assert_eq!(reply.text, "<ana@example.test> No.\nEs un a?o?.");
        assert!(rejected(&ana, &"x".repeat(9999)).text.len() < 1100);
        assert_eq!(rejected(&ana, " \r\n").text, "<ana@example.test> Message refused");
    }

    #[test]
    fn who_has_redirected_a_message_is_known() {
        let content =
            b"X-Sieve-Redirected-From: ana@example.test\r\nSubject: x\r\n\r\nX-Sieve-Redirected-From: bob\r\n";
        assert!(is_redirected_by(content, "ana@example.test") && !is_redirected_by(content, "bob"));
    }
}
