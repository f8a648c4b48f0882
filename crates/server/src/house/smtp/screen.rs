//! What the content itself says of a message: the stages between its last octet and the moment in which it is kept for good
//! (docs/internals/content.md).

use std::sync::Arc;
use std::time::Duration;

use mail::strain::Unwanted;
use mail::{Reply, TraceId};

use super::intake::Content;
use super::{SmtpHouse, blocking};
use crate::config::{Protocol, VerifySettings};
use crate::dkim::{seconds_now, verify};
use crate::node::{Live, Node};
use crate::scan::{self, Outcome, Scan, Verdict};

/// How long the keys of all signatures of one message are waited for.
const VERIFY_PATIENCE: Duration = Duration::from_secs(30);

/// What we add to a message.
#[derive(Debug, Default)]
pub struct Ours {
    /// Fields that stand above our trace field.
    pub top: String,
    /// Fields that stand below our trace field.
    pub fields: String,
    /// It is kept in the queue and not sent on.
    pub hold: bool,
}

/// The scan of a message that comes in by a protocol; `None` where it is not scanned.
pub fn scan(node: &Node, protocol: Protocol) -> Option<Scan> {
    let live = node.live();
    let scanners = live.scanners.as_ref().filter(|scanners| scanners.settings().protocols.contains(&protocol))?;
    Some(Scan::new(Arc::clone(scanners)))
}

/// The fields that only we may write.
pub fn unwanted(node: &Node, protocol: Protocol, scanned: bool) -> Vec<Unwanted> {
    let live = node.live();
    let mut unwanted = if scanned { scan::FIELDS.map(Unwanted::Named).to_vec() } else { Vec::new() };
    if let Some(verify) = live.settings.verify.as_ref().filter(|verify| verify.protocols.contains(&protocol)) {
        unwanted.push(Unwanted::ResultsOf(authserv_id(verify, &live).to_owned()));
    }
    unwanted
}

/// In whose name results are told.
fn authserv_id<'a>(verify: &'a VerifySettings, live: &'a Live) -> &'a str {
    verify.name.as_deref().unwrap_or(&live.settings.name)
}

impl SmtpHouse {
    /// Judges complete content.
    ///
    /// # Errors
    /// The reply with which it is refused.
    pub(super) async fn screen(&self, content: &mut Content, trace: &TraceId) -> Result<Ours, Reply> {
        let mut ours = self.scanned(content, trace).await?;
        ours.top = self.verified(content, trace).await;
        Ok(ours)
    }

    /// What the DKIM signatures of a message are worth, as a field; nothing where they are not looked at.
    async fn verified(&self, content: &mut Content, trace: &TraceId) -> String {
        let live = self.guest.node.live();
        let (Some(settings), Some(dns)) = (&live.settings.verify, &live.dns) else { return String::new() };
        if !settings.protocols.contains(&self.guest.protocol) || content.transaction.authenticated.is_some() {
            return String::new();
        }
        let name = authserv_id(settings, &live);
        if !content.header.has("DKIM-Signature") {
            return verify::results(name, &[]);
        }
        let Some(read) = content.read_signatures().await else { return verify::results(name, &[]) };
        let records = read.records(&**dns, VERIFY_PATIENCE).await;
        let bits_min = settings.minimum_key_bits;
        let findings = blocking(move || read.judge(&records, seconds_now(), bits_min)).await;
        for finding in &findings {
            let domain = finding.signature.as_ref().map_or("-", |signature| signature.domain.as_str());
            let (session, status, why) = (&*self.guest.session, finding.status.word(), &*finding.why);
            tracing::info!(session, %trace, domain, status, why, "signature verified");
        }
        verify::results(name, &findings)
    }

    async fn scanned(&self, content: &mut Content, trace: &TraceId) -> Result<Ours, Reply> {
        let Some(mut scan) = content.scan.take() else { return Ok(Ours::default()) };
        scan.feed(&content.pending).await;
        let verdict = loop {
            if let Some(verdict) = scan.end().await {
                break verdict;
            }
            content.scan_again(&mut scan).await;
            scan.feed(&content.pending).await;
        };
        self.tell(content, &verdict, trace);
        let live = self.guest.node.live();
        match scan::outcome(scan.settings(), &verdict, &live.settings.name) {
            Outcome::Goes(fields) => Ok(Ours { fields, hold: false, ..Ours::default() }),
            Outcome::Quarantined(fields) => Ok(Ours { fields, hold: true, ..Ours::default() }),
            Outcome::Refused(reply) => Err(reply),
        }
    }

    fn tell(&self, content: &Content, verdict: &Verdict, trace: &TraceId) {
        self.guest.node.scanned.add(verdict);
        let (session, from, word) = (&*self.guest.session, &content.transaction.reverse_path, verdict.word());
        match verdict {
            Verdict::Clean => tracing::info!(session, %trace, verdict = word, "message scanned"),
            Verdict::Infected(name) => {
                let recipients = content.transaction.recipients.len();
                tracing::warn!(session, %trace, verdict = word, virus = name, %from, recipients, "message scanned");
            }
            Verdict::TooLarge => tracing::warn!(session, %trace, verdict = word, "message scanned"),
            Verdict::Failed(why) => tracing::error!(session, %trace, verdict = word, why, "message not scanned"),
        }
    }
}
