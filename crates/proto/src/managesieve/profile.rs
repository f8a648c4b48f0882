//! How a ManageSieve server is set up. Given as arguments; nothing here reads settings.

use std::time::Duration;

use crate::sasl::Offers;
pub use crate::tls::Tls;

/// Bounds of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a script; a longer one is read to its end and refused.
    pub script_size_max: usize,
    /// After so many commands that are none the session ends.
    pub bad_commands_max: u32,
    /// After so many refused logins the session ends.
    pub login_failures_max: u32,
    /// Answer to a refused login only after this time.
    pub login_failure_pause: Duration,
    /// Silence before the session is closed. RFC 5804 §1.6 wants at least 30 minutes.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            script_size_max: 1 << 20,
            bad_commands_max: 20,
            login_failures_max: 5,
            login_failure_pause: Duration::from_secs(2),
            patience: Duration::from_secs(1800),
        }
    }
}

/// What a script may say here (RFC 5804 §1.7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Language {
    /// Sieve extensions, with a blank between them.
    pub extensions: String,
    /// Notification methods; none where scripts cannot notify.
    pub notify: Option<String>,
    /// `redirect` actions of one run.
    pub redirects_max: u32,
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
    pub language: Language,
    pub limits: Limits,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            banner: "Tepui ready.".into(),
            tls: Tls::Off,
            login_needs_tls: true,
            offers: Offers::default(),
            language: Language::default(),
            limits: Limits::default(),
        }
    }
}
