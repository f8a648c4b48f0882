//! What a token must say, wherever its claims come from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::sasl::LOGIN_LENGTH_MAX;
use serde_json::Value;

use super::{Trouble, refused};

/// What is asked of a token.
#[derive(Debug)]
pub(super) struct Wanted {
    pub issuer: String,
    pub audience: Vec<String>,
    pub user_claim: String,
    pub scope: Option<String>,
    pub leeway: Duration,
}

impl Wanted {
    /// The user whom the claims name. In the answer of an issuer (`told`) its name, the audience and the end may be missing.
    pub fn judge(&self, claims: &Value, told: bool, now: SystemTime) -> Result<String, Trouble> {
        match claims.get("iss").map(Value::as_str) {
            Some(Some(issuer)) if issuer == self.issuer => {}
            None if told => {}
            _ => return Err(refused("of another issuer")),
        }
        let audience = texts(claims.get("aud"));
        if !(audience.iter().any(|name| self.audience.iter().any(|own| own == name)) || told && audience.is_empty()) {
            return Err(refused("for another audience"));
        }
        self.judge_time(claims, told, now)?;
        if let Some(scope) = &self.scope
            && !scopes(claims).any(|given| given == scope)
        {
            return Err(refused(format!("without the scope {scope}")));
        }
        self.user(claims)
    }

    // RFC 7519 §4.1.4, §4.1.5
    fn judge_time(&self, claims: &Value, told: bool, now: SystemTime) -> Result<(), Trouble> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        match claims.get("exp").map(Value::as_f64) {
            Some(Some(end)) if now < end + leeway => {}
            None if told => {}
            Some(Some(_)) => return Err(refused("expired")),
            _ => return Err(refused("without an end")),
        }
        match claims.get("nbf").map(Value::as_f64) {
            None => Ok(()),
            Some(Some(start)) if start <= now + leeway => Ok(()),
            _ => Err(refused("not valid yet")),
        }
    }

    fn user(&self, claims: &Value) -> Result<String, Trouble> {
        let claim = &self.user_claim;
        // OpenID Connect Core §5.1: an address that anybody may have typed names nobody.
        if claim == "email" && claims.get("email_verified").is_some_and(|verified| verified == &Value::Bool(false)) {
            return Err(refused("its address is not verified"));
        }
        let user = claims.get(claim).and_then(Value::as_str).unwrap_or_default();
        if user.is_empty() || user.len() > LOGIN_LENGTH_MAX || user.contains('\0') {
            return Err(refused(format!("without a user in `{claim}`")));
        }
        Ok(user.to_owned())
    }
}

/// `scope` (RFC 8693 §4.2), or Microsoft's `scp`.
fn scopes(claims: &Value) -> impl Iterator<Item = &str> {
    let all = [claims.get("scope"), claims.get("scp")].into_iter().flat_map(texts);
    all.flat_map(|text| text.split(' '))
}

/// One text or a list of them.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: u64 = 1_800_000_000;

    fn judge(change: &Value, told: bool) -> Result<String, Trouble> {
        let wanted = Wanted {
            issuer: "https://id.test".into(),
            audience: vec!["mail".into(), "imap".into()],
            user_claim: "email".into(),
            scope: Some("mail.read".into()),
            leeway: Duration::from_secs(60),
        };
        let mut claims = json!({"iss": "https://id.test", "aud": ["web", "mail"], "exp": NOW + 100, "scope": "openid mail.read",
            "email": "ana@example.test"});
        for (key, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(key)),
                value => claims[key] = value.clone(),
            }
        }
        wanted.judge(&claims, told, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn a_good_token_names_its_user() {
        let ana = Ok("ana@example.test".to_owned());
        for change in [
            json!({}),
            json!({"aud": "imap"}),
            json!({"exp": NOW - 59}),
            json!({"nbf": NOW + 60}),
            json!({"scope": null, "scp": ["mail.read"]}),
            json!({"email_verified": true}),
        ] {
            assert_eq!(judge(&change, false), ana, "{change}");
        }
        let short = json!({"iss": null, "aud": null, "exp": null});
        assert_eq!(judge(&short, true), ana);
    }

    #[test]
    fn a_token_that_lacks_anything_is_refused() {
        for change in [
            json!({"iss": "https://evil.test"}),
            json!({"iss": null}),
            json!({"iss": 1}),
            json!({"aud": "web"}),
            json!({"aud": null}),
            json!({"exp": NOW - 60}),
            json!({"exp": null}),
            json!({"exp": "soon"}),
            json!({"nbf": NOW + 61}),
            json!({"scope": "openid"}),
            json!({"scope": null}),
            json!({"email": null}),
            json!({"email": ""}),
            json!({"email": "a\0b"}),
            json!({"email": ["ana"]}),
            json!({"email_verified": false}),
            json!({"email": "x".repeat(LOGIN_LENGTH_MAX + 1)}),
        ] {
            assert!(matches!(judge(&change, false), Err(Trouble::Refused(_))), "{change}");
        }
        for change in [json!({"iss": "https://evil.test"}), json!({"aud": "web"}), json!({"exp": NOW - 60})] {
            assert!(matches!(judge(&change, true), Err(Trouble::Refused(_))), "{change}");
        }
    }
}
