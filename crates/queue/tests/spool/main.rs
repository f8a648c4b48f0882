//! The promises of the spool, on a disk in memory whose power is cut, whose octets flip, and which fills.

mod damage;
mod failing;
mod power;
mod together;

use std::path::Path;
use std::sync::Arc;

use disk::MemoryDisk;
use mail::{Address, Envelope, QueueId, Recipient, Reply, ReversePath, TraceId};
use queue::{Incoming, RecipientState, Recovered, Result, Spool, SpoolSettings, Timestamp};

const HEADER: &[u8] = b"Received: here\r\n";

/// Small enough that a scenario of a few messages has large content and several segments.
fn settings() -> SpoolSettings {
    SpoolSettings { segment_size: 600, inline_max: 64 }
}

fn open(disk: &MemoryDisk) -> Result<(Spool, Recovered)> {
    open_with(disk, settings())
}

fn open_with(disk: &MemoryDisk, settings: SpoolSettings) -> Result<(Spool, Recovered)> {
    Spool::open(Arc::new(disk.clone()), dir(), settings)
}

fn dir() -> &'static Path {
    Path::new("/spool")
}

fn envelope(recipients: usize) -> Envelope {
    let recipient = |index| Recipient::new(Address::parse(&format!("r{index}@example.test")).unwrap());
    Envelope {
        trace: TraceId::parse("t1").unwrap(),
        reverse_path: ReversePath::parse("ana@example.test").unwrap(),
        recipients: (0..recipients).map(recipient).collect(),
        body: mail::envelope::Body::SevenBit,
        smtputf8: false,
        envelope_id: None,
        return_headers_only: false,
    }
}

fn receive(spool: &Spool, content: &[u8]) -> Result<Incoming> {
    let mut incoming = spool.begin()?;
    for piece in content.chunks(50) {
        incoming.write(piece)?;
    }
    Ok(incoming)
}

fn accept(spool: &Spool, recipients: usize, content: &[u8]) -> Result<QueueId> {
    receive(spool, content)?.commit(envelope(recipients), HEADER, Timestamp(1000))
}

/// The content without the trace header, which must be there.
fn content_of(spool: &Spool, id: QueueId) -> Result<Vec<u8>> {
    let content = spool.content(id)?;
    let (mut whole, mut piece) = (Vec::new(), [0; 70]);
    loop {
        match content.read_at(whole.len() as u64, &mut piece)? {
            0 => break,
            count => whole.extend_from_slice(&piece[..count]),
        }
    }
    assert_eq!(whole.len() as u64, content.len());
    Ok(whole.strip_prefix(HEADER).expect("the trace header comes first").to_vec())
}

fn delivered() -> RecipientState {
    RecipientState::Delivered(Reply::new(250, (2, 1, 5), "Ok"))
}

fn bounced() -> RecipientState {
    RecipientState::Bounced(Reply::new(550, (5, 1, 1), "no such user"))
}

fn reported() -> RecipientState {
    RecipientState::Reported(Reply::new(550, (5, 1, 1), "no such user"))
}

fn deferred(attempts: u32) -> RecipientState {
    RecipientState::Deferred { reply: Reply::new(451, (4, 3, 0), "later"), attempts, next: Timestamp(5000) }
}

/// Opens what a crash left, and again to see that the first opening left nothing to do.
fn reopen(disk: &MemoryDisk) -> (Spool, Recovered) {
    let (spool, recovered) = open(disk).expect("a spool opens after any crash");
    drop(spool);
    assert_eq!(Spool::verify(disk, dir()).unwrap(), Vec::<String>::new());
    let (spool, again) = open(disk).unwrap();
    assert_eq!(again.damaged, Vec::<String>::new());
    assert_eq!(again.entries, recovered.entries);
    for entry in &again.entries {
        assert_eq!(spool.entry(entry.id).unwrap(), *entry);
    }
    (spool, recovered)
}
