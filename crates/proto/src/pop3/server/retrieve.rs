//! RETR and TOP: streaming a message, or its beginning.
//!
//! The first piece is read before `+OK` is said, so that a message which cannot be read is refused in words. A failure after
//! that can only be told by closing: the client must not take half a message for a whole one.

use mail::Uid;

use super::{Pending, Phase, Server, refusal_in};
use crate::pop3::ask::{Answer, Ask, Drop, READ_LENGTH_MAX};
use crate::pop3::response;
use crate::session::Next;
use crate::stuffing::Stuffer;

/// TOP reads in smaller pieces: a header is seldom longer.
const TOP_READ_LENGTH: u32 = 8 * 1024;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Retrieval {
    number: u32,
    uid: Uid,
    size: u64,
    offset: u64,
    /// `+OK` was said.
    begun: bool,
    top: Option<Top>,
    stuffer: Stuffer,
}

/// Counts the lines that TOP shall send: the header, the empty line, and so many of the body.
#[derive(Debug)]
struct Top {
    lines_left: u64,
    in_header: bool,
    line_is_empty: bool,
}

impl Top {
    fn new(lines: u64) -> Top {
        Top { lines_left: lines, in_header: true, line_is_empty: true }
    }

    /// Where to stop within this piece, if there.
    fn end_within(&mut self, piece: &[u8]) -> Option<usize> {
        for (index, byte) in piece.iter().enumerate() {
            match byte {
                b'\n' => {
                    if !self.in_header {
                        self.lines_left -= 1;
                    } else if self.line_is_empty {
                        self.in_header = false;
                    }
                    self.line_is_empty = true;
                    if !self.in_header && self.lines_left == 0 {
                        return Some(index + 1);
                    }
                }
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
        }
        None
    }
}

impl Server {
    /// RETR, or TOP with a number of lines.
    pub(super) fn retrieve(&mut self, number: u32, lines: Option<u64>) {
        if let Some(Drop { uid, size, .. }) = self.find_message(number) {
            let top = lines.map(Top::new);
            let retrieval = Retrieval { number, uid, size, offset: 0, begun: false, top, stuffer: Stuffer::default() };
            self.phase = Phase::Retrieving(Box::new(retrieval));
        }
    }

    /// Sends what there is, then asks for more.
    pub(super) fn continue_retrieving(&mut self) -> Option<Next<Ask>> {
        let Phase::Retrieving(retrieval) = &self.phase else { return None };
        if retrieval.begun && !self.out.is_empty() {
            return Some(Next::Send(self.out.take()));
        }
        let length = if retrieval.top.is_some() { TOP_READ_LENGTH } else { READ_LENGTH_MAX };
        self.ask(Ask::Read { uid: retrieval.uid, offset: retrieval.offset, length }, Pending::Read);
        None
    }

    pub(super) fn read_answered(&mut self, answer: Answer) {
        let Phase::Retrieving(mut retrieval) = std::mem::replace(&mut self.phase, Phase::Commands) else { return };
        let Answer::Bytes(bytes) = answer else {
            return if retrieval.begun { self.end("") } else { self.say(&response::refusal(refusal_in(&answer))) };
        };
        if !std::mem::replace(&mut retrieval.begun, true) {
            let heading = if retrieval.top.is_some() { String::new() } else { format!("{} octets", retrieval.size) };
            self.say(&response::ok(&heading));
        }
        let end = retrieval.top.as_mut().and_then(|top| top.end_within(&bytes));
        let wanted = end.and_then(|end| bytes.get(..end)).unwrap_or(&bytes);
        let stuffed = retrieval.stuffer.push(wanted);
        self.out.push(&stuffed);
        retrieval.offset += bytes.len() as u64;
        if end.is_none() && !bytes.is_empty() {
            self.phase = Phase::Retrieving(retrieval);
            return;
        }
        if retrieval.top.is_none() {
            self.mark_seen(retrieval.number);
        }
        self.out.push(retrieval.stuffer.finish());
    }
}
