//! ManageSieve (RFC 5804), as far as there are no scripts yet: greeting, capabilities, STARTTLS, NOOP and LOGOUT.
//!
//! Every other command of the protocol is read to its end, literals and all, and answered `NO` with a text that says why.

pub mod command;
pub mod response;
pub mod server;

pub use server::{Limits, Profile, Server};
