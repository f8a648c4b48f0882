//! SCRAM-SHA-256 (RFC 5802, RFC 7677): its messages, and the sums that prove that a client knows a password.
//!
//! The server has salt and keys from the directory and never the password. Whatever is wrong with a client that could
//! speak is a `Fault`, which goes to the directory like a wrong password: one place decides, logs and counts.
//!
//! ```text
//! C: gs2-header "n=" name ",r=" nonce
//! S: "r=" nonce of both ",s=" salt ",i=" rounds
//! C: "c=" gs2-header and channel binding ",r=" nonce of both ",p=" proof
//! S: "v=" server's proof
//! ```

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};

use super::credentials::text;
use super::{Channel, Failure, LOGIN_LENGTH_MAX, decode, encode};

/// A client's nonce in octets.
pub const NONCE_LENGTH_MAX: usize = 256;
/// The name of a channel binding in octets.
const BINDING_NAME_LENGTH_MAX: usize = 64;
/// SHA-256.
pub const KEY_LENGTH: usize = 32;

/// Whose keys are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub login: String,
    /// As whom it wants to act, when it said so and that is not `login` itself.
    pub authorization: Option<String>,
}

/// What the directory keeps for a name, or makes up for a name that it does not know.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Ours, random, made for this exchange: printable and without commas.
    pub server_nonce: String,
    pub salt: Vec<u8>,
    pub rounds: u32,
    pub stored_key: [u8; KEY_LENGTH],
    pub server_key: [u8; KEY_LENGTH],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} rounds, …)", self.rounds)
    }
}

/// Why a client is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("wrong password")]
    Proof,
    #[error("the nonce is not the one of this exchange")]
    Nonce,
    #[error("bound to another TLS connection: somebody is in between, or TLS ends before us")]
    Binding,
    #[error("the channel binding wanted is not there")]
    NoSuchBinding,
    #[error("the mechanism's name and its channel binding do not fit")]
    BindingFlag,
    #[error("the client was not shown SCRAM-SHA-256-PLUS: somebody is in between")]
    Downgraded,
}

/// What a client says of channel bindings (RFC 5802 §7: gs2-cbind-flag).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// `n`: it knows none.
    Unknown,
    /// `y`: it knows some, and believes that we do not.
    Believed,
    /// `p=`: this one.
    Wanted(String),
}

/// gs2-header (RFC 5801 §4, RFC 5802 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gs2 {
    pub binding: Binding,
    pub authorization: Option<String>,
}

impl Gs2 {
    // gs2-header = gs2-cbind-flag "," [ "a=" saslname ] ","
    /// And what stands behind it.
    pub fn parse(message: &[u8]) -> Result<(Gs2, &[u8]), Failure> {
        let (flag, rest) = split_comma(message).ok_or(Failure::Malformed)?;
        let (authorization, rest) = split_comma(rest).ok_or(Failure::Malformed)?;
        let binding = match flag {
            b"n" => Binding::Unknown,
            b"y" => Binding::Believed,
            _ => Binding::Wanted(binding_name(flag.strip_prefix(b"p=").ok_or(Failure::Malformed)?)?),
        };
        let authorization = match authorization {
            b"" => None,
            named => Some(sasl_name(named.strip_prefix(b"a=").ok_or(Failure::Malformed)?)?),
        };
        Ok((Gs2 { binding, authorization }, rest))
    }
}

// cb-name = 1*(ALPHA / DIGIT / "." / "-")
fn binding_name(name: &[u8]) -> Result<String, Failure> {
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if name.iter().all(is_fit) { text(name, BINDING_NAME_LENGTH_MAX) } else { Err(Failure::Malformed) }
}

// RFC 5802 §5.1: "," is sent as "=2C" and "=" as "=3D"; any other "=" is a mistake.
fn sasl_name(name: &[u8]) -> Result<String, Failure> {
    let name = text(name, 3 * LOGIN_LENGTH_MAX)?;
    let mut parts = name.split('=');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(Failure::Malformed),
        };
        decoded.push(character);
        decoded.push_str(rest);
    }
    text(decoded.as_bytes(), LOGIN_LENGTH_MAX)
}

fn split_comma(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = message.iter().position(|byte| *byte == b',')?;
    Some((message.get(..at)?, message.get(at + 1..)?))
}

/// The client's first message, understood.
#[derive(Debug)]
pub(super) struct ClientFirst {
    who: Who,
    fault: Option<Fault>,
    /// What `c=` must hold: the gs2-header as it was sent, and the channel's data.
    bound: Vec<u8>,
    bare: Vec<u8>,
    nonce: String,
}

