//! What policy services are asked, and what their answers mean to a session.

use mail::{Address, Reply, ReversePath};
use proto::policy::Action;
use proto::smtp::Dialect;

use super::SmtpHouse;
use crate::config::{PolicyService, PolicyStage};

/// Header fields that services may add to one message.
const PREPENDED_MAX: usize = 100;

/// What a session's transaction has said so far.
#[derive(Debug, Default)]
pub struct Said {
    pub helo: Option<String>,
    pub extended: bool,
    pub sender: String,
    pub size: u64,
    pub recipients: usize,
    /// What services want the message to get.
    pub prepended: Vec<String>,
}

impl SmtpHouse {
    /// A new transaction.
    pub(super) fn said(&mut self, sender: &ReversePath, size: Option<u64>, helo: Option<String>, extended: bool) {
        let (sender, size) = (sender.to_string(), size.unwrap_or_default());
        self.said = Said { helo, extended, sender, size, ..Said::default() };
    }

    /// Asks the services of a stage, in the order of the file, until one refuses.
    pub(super) async fn ask_policy(&mut self, stage: PolicyStage, recipient: Option<&Address>) -> Result<(), Reply> {
        let live = self.guest.node.live();
        // LMTP's clients are layers of the platform, which have asked.
        if self.dialect == Dialect::Lmtp {
            return Ok(());
        }
        let services = live.settings.smtp.policy_services.iter().enumerate();
        for (number, service) in services.filter(|(_, service)| service.at == stage) {
            if self.is_skipped(service) {
                continue;
            }
            let refused = match recipient {
                Some(recipient) => format!("<{recipient}>: Recipient address"),
                None => "<DATA>: Data command".to_owned(),
            };
            let attributes = self.attributes(stage, recipient);
            match self.policies.ask(number, service, &attributes, &refused).await {
                Action::Go => {}
                Action::Refuse(reply) => return Err(reply),
                Action::Prepend(field) if self.said.prepended.len() < PREPENDED_MAX => self.said.prepended.push(field),
                Action::Prepend(_) => {}
                Action::Note(note) => tracing::info!(session = &*self.guest.session, service = %service.address, note),
            }
        }
        Ok(())
    }

    fn is_skipped(&self, service: &PolicyService) -> bool {
        let live = self.guest.node.live();
        let is_inside = || live.settings.relay.is_inside(self.guest.peer.ip());
        service.skip_authenticated && self.login.is_some() || service.skip_networks && is_inside()
    }

    /// As SMTPD_POLICY_README has them. What we do not know is empty, or `unknown` where Postfix says so.
    fn attributes(&self, stage: PolicyStage, recipient: Option<&Address>) -> Vec<(&'static str, String)> {
        let said = &self.said;
        let state = match stage {
            PolicyStage::Recipient => "RCPT",
            PolicyStage::Data => "DATA",
            PolicyStage::EndOfMessage => "END-OF-MESSAGE",
        };
        // Before DATA nobody knows how many there will be.
        let count = if stage == PolicyStage::Recipient { 0 } else { said.recipients };
        let encryption = self.tls.as_deref().and_then(|tls| tls.split_once(" with cipher ")).unwrap_or_default();
        vec![
            ("protocol_state", state.to_owned()),
            ("protocol_name", if said.extended { "ESMTP" } else { "SMTP" }.to_owned()),
            ("client_address", self.guest.peer.ip().to_canonical().to_string()),
            ("client_name", "unknown".to_owned()),
            ("client_port", self.guest.peer.port().to_string()),
            ("reverse_client_name", "unknown".to_owned()),
            ("helo_name", said.helo.clone().unwrap_or_default()),
            ("sender", said.sender.clone()),
            ("recipient", recipient.map(ToString::to_string).unwrap_or_default()),
            ("recipient_count", count.to_string()),
            ("queue_id", String::new()),
            ("instance", format!("{}.{}", self.guest.session, self.transactions)),
            ("size", said.size.to_string()),
            ("etrn_domain", String::new()),
            ("stress", String::new()),
            ("sasl_method", String::new()),
            ("sasl_username", self.login.clone().unwrap_or_default()),
            ("sasl_sender", String::new()),
            ("encryption_protocol", encryption.0.to_owned()),
            ("encryption_cipher", encryption.1.to_owned()),
            ("encryption_keysize", String::new()),
        ]
    }
}
