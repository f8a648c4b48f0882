//! What the content itself says of a message: the stages between its last octet and the moment in which it is kept for good
//! (docs/internals/content.md).

use std::sync::Arc;

use mail::strain::Unwanted;
use mail::{Reply, TraceId};

use super::SmtpHouse;
use super::intake::Content;
use crate::config::Protocol;
use crate::node::Node;
use crate::scan::{self, Outcome, Scan, Verdict};

/// What we add to a message.
#[derive(Debug, Default)]
pub struct Ours {
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
pub fn unwanted(scanned: bool) -> Vec<Unwanted> {
    if scanned { scan::FIELDS.map(Unwanted::Named).to_vec() } else { Vec::new() }
}

impl SmtpHouse {
    /// Judges complete content.
    ///
    /// # Errors
    /// The reply with which it is refused.
    pub(super) async fn screen(&self, content: &mut Content, trace: &TraceId) -> Result<Ours, Reply> {
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
            Outcome::Goes(fields) => Ok(Ours { fields, hold: false }),
            Outcome::Quarantined(fields) => Ok(Ours { fields, hold: true }),
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
