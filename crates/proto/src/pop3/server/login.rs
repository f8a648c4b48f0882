//! USER and PASS (RFC 1939 §7), AUTH (RFC 5034), and the opening of the maildrop that follows.

use super::{Maildrop, Pending, Phase, Server, refusal_in};
use crate::input::Line;
use crate::pop3::ask::{Answer, Ask, Refusal};
use crate::pop3::command::Fault;
use crate::pop3::response;
use crate::sasl::{Credentials, Exchange, Failure, Mechanism, Step};

impl Server {
    /// Whether a password may come now. If not, the client is told.
    fn may_log_in(&mut self) -> bool {
        let may = self.in_tls || !self.profile.login_needs_tls;
        if !may {
            self.say(&response::err("[AUTH] Passwords are taken only inside TLS, say STLS first."));
        }
        may
    }

    pub(super) fn user(&mut self, name: &str) {
        if self.may_log_in() {
            self.user = Some(name.to_owned());
            self.say(&response::ok(""));
        }
    }

    pub(super) fn pass(&mut self, password: &str) {
        if !self.may_log_in() {
            return;
        }
        let Some(user) = self.user.take() else { return self.complain(&Fault::NoLogin) };
        match Credentials::new(Mechanism::Plain, user.as_bytes(), password.as_bytes()) {
            Ok(credentials) => self.ask(Ask::LogIn(credentials), Pending::LogIn),
            Err(_) => self.login_failed(Refusal::Authentication),
        }
    }

    pub(super) fn auth(&mut self, mechanism: Option<&str>, initial: Option<&str>) {
        let Some(name) = mechanism else { return self.say(&response::mechanisms()) };
        let Some(mechanism) = Mechanism::parse(name) else {
            return self.say(&response::err("[AUTH] Unsupported authentication mechanism."));
        };
        if !self.may_log_in() {
            return;
        }
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
                self.say(&response::challenge(challenge));
                self.phase = Phase::Login(exchange);
            }
            Step::Done(credentials) => self.ask(Ask::LogIn(credentials), Pending::LogIn),
            Step::Failed(failure) => self.exchange_failed(failure),
        }
    }

    fn exchange_failed(&mut self, failure: Failure) {
        self.say(&response::sasl_failure(failure));
        self.count_login_failure();
    }

    pub(super) fn login_answered(&mut self, answer: &Answer) {
        match answer {
            Answer::Done => self.ask(Ask::Open, Pending::Open),
            _ => self.login_failed(refusal_in(answer)),
        }
    }

    pub(super) fn open_answered(&mut self, answer: Answer) {
        match answer {
            Answer::Maildrop { drops, uid_validity } => {
                self.maildrop = Some(Box::new(Maildrop::new(drops, uid_validity)));
                self.login_failures = 0;
                self.say(&response::ok("Logged in."));
            }
            other => self.end(&response::refusal(refusal_in(&other))),
        }
    }

    fn login_failed(&mut self, refusal: Refusal) {
        self.pause = refusal == Refusal::Authentication;
        self.say(&response::refusal(refusal));
        self.count_login_failure();
    }

    fn count_login_failure(&mut self) {
        self.login_failures += 1;
        if self.login_failures >= self.profile.limits.login_failures_max {
            self.end(&response::err("[AUTH] Too many failed logins."));
        }
    }
}
