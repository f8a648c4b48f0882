//! The SMTP and LMTP server among clients that send anything.

use std::time::Duration;

use mail::Reply;
use proto::smtp::{Answer, Ask, Auth, BareNewline, Dialect, Limits, Profile, Server, Tls};

use proto::sasl::{Mechanism, Offers};

use super::{House, Moods, Script, all_of_tls, converse, judge_credentials, some_sasl};

const MESSAGE_SIZE_MAX: u64 = 500;
const RECIPIENTS_MAX: usize = 3;

/// A conversation with an SMTP server.
pub fn smtp(data: &[u8]) {
    let Some(script) = Script::read(data) else { return };
    let bits = script.profile;
    let profile = profile(bits);
    let mut house = Watch { mend: profile.bare_newline == BareNewline::Mend, ..Watch::default() };
    converse(all_of_tls(Server::new(profile), bits), script, &mut house);
}

fn profile(bits: u8) -> Profile {
    let dialect = [Dialect::Smtp, Dialect::Submission, Dialect::Lmtp, Dialect::Smtp][usize::from(bits & 3)];
    Profile {
        tls: [Tls::Off, Tls::Offered, Tls::Required, Tls::On][usize::from(bits >> 2 & 3)],
        auth: [Auth::Off, Auth::Offered, Auth::Required, Auth::Offered][usize::from(bits >> 4 & 3)],
        offers: Offers::new(&Mechanism::ALL),
        auth_needs_tls: bits & 64 != 0,
        bare_newline: if bits & 128 != 0 { BareNewline::Mend } else { BareNewline::Refuse },
        limits: Limits {
            line_length_max: 200,
            auth_line_length_max: 300,
            recipients_max: RECIPIENTS_MAX,
            message_size_max: MESSAGE_SIZE_MAX,
            errors_max: 50,
            error_pause: Duration::from_millis(1),
            ..Limits::default()
        },
        ..Profile::new(dialect, "mx.example.test")
    }
}

/// A house that keeps count.
#[derive(Default)]
struct Watch {
    mend: bool,
    begun: bool,
    recipients: usize,
    size: u64,
    last: Option<u8>,
}

impl House<Server> for Watch {
    fn answer(&mut self, ask: &Ask, moods: &mut Moods<'_>) -> Answer {
        let refused = moods.next().is_multiple_of(4);
        match ask {
            Ask::Sasl(_) if refused => refusal(),
            Ask::Sasl(ask) => Answer::Sasl(some_sasl(ask)),
            Ask::LogIn(credentials) => {
                judge_credentials(credentials);
                if refused { refusal() } else { Answer::LoggedIn { account: credentials.login.clone() } }
            }
            Ask::ContentBegin(transaction) => {
                assert!(!self.begun, "content within content");
                assert!((1..=RECIPIENTS_MAX).contains(&transaction.recipients.len()));
                (self.begun, self.recipients, self.size, self.last) = (!refused, transaction.recipients.len(), 0, None);
                if refused { refusal() } else { Answer::Go }
            }
            Ask::ContentEnd { size } => {
                assert!(std::mem::take(&mut self.begun), "the end of nothing");
                assert_eq!(*size, self.size);
                assert!(*size <= MESSAGE_SIZE_MAX);
                let count = if refused { self.recipients / 2 } else { self.recipients };
                Answer::Replies(vec![Reply::new(250, (2, 0, 0), "Ok"); count])
            }
            Ask::Abandoned => {
                assert!(std::mem::take(&mut self.begun), "nothing to abandon");
                Answer::Go
            }
            Ask::Verify(_) | Ask::Flush(_) => Answer::Reply(Reply::new(252, (2, 0, 0), "perhaps\n\u{f1}\r")),
            Ask::ReversePath { .. } | Ask::ForwardPath { .. } | Ask::Client(_) | Ask::Forwarded(_) if refused => {
                refusal()
            }
            Ask::ReversePath { .. } | Ask::ForwardPath { .. } | Ask::Client(_) | Ask::Forwarded(_) => Answer::Go,
        }
    }

    fn content(&mut self, content: &[u8]) {
        assert!(self.begun && !content.is_empty());
        self.size += content.len() as u64;
        assert!(self.size <= MESSAGE_SIZE_MAX, "content over the limit was handed on");
        for byte in content {
            let after_cr = self.last == Some(b'\r');
            assert_eq!(after_cr, *byte == b'\n', "a bare newline was handed on (mending: {})", self.mend);
            self.last = Some(*byte);
        }
    }

    fn over(&mut self) {
        assert!(!self.begun, "content was neither ended nor abandoned");
    }
}

fn refusal() -> Answer {
    Answer::Refused(Reply::new(450, (4, 7, 1), "not now"))
}
