//! One exchange of challenges and responses, for every mechanism, to the credentials at its end.
//!
//! ```text
//! match step {
//!     Step::Challenge(bytes)            => send them; exchange.respond_line(line)
//!     Step::Ask(ask)                    => ask the house; exchange.answered(&answer), or tell its refusal
//!     Step::Done(credentials, last)     => ask the directory; if `last` has words for its verdict, send them as a challenge
//!                                          and take `last.heard(line)` before the verdict is told
//!     Step::Failed(failure)             => tell it
//! }
//! ```

use std::sync::Arc;

use super::credentials::{text, wipe};
use super::mechanism::{Channel, Mechanism, Offers};
use super::{Credentials, Evidence, Failure, LOGIN_LENGTH_MAX, bearer, decode, gssapi, scram};

/// What follows a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this (in base64 where the protocol wants it) and wait for the next response.
    Challenge(Vec<u8>),
    /// The house must say something before the exchange can go on.
    Ask(Ask),
    Done(Credentials, LastWords),
    Failed(Failure),
}

/// A question in the middle of an exchange. The answer that belongs to it has the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// SCRAM: what is kept of this name's password, also for a name that nobody has.
    Keys(scram::Who),
    /// GSSAPI: what is to be said to this token. The first one of an exchange begins anew.
    Token { token: Vec<u8>, first: bool },
}

/// What the house knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Keys(scram::Keys),
    Token(gssapi::Heard),
}

/// What is sent as one more challenge before a verdict is told, because the mechanism has its own words for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastWords {
    pub welcome: Option<Vec<u8>>,
    pub refused: Option<Vec<u8>>,
}

impl LastWords {
    /// Takes the client's answer to the words of welcome: an empty one, or it does not want us.
    pub fn heard(line: &[u8]) -> Result<(), Failure> {
        match line {
            b"" | b"=" => Ok(()),
            b"*" => Err(Failure::Cancelled),
            _ => Err(Failure::Malformed),
        }
    }
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    channel: Option<Arc<Channel>>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    First,
    /// LOGIN: the name was sent.
    Login(Vec<u8>),
    /// SCRAM: the keys were asked for.
    Keys(Box<scram::ClientFirst>),
    /// SCRAM: the salt was sent.
    Final(Box<scram::Sent>),
    /// GSSAPI: the house was asked about a token.
    Token,
    /// GSSAPI: the house's token was sent.
    TokenSent,
    Over,
}

impl Exchange {
    /// Begins an exchange with the initial response as it stands in a command, if the client sent one.
    pub fn start_word(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        offers: &Offers,
        channel: Option<&Arc<Channel>>,
    ) -> (Exchange, Step) {
        match initial.map(decode_initial).transpose() {
            Ok(initial) => {
                let started = Exchange::start(mechanism, initial.as_deref(), offers, channel);
                initial.into_iter().for_each(wipe);
                started
            }
            Err(failure) => (Exchange { mechanism, channel: None, state: State::Over }, Step::Failed(failure)),
        }
    }

    /// Begins an exchange. `initial` is the initial response, already decoded, if the client sent one.
    pub fn start(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        offers: &Offers,
        channel: Option<&Arc<Channel>>,
    ) -> (Exchange, Step) {
        let mut exchange = Exchange { mechanism, channel: channel.cloned(), state: State::First };
        let step = match (initial, mechanism) {
            (Some(response), _) => exchange.respond(response, offers),
            (None, Mechanism::Login) => Step::Challenge(b"Username:".to_vec()),
            // RFC 4422 §5: the client speaks first, so its turn is given by an empty challenge.
            (None, _) => Step::Challenge(Vec::new()),
        };
        (exchange, step)
    }

    /// Takes a response, already decoded.
    pub fn respond(&mut self, response: &[u8], offers: &Offers) -> Step {
        self.take(response, offers).unwrap_or_else(Step::Failed)
    }

    /// Takes a line that the client sent in answer to a challenge: base64, or `*` to cancel.
    pub fn respond_line(&mut self, line: &[u8], offers: &Offers) -> Step {
        if line == b"*" {
            return Step::Failed(Failure::Cancelled);
        }
        match decode(line) {
            Ok(response) => {
                let step = self.respond(&response, offers);
                wipe(response);
                step
            }
            Err(failure) => Step::Failed(failure),
        }
    }

    /// Takes what `Step::Ask` asked for.
    pub fn answered(&mut self, answer: &Answer) -> Step {
        match (std::mem::replace(&mut self.state, State::Over), answer) {
            (State::Keys(first), Answer::Keys(keys)) => {
                let sent = first.answered(keys);
                let challenge = sent.server_first().as_bytes().to_vec();
                self.state = State::Final(Box::new(sent));
                Step::Challenge(challenge)
            }
            (State::Token, Answer::Token(gssapi::Heard::Challenge(token))) => {
                self.state = State::TokenSent;
                Step::Challenge(token.clone())
            }
            (State::Token, Answer::Token(gssapi::Heard::Proved { login, authorization })) => {
                let authorization = authorization.clone().filter(|name| name != login);
                done(ticket_credentials(login.clone(), authorization, Ok(())))
            }
            (State::Token, Answer::Token(gssapi::Heard::Failed(reason))) => {
                done(ticket_credentials(String::new(), None, Err(reason.clone())))
            }
            // The house's mistake, not the client's; refusing is harmless.
            _ => Step::Failed(Failure::Malformed),
        }
    }

