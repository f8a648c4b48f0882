//! AUTH (RFC 4954): the exchange, and what its end means to the session.

use super::{Pending, Phase, Server};
use crate::input::Line;
use crate::sasl::{Exchange, Failure, Mechanism, Step};
use crate::smtp::ask::{Answer, Ask};
use crate::smtp::profile::Auth;
use crate::smtp::response;

impl Server {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) {
        let refusal = match (self.profile.auth, Mechanism::parse(mechanism)) {
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
        let (exchange, step) = Exchange::start_word(mechanism, initial.map(str::as_bytes));
        self.exchange_step(exchange, step);
    }

    /// Takes the client's answer to a challenge.
    pub(super) fn sasl_line(&mut self, line: Line) {
        let Phase::Login(mut exchange) = std::mem::replace(&mut self.phase, Phase::Commands) else { return };
        let step = match line {
            Line::Whole(line) => exchange.respond_line(&line),
            Line::TooLong | Line::Unfinished => Step::Failed(Failure::TooLong),
        };
        self.exchange_step(exchange, step);
    }

    fn exchange_step(&mut self, exchange: Exchange, step: Step) {
        match step {
            Step::Challenge(challenge) => {
                self.reply(&response::challenge(challenge));
                self.phase = Phase::Login(exchange);
            }
            Step::Done(credentials) => self.ask(Ask::LogIn(credentials), Pending::LogIn),
            Step::Failed(failure) => self.reply(&response::sasl_failure(failure)),
        }
    }

    pub(super) fn login_answered(&mut self, answer: Answer) {
        let reply = match answer {
            Answer::LoggedIn { account } => {
                self.account = Some(account);
                response::logged_in()
            }
            Answer::Refused(reply) => reply,
            _ => response::our_failure(),
        };
        self.reply(&reply);
    }
}
