//! DATA and BDAT: taking content in, and its end.
//!
//! Content that is refused is still read to its true end, so that its rest is never taken for commands; the house is told
//! at once that it is abandoned.

use mail::Reply;

use super::{Chunk, Pending, Phase, Server};
use crate::session::Next;
use crate::smtp::ask::{Answer, Ask};
use crate::smtp::content::{Bare, Framing, Reader};
use crate::smtp::profile::Dialect;
use crate::smtp::response;

/// The most content that is handed on in one piece.
pub const PIECE_LENGTH_MAX: usize = 64 * 1024;

/// Content that is arriving.
#[derive(Debug)]
pub(super) struct Intake {
    reader: Reader,
    /// The house was told, and not yet told that it is over.
    pub(super) begun: bool,
    /// The end was read.
    ended: bool,
    /// Why it will not be taken.
    failure: Option<Reply>,
    /// The failure was already told, for an earlier chunk.
    failure_told: bool,
    recipients: usize,
}

impl Intake {
    /// Judges the content so far.
    fn fault(&self, size_max: u64) -> Option<Reply> {
        match self.reader.refused() {
            Some(Bare::Lf) => Some(response::content_bare_lf()),
            Some(Bare::Cr) => Some(response::content_bare_cr()),
            None if self.reader.size() > size_max => Some(response::content_too_big()),
            None => None,
        }
    }
}

impl Server {
    // RFC 5321 §4.1.1.4
    pub(super) fn data(&mut self) {
        if self.intake.is_some() {
            return self.refuse_data(&response::after_chunk("DATA"));
        }
        match self.envelope.take() {
            None => self.refuse_data(&response::recipient_first()),
            Some(envelope) if envelope.recipients.is_empty() => {
                self.envelope = Some(envelope);
                self.refuse_data(&response::no_recipients());
            }
            Some(envelope) => self.begin(*envelope, Framing::Dots, None),
        }
    }

    /// RFC 2920 §3.1: DATA is the last of its group. What a client has sent behind a DATA that is refused was meant to be
    /// content; to read it as commands would let a message speak for its sender.
    fn refuse_data(&mut self, reply: &Reply) {
        self.reply(reply);
        if !self.input.is_empty() {
            self.end(&response::out_of_step());
        }
    }

    // RFC 3030 §2
    pub(super) fn bdat(&mut self, length: u64, last: bool) {
        let chunk = Chunk { length, left: length, last };
        if !self.profile.chunking {
            return self.refuse_chunk(length, response::not_implemented());
        }
        if self.intake.is_some() {
            return self.take_chunk(chunk);
        }
        match self.envelope.take() {
            None => self.refuse_chunk(length, response::recipient_first()),
            Some(envelope) if envelope.recipients.is_empty() => {
                self.envelope = Some(envelope);
                self.refuse_chunk(length, response::no_recipients());
            }
            Some(envelope) => self.begin(*envelope, Framing::Counted, Some(chunk)),
        }
    }

    /// Refuses a command whose chunk, if it has one, follows all the same (RFC 3030 §2).
    pub(super) fn refuse_chunk(&mut self, length: u64, reply: Reply) {
        self.phase = Phase::Swallow { left: length, reply };
    }

    fn begin(&mut self, envelope: super::Envelope, framing: Framing, chunk: Option<Chunk>) {
        let reader = Reader::new(framing, self.profile.bare_newline);
        let recipients = envelope.recipients.len();
        self.intake = Some(Box::new(Intake {
            reader,
            begun: false,
            ended: false,
            failure: None,
            failure_told: false,
            recipients,
        }));
        let transaction = self.take_transaction(envelope);
        self.ask(Ask::ContentBegin(Box::new(transaction)), Pending::Begin(chunk));
    }

    pub(super) fn content_begin_answered(&mut self, chunk: Option<Chunk>, answer: Answer) {
        let refusal = match answer {
            Answer::Go => None,
            Answer::Refused(reply) => Some(reply),
            _ => Some(response::our_failure()),
        };
        match (chunk, refusal) {
            (None, Some(reply)) => {
                self.intake = None;
                self.refuse_data(&reply);
            }
            (None, None) => {
                self.mark_begun();
                self.reply(&response::start_content());
                self.phase = Phase::Content;
            }
            (Some(chunk), None) => {
                self.mark_begun();
                self.take_chunk(chunk);
            }
            (Some(chunk), Some(reply)) => {
                self.fail(reply);
                self.take_chunk(chunk);
            }
        }
    }

    fn mark_begun(&mut self) {
        if let Some(intake) = &mut self.intake {
            intake.begun = true;
        }
    }

    fn take_chunk(&mut self, chunk: Chunk) {
        let so_far = self.intake.as_ref().map_or(0, |intake| intake.reader.size());
        if so_far.saturating_add(chunk.length) > self.profile.limits.message_size_max {
            self.fail(response::chunk_too_big());
        }
        self.phase = Phase::Chunk(chunk);
    }

    /// Content is lost from here on; the house hears of it at once, the client at the end.
    fn fail(&mut self, reply: Reply) {
        let Some(intake) = &mut self.intake else { return };
        intake.failure.get_or_insert(reply);
        if std::mem::take(&mut intake.begun) {
            self.ask(Ask::Abandoned, Pending::Abandoned);
        }
    }

