//! The beginning of a connection: greeting, EHLO, STARTTLS, and what the peer offers.

use mail::{Outcome, Reply};

use super::{Awaited, Client, ClientTls, Phase};
use crate::sasl;
use crate::smtp::profile::Dialect;

/// What the peer offers (RFC 5321 §4.1.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Offers {
    pub pipelining: bool,
    pub eight_bit_mime: bool,
    pub smtputf8: bool,
    pub dsn: bool,
    pub starttls: bool,
    pub trace: bool,
    pub auth_plain: bool,
    pub size: bool,
    /// RFC 1870 §4: none, or zero, is no limit.
    pub size_max: Option<u64>,
}

impl Offers {
    /// Reads the answer to EHLO. Its first line is a name.
    fn parse(text: &str) -> Offers {
        let mut offers = Offers::default();
        for line in text.split('\n').skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => offers.pipelining = true,
                "8BITMIME" => offers.eight_bit_mime = true,
                "SMTPUTF8" => offers.smtputf8 = true,
                "DSN" => offers.dsn = true,
                "STARTTLS" => offers.starttls = true,
                "XTRACE" => offers.trace = true,
                "AUTH" => offers.auth_plain = words.any(|word| word.eq_ignore_ascii_case("PLAIN")),
                "SIZE" => {
                    offers.size = true;
                    offers.size_max = words.next().and_then(|word| word.parse().ok()).filter(|size| *size > 0);
                }
                _ => {}
            }
        }
        offers
    }
}

impl Client {
    pub(super) fn greeted(&mut self, reply: &Reply) {
        match reply.code {
            220 => self.say_hello(),
            // RFC 7504 §3: this host takes no mail, now or later. Any other refusal is of this connection, not of the message:
            // another one may get through.
            521 => self.refuse_all(reply),
            _ => self.lose(reply),
        }
    }

    pub(super) fn say_hello(&mut self) {
        let verb = if self.profile.dialect == Dialect::Lmtp { "LHLO" } else { "EHLO" };
        let line = format!("{verb} {}", self.profile.helo);
        self.command(&line, Awaited::Ehlo);
        self.phase = Phase::Hello;
    }

    pub(super) fn hello_answered(&mut self, reply: &Reply) {
        if reply.is_positive() {
            self.offers = Offers::parse(&reply.text);
            return self.secure();
        }
        // RFC 5321 §3.2: a server that does not know EHLO may know HELO. Inside TLS it has proved that it does.
        if reply.is_permanent() && self.profile.dialect != Dialect::Lmtp && !self.in_tls {
            let line = format!("HELO {}", self.profile.helo);
            return self.command(&line, Awaited::Helo);
        }
        self.lose(reply);
    }

    pub(super) fn helo_answered(&mut self, reply: &Reply) {
        if reply.is_positive() { self.secure() } else { self.lose(reply) }
    }

    /// Starts TLS where it is wanted and can be had.
    fn secure(&mut self) {
        match (self.profile.tls, self.in_tls, self.offers.starttls) {
            (ClientTls::Opportunistic | ClientTls::Required, false, true) => {
                self.command("STARTTLS", Awaited::StartTls)
            }
            (ClientTls::Required, false, false) => {
                self.lose(&Reply::new(451, (4, 7, 4), "TLS is required, but was not offered"))
            }
            _ => self.log_in(),
        }
    }

    /// Logs in where there are credentials. They never leave in clear.
    fn log_in(&mut self) {
        let Some(credentials) = &self.profile.credentials else { return self.start_envelope() };
        if !self.in_tls || !self.offers.auth_plain {
            return self.lose(&Reply::new(451, (4, 7, 0), "AUTH PLAIN inside TLS is needed, but was not offered"));
        }
        let line = format!("AUTH PLAIN {}", sasl::plain_response(credentials));
        self.command(&line, Awaited::Auth);
    }

    /// A refused login is a mistake of ours, not of the message: it waits until the operator mended it.
    pub(super) fn auth_answered(&mut self, reply: &Reply) {
        if reply.code == 235 { self.start_envelope() } else { self.lose(reply) }
    }

    pub(super) fn start_tls_answered(&mut self, reply: &Reply) {
        if reply.code == 220 {
            self.input.clear();
            self.phase = Phase::Handshake;
        } else if self.profile.tls == ClientTls::Required {
            self.lose(&Reply::new(451, (4, 7, 4), format!("TLS is required, but was refused: {reply}")));
        } else {
            self.log_in();
        }
    }

    /// Nobody here will ever get it.
    fn refuse_all(&mut self, reply: &Reply) {
        self.settle_rest(&Outcome::Bounced(reply.clone()));
        self.lose(reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_whatever_their_case_and_order() {
        let offers = Offers::parse("mx.example.test\nsize 1000\nPipelining\n8BITMIME\nX-OTHER a b\nstarttls");
        assert_eq!(
            (offers.size_max, offers.pipelining, offers.eight_bit_mime, offers.starttls),
            (Some(1000), true, true, true)
        );
        assert!(!offers.dsn && !offers.smtputf8);
        assert_eq!(Offers::parse("SIZE 5\nSIZE 0").size_max, None);
    }
}
