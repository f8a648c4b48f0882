//! Asking the issuer about a token (RFC 7662). A yes is remembered for a while; never longer than the token lives.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::sasl::Secret;
use serde_json::Value;
use tokio::time::Instant;

use super::claims::Wanted;
use super::fetch::Fetch;
use super::{Trouble, refused};

/// Tokens that are remembered.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Debug)]
pub(super) struct Introspection {
    fetch: Fetch,
    authorization: Secret,
    remember: Duration,
    /// By the token's hash.
    known: Mutex<HashMap<[u8; 32], (String, Instant)>>,
}

impl Introspection {
    pub fn new(fetch: Fetch, client_id: &str, client_secret: &Secret, remember: Duration) -> Introspection {
        // RFC 6749 §2.3.1: both are form-encoded before they become a Basic authorization.
        let pair = format!("{}:{}", form_encoded(client_id), form_encoded(client_secret.reveal()));
        let authorization = Secret::new(format!("Basic {}", STANDARD.encode(pair)));
        Introspection { fetch, authorization, remember, known: Mutex::default() }
    }

    pub async fn verify(&self, token: &Secret, wanted: &Wanted) -> Result<String, Trouble> {
        let hash = hash(token);
        if let Some(user) = self.recall(&hash) {
            return Ok(user);
        }
        let form = format!("token={}&token_type_hint=access_token", form_encoded(token.reveal()));
        let unavailable = |why: String| Trouble::Unavailable(format!("introspection: {why}"));
        let body = self.fetch.post_form(form, &self.authorization).await.map_err(unavailable)?;
        let claims: Value = serde_json::from_slice(&body).map_err(|error| unavailable(error.to_string()))?;
        match claims.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Err(refused("not active")),
            _ => return Err(unavailable("no `active` in the answer".to_owned())),
        }
        let now = SystemTime::now();
        let user = wanted.judge(&claims, true, now)?;
        self.remember(hash, &user, lifetime(&claims, now).min(self.remember));
        Ok(user)
    }

    fn recall(&self, hash: &[u8; 32]) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).filter(|(_, until)| Instant::now() < *until).map(|(user, _)| user.clone())
    }

    fn remember(&self, hash: [u8; 32], user: &str, lifetime: Duration) {
        if lifetime.is_zero() {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            let now = Instant::now();
            known.retain(|_, (_, until)| now < *until);
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(hash, (user.to_owned(), Instant::now() + lifetime));
        }
    }
}

fn lifetime(claims: &Value, now: SystemTime) -> Duration {
    let Some(end) = claims.get("exp").and_then(Value::as_u64) else { return Duration::MAX };
    Duration::from_secs(end).saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn hash(token: &Secret) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.reveal().as_bytes()).as_ref());
    hash
}

/// application/x-www-form-urlencoded
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
