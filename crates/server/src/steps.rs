//! The steps of a message's way through the platform: each is a line of the log, and can be listened to.

use std::time::SystemTime;

use mail::TraceId;
use tokio::sync::broadcast;

/// How many steps a slow listener may lag behind before it loses some.
const BACKLOG_MAX: usize = 1024;

/// One step of one message.
#[derive(Debug, Clone)]
pub struct Step {
    pub trace: TraceId,
    pub at: SystemTime,
    pub kind: StepKind,
    /// For people: from whom, to where, what the next hop said.
    pub detail: String,
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Taken from a user's mail program.
    Submitted,
    /// Durable in the queue.
    Queued,
    /// On its way to the next hop.
    Sending,
    /// The next hop has it.
    Relayed,
    /// In a mailbox.
    Stored,
    Deferred,
    Bounced,
}

impl StepKind {
    pub fn word(self) -> &'static str {
        match self {
            StepKind::Submitted => "submitted",
            StepKind::Queued => "queued",
            StepKind::Sending => "sending",
            StepKind::Relayed => "relayed",
            StepKind::Stored => "stored",
            StepKind::Deferred => "deferred",
            StepKind::Bounced => "bounced",
        }
    }
}

/// Where steps are told.
#[derive(Debug)]
pub struct Steps(broadcast::Sender<Step>);

impl Default for Steps {
    fn default() -> Steps {
        Steps(broadcast::channel(BACKLOG_MAX).0)
    }
}

impl Steps {
    pub fn listen(&self) -> broadcast::Receiver<Step> {
        self.0.subscribe()
    }

    /// Logs a step and tells whoever listens. `name` is `session` or `queue` with its value.
    pub fn tell(
        &self,
        kind: StepKind,
        trace: &TraceId,
        session: Option<&str>,
        queue: Option<mail::QueueId>,
        detail: impl Into<String>,
    ) {
        let detail = detail.into();
        let (session, queue) = (session.unwrap_or("-"), queue.map_or("-".to_owned(), |queue| queue.to_string()));
        match kind {
            StepKind::Deferred => tracing::warn!(trace = %trace, session, queue, detail, "message {}", kind.word()),
            _ => tracing::info!(trace = %trace, session, queue, detail, "message {}", kind.word()),
        }
        // Nobody listening is no error.
        let _ = self.0.send(Step { trace: trace.clone(), at: SystemTime::now(), kind, detail });
    }
}
