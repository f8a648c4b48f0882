//! Scanners that do as they are told, and one that dies, hangs or lies.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::config::ScannerAddress;

/// What a scanner does with each connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Reads everything, and says this.
    Answers(&'static str),
    /// Takes connections and does nothing at all.
    Hangs,
    /// Reads so many octets and says this; then it hangs up.
    StopsAfter(usize, &'static str),
}

/// What a scanner was sent, as it came.
type Heard = JoinHandle<Vec<u8>>;

async fn scanner(manner: Manner) -> (ScannerAddress, Heard) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = ScannerAddress::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        attend(stream, manner).await
    });
    (address, heard)
}

async fn attend(mut stream: TcpStream, manner: Manner) -> Vec<u8> {
    let mut heard = Vec::new();
    match manner {
        Manner::Answers(answer) => {
            while !(heard.ends_with(&clamd::END) && content_of(&heard).is_some()) {
                assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "the end was missing");
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Manner::Hangs => {
            // Until the other side has enough of it.
            let mut octets = [0; 1];
            while stream.peek(&mut octets).await.is_ok_and(|count| count > 0) {
                tokio::task::yield_now().await;
                if stream
                    .ready(tokio::io::Interest::WRITABLE | tokio::io::Interest::READABLE)
                    .await
                    .unwrap()
                    .is_read_closed()
                {
                    break;
                }
            }
        }
        Manner::StopsAfter(count, answer) => {
            heard.resize(count, 0);
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
    heard
}

/// The content in a whole INSTREAM.
fn content_of(heard: &[u8]) -> Option<Vec<u8>> {
    let mut rest = heard.strip_prefix(clamd::SCAN)?;
    let mut content = Vec::new();
    loop {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*head) as usize;
        if length == 0 {
            return after.is_empty().then_some(content);
        }
        content.extend_from_slice(after.get(..length)?);
        rest = &after[length..];
    }
}

fn scan_by(scanners: Vec<ScannerAddress>) -> Scan {
    let settings =
        ScanSettings { scanners, timeout: Duration::from_millis(200), size: 20_000_000, ..ScanSettings::for_tests() };
    Scan::new(Arc::new(Scanners::new(settings)))
}

/// What a house does: feeds, and feeds again as long as it is asked to.
async fn verdict(scan: &mut Scan, message: &[u8]) -> Verdict {
    loop {
        for piece in message.chunks(100_000) {
            scan.feed(piece).await;
        }
        if let Some(verdict) = scan.end().await {
            return verdict;
        }
    }
}

fn message(length: usize) -> Vec<u8> {
    (0..length).map(|octet| octet as u8).collect()
}

/// A port where nobody listens.
async fn nobody() -> ScannerAddress {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    ScannerAddress::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() }
}

#[tokio::test]
async fn every_octet_is_scanned_once_in_order() {
    for length in [0, 1, 100_000, 1_000_000] {
        let (address, heard) = scanner(Manner::Answers("stream: OK\0")).await;
        let message = message(length);
        assert_eq!(verdict(&mut scan_by(vec![address]), &message).await, Verdict::Clean);
        assert!(content_of(&heard.await.unwrap()) == Some(message), "of {length} octets");
    }
}

#[tokio::test]
async fn what_is_found_has_a_name() {
    let (address, _heard) = scanner(Manner::Answers("stream: Eicar FOUND\0")).await;
    assert_eq!(verdict(&mut scan_by(vec![address]), b"x").await, Verdict::Infected("Eicar".into()));
}

#[tokio::test]
async fn another_scanner_sees_the_message_from_its_start_whatever_the_first_did() {
    let manners = [
        Manner::Hangs,
        Manner::StopsAfter(0, ""),
        Manner::StopsAfter(200_000, ""),
        Manner::StopsAfter(150_000, "stream: OK\0"),
        Manner::Answers("stream: O"),
        Manner::Answers("\u{1}\u{2}garbage\0"),
        Manner::Answers("stream: Can't open file or directory ERROR\0"),
    ];
    for manner in manners {
        let ((bad, _), (good, heard)) = (scanner(manner).await, scanner(Manner::Answers("stream: A FOUND\0")).await);
        // More than sockets hold: who stops reading is noticed.
        let message = message(16_000_000);
        let mut scan = scan_by(vec![bad, good]);
        assert_eq!(verdict(&mut scan, &message).await, Verdict::Infected("A".into()), "{manner:?}");
        assert!(content_of(&heard.await.unwrap()) == Some(message), "{manner:?}");
        assert!(scan.scanners.is_shunned(0) && !scan.scanners.is_shunned(1));
        assert_eq!(Scan::new(Arc::clone(&scan.scanners)).order, [1, 0], "the next message asks it last");
    }
}

#[tokio::test]
async fn without_a_scanner_that_answers_a_message_is_not_clean() {
    let (dies, _heard) = scanner(Manner::StopsAfter(10, "")).await;
    let mut scan = scan_by(vec![nobody().await, dies]);
    assert!(matches!(verdict(&mut scan, b"content of a message").await, Verdict::Failed(_)));
    let mut scan = scan_by(vec![nobody().await, nobody().await]);
    assert!(matches!(verdict(&mut scan, b"").await, Verdict::Failed(_)));
}

#[tokio::test]
async fn too_large_is_what_we_or_the_scanner_say() {
    let (address, _heard) = scanner(Manner::StopsAfter(500_000, "INSTREAM size limit exceeded. ERROR\0")).await;
    assert_eq!(verdict(&mut scan_by(vec![address]), &message(19_000_000)).await, Verdict::TooLarge);
    let (address, _heard) = scanner(Manner::Answers("stream: OK\0")).await;
    assert_eq!(verdict(&mut scan_by(vec![address]), &message(20_000_001)).await, Verdict::TooLarge);
}
