//! How a listener uses TLS, for the protocols that have no more to say about it. Knows no handshake.

/// How a listener uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    Off,
    /// The protocol's own command is offered: STLS (RFC 2595 §4), STARTTLS (RFC 5804 §2.2).
    Offered,
    /// The connection is inside TLS from its first byte (RFC 8314 §3).
    On,
}
