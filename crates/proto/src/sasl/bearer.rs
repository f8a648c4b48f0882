//! The messages of OAUTHBEARER (RFC 7628 §3.1) and XOAUTH2: a token, and perhaps a name.

use super::credentials::{Secret, text};
use super::scram::{Binding, Gs2};
use super::{Credentials, Evidence, Failure, LOGIN_LENGTH_MAX, Mechanism};

/// A token in octets. With what stands around it, it fits into a line.
pub const TOKEN_LENGTH_MAX: usize = 8192;

/// Ends and separates the pairs.
const SEPARATOR: u8 = 1;

// RFC 7628 §3.1: client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
//                kvpair = key "=" value kvsep
pub(super) fn oauthbearer(message: &[u8]) -> Result<Credentials, Failure> {
    let (header, pairs) = split_once(message).ok_or(Failure::Malformed)?;
    let (gs2, rest) = Gs2::parse(header)?;
    // RFC 7628 §3.1: the channel is never bound.
    if !rest.is_empty() || matches!(gs2.binding, Binding::Wanted(_)) {
        return Err(Failure::Malformed);
    }
    let login = gs2.authorization.unwrap_or_default();
    let token = token_in(pairs)?;
    Ok(Credentials { mechanism: Mechanism::OauthBearer, authorization: None, login, evidence: Evidence::Token(token) })
}

// "user=" name kvsep "auth=Bearer " token kvsep kvsep
pub(super) fn xoauth2(message: &[u8]) -> Result<Credentials, Failure> {
    let (user, pairs) = split_once(message).ok_or(Failure::Malformed)?;
    let user = user.strip_prefix(b"user=").ok_or(Failure::Malformed)?;
    let login = if user.is_empty() { String::new() } else { text(user, LOGIN_LENGTH_MAX)? };
    let token = token_in(pairs)?;
    Ok(Credentials { mechanism: Mechanism::Xoauth2, authorization: None, login, evidence: Evidence::Token(token) })
}

/// The token in the pairs, which end with a separator of their own. Other keys (`host`, `port`) say nothing we need.
fn token_in(pairs: &[u8]) -> Result<Secret, Failure> {
    let pairs = pairs.strip_suffix(&[SEPARATOR, SEPARATOR]).ok_or(Failure::Malformed)?;
    let mut tokens = pairs.split(|byte| *byte == SEPARATOR).filter_map(|pair| pair.strip_prefix(b"auth="));
    let (Some(value), None) = (tokens.next(), tokens.next()) else { return Err(Failure::Malformed) };
    let (scheme, token) = value.split_at_checked(7).ok_or(Failure::Malformed)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(Failure::Malformed);
    }
    match token {
        b"" => Err(Failure::Empty),
        _ if token.len() > TOKEN_LENGTH_MAX => Err(Failure::TooLong),
        // RFC 6750 §2.1: b64token
        _ if !token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte)) => {
            Err(Failure::Malformed)
        }
        _ => text(token, TOKEN_LENGTH_MAX).map(Secret::new),
    }
}

fn split_once(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = message.iter().position(|byte| *byte == SEPARATOR)?;
    Some((message.get(..at)?, message.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(credentials: Result<Credentials, Failure>) -> Result<(String, String), Failure> {
        credentials.map(|credentials| match credentials.evidence {
            Evidence::Token(token) => (credentials.login, token.reveal().to_owned()),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_examples_of_the_rfc_are_taken() {
        // RFC 7628 §4.1, §4.2
        let first = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==".to_owned();
        assert_eq!(told(oauthbearer(first)), Ok(("user@example.com".into(), token.clone())));
        let second = b"n,,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        assert_eq!(told(oauthbearer(second)), Ok((String::new(), token)));
    }

    #[test]
    fn xoauth2_has_its_own_form() {
        let message = b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2\x01\x01";
        assert_eq!(told(xoauth2(message)), Ok(("someuser@example.com".into(), "ya29.vF9dft4qmTc2".into())));
    }

    #[test]
    fn what_has_no_token_or_too_much_is_refused() {
        let long = [b"n,,\x01auth=Bearer ".as_slice(), &[b'x'; TOKEN_LENGTH_MAX + 1], b"\x01\x01"].concat();
        let cases: [(&[u8], Failure); 10] = [
            (b"", Failure::Malformed),
            (b"\x01", Failure::Malformed),
            (b"n,,\x01\x01", Failure::Malformed),
            (b"n,,\x01auth=Bearer x\x01", Failure::Malformed),
            (b"n,,\x01auth=Basic YTpi\x01\x01", Failure::Malformed),
            (b"n,,\x01auth=Bearer \x01\x01", Failure::Empty),
            (b"n,,\x01auth=Bearer a b\x01\x01", Failure::Malformed),
            (b"n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01", Failure::Malformed),
            (b"p=tls-exporter,,\x01auth=Bearer a\x01\x01", Failure::Malformed),
            (&long, Failure::TooLong),
        ];
        for (message, failure) in cases {
            assert_eq!(told(oauthbearer(message)), Err(failure), "{message:?}");
        }
    }
}
