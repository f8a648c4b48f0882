//! Which mechanisms there are, and which are offered: what the settings allow and the connection can carry.

/// The mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The client's certificate (RFC 4422 appendix A).
    External,
    /// SCRAM-SHA-256 bound to the TLS connection (RFC 5802, RFC 7677).
    ScramSha256Plus,
    /// RFC 7677.
    ScramSha256,
    /// Kerberos (RFC 4752).
    Gssapi,
    /// RFC 7628.
    OauthBearer,
    /// What Google and Microsoft spoke before RFC 7628, and still speak.
    Xoauth2,
    /// RFC 4616.
    Plain,
    /// Never standardized (draft-murchison-sasl-login), yet the only one some mail programs speak.
    Login,
}

impl Mechanism {
    /// In the order in which they are offered.
    pub const ALL: [Mechanism; 8] = [
        Mechanism::External,
        Mechanism::ScramSha256Plus,
        Mechanism::ScramSha256,
        Mechanism::Gssapi,
        Mechanism::OauthBearer,
        Mechanism::Xoauth2,
        Mechanism::Plain,
        Mechanism::Login,
    ];

    /// Parses a mechanism's name; case does not matter (RFC 4422 §3.1 has upper case only, clients do not).
    pub fn parse(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Mechanism::External => "EXTERNAL",
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::Gssapi => "GSSAPI",
            Mechanism::OauthBearer => "OAUTHBEARER",
            Mechanism::Xoauth2 => "XOAUTH2",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }
}

/// What the TLS connection gives to logins on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// RFC 9266; with TLS 1.3 only.
    pub exporter: Option<Vec<u8>>,
    /// The hash of the server's certificate (RFC 5929 §4).
    pub server_end_point: Option<Vec<u8>>,
    /// The user whom the client's verified certificate names.
    pub certified: Option<String>,
}

impl Channel {
    /// The data of a channel binding, by the name that SCRAM clients give it.
    pub fn binding(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_deref(),
            "tls-server-end-point" => self.server_end_point.as_deref(),
            _ => None,
        }
    }

    fn can_be_bound(&self) -> bool {
        self.exporter.is_some() || self.server_end_point.is_some()
    }
}

/// What a listener offers, and the texts that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers {
    mechanisms: Vec<Mechanism>,
    /// JSON for an OAUTHBEARER client whose token was refused (RFC 7628 §3.2.2).
    pub bearer_error: String,
    /// The same for XOAUTH2.
    pub xoauth2_error: String,
}

impl Default for Offers {
    fn default() -> Offers {
        Offers::new(&[Mechanism::Plain, Mechanism::Login])
    }
}

impl Offers {
    pub fn new(mechanisms: &[Mechanism]) -> Offers {
        Offers {
            mechanisms: Mechanism::ALL.into_iter().filter(|mechanism| mechanisms.contains(mechanism)).collect(),
            bearer_error: r#"{"status":"invalid_token"}"#.to_owned(),
            xoauth2_error: r#"{"status":"401","schemes":"bearer"}"#.to_owned(),
        }
    }

    /// What is offered on this connection; `None`: it has no TLS.
    pub fn on<'a>(&'a self, channel: Option<&'a Channel>) -> impl Iterator<Item = Mechanism> + 'a {
        self.mechanisms.iter().copied().filter(move |mechanism| match mechanism {
            Mechanism::External => channel.is_some_and(|channel| channel.certified.is_some()),
            Mechanism::ScramSha256Plus => channel.is_some_and(Channel::can_be_bound),
            _ => true,
        })
    }

    /// Their names, with this before each and spaces between.
    pub fn names(&self, prefix: &str, channel: Option<&Channel>) -> String {
        self.on(channel).map(|mechanism| format!("{prefix}{}", mechanism.name())).collect::<Vec<_>>().join(" ")
    }

    /// The mechanism of this name, if it is offered.
    pub fn find(&self, name: &str, channel: Option<&Channel>) -> Option<Mechanism> {
        Mechanism::parse(name).filter(|wanted| self.on(channel).any(|mechanism| mechanism == *wanted))
    }

    /// Whether the protocols' own commands may take a password: where one may be sent by SASL.
    pub fn take_passwords(&self) -> bool {
        self.mechanisms.iter().any(|mechanism| matches!(mechanism, Mechanism::Plain | Mechanism::Login))
    }

    /// Whether a client that can bind SCRAM to this connection would see that we can too.
    pub(super) fn bind_scram(&self, channel: Option<&Channel>) -> bool {
        self.on(channel).any(|mechanism| mechanism == Mechanism::ScramSha256Plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_the_connection_is_offered_only_where_it_has_it() {
        let offers = Offers::new(&Mechanism::ALL);
        let without = "SCRAM-SHA-256 GSSAPI OAUTHBEARER XOAUTH2 PLAIN LOGIN";
        assert_eq!(offers.names("", None), without);
        assert_eq!(offers.names("", Some(&Channel::default())), without);
        let channel = Channel { server_end_point: Some(vec![1]), certified: Some("ana".into()), exporter: None };
        assert_eq!(offers.names("", Some(&channel)), format!("EXTERNAL SCRAM-SHA-256-PLUS {without}"));
        assert_eq!(offers.find("external", None), None);
        assert_eq!(offers.find("external", Some(&channel)), Some(Mechanism::External));
    }

    #[test]
    fn names_are_parsed_as_they_are_given() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(&mechanism.name().to_lowercase()), Some(mechanism));
        }
    }
}