impl ClientFirst {
    // client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
    pub fn parse(
        message: &[u8],
        plus: bool,
        plus_is_offered: bool,
        channel: Option<&Channel>,
    ) -> Result<ClientFirst, Failure> {
        let (gs2, bare) = Gs2::parse(message)?;
        let mut attributes = bare.split(|byte| *byte == b',');
        // RFC 5802 §5.1: "m=" is a mandatory extension, and we know none.
        let login = attributes.next().and_then(|first| first.strip_prefix(b"n=")).ok_or(Failure::Malformed)?;
        let nonce = attributes.next().and_then(|second| second.strip_prefix(b"r=")).ok_or(Failure::Malformed)?;
        let login = sasl_name(login)?;
        let data = match (&gs2.binding, plus) {
            (Binding::Wanted(name), true) => {
                channel.and_then(|channel| channel.binding(name)).ok_or(Fault::NoSuchBinding)
            }
            (Binding::Wanted(_), false) | (_, true) => Err(Fault::BindingFlag),
            // RFC 5802 §6: we offered what the client believes we have not.
            (Binding::Believed, false) if plus_is_offered => Err(Fault::Downgraded),
            (_, false) => Ok(b"".as_slice()),
        };
        let header = message.get(..message.len() - bare.len()).unwrap_or_default();
        Ok(ClientFirst {
            fault: data.err(),
            bound: [header, data.unwrap_or_default()].concat(),
            bare: bare.to_vec(),
            nonce: nonce_text(nonce)?,
            who: Who { authorization: gs2.authorization.filter(|name| *name != login), login },
        })
    }

    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Why there is no need to go on.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    // server-first-message = nonce "," salt "," iteration-count
    pub fn answered(self, keys: &Keys) -> Sent {
        let nonce = format!("{}{}", self.nonce, keys.server_nonce);
        let server_first = format!("r={nonce},s={},i={}", encode(&keys.salt), keys.rounds);
        Sent { first: self, nonce, server_first, stored_key: keys.stored_key, server_key: keys.server_key }
    }
}

// nonce = "r=" c-nonce; printable = %x21-2B / %x2D-7E
fn nonce_text(nonce: &[u8]) -> Result<String, Failure> {
    if nonce.iter().all(u8::is_ascii_graphic) { text(nonce, NONCE_LENGTH_MAX) } else { Err(Failure::Malformed) }
}

/// Our first message was sent: the client's proof is awaited.
pub(super) struct Sent {
    first: ClientFirst,
    /// Of both.
    nonce: String,
    server_first: String,
    stored_key: [u8; KEY_LENGTH],
    server_key: [u8; KEY_LENGTH],
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sent({:?}, …)", self.first.who)
    }
}

impl Sent {
    pub fn server_first(&self) -> &str {
        &self.server_first
    }

    pub fn who(&self) -> &Who {
        &self.first.who
    }

    // client-final-message = channel-binding "," nonce ["," extensions] "," proof
    /// Whether the client is to be believed, and what proves to it that we knew its keys.
    pub fn judge(&self, message: &[u8]) -> Result<(Result<(), Fault>, String), Failure> {
        let at = memchr::memmem::rfind(message, b",p=").ok_or(Failure::Malformed)?;
        let (without_proof, proof) = message.split_at(at);
        let proof = decode(proof.get(3..).unwrap_or_default()).map_err(|_| Failure::Malformed)?;
        let proof: [u8; KEY_LENGTH] = proof.try_into().map_err(|_| Failure::Malformed)?;
        let mut attributes = without_proof.split(|byte| *byte == b',');
        let bound = attributes.next().and_then(|first| first.strip_prefix(b"c=")).ok_or(Failure::Malformed)?;
        let bound = decode(bound).map_err(|_| Failure::Malformed)?;
        let nonce = attributes.next().and_then(|second| second.strip_prefix(b"r=")).ok_or(Failure::Malformed)?;
        // RFC 5802 §3: AuthMessage
        let parts = [&*self.first.bare, b",", self.server_first.as_bytes(), b",", without_proof];
        let outcome = if nonce != self.nonce.as_bytes() {
            Err(Fault::Nonce)
        } else if bound != self.first.bound {
            Err(Fault::Binding)
        } else if proves(&self.stored_key, &parts, proof) {
            Ok(())
        } else {
            Err(Fault::Proof)
        };
        Ok((outcome, format!("v={}", encode(sign(&self.server_key, &parts).as_ref()))))
    }
}

/// RFC 5802 §3: ClientKey := ClientProof XOR HMAC(StoredKey, AuthMessage); StoredKey == H(ClientKey).
fn proves(stored_key: &[u8], auth_message: &[&[u8]], mut proof: [u8; KEY_LENGTH]) -> bool {
    let signature = sign(stored_key, auth_message);
    proof.iter_mut().zip(signature.as_ref()).for_each(|(octet, signed)| *octet ^= signed);
    let hash = digest::digest(&digest::SHA256, &proof);
    verify_slices_are_equal(hash.as_ref(), stored_key).is_ok()
}