    fn take(&mut self, response: &[u8], offers: &Offers) -> Result<Step, Failure> {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (self.mechanism, state) {
            (Mechanism::Plain, State::First) => plain(response).map(done),
            (Mechanism::Login, State::First) => {
                self.state = State::Login(text(response, LOGIN_LENGTH_MAX)?.into_bytes());
                Ok(Step::Challenge(b"Password:".to_vec()))
            }
            (Mechanism::Login, State::Login(login)) => Credentials::new(Mechanism::Login, &login, response).map(done),
            (Mechanism::External, State::First) => external(response, self.channel.as_deref()).map(done),
            (Mechanism::OauthBearer, State::First) => {
                let refused = Some(offers.bearer_error.clone().into_bytes());
                Ok(Step::Done(bearer::oauthbearer(response)?, LastWords { welcome: None, refused }))
            }
            (Mechanism::Xoauth2, State::First) => {
                let refused = Some(offers.xoauth2_error.clone().into_bytes());
                Ok(Step::Done(bearer::xoauth2(response)?, LastWords { welcome: None, refused }))
            }
            (Mechanism::ScramSha256 | Mechanism::ScramSha256Plus, State::First) => self.client_first(response, offers),
            (Mechanism::Gssapi, state @ (State::First | State::TokenSent)) => {
                self.state = State::Token;
                Ok(Step::Ask(Ask::Token { token: response.to_vec(), first: matches!(state, State::First) }))
            }
            (_, State::Final(sent)) => {
                let (outcome, server_final) = sent.judge(response)?;
                let credentials = scram_credentials(self.mechanism, sent.who(), outcome);
                Ok(Step::Done(credentials, LastWords { welcome: Some(server_final.into_bytes()), refused: None }))
            }
            // The session's mistake, not the client's; refusing is harmless.
            _ => Err(Failure::Malformed),
        }
    }

    fn client_first(&mut self, message: &[u8], offers: &Offers) -> Result<Step, Failure> {
        let channel = self.channel.as_deref();
        let plus = self.mechanism == Mechanism::ScramSha256Plus;
        let first = scram::ClientFirst::parse(message, plus, offers.bind_scram(channel), channel)?;
        if let Some(fault) = first.fault() {
            return Ok(done(scram_credentials(self.mechanism, first.who(), Err(fault))));
        }
        let who = first.who().clone();
        self.state = State::Keys(Box::new(first));
        Ok(Step::Ask(Ask::Keys(who)))
    }
}

fn done(credentials: Credentials) -> Step {
    Step::Done(credentials, LastWords::default())
}

/// Decodes an initial response as it stands in a command: `=` is an empty one (RFC 4954 §4, RFC 4959 §3, RFC 5034 §4).
fn decode_initial(word: &[u8]) -> Result<Vec<u8>, Failure> {
    if word == b"=" { Ok(Vec::new()) } else { decode(word) }
}

// RFC 4616 §2: message = [authzid] UTF8NUL authcid UTF8NUL passwd
fn plain(message: &[u8]) -> Result<Credentials, Failure> {
    let mut parts = message.split(|byte| *byte == 0);
    let (Some(authorization), Some(login), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::Malformed);
    };
    Credentials::new(Mechanism::Plain, login, password)?.acting_as(authorization)
}

// RFC 4422 appendix A.3: external-initial-client-resp = external-authz-string, UTF-8 without NUL, empty for one's own.
fn external(authorization: &[u8], channel: Option<&Channel>) -> Result<Credentials, Failure> {
    let login = channel.and_then(|channel| channel.certified.as_deref()).ok_or(Failure::Malformed)?;
    let login = text(login.as_bytes(), LOGIN_LENGTH_MAX)?;
    let evidence = Evidence::Certificate;
    Credentials { mechanism: Mechanism::External, authorization: None, login, evidence }.acting_as(authorization)
}

fn scram_credentials(mechanism: Mechanism, who: &scram::Who, outcome: Result<(), scram::Fault>) -> Credentials {
    let scram::Who { login, authorization } = who.clone();
    Credentials { mechanism, authorization, login, evidence: Evidence::Scram(outcome) }
}

