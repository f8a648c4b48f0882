//! Access tokens of an OpenID Connect issuer (RFC 6749, RFC 9068): whose they are, and whether they are good for us.
//!
//! A token is verified here with the issuer's keys (JWKS, RFC 7517), or the issuer is asked about it (introspection, RFC
//! 7662). Promises: no token and no secret reaches a log; nobody waits longer than the timeout; an issuer that is down is
//! `Unavailable`, never a refusal. Knows nothing of accounts: the chain looks up whom a token names.
//!
//! | file | subject |
//! |---|---|
//! | `claims` | what a token must say |
//! | `jwt` | its signature |
//! | `keys` | the issuer's keys, kept and fetched again |
//! | `introspection` | asking the issuer |
//! | `fetch` | HTTP |

mod claims;
mod fetch;
mod introspection;
mod jwt;
mod keys;

use std::path::PathBuf;
use std::time::Duration;

use proto::sasl::Secret;

pub use crate::ldap::TrustError;
use claims::Wanted;
use fetch::Fetch;
use introspection::Introspection;
use keys::Keys;

/// How tokens are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// As `iss` must be.
    pub issuer: String,
    /// One of these must be in `aud`.
    pub audience: Vec<String>,
    pub check: Check,
    /// The claim that names the user.
    pub user_claim: String,
    /// A scope that a token must have.
    pub scope: Option<String>,
    /// How far our clock and the issuer's may differ.
    pub leeway: Duration,
    /// Who vouches for the issuer's server; without it, those whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// For one answer of the issuer.
    pub timeout: Duration,
}

/// By what tokens are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The issuer's keys, at this URL.
    KeysUrl {
        url: String,
        /// How long keys are good when the issuer does not answer.
        stale_max: Duration,
        /// Keys are not fetched again sooner, whatever tokens say.
        refetch_min: Duration,
    },
    /// The issuer's keys, in this file, read once.
    KeysFile(PathBuf),
    Introspection {
        url: String,
        client_id: String,
        client_secret: Secret,
        /// How long a yes is remembered.
        remember: Duration,
    },
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    User(String),
    /// Why it is not good; for the log.
    Refused(String),
    /// Nobody could say; for the log.
    Unavailable(String),
}

/// Why tokens cannot be verified at all; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{0}")]
    Trust(#[from] TrustError),
    #[error("{url}: expected https://, or http:// on this machine")]
    Url { url: String },
    #[error("{}: {reason}", file.display())]
    KeysFile { file: PathBuf, reason: String },
}

/// The verifier of tokens.
#[derive(Debug)]
pub struct Bearer {
    wanted: Wanted,
    by: By,
}

#[derive(Debug)]
enum By {
    Keys(Keys),
    Introspection(Introspection),
}

impl Bearer {
    /// Nothing is fetched yet.
    ///
    /// # Errors
    /// A URL without TLS, or a file that cannot be used.
    pub fn new(settings: Settings) -> Result<Bearer, SetupError> {
        let fetch = |url: &str| Fetch::new(url, settings.ca_file.as_deref(), settings.timeout);
        let by = match settings.check {
            Check::KeysUrl { url, stale_max, refetch_min } => By::Keys(Keys::at(fetch(&url)?, stale_max, refetch_min)),
            Check::KeysFile(file) => By::Keys(Keys::read(file)?),
            Check::Introspection { url, client_id, client_secret, remember } => {
                By::Introspection(Introspection::new(fetch(&url)?, &client_id, &client_secret, remember))
            }
        };
        let Settings { issuer, audience, user_claim, scope, leeway, .. } = settings;
        Ok(Bearer { wanted: Wanted { issuer, audience, user_claim, scope, leeway }, by })
    }

    /// Whose token this is.
    pub async fn verify(&self, token: &Secret) -> Verdict {
        let verified = match &self.by {
            By::Keys(keys) => jwt::verify(token.reveal(), keys, &self.wanted).await,
            By::Introspection(introspection) => introspection.verify(token, &self.wanted).await,
        };
        match verified {
            Ok(user) => Verdict::User(user),
            Err(Trouble::Refused(why)) => Verdict::Refused(why),
            Err(Trouble::Unavailable(why)) => Verdict::Unavailable(why),
        }
    }
}

/// Why there is no user.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    Refused(String),
    Unavailable(String),
}

fn refused(why: impl Into<String>) -> Trouble {
    Trouble::Refused(format!("token: {}", why.into()))
}
