//! The issuer's keys (JWKS, RFC 7517): fetched when they are needed, kept, and fetched again when a token names one that is
//! not there, but not more often than the bound allows. When the issuer is down, the keys that are there go on for a while.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fetch::Fetch;
use super::{SetupError, Trouble, refused};

/// Keys are fetched again after this time even if no token asks for it: some may have been withdrawn.
const FRESH_MAX: Duration = Duration::from_secs(3600);
/// Keys of one issuer.
const KEYS_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Keys {
    /// `None`: they came from a file.
    from: Option<From>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct From {
    fetch: Fetch,
    stale_max: Duration,
    refetch_min: Duration,
}

#[derive(Debug, Default)]
struct Known {
    set: Option<(JwkSet, Instant)>,
    /// When it was last tried, and what went wrong.
    tried: Option<(Instant, Option<String>)>,
}

impl Keys {
    pub fn at(fetch: Fetch, stale_max: Duration, refetch_min: Duration) -> Keys {
        Keys { from: Some(From { fetch, stale_max, refetch_min }), known: Mutex::default() }
    }

    pub fn read(file: PathBuf) -> Result<Keys, SetupError> {
        let text = std::fs::read(&file).map_err(|error| error.to_string());
        match text.and_then(|text| parse(&text)) {
            Ok(set) => {
                let known = Known { set: Some((set, Instant::now())), tried: None };
                Ok(Keys { from: None, known: Mutex::new(known) })
            }
            Err(reason) => Err(SetupError::KeysFile { file, reason }),
        }
    }

    /// The key of this id that can have made such a signature. Who comes while keys are fetched waits for them.
    pub async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Trouble> {
        let mut known = self.known.lock().await;
        if let Some(from) = &self.from
            && known.wants_fetching(from, id, algorithm)
        {
            known.fetch(from).await;
        }
        let trouble = || known.tried.as_ref().and_then(|(_, trouble)| trouble.clone());
        let Some((set, _)) = &known.set else {
            return Err(Trouble::Unavailable(
                trouble().unwrap_or_else(|| "the issuer's keys are not there".to_owned()),
            ));
        };
        match (find(set, id, algorithm), trouble()) {
            (Some(key), _) => DecodingKey::from_jwk(key).map_err(|error| refused(format!("its key: {error}"))),
            // It may be a new one.
            (None, Some(trouble)) => Err(Trouble::Unavailable(trouble)),
            (None, None) => Err(refused("signed by a key that the issuer does not have")),
        }
    }
}

impl Known {
    fn wants_fetching(&self, from: &From, id: Option<&str>, algorithm: Algorithm) -> bool {
        let may = self.tried.as_ref().is_none_or(|(at, _)| at.elapsed() >= from.refetch_min);
        let has =
            self.set.as_ref().is_some_and(|(set, at)| at.elapsed() < FRESH_MAX && find(set, id, algorithm).is_some());
        may && !has
    }

    async fn fetch(&mut self, from: &From) {
        let fetched = from.fetch.get().await.and_then(|body| parse(&body));
        let now = Instant::now();
        match fetched {
            Ok(set) => {
                tracing::info!(keys = set.keys.len(), "the issuer's keys are fetched");
                (self.set, self.tried) = (Some((set, now)), Some((now, None)));
            }
            Err(reason) => {
                tracing::warn!(reason, "the issuer's keys cannot be fetched");
                self.set.take_if(|(_, at)| at.elapsed() > FRESH_MAX + from.stale_max);
                self.tried = Some((now, Some(format!("the issuer's keys: {reason}"))));
            }
        }
    }
}

/// Keys of a kind that we do not know are left out: they are for others.
fn parse(text: &[u8]) -> Result<JwkSet, String> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))?;
    let keys = value.get("keys").and_then(serde_json::Value::as_array).ok_or("no `keys` in it")?;
    if keys.len() > KEYS_MAX {
        return Err(format!("more than {KEYS_MAX} keys"));
    }
    let keys: Vec<Jwk> = keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
    if keys.is_empty() { Err("no key that can be used".to_owned()) } else { Ok(JwkSet { keys }) }
}

/// Without an id there must be no choice.
fn find<'a>(set: &'a JwkSet, id: Option<&str>, algorithm: Algorithm) -> Option<&'a Jwk> {
    let mut fitting =
        set.keys.iter().filter(|key| (id.is_none() || key.common.key_id.as_deref() == id) && may_sign(key, algorithm));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Some(key),
        (Some(key), Some(_)) if id.is_some() => Some(key),
        _ => None,
    }
}

fn may_sign(key: &Jwk, algorithm: Algorithm) -> bool {
    let for_signing = key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let operations = key.common.key_operations.as_ref();
    let named = key.common.key_algorithm.map(|named| named.to_string());
    for_signing
        && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
        && named.is_none_or(|named| named == format!("{algorithm:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE_MAX: Duration = Duration::from_secs(1800);
    const REFETCH_MIN: Duration = Duration::from_secs(10);

    /// Keys that were fetched now, of an issuer that has been down since.
    fn of_an_issuer_that_is_down() -> Keys {
        // Port 1 of this machine: nobody listens.
        let fetch = Fetch::new("http://127.0.0.1:1/", None, Duration::from_secs(1)).unwrap();
        let text =
            format!(r#"{{"keys": [{{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "{}"}}]}}"#, "A".repeat(43));
        let known = Known { set: Some((parse(text.as_bytes()).unwrap(), Instant::now())), tried: None };
        let from = From { fetch, stale_max: STALE_MAX, refetch_min: REFETCH_MIN };
        Keys { from: Some(from), known: Mutex::new(known) }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_outlive_their_issuer_for_a_while_and_no_longer() {
        let keys = of_an_issuer_that_is_down();
        for seconds in [0, FRESH_MAX.as_secs() + 1, STALE_MAX.as_secs() - 60] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert!(keys.find(Some("one"), Algorithm::EdDSA).await.is_ok(), "{seconds}");
        }
        tokio::time::advance(Duration::from_secs(120)).await;
        for _ in 0..2 {
            let found = keys.find(Some("one"), Algorithm::EdDSA).await;
            assert!(matches!(found, Err(Trouble::Unavailable(_))));
        }
    }
}
