//! The header by which a load balancer says for whom it connects: PROXY protocol, versions 1 and 2, as HAProxy's document
//! `proxy-protocol.txt` has it.
//!
//! Promises: it is read from configured balancers only, to its last octet and not one further; it has a bound of length and of time. Whose
//! first octets are no header is not served at all, since nobody knows who it is.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How long a balancer may take for its header. It sends it in its first segment.
const PATIENCE: Duration = Duration::from_secs(5);
/// Octets of a header. Version 1 has 107 at most (§2.1); version 2 could have 64 KiB, of which addresses and what is told of the
/// client's TLS need some hundreds.
const LENGTH_MAX: usize = 4096;

/// The shortest header there is, `PROXY UNKNOWN` with its line end.
const SHORTEST: usize = 15;
/// §2.2: what version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// §2.2: the signature, version and command, family, and two octets of length.
const FIXED: usize = 16;

/// Why a connection is not served, for the log.
#[derive(Debug, thiserror::Error)]
pub enum NoHeader {
    #[error("what it sends first is no PROXY header")]
    Other,
    #[error("its PROXY header is longer than {LENGTH_MAX} octets")]
    TooLong,
    #[error("it sends no PROXY header within {} s", PATIENCE.as_secs())]
    TooLate,
    #[error("it closed before its PROXY header was whole: {0}")]
    Closed(#[from] io::Error),
}

/// Reads the header. Gives the client's address, or none where the balancer connects for itself (to look whether we live).
///
/// # Errors
/// Why there is none.
pub async fn client(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, NoHeader> {
    let header = tokio::time::timeout(PATIENCE, read(stream)).await.map_err(|_| NoHeader::TooLate)??;
    parse(&header)
}

/// The header's octets. What stands behind them is the client's and stays where it is.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, NoHeader> {
    let mut header = vec![0; SHORTEST];
    stream.read_exact(&mut header).await?;
    if header.starts_with(SIGNATURE) {
        header.push(stream.read_u8().await?);
        let length = header.get(FIXED - 2..).and_then(|octets| octets.try_into().ok()).map_or(0, u16::from_be_bytes);
        let whole = FIXED + usize::from(length);
        if whole > LENGTH_MAX {
            return Err(NoHeader::TooLong);
        }
        header.resize(whole, 0);
        if let Some(rest) = header.get_mut(FIXED..) {
            stream.read_exact(rest).await?;
        }
        return Ok(header);
    }
    if !header.starts_with(b"PROXY ") {
        return Err(NoHeader::Other);
    }
    // Only its end tells how long version 1 is.
    while header.last() != Some(&b'\n') {
        if header.len() >= LENGTH_MAX {
            return Err(NoHeader::TooLong);
        }
        header.push(stream.read_u8().await?);
    }
    Ok(header)
}

fn parse(octets: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    let (header, length) = ProxyHeader::parse(octets, config).map_err(|_| NoHeader::Other)?;
    match header.proxied_address() {
        _ if length != octets.len() => Err(NoHeader::Other),
        Some(address) if address.protocol != Protocol::Stream => Err(NoHeader::Other),
        address => Ok(address.map(|address| address.source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of these octets, and what is left for the session.
    async fn heard(octets: &[u8]) -> (Result<Option<SocketAddr>, String>, Vec<u8>) {
        let mut stream = octets;
        let client = client(&mut stream).await.map_err(|error| error.to_string());
        (client, stream.to_vec())
    }

    /// Version 2 of a client 192.0.2.7:50000.
    fn second(command: u8, family: u8, more: &[u8]) -> Vec<u8> {
        let mut octets = [SIGNATURE, &[command, family]].concat();
        let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0xc3, 0x50, 0, 143];
        octets.extend(u16::try_from(addresses.len() + more.len()).unwrap().to_be_bytes());
        [&octets, &addresses[..], more].concat()
    }

    fn from(text: &str) -> Result<Option<SocketAddr>, String> {
        Ok(Some(text.parse().unwrap()))
    }

    #[tokio::test]
    async fn both_versions_tell_the_client_and_take_nothing_of_what_follows() {
        for (header, client) in [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 143\r\n".to_vec(), from("192.0.2.7:50000")),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 143\r\n".to_vec(), from("[2001:db8::7]:50000")),
            (second(0x21, 0x11, b""), from("192.0.2.7:50000")),
            (second(0x21, 0x11, b"\x04\0\x02xy"), from("192.0.2.7:50000")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Ok(None)),
            (b"PROXY UNKNOWN whatever it is\r\n".to_vec(), Ok(None)),
            (second(0x20, 0x11, b""), Ok(None)),
        ] {
            let octets = [&header, &b"\x16\x03\x01 hello"[..]].concat();
            assert_eq!(heard(&octets).await, (client, b"\x16\x03\x01 hello".to_vec()), "{header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for octets in [
            b"EHLO client.example.test\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.300 198.51.100.1 50000 143\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 143\n".to_vec(),
            b"PROXY UDP4 192.0.2.7 198.51.100.1 50000 143\r\n".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\r\r\r\r\r\r".to_vec(),
            second(0x31, 0x11, b""),
            second(0x22, 0x11, b""),
            // Datagrams.
            second(0x21, 0x12, b""),
            // Addresses of IPv6 need more octets.
            second(0x21, 0x21, b""),
        ] {
            let refused = heard(&octets).await.0.unwrap_err();
            assert!(refused.contains("no PROXY header"), "{octets:?}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_header_has_a_bound() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; LENGTH_MAX]].concat();
        assert!(heard(&long).await.0.unwrap_err().contains("longer than"));
        let long = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
        assert!(heard(&long).await.0.unwrap_err().contains("longer than"));
    }

    #[tokio::test]
    async fn a_header_that_ends_early_is_none() {
        let whole = second(0x21, 0x11, b"");
        for length in 0..whole.len() {
            assert!(heard(&whole[..length]).await.0.unwrap_err().contains("closed"), "{length}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let (mut stream, _held_open) = tokio::io::duplex(16);
        assert!(matches!(client(&mut stream).await, Err(NoHeader::TooLate)));
    }
}