fn sign(key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3: user `user`, password `pencil`.
    fn keys() -> Keys {
        let key = |text: &str| decode(text.as_bytes()).unwrap().try_into().unwrap();
        Keys {
            server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(),
            salt: decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
            rounds: 4096,
            stored_key: key("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="),
            server_key: key("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
        }
    }

    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const LAST: &[u8] =
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn first(message: &[u8], plus: bool, offered: bool, channel: Option<&Channel>) -> Result<ClientFirst, Failure> {
        ClientFirst::parse(message, plus, offered, channel)
    }

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let sent = first(FIRST, false, false, None).unwrap().answered(&keys());
        let expected = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(sent.server_first(), expected);
        let server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_owned();
        assert_eq!(sent.judge(LAST), Ok((Ok(()), server_final)));
    }

    #[test]
    fn a_changed_octet_of_the_proof_the_nonce_or_the_binding_is_a_fault() {
        let sent = first(FIRST, false, false, None).unwrap().answered(&keys());
        let judge = |from: &str, to: &str| {
            let message = String::from_utf8(LAST.to_vec()).unwrap().replace(from, to);
            sent.judge(message.as_bytes()).map(|(outcome, _)| outcome)
        };
        assert_eq!(judge("p=dHzb", "p=eHzb"), Ok(Err(Fault::Proof)));
        assert_eq!(judge("%hvYD", "%hvYd"), Ok(Err(Fault::Nonce)));
        assert_eq!(judge("c=biws", "c=eSws"), Ok(Err(Fault::Binding)));
        assert_eq!(judge(",p=dHzb", ",x=1,p=dHzb"), Ok(Err(Fault::Proof)));
        for (from, to) in [(",p=", ",q="), ("c=", "d="), (",r=", ",s="), ("ndVQ=", ""), ("c=biws", "c=bi!s")] {
            assert_eq!(judge(from, to), Err(Failure::Malformed), "{from} {to}");
        }
    }

    #[test]
    fn who_was_shown_less_than_we_offer_is_told_nothing() {
        let channel = Channel { exporter: Some(b"exported".to_vec()), ..Channel::default() };
        let fault = |message: &[u8], plus, offered| first(message, plus, offered, Some(&channel)).unwrap().fault();
        assert_eq!(fault(b"y,,n=user,r=x", false, true), Some(Fault::Downgraded));
        assert_eq!(fault(b"y,,n=user,r=x", false, false), None);
        assert_eq!(fault(b"n,,n=user,r=x", false, true), None);
        assert_eq!(fault(b"n,,n=user,r=x", true, true), Some(Fault::BindingFlag));
        assert_eq!(fault(b"p=tls-exporter,,n=user,r=x", false, true), Some(Fault::BindingFlag));
        assert_eq!(fault(b"p=tls-exporter,,n=user,r=x", true, true), None);
        assert_eq!(fault(b"p=tls-server-end-point,,n=user,r=x", true, true), Some(Fault::NoSuchBinding));
        assert_eq!(fault(b"p=tls-unique,,n=user,r=x", true, true), Some(Fault::NoSuchBinding));
    }

    #[test]
    fn names_are_decoded_and_bounded() {
        let who = |message: &[u8]| first(message, false, false, None).map(|first| first.who);
        let ana = Who { login: "a=n,a".into(), authorization: Some("bob".into()) };
        assert_eq!(who(b"n,a=bob,n=a=3Dn=2Ca,r=x"), Ok(ana));
        assert_eq!(who(b"n,a=ana,n=ana,r=x").map(|who| who.authorization), Ok(None));
        let long = [b"n,,n=".as_slice(), &[b'x'; LOGIN_LENGTH_MAX + 1], b",r=x"].concat();
        assert_eq!(who(&long), Err(Failure::TooLong));
        let nonce = [b"n,,n=ana,r=".as_slice(), &[b'x'; NONCE_LENGTH_MAX + 1]].concat();
        assert_eq!(who(&nonce), Err(Failure::TooLong));
        for message in ["", "n", "n,,", "n,,n=ana", "n,,m=1,n=ana,r=x", "n,,n=a=na,r=x", "q,,n=ana,r=x", "p=,,n=a,r=x"]
        {
            assert!(who(message.as_bytes()).is_err(), "{message}");
        }
        assert_eq!(who(b"n,,n=,r=x"), Err(Failure::Empty));
        assert_eq!(who(b"n,,n=ana,r=a b"), Err(Failure::Malformed));
    }
}
