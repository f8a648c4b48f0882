//! MAIL, RCPT and DATA, one at a time or in groups, and what their answers mean for each recipient.

use mail::envelope::{Body, Notify};
use mail::{Outcome, Recipient, Reply};

use super::hello::Offers;
use super::{Awaited, Client, Delivery, Job, Phase};
use crate::smtp::parameter::to_xtext;
use crate::smtp::profile::Dialect;

/// Recipients sent in one group. A peer that answers as we write must not fill its side's buffers while ours are full
/// (RFC 2920 §3.1).
pub const GROUP_RECIPIENTS_MAX: usize = 100;

impl Client {
    pub(super) fn start_envelope(&mut self) {
        self.phase = Phase::Envelope;
        let refusal = self.delivery.as_ref().and_then(|delivery| impossible(&delivery.job, &self.offers));
        if let Some(reply) = refusal {
            self.settle_rest(&Outcome::Bounced(reply));
            self.report();
        }
    }

    /// Sends what can be sent now, or goes on to the report.
    pub(super) fn continue_envelope(&mut self) {
        let Some(delivery) = &self.delivery else { return self.report() };
        let all_sent = delivery.recipients_sent == delivery.job.recipients.len();
        let hopeless = delivery.mail_sent && !delivery.mail_accepted || all_sent && delivery.accepted.is_empty();
        if delivery.data_sent || hopeless {
            self.needs_reset = delivery.mail_accepted;
            return self.report();
        }
        if self.offers.pipelining { self.send_group() } else { self.send_one() }
    }

    fn send_one(&mut self) {
        let Some(delivery) = &self.delivery else { return };
        if !delivery.mail_sent {
            self.send_mail();
        } else if delivery.recipients_sent < delivery.job.recipients.len() {
            self.send_recipients(1);
        } else {
            self.send_data();
        }
    }

    // RFC 2920 §3.1: MAIL and RCPT may be grouped; DATA may end a group.
    fn send_group(&mut self) {
        if self.delivery.as_ref().is_some_and(|delivery| !delivery.mail_sent) {
            self.send_mail();
        }
        self.send_recipients(GROUP_RECIPIENTS_MAX);
        if self.delivery.as_ref().is_some_and(|delivery| delivery.recipients_sent == delivery.job.recipients.len()) {
            self.send_data();
        }
    }

    fn send_mail(&mut self) {
        let Some(delivery) = &mut self.delivery else { return };
        delivery.mail_sent = true;
        let line = mail_line(&delivery.job, &self.offers);
        self.command(&line, Awaited::Mail);
    }

    fn send_recipients(&mut self, count_max: usize) {
        let Some(delivery) = &mut self.delivery else { return };
        let first = delivery.recipients_sent;
        let dsn = self.offers.dsn;
        let lines: Vec<String> = delivery
            .job
            .recipients
            .iter()
            .skip(first)
            .take(count_max)
            .map(|recipient| rcpt_line(recipient, dsn))
            .collect();
        delivery.recipients_sent += lines.len();
        for (index, line) in lines.iter().enumerate() {
            self.command(line, Awaited::Rcpt(first + index));
        }
    }

