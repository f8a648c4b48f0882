//! SMTP (RFC 5321), message submission (RFC 6409) and LMTP (RFC 2033).
//!
//! `profile`: how a server is set up. `command` and `parameter`: what a client may say. `response`: every text we say.
//! `content`: where content begins, ends, and what it may not hold. `server`: the machine. `client` and `peer_reply`:
//! the other side. SMTP does not know where mail goes, nor who may send it: it asks (`ask`).

pub mod ask;
pub mod client;
pub mod command;
pub mod content;
pub mod parameter;
pub mod peer_reply;
pub mod profile;
pub mod response;
pub mod server;
pub mod xclient;

pub use ask::{Answer, Ask, ForwardRecipient, Transaction};
pub use client::Client;
pub use profile::{Auth, BareNewline, Dialect, Limits, Profile, Tls};
pub use server::Server;
pub use xclient::ClientAttributes;
