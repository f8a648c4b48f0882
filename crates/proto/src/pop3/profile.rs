//! How a POP3 server is set up. Given as arguments; nothing here reads settings.

use std::time::Duration;

use crate::sasl::Offers;
pub use crate::tls::Tls;

/// Bounds of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line without its CR LF. RFC 2449 §4 wants at least 253.
    pub line_length_max: usize,
    /// Octets of a line of an AUTH exchange (RFC 5034 §4).
    pub auth_line_length_max: usize,
    /// After so many commands that are none, or out of order, the session ends.
    pub bad_commands_max: u32,
    /// After so many refused logins the session ends.
    pub login_failures_max: u32,
    /// Answer to a refused login only after this time.
    pub login_failure_pause: Duration,
    /// Silence before the session is closed. RFC 1939 §3 wants at least 10 minutes.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            line_length_max: 512,
            auth_line_length_max: crate::sasl::LINE_LENGTH_MAX,
            bad_commands_max: 20,
            login_failures_max: 5,
            login_failure_pause: Duration::from_secs(2),
            patience: Duration::from_secs(600),
        }
    }
}

/// One listener's manners, shared by all its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What stands in the greeting.
    pub banner: String,
    pub tls: Tls,
    /// Passwords are taken only inside TLS.
    pub login_needs_tls: bool,
    /// How one may log in.
    pub offers: Offers,
    /// LAST is taken (RFC 1460 §8), which RFC 1939 has no more.
    pub last: bool,
    pub limits: Limits,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            banner: "Tepui ready.".into(),
            tls: Tls::Off,
            login_needs_tls: true,
            offers: Offers::default(),
            last: false,
            limits: Limits::default(),
        }
    }
}