fn ticket_credentials(login: String, authorization: Option<String>, outcome: Result<(), String>) -> Credentials {
    Credentials { mechanism: Mechanism::Gssapi, authorization, login, evidence: Evidence::Ticket(outcome) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::PASSWORD_LENGTH_MAX;
    use crate::sasl::Secret;

    fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> (Exchange, Step) {
        Exchange::start(mechanism, initial, &Offers::default(), None)
    }

    fn say(exchange: &mut Exchange, line: &[u8]) -> Step {
        exchange.respond_line(line, &Offers::default())
    }

    fn done(step: Step) -> (Option<String>, String, String) {
        let Step::Done(credentials, _) = step else { panic!("{step:?}") };
        (
            credentials.authorization.clone(),
            credentials.login.clone(),
            credentials.password().unwrap().reveal().to_owned(),
        )
    }

    #[test]
    fn plain_takes_the_examples_of_its_rfc() {
        // RFC 4616 §4
        let (_, step) = start(Mechanism::Plain, Some(b"\0tim\0tanstaaftanstaaf"));
        assert_eq!(done(step), (None, "tim".into(), "tanstaaftanstaaf".into()));
        let (_, step) = start(Mechanism::Plain, Some(b"Ursel\0Kurt\0xipj3plmq"));
        assert_eq!(done(step), (Some("Ursel".into()), "Kurt".into(), "xipj3plmq".into()));
    }

    #[test]
    fn an_authorization_identity_equal_to_the_login_is_none() {
        let (_, step) = start(Mechanism::Plain, Some(b"ana\0ana\0demo"));
        assert_eq!(done(step), (None, "ana".into(), "demo".into()));
    }

    #[test]
    fn plain_refuses_what_has_not_three_good_parts() {
        let long = [b"\0a\0".as_slice(), &[b'x'; PASSWORD_LENGTH_MAX + 1]].concat();
        let cases: [(&[u8], Failure); 9] = [
            (b"", Failure::Malformed),
            (b"ana", Failure::Malformed),
            (b"\0ana", Failure::Malformed),
            (b"\0ana\0demo\0", Failure::Malformed),
            (b"\0\0demo", Failure::Empty),
            (b"\0ana\0", Failure::Empty),
            (b"\0an\xff\0demo", Failure::Malformed),
            (b"\xff\0ana\0demo", Failure::Malformed),
            (&long, Failure::TooLong),
        ];
        for (message, failure) in cases {
            assert_eq!(start(Mechanism::Plain, Some(message)).1, Step::Failed(failure), "{message:?}");
        }
    }

    #[test]
    fn login_asks_twice_or_once() {
        let (mut exchange, step) = start(Mechanism::Login, None);
        assert_eq!(step, Step::Challenge(b"Username:".to_vec()));
        assert_eq!(say(&mut exchange, b"YW5h"), Step::Challenge(b"Password:".to_vec()));
        assert_eq!(done(say(&mut exchange, b"ZGVtbw==")), (None, "ana".into(), "demo".into()));
        let (mut exchange, step) = start(Mechanism::Login, Some(b"ana"));
        assert_eq!(step, Step::Challenge(b"Password:".to_vec()));
        assert_eq!(say(&mut exchange, b""), Step::Failed(Failure::Empty));
    }

    #[test]
    fn a_star_cancels_and_bad_base64_fails() {
        for (line, failure) in [
            ("*", Failure::Cancelled),
            ("Z", Failure::Encoding),
            ("ZGVtbw", Failure::Encoding),
            ("ZGV tbw==", Failure::Encoding),
        ] {
            let (mut exchange, _) = start(Mechanism::Plain, None);
            assert_eq!(say(&mut exchange, line.as_bytes()), Step::Failed(failure), "{line}");
        }
        assert_eq!(decode_initial(b"="), Ok(Vec::new()));
    }

    #[test]
    fn tokens_go_to_the_house_and_back_until_it_knows_the_client() {
        let heard = |heard| Answer::Token(heard);
        let (mut exchange, step) = start(Mechanism::Gssapi, None);
        assert_eq!(step, Step::Challenge(Vec::new()));
        let ask = |token: &[u8], first| Step::Ask(Ask::Token { token: token.to_vec(), first });
        assert_eq!(say(&mut exchange, b"dGlja2V0"), ask(b"ticket", true));
        let challenge = exchange.answered(&heard(gssapi::Heard::Challenge(b"proof".to_vec())));
        assert_eq!(challenge, Step::Challenge(b"proof".to_vec()));
        assert_eq!(say(&mut exchange, b""), ask(b"", false));
        let proved = gssapi::Heard::Proved { login: "ana".into(), authorization: Some("bob".into()) };
        let Step::Done(credentials, last) = exchange.answered(&heard(proved)) else { panic!() };
        assert_eq!((credentials.authorization.as_deref(), &*credentials.login), (Some("bob"), "ana"));
        assert_eq!((credentials.evidence, last), (Evidence::Ticket(Ok(())), LastWords::default()));
        assert_eq!(say(&mut exchange, b""), Step::Failed(Failure::Malformed), "it is over");
    }

    #[test]
    fn an_answer_that_nobody_asked_for_ends_the_exchange() {
        let (mut exchange, _) = start(Mechanism::Plain, None);
        let answer = Answer::Token(gssapi::Heard::Proved { login: "ana".into(), authorization: None });
        assert_eq!(exchange.answered(&answer), Step::Failed(Failure::Malformed));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let (_, step) = start(Mechanism::Plain, Some(b"\0ana\0hunter2"));
        assert!(!format!("{step:?}").contains("hunter2"));
        assert_eq!(Secret::new("hunter2").to_string(), "…");
    }
}
