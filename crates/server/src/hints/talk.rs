//! The socket: what waits is sent to every peer, what comes is heard. What is wrong with datagrams is counted, and told
//! once in a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::Hints;
use super::counts::Count;
use super::datagram::{Datagram, LENGTH_MAX};
use super::replay::Stamp;

/// The first change goes out at once; those that follow within so long go together.
const GATHER: Duration = Duration::from_millis(10);
/// Refused datagrams are told at most so often.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);
/// The wait after the socket failed, which repeats itself.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

pub async fn send(hints: &Hints, socket: &UdpSocket, peers: &[SocketAddr]) {
    for count in 1.. {
        let changed = hints.pending.take().await;
        let bytes =
            hints.keys.encode(&Datagram { stamp: Stamp { sender: hints.sender, count, sent: micros() }, changed });
        for peer in peers {
            let sent = socket.send_to(&bytes, peer).await;
            hints.counts.add(if sent.is_ok() { Count::Sent } else { Count::Unsent });
        }
        tokio::time::sleep(GATHER).await;
    }
}

pub async fn receive(hints: &Arc<Hints>, socket: &UdpSocket) {
    let mut complaint = Complaint { told: None, refused: 0 };
    // One octet more than any datagram: what is longer is seen to be.
    let mut buffer = vec![0; LENGTH_MAX + 1];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            continue;
        };
        if let Err(why) = hints.hear(&buffer[..length], SystemTime::now()) {
            hints.counts.add(why);
            complaint.tell(hints, peer, why);
        }
    }
}

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Whoever can reach the port must not be able to fill the log.
struct Complaint {
    told: Option<Instant>,
    refused: u64,
}

impl Complaint {
    fn tell(&mut self, hints: &Hints, peer: SocketAddr, why: Count) {
        if self.told.is_some_and(|told| told.elapsed() < COMPLAINT_PAUSE) {
            return;
        }
        let refused = hints.counts.refused();
        let more = refused - self.refused;
        (self.told, self.refused) = (Some(Instant::now()), refused);
        tracing::warn!(%peer, why = why.word(), refused = more, "hints of other nodes are refused");
    }
}