    fn send_data(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.data_sent = true;
            self.command("DATA", Awaited::Data);
        }
    }

    pub(super) fn mail_answered(&mut self, reply: &Reply) {
        let Some(delivery) = &mut self.delivery else { return };
        if reply.is_positive() {
            delivery.mail_accepted = true;
        } else {
            self.settle_rest(&Outcome::from_reply(reply.clone()));
        }
    }

    pub(super) fn rcpt_answered(&mut self, index: usize, reply: &Reply) {
        let Some(delivery) = &mut self.delivery else { return };
        if !delivery.mail_accepted {
            return;
        }
        if reply.is_positive() {
            delivery.accepted.push(index);
        } else {
            self.settle(index, reply);
        }
    }

    pub(super) fn data_answered(&mut self, reply: &Reply) {
        let Some(delivery) = &mut self.delivery else { return };
        let nobody = delivery.accepted.is_empty();
        match (reply.code, nobody) {
            (354, false) => self.phase = Phase::Content,
            // RFC 2920 §3.1: a pipelined DATA may be accepted though no recipient was; then nothing is sent.
            (354, true) => {
                self.out.push(b".\r\n");
                if self.profile.dialect != Dialect::Lmtp {
                    self.awaited.push_back(Awaited::EndOfNothing);
                }
            }
            // The transaction is over for us, but the peer may still hold it: continue_envelope resets it.
            (_, true) => {}
            (_, false) if reply.is_positive() => {
                self.settle_accepted(&Reply::new(451, (4, 5, 0), format!("the peer answered DATA with {reply}")));
            }
            (_, false) => self.settle_accepted(reply),
        }
    }

    /// Decides one recipient by a reply.
    pub(super) fn settle(&mut self, index: usize, reply: &Reply) {
        let slot = self.delivery.as_mut().and_then(|delivery| delivery.outcomes.get_mut(index));
        if let Some(slot @ None) = slot {
            *slot = Some(Outcome::from_reply(reply.clone()));
        }
    }

    /// Decides all accepted recipients by one reply.
    pub(super) fn settle_accepted(&mut self, reply: &Reply) {
        let accepted = self.delivery.as_ref().map_or(Vec::new(), |delivery| delivery.accepted.clone());
        for index in accepted {
            self.settle(index, reply);
        }
    }

    /// Decides whoever is undecided.
    pub(super) fn settle_rest(&mut self, outcome: &Outcome) {
        let Some(Delivery { outcomes, .. }) = &mut self.delivery else { return };
        for slot in outcomes.iter_mut().filter(|slot| slot.is_none()) {
            *slot = Some(outcome.clone());
        }
    }
}

/// Why this peer can never take this message.
fn impossible(job: &Job, offers: &Offers) -> Option<Reply> {
    if needs_smtputf8(job) && !offers.smtputf8 {
        // RFC 6531 §3.2
        return Some(Reply::new(550, (5, 6, 7), "the message needs SMTPUTF8, which the next server does not offer"));
    }
    if job.body == Body::EightBitMime && !offers.eight_bit_mime {
        // RFC 6152 §3: convert or bounce; we do not convert.
        return Some(Reply::new(550, (5, 6, 3), "the message needs 8BITMIME, which the next server does not offer"));
    }
    // RFC 1870 §6.1
    let limit = offers.size_max.filter(|limit| job.size > *limit)?;
    Some(Reply::new(552, (5, 3, 4), format!("the message has {} octets, the next server takes {limit}", job.size)))
}

fn mail_line(job: &Job, offers: &Offers) -> String {
    let mut line = format!("MAIL FROM:<{}>", job.reverse_path);
    if offers.size {
        line.push_str(&format!(" SIZE={}", job.size));
    }
    if job.body == Body::EightBitMime {
        line.push_str(" BODY=8BITMIME");
    }
    if offers.smtputf8 && needs_smtputf8(job) {
        line.push_str(" SMTPUTF8");
    }
    if offers.dsn && job.return_headers_only {
        line.push_str(" RET=HDRS");
    }
    if let Some(id) = job.envelope_id.as_ref().filter(|_| offers.dsn) {
        line.push_str(&format!(" ENVID={}", to_xtext(id)));
    }
    if let Some(mark) = job.trace.as_ref().filter(|_| offers.trace) {
        line.push_str(&format!(" XTRACE={mark}"));
    }
    line
}

fn needs_smtputf8(job: &Job) -> bool {
    let foreign_sender = job.reverse_path.address().is_some_and(|address| !address.is_ascii());
    job.smtputf8 || foreign_sender || job.recipients.iter().any(|recipient| !recipient.address.is_ascii())
}

fn rcpt_line(recipient: &Recipient, dsn: bool) -> String {
    let mut line = format!("RCPT TO:<{}>", recipient.address);
    if dsn {
        if recipient.notify != Notify::default() {
            line.push_str(&format!(" NOTIFY={}", notify(recipient.notify)));
        }
        if let Some((kind, original)) = recipient.original.as_deref().and_then(|original| original.split_once(';')) {
            line.push_str(&format!(" ORCPT={kind};{}", to_xtext(original)));
        }
    }
    line
}

fn notify(notify: Notify) -> String {
    let words = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let words: Vec<&str> = words.into_iter().filter_map(|(wanted, word)| wanted.then_some(word)).collect();
    if words.is_empty() { "NEVER".to_owned() } else { words.join(",") }
}
