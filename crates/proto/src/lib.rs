//! The protocols' sessions, without IO.
//!
//! `session` is the contract between a session and its driver. Each protocol has a folder with the same file names:
//! `command.rs` (what the peer may say), `response.rs` (what we say), `server.rs` (the machine). Protocols do not know
//! each other; what two of them share stands here or in `mail`.

pub mod clamd;
pub mod imap;
pub mod input;
pub mod managesieve;
pub mod policy;
pub mod pop3;
pub mod sasl;
pub mod session;
pub mod smtp;
pub mod stuffing;
mod tls;

pub use session::{Next, Outbox, Session};
