//! MAIL and RCPT: the envelope while it is being given, and how it is forgotten.

use mail::ForwardPath;

use super::{Pending, Server};
use crate::smtp::ask::{Answer, Ask, ForwardRecipient, Transaction};
use crate::smtp::command::{Mail, Rcpt};
use crate::smtp::parameter::MailParameters;
use crate::smtp::response;

/// What MAIL and RCPT have given so far.
#[derive(Debug)]
pub(super) struct Envelope {
    reverse_path: mail::ReversePath,
    parameters: MailParameters,
    pub(super) recipients: Vec<ForwardRecipient>,
}

impl Server {
    // RFC 5321 §4.1.1.2
    pub(super) fn mail(&mut self, mail: Mail) {
        let Mail { reverse_path, parameters, quirks } = mail;
        let foreign = reverse_path.address().is_some_and(|address| !address.is_ascii());
        let refusal = if self.intake.is_some() {
            Some(response::after_chunk("MAIL"))
        } else if self.envelope.is_some() {
            Some(response::nested_mail())
        } else if foreign && !parameters.smtputf8 {
            Some(response::needs_smtputf8())
        } else if parameters.size.is_some_and(|size| size > self.profile.limits.message_size_max) {
            // RFC 1870 §6.1
            Some(response::size_announced_too_big())
        } else {
            None
        };
        if let Some(reply) = refusal {
            return self.reply(&reply);
        }
        let ask = Ask::ReversePath {
            path: reverse_path.clone(),
            helo: self.hello.as_ref().map(|hello| hello.name.clone()),
            extended: self.hello.as_ref().is_some_and(|hello| hello.extended),
            size: parameters.size,
            body: parameters.body,
            smtputf8: parameters.smtputf8,
            submitter: parameters.submitter.clone(),
            quirks,
        };
        let envelope = Envelope { reverse_path, parameters, recipients: Vec::new() };
        self.ask(ask, Pending::ReversePath(Box::new(envelope)));
    }

    pub(super) fn reverse_path_answered(&mut self, envelope: Box<Envelope>, answer: Answer) {
        match answer {
            Answer::Go => {
                self.envelope = Some(envelope);
                self.reply(&response::sender_ok());
            }
            Answer::Refused(reply) => self.reply(&reply),
            _ => self.reply(&response::our_failure()),
        }
    }

    // RFC 5321 §4.1.1.3
    pub(super) fn rcpt(&mut self, rcpt: Rcpt) {
        let Rcpt { forward_path, parameters, quirks } = rcpt;
        let foreign = matches!(&forward_path, ForwardPath::Address(address) if !address.is_ascii());
        let refusal = match &self.envelope {
            _ if self.intake.is_some() => response::after_chunk("RCPT"),
            None => response::mail_first(),
            Some(envelope) if foreign && !envelope.parameters.smtputf8 => response::needs_smtputf8(),
            Some(envelope) if envelope.recipients.len() >= self.profile.limits.recipients_max => {
                response::too_many_recipients()
            }
            Some(_) => {
                let recipient =
                    ForwardRecipient { path: forward_path, notify: parameters.notify, original: parameters.original };
                let pending = Pending::ForwardPath(Box::new(recipient.clone()));
                return self.ask(Ask::ForwardPath { recipient, quirks }, pending);
            }
        };
        self.reply(&refusal);
    }

    pub(super) fn forward_path_answered(&mut self, recipient: ForwardRecipient, answer: Answer) {
        match (answer, &mut self.envelope) {
            (Answer::Go, Some(envelope)) => {
                envelope.recipients.push(recipient);
                self.reply(&response::recipient_ok());
            }
            (Answer::Refused(reply), _) => self.reply(&reply),
            _ => self.reply(&response::our_failure()),
        }
    }

    /// Takes the complete envelope for the house.
    pub(super) fn take_transaction(&mut self, envelope: Envelope) -> Transaction {
        let Envelope { reverse_path, parameters, recipients } = envelope;
        Transaction {
            dialect: self.profile.dialect,
            helo: self.hello.as_ref().map(|hello| hello.name.clone()),
            extended: self.hello.as_ref().is_some_and(|hello| hello.extended),
            tls: self.in_tls,
            authenticated: self.account.clone(),
            reverse_path,
            recipients,
            body: parameters.body,
            smtputf8: parameters.smtputf8,
            envelope_id: parameters.envelope_id,
            return_headers_only: parameters.return_headers_only,
            size: parameters.size,
            trace: parameters.trace,
        }
    }

    /// RSET, EHLO, QUIT and every end: the envelope is forgotten, and the house forgets the content it has begun.
    pub(super) fn forget_transaction(&mut self) {
        self.envelope = None;
        if self.intake.take().is_some_and(|intake| intake.begun) {
            self.ask(Ask::Abandoned, Pending::Abandoned);
        }
    }
}
