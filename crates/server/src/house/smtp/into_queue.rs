//! Submission and relaying: an accepted message becomes an entry of the queue.

use mail::envelope::Recipient;
use mail::received::{Features, Protocol, Received};
use mail::{Address, Envelope, Reply, TraceId};
use proto::smtp::{Dialect, ForwardRecipient, Transaction};

use super::intake::Content;
use super::screen::Ours;
use super::signature::{self, NotKept};
use super::{SmtpHouse, blocking, now, only};
use crate::config::AddMissing;
use crate::deliver::{Acceptance, accept};
use crate::steps::StepKind;

impl SmtpHouse {
    pub(super) async fn enqueue(
        &self,
        content: &mut Content,
        mut incoming: queue::Incoming,
        trace: TraceId,
        ours: Ours,
    ) -> Reply {
        let pending = std::mem::take(&mut content.pending);
        let transaction = &content.transaction;
        let recipients = transaction
            .recipients
            .iter()
            .filter_map(|recipient| Some(queued(recipient, self.address(&recipient.path)?)));
        let envelope = envelope(transaction, trace.clone(), recipients.collect());
        let mut header = self.top(content, &trace, &ours);
        if ours.hold {
            incoming.hold();
        }
        let (node, from) = (self.guest.node.clone(), transaction.reverse_path.to_string());
        let detail = format!("<{from}> for {} recipients", envelope.recipients.len());
        node.steps.tell(StepKind::Submitted, &trace, Some(&self.guest.session), None, detail);
        let session = self.guest.session.clone();
        let signing = self.signing(content, &header);
        let accepted = blocking(move || {
            incoming.write(&pending)?;
            if let Some(signing) = signing {
                let signature = signature::of(&signing, &header, &session, |take| incoming.copy_to(take))?;
                header.insert_str(0, &signature);
            }
            let (session, detail) = (Some(&*session), "durable".to_owned());
            let acceptance = Acceptance { envelope, header: &header, session, detail, settles: None };
            Ok::<_, NotKept>(accept(&node, incoming, acceptance)?)
        });
        match accepted.await {
            Ok(id) => Reply::new(250, (2, 0, 0), format!("Ok: queued as {id}")),
            Err(error) => self.not_kept(&error),
        }
    }

    /// Whether the message begins its way here, and is not just passing.
    fn is_ours(&self) -> bool {
        let live = self.guest.node.live();
        let is_inside = || live.settings.relay.is_inside(self.guest.peer.ip());
        self.dialect == Dialect::Submission || self.login.is_some() || is_inside()
    }

    /// What is put before a message: the trace line, what policy services want, and what was missing.
    pub(super) fn top(&self, content: &Content, trace: &TraceId, ours: &Ours) -> String {
        let mut top = ours.top.clone() + &self.received(&content.transaction, trace) + &ours.fields;
        for field in &self.said.prepended {
            top.push_str(field);
            top.push_str("\r\n");
        }
        top + &self.missing_fields(content, trace)
    }

    /// RFC 6409 §8: a submission server adds what a mail program left out.
    fn missing_fields(&self, content: &Content, trace: &TraceId) -> String {
        let (live, mut fields) = (self.guest.node.live(), String::new());
        let is_wanted = self.is_ours() || live.settings.smtp.add_missing == AddMissing::Always;
        if !is_wanted || self.dialect == Dialect::Lmtp {
            return fields;
        }
        let name = &live.settings.name;
        if !content.header.has("Date") {
            fields.push_str(&format!("Date: {}\r\n", now().to_rfc5322()));
        }
        if !content.header.has("Message-ID") {
            fields.push_str(&format!("Message-ID: <{trace}@{name}>\r\n"));
        }
        if !content.header.has("From") {
            match content.transaction.reverse_path.address() {
                Some(sender) => fields.push_str(&format!("From: {sender}\r\n")),
                None => fields.push_str(&format!("From: MAILER-DAEMON@{name}\r\n")),
            }
        }
        fields
    }

    /// The trace line of this hop (RFC 5321 §4.4).
    fn received(&self, transaction: &Transaction, trace: &TraceId) -> String {
        let live = self.guest.node.live();
        let features =
            Features { tls: transaction.tls, auth: transaction.authenticated.is_some(), utf8: transaction.smtputf8 };
        let protocol = match (transaction.dialect, transaction.extended) {
            (Dialect::Lmtp, _) => Protocol::Lmtp(features),
            (_, true) => Protocol::Esmtp(features),
            (_, false) => Protocol::Smtp,
        };
        let only = only(transaction, self);
        let received = Received {
            helo: transaction.helo.as_deref().unwrap_or_default(),
            peer: Some(self.guest.peer.ip()),
            authenticated_as: self.login.as_deref().filter(|_| live.settings.smtp.tell_login),
            by: &live.settings.name,
            protocol,
            tls: self.tls.as_deref(),
            id: trace.as_str(),
            recipient: only.as_ref(),
            date: now(),
        };
        received.to_string()
    }
}

pub(super) fn envelope(transaction: &Transaction, trace: TraceId, recipients: Vec<Recipient>) -> Envelope {
    Envelope {
        trace,
        reverse_path: transaction.reverse_path.clone(),
        recipients,
        body: transaction.body,
        smtputf8: transaction.smtputf8,
        envelope_id: transaction.envelope_id.clone(),
        return_headers_only: transaction.return_headers_only,
    }
}

pub(super) fn queued(recipient: &ForwardRecipient, address: Address) -> Recipient {
    Recipient { address, original: recipient.original.clone(), notify: recipient.notify }
}
