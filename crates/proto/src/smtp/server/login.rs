//! AUTH (RFC 4954): the exchange, and what its end means to the session.

use super::{Pending, Phase, Server};
use crate::input::Line;
use crate::sasl::{Exchange, Failure, LastWords, Mechanism, Step};
use crate::smtp::ask::{Answer, Ask};
use crate::smtp::profile::Auth;
use crate::smtp::response;

impl Server {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) {
        let mechanism = self.profile.offers.find(mechanism, self.channel.as_deref());
        let refusal = match (self.profile.auth, mechanism) {
            (Auth::Off, _) => response::auth_off(),
            _ if self.profile.auth_needs_tls && !self.in_tls => response::auth_needs_tls(),
            // RFC 4954 §4: once, and not within a transaction.
            _ if self.account.is_some() => response::already_logged_in(),
            _ if self.in_transaction() => response::transaction_open(),
            (_, None) => response::mechanism_unknown(),
            (_, Some(mechanism)) => return self.start_exchange(mechanism, initial),
        };
        self.reply(&refusal);
    }

    fn start_exchange(&mut self, mechanism: Mechanism, initial: Option<&str>) {
        let (offers, channel) = (&self.profile.offers, self.channel.as_ref());
        let (exchange, step) = Exchange::start_word(mechanism, initial.map(str::as_bytes), offers, channel);
        self.exchange_step(exchange, step);
    }

    /// Takes the client's answer to a challenge.
    pub(super) fn sasl_line(&mut self, line: Line) {
        let mut exchange = match std::mem::replace(&mut self.phase, Phase::Commands) {
            Phase::Login(exchange) => exchange,
            Phase::LastWords(answer) => return self.last_words_heard(&line, answer),
            _ => return,
        };
        let step = match line {
            Line::Whole(line) => exchange.respond_line(&line, &self.profile.offers),
            Line::TooLong | Line::Unfinished => Step::Failed(Failure::TooLong),
        };
        self.exchange_step(exchange, step);
    }

    fn exchange_step(&mut self, exchange: Exchange, step: Step) {
        match step {
            Step::Challenge(challenge) => {
                self.reply(&response::challenge(&challenge));
                self.phase = Phase::Login(exchange);
            }
            Step::Ask(ask) => self.ask(Ask::Sasl(ask), Pending::Sasl(exchange)),
            Step::Done(credentials, last) => self.ask(Ask::LogIn(credentials), Pending::LogIn(last)),
            Step::Failed(failure) => self.reply(&response::sasl_failure(failure)),
        }
    }

    pub(super) fn sasl_answered(&mut self, mut exchange: Exchange, answer: Answer) {
        match answer {
            Answer::Sasl(answer) => {
                let step = exchange.answered(&answer);
                self.exchange_step(exchange, step);
            }
            other => self.judged(other),
        }
    }

    pub(super) fn login_answered(&mut self, answer: Answer, last: LastWords) {
        let words = match &answer {
            Answer::LoggedIn { .. } => last.welcome,
            // A temporary answer is no verdict on the client.
            Answer::Refused(reply) if reply.code >= 500 => last.refused,
            _ => None,
        };
        match words {
            Some(words) => {
                self.reply(&response::challenge(&words));
                self.phase = Phase::LastWords(answer);
            }
            None => self.judged(answer),
        }
    }

    fn last_words_heard(&mut self, line: &Line, answer: Answer) {
        let heard = match line {
            Line::Whole(line) => LastWords::heard(line),
            Line::TooLong | Line::Unfinished => Err(Failure::TooLong),
        };
        match heard {
            Err(failure) if matches!(answer, Answer::LoggedIn { .. }) => self.reply(&response::sasl_failure(failure)),
            _ => self.judged(answer),
        }
    }

    fn judged(&mut self, answer: Answer) {
        let reply = match answer {
            Answer::LoggedIn { account } => {
                self.account = Some(account);
                self.channel = None;
                response::logged_in()
            }
            Answer::Refused(reply) => reply,
            _ => response::our_failure(),
        };
        self.reply(&reply);
    }
}
