//! AUTHENTICATE and UNAUTHENTICATE (RFC 5804 §2.1, §2.14.1).

use std::sync::Arc;

use super::{Pending, Phase, Server, refusal_in};
use crate::managesieve::ask::{Answer, Ask, Refusal};
use crate::managesieve::reader::Word;
use crate::managesieve::response;
use crate::sasl::{Exchange, Failure, LastWords, Step};

impl Server {
    pub(super) fn authenticate(&mut self, mechanism: &str, initial: Option<&[u8]>) {
        let (profile, channel) = (Arc::clone(&self.profile), self.channel.clone());
        let Some(mechanism) = profile.offers.find(mechanism, channel.as_deref()) else {
            return self.say(&response::no("Unsupported authentication mechanism."));
        };
        if !self.in_tls && profile.login_needs_tls {
            return self.say("NO (ENCRYPT-NEEDED) \"Logins are taken only inside TLS, say STARTTLS first.\"\r\n");
        }
        let (exchange, step) = Exchange::start_word(mechanism, initial, &profile.offers, channel.as_ref());
        self.exchange_step(exchange, step);
    }

    /// Takes the client's answer to a challenge: one string.
    pub(super) fn sasl_response(&mut self, mut strings: Vec<Word>) {
        let word = match (strings.pop(), strings.is_empty()) {
            (Some(Word::Kept(word)), true) => Ok(word),
            (Some(Word::TooLong(_)), _) => Err(Failure::TooLong),
            _ => Err(Failure::Malformed),
        };
        match std::mem::replace(&mut self.phase, Phase::Commands) {
            Phase::Login(mut exchange) => {
                let step = match word {
                    Ok(word) => exchange.respond_line(&word, &self.profile.offers),
                    Err(failure) => Step::Failed(failure),
                };
                self.exchange_step(exchange, step);
            }
            Phase::LastWords(refusal) => self.login_failed(&refusal),
            other => self.phase = other,
        }
    }

    fn exchange_step(&mut self, exchange: Exchange, step: Step) {
        match step {
            Step::Challenge(challenge) => {
                self.say(&response::challenge(&challenge));
                self.phase = Phase::Login(exchange);
            }
            Step::Ask(ask) => self.ask(Ask::Sasl(ask), Pending::Sasl(exchange)),
            Step::Done(credentials, last) => self.ask(Ask::LogIn(credentials), Pending::LogIn(last)),
            Step::Failed(failure) => {
                self.say(&response::sasl_failure(failure));
                self.count_login_failure();
            }
        }
    }

    pub(super) fn sasl_answered(&mut self, mut exchange: Exchange, answer: &Answer) {
        match answer {
            Answer::Sasl(answer) => {
                let step = exchange.answered(answer);
                self.exchange_step(exchange, step);
            }
            other => self.login_failed(&refusal_in(other.clone())),
        }
    }

    pub(super) fn login_answered(&mut self, answer: Answer, last: LastWords) {
        match (answer, last.refused) {
            (Answer::Welcome(owner), _) => {
                self.owner = Some(owner.into());
                self.login_failures = 0;
                // The mechanism's last words go with the answer, which saves a round trip (RFC 5804 §2.1).
                self.say(&response::logged_in(last.welcome.as_deref()));
            }
            (Answer::Refused(Refusal::Authentication), Some(words)) => {
                self.say(&response::challenge(&words));
                self.phase = Phase::LastWords(Refusal::Authentication);
            }
            (other, _) => self.login_failed(&refusal_in(other)),
        }
    }

    pub(super) fn logout_answered(&mut self, answer: Answer) {
        match answer {
            Answer::Done => {
                self.owner = None;
                self.say(&response::ok("Unauthenticate completed."));
            }
            other => self.say(&response::refusal(&refusal_in(other))),
        }
    }

    fn login_failed(&mut self, refusal: &Refusal) {
        self.pause = *refusal == Refusal::Authentication;
        self.say(&response::refusal(refusal));
        self.count_login_failure();
    }

    fn count_login_failure(&mut self) {
        self.login_failures += 1;
        if self.login_failures >= self.profile.limits.login_failures_max {
            self.end(&response::bye("Too many failed logins."));
        }
    }
}
