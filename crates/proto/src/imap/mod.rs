//! IMAP (RFC 3501), the server's side, without IO.
//!
//! `command.rs` is the table of commands; each command is a row in it and a file in `commands/`, which holds its grammar,
//! its parser, what it asks and what it answers. `reader.rs` cuts the input into commands and literals, `view.rs` is what
//! the client knows of the selected mailbox, `server.rs` the machine that runs one command after the other.

pub mod ask;
mod command;
mod commands;
mod compression;
mod context;
mod identifier;
mod page;
mod parse;
mod pattern;
mod reader;
mod response;
pub mod server;
mod url;
mod view;

pub use ask::{Answer, Ask, Refusal};
pub use commands::search::search_key;
pub use context::{Limits, Profile, TlsState};
pub use server::Server;