    pub(super) fn read_content(&mut self) -> Option<Next<Ask>> {
        if self.intake.as_ref().is_none_or(|intake| intake.ended) {
            self.phase = Phase::Commands;
            self.finish(0);
            return None;
        }
        if self.input.is_empty() {
            return Some(self.starve(self.profile.limits.content_patience));
        }
        let (content, ended) = self.read_piece(PIECE_LENGTH_MAX);
        if let Some(intake) = &mut self.intake {
            intake.ended = ended;
        }
        self.hand_on(content)
    }

    pub(super) fn read_chunk(&mut self, mut chunk: Chunk) -> Option<Next<Ask>> {
        if chunk.left == 0 {
            return self.end_chunk(chunk);
        }
        if self.input.is_empty() {
            return Some(self.starve(self.profile.limits.content_patience));
        }
        let length = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(PIECE_LENGTH_MAX);
        chunk.left -= self.input.unused().len().min(length) as u64;
        self.phase = Phase::Chunk(chunk);
        let (content, _) = self.read_piece(length);
        self.hand_on(content)
    }

    /// Reads up to `length` octets of input through the reader.
    fn read_piece(&mut self, length: usize) -> (Vec<u8>, bool) {
        let Some(intake) = &mut self.intake else { return (Vec::new(), true) };
        let unused = self.input.unused();
        let piece = intake.reader.read(unused.get(..length).unwrap_or(unused));
        self.input.consume(piece.used);
        (piece.content, piece.ended)
    }

    /// Gives content to the house, unless it has turned out to be bad.
    fn hand_on(&mut self, content: Vec<u8>) -> Option<Next<Ask>> {
        let fault = self.intake.as_ref().and_then(|intake| intake.fault(self.profile.limits.message_size_max));
        if let Some(reply) = fault {
            self.fail(reply);
        }
        let wanted = self.intake.as_ref().is_some_and(|intake| intake.begun) && !content.is_empty();
        wanted.then_some(Next::Content(content))
    }

    /// A chunk is read to its end. The last one ends the content; any other is answered by itself.
    fn end_chunk(&mut self, chunk: Chunk) -> Option<Next<Ask>> {
        self.phase = Phase::Commands;
        if chunk.last {
            let left_over = self.intake.as_mut().map(|intake| intake.reader.finish()).unwrap_or_default();
            if let Some(next) = self.hand_on(left_over) {
                // Come back for the end.
                self.phase = Phase::Chunk(chunk);
                return Some(next);
            }
            self.finish(chunk.length);
            return None;
        }
        let reply = match self.intake.as_mut() {
            Some(intake) => told(intake, chunk.length).unwrap_or_else(|| response::chunk_ok(chunk.length)),
            None => response::our_failure(),
        };
        self.reply(&reply);
        None
    }

    /// The content is over: the house decides, unless it is lost already.
    fn finish(&mut self, chunk_length: u64) {
        let Some(intake) = &mut self.intake else { return };
        if intake.begun {
            let size = intake.reader.size();
            return self.ask(Ask::ContentEnd { size }, Pending::End);
        }
        let reply = told(intake, chunk_length).unwrap_or_else(response::our_failure);
        let count = self.replies_wanted();
        self.intake = None;
        self.replies(vec![reply; count]);
    }

    /// RFC 2033 §4.2: LMTP answers once for each recipient that was accepted, in their order.
    fn replies_wanted(&self) -> usize {
        match (self.profile.dialect, &self.intake) {
            (Dialect::Lmtp, Some(intake)) => intake.recipients,
            _ => 1,
        }
    }

    pub(super) fn content_end_answered(&mut self, answer: Answer) {
        let count = self.replies_wanted();
        self.intake = None;
        let mut replies = match answer {
            Answer::Replies(replies) => replies,
            Answer::Reply(reply) | Answer::Refused(reply) => vec![reply; count],
            Answer::Go | Answer::Sasl(_) | Answer::LoggedIn { .. } => Vec::new(),
        };
        replies.resize_with(count, response::our_failure);
        if replies.iter().any(Reply::is_positive) {
            self.errors = 0;
            self.junk_commands = 0;
        }
        self.replies(replies);
    }

    /// Writes the answers to one message; together they count as one mistake at most.
    fn replies(&mut self, replies: Vec<Reply>) {
        self.errors += u32::from(!replies.iter().any(Reply::is_positive));
        for reply in &replies {
            response::write(&mut self.out, reply);
        }
    }

    pub(super) fn swallow(&mut self) -> Option<Next<Ask>> {
        let Phase::Swallow { left, reply } = &mut self.phase else { return None };
        let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.input.unused().len());
        self.input.consume(length);
        *left -= length as u64;
        if *left > 0 {
            return Some(self.starve(self.profile.limits.content_patience));
        }
        let reply = reply.clone();
        self.phase = Phase::Commands;
        self.reply(&reply);
        None
    }
}

/// The complaint about lost content: the reason at first, later that a chunk was thrown away.
fn told(intake: &mut Intake, chunk_length: u64) -> Option<Reply> {
    let failure = intake.failure.clone()?;
    if std::mem::replace(&mut intake.failure_told, true) {
        Some(response::chunk_discarded(chunk_length))
    } else {
        Some(failure)
    }
}
