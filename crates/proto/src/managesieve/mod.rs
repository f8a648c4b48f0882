//! ManageSieve (RFC 5804): users read, change and choose their Sieve scripts.

pub mod ask;
pub mod command;
pub mod profile;
pub mod reader;
pub mod response;
pub mod server;

pub use ask::{Answer, Ask, Refusal, Script};
pub use profile::{Language, Limits, Profile, Tls};
pub use server::Server;
