//! POP3 (RFC 1939) with its extensions: CAPA and response codes (RFC 2449), STLS (RFC 2595), AUTH (RFC 5034), and the
//! codes that tell a wrong password from a broken system (RFC 3206), UTF8 and LANG (RFC 6856).
//!
//! `profile`: how a server is set up. `command`: what a client may say. `response`: every text we say. `server`: the
//! machine. `unique_id`: what UIDL tells. POP3 does not know where messages lie: it asks (`ask`).

pub mod ask;
pub mod command;
pub mod profile;
pub mod response;
pub mod server;
pub mod unique_id;

pub use ask::{Answer, Ask, Drop, Refusal};
pub use profile::{Limits, Profile, Tls};
pub use server::Server;
pub use unique_id::{UniqueIdFormat, UniqueIds};
