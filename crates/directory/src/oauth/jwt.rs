//! The signature of a token (RFC 7515, RFC 7519).

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::Value;

use super::claims::Wanted;
use super::keys::Keys;
use super::{Trouble, refused};

/// Signatures by keys of which only the issuer has the secret part. `none` and HMAC are not among them: who verifies by
/// HMAC could sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

pub(super) async fn verify(token: &str, keys: &Keys, wanted: &Wanted) -> Result<String, Trouble> {
    let header = decode_header(token).map_err(|_| refused("not a signed one (JWT)"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused(format!("signed by {:?}, which is not accepted", header.alg)));
    }
    let key = keys.find(header.kid.as_deref(), header.alg).await?;
    let mut validation = Validation::new(header.alg);
    // `claims` judges these, for both ways in which claims come.
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    validation.required_spec_claims.clear();
    let token = decode::<Value>(token, &key, &validation).map_err(|error| refused(error.to_string()))?;
    wanted.judge(&token.claims, false, SystemTime::now())
}
