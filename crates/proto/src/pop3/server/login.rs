//! USER and PASS (RFC 1939 §7), AUTH (RFC 5034), and the opening of the maildrop that follows.

use super::{Maildrop, Pending, Phase, Server, refusal_in};
use crate::input::Line;
use crate::pop3::ask::{Answer, Ask, Refusal};
use crate::pop3::command::Fault;
use crate::pop3::response;
use crate::sasl::{Credentials, Exchange, Failure, LastWords, Mechanism, Step};

impl Server {
    /// Whether a password may come now. If not, the client is told.
    fn may_log_in(&mut self) -> bool {
        let may = self.in_tls || !self.profile.login_needs_tls;
        if !may {
            self.say(&response::err("[AUTH] Passwords are taken only inside TLS, say STLS first."));
        }
        may
    }

    fn takes_passwords(&mut self) -> bool {
        let takes = self.profile.offers.take_passwords();
        if !takes {
            self.say(&response::err("[AUTH] Passwords are not taken here, say AUTH."));
        }
        takes
    }

    pub(super) fn user(&mut self, name: &str) {
        if self.may_log_in() && self.takes_passwords() {
            self.user = Some(name.to_owned());
            self.say(&response::ok(""));
        }
    }

    pub(super) fn pass(&mut self, password: &str) {
        if !self.may_log_in() || !self.takes_passwords() {
            return;
        }
        let Some(user) = self.user.take() else { return self.complain(&Fault::NoLogin) };
        match Credentials::new(Mechanism::Plain, user.as_bytes(), password.as_bytes()) {
            Ok(credentials) => self.ask(Ask::LogIn(credentials), Pending::LogIn(LastWords::default())),
            Err(_) => self.login_failed(Refusal::Authentication),
        }
    }

    pub(super) fn auth(&mut self, mechanism: Option<&str>, initial: Option<&str>) {
        let profile = std::sync::Arc::clone(&self.profile);
        let channel = self.channel.clone();
        let Some(name) = mechanism else {
            return self.say(&response::mechanisms(&profile.offers, channel.as_deref()));
        };
        let Some(mechanism) = profile.offers.find(name, channel.as_deref()) else {
            return self.say(&response::err("[AUTH] Unsupported authentication mechanism."));
        };
        if !self.may_log_in() {
            return;
        }
        let (exchange, step) =
            Exchange::start_word(mechanism, initial.map(str::as_bytes), &profile.offers, channel.as_ref());
        self.exchange_step(exchange, step);
    }

    /// Takes the client's answer to a challenge.
    pub(super) fn sasl_line(&mut self, line: Line) {
        let mut exchange = match std::mem::replace(&mut self.phase, Phase::Commands) {
            Phase::Login(exchange) => exchange,
            Phase::LastWords(answer) => return self.last_words_heard(&line, &answer),
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
                self.say(&response::challenge(&challenge));
                self.phase = Phase::Login(exchange);
            }
            Step::Ask(ask) => self.ask(Ask::Sasl(ask), Pending::Sasl(exchange)),
            Step::Done(credentials, last) => self.ask(Ask::LogIn(credentials), Pending::LogIn(last)),
            Step::Failed(failure) => self.exchange_failed(failure),
        }
    }

    fn exchange_failed(&mut self, failure: Failure) {
        self.say(&response::sasl_failure(failure));
        self.count_login_failure();
    }

    pub(super) fn sasl_answered(&mut self, mut exchange: Exchange, answer: &Answer) {
        match answer {
            Answer::Sasl(answer) => {
                let step = exchange.answered(answer);
                self.exchange_step(exchange, step);
            }
            other => self.login_failed(refusal_in(other)),
        }
    }

    pub(super) fn login_answered(&mut self, answer: Answer, last: LastWords) {
        let words = match &answer {
            Answer::Done => last.welcome,
            Answer::Refused(Refusal::Authentication) => last.refused,
            _ => None,
        };
        match words {
            Some(words) => {
                self.say(&response::challenge(&words));
                self.phase = Phase::LastWords(answer);
            }
            None => self.judged(&answer),
        }
    }

    fn last_words_heard(&mut self, line: &Line, answer: &Answer) {
        let heard = match line {
            Line::Whole(line) => LastWords::heard(line),
            Line::TooLong | Line::Unfinished => Err(Failure::TooLong),
        };
        match heard {
            Err(failure) if *answer == Answer::Done => self.exchange_failed(failure),
            _ => self.judged(answer),
        }
    }

    fn judged(&mut self, answer: &Answer) {
        match answer {
            Answer::Done => self.ask(Ask::Open, Pending::Open),
            _ => self.login_failed(refusal_in(answer)),
        }
    }

    pub(super) fn open_answered(&mut self, answer: Answer) {
        match answer {
            Answer::Maildrop { drops, unique_ids } => {
                self.maildrop = Some(Box::new(Maildrop::new(drops, unique_ids)));
                self.login_failures = 0;
                self.channel = None;
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
