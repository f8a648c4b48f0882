//! IMAP sessions as a client hears them: transcripts, structures compared with Dovecot's, and clients that go mad.

mod house;
mod large;
mod mad;
mod structures;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use house::{House, Housed};
use mail::namespace::{InList, Namespace, NamespaceKind, Namespaces, Separator};
use proto::Session;
use proto::imap::{Limits, Profile, Server, TlsState};
use proto::sasl::Offers;
use sim::stage::logins::Logins;
use sim::transcript::{Peer, Stage};

/// Plain text.
const FIRST: &[u8] = b"From: Uno <usuario01@domain01.dom>\r\nTo: usuario03@domain01.dom\r\nSubject: hola\r\n\
    Date: Thu, 19 Nov 2026 10:00:00 -0400\r\nMessage-ID: <hola@cliente.domain01.dom>\r\n\r\nhola\r\n";

/// A multipart with text and a file.
const SECOND: &[u8] = "From: =?utf-8?q?Pe=C3=B1a?= <usuario02@domain01.dom>\r\nTo: \"Uno, Usuario\" <usuario01@domain01.dom>\r\n\
    Cc: usuario03@domain01.dom\r\nSubject: =?utf-8?q?A=C3=B1o_nuevo?=\r\nDate: Thu, 19 Nov 2026 10:00:00 -0400\r\n\
    Message-ID: <mime@cliente.domain01.dom>\r\nIn-Reply-To: <hola@cliente.domain01.dom>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"frontera\"\r\n\r\n--frontera\r\n\
    Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\nFeliz año\r\n--frontera\r\n\
    Content-Type: application/octet-stream; name=\"datos.bin\"\r\nContent-Disposition: attachment; filename=\"datos.bin\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgc=\r\n--frontera--\r\n"
    .as_bytes();

/// A message within a message.
const THIRD: &[u8] = b"From: a@example.test\r\nSubject: forwarded\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
    From: b@example.test\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\
    Content-Type: text/plain\r\n\r\nplain\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--c--\r\n--b--\r\n";

struct Imap;

impl Stage for Imap {
    type Session = Housed;

    const PEER: Peer = Peer::Client;

    fn open(&self, settings: &str) -> Result<Housed, String> {
        let mut tls = TlsState::Off;
        let (mut profile, mut logins) = (profile(), Logins::default());
        for word in settings.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            match word {
                _ if logins.set(&mut profile.offers, key, value)? => {}
                "tls-offered" => tls = TlsState::Offered,
                "tls-required" => tls = TlsState::Required,
                "tls-on" => tls = TlsState::On,
                "create-special-use" => profile.create_special_use = true,
                "others" => profile.namespaces.all.push(below(NamespaceKind::Shared, "shared")),
                "public" => profile.namespaces.all.push(below(NamespaceKind::Public(0), "public")),
                "below-inbox" => {
                    profile.namespaces =
                        Namespaces { separator: Separator::Dot, all: vec![below(NamespaceKind::Private, "INBOX")] };
                }
                "quota" => profile.quota = true,
                _ => return Err(word.to_owned()),
            }
        }
        let mut session = Server::new(Arc::new(profile), tls);
        logins.secure(&mut session);
        Ok(Housed::new(session, House::new(&[FIRST, SECOND, THIRD])))
    }

    fn show(&self, ask: &Infallible) -> String {
        match *ask {}
    }

    fn parse(&self, _: &str) -> Option<()> {
        None
    }

    fn otherwise(&self, ask: &Infallible) {
        match *ask {}
    }

    fn event(&self, session: &mut Housed, name: &str) -> bool {
        name.strip_prefix("other ").is_some_and(|what| session.house.other(what))
    }
}

/// Small bounds, so that transcripts reach them.
fn below(kind: NamespaceKind, root: &str) -> Namespace {
    Namespace { kind, root: mail::MailboxName::parse(root).ok(), list: InList::Children, hidden: false }
}

fn profile() -> Profile {
    let limits = Limits {
        line_max: 1000,
        command_max: 2000,
        append_max: 4000,
        bad_commands_max: 5,
        failed_logins_max: 3,
        failed_login_pause: Duration::from_secs(2),
        ..Limits::default()
    };
    Profile {
        greeting: "mail.example.test Tepui ready.".to_owned(),
        id: vec![("name".to_owned(), "Tepui".to_owned())],
        create_special_use: false,
        quota: false,
        namespaces: Namespaces::default(),
        offers: Offers::default(),
        limits,
    }
}

/// Drivers move sessions between threads.
const _: fn() = || {
    fn travels<T: Send>() {}
    travels::<Server>();
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imap")
}

#[test]
fn sessions_follow_their_transcripts_however_the_input_is_cut() {
    sim::transcript::replay_folder(&Imap, &folder());
}

#[test]
fn a_session_whose_client_vanishes_ends_and_leaves_no_message_begun() {
    for path in sim::transcript::files(&folder()).unwrap() {
        let text = sim::transcript::read(&path).unwrap();
        sim::transcript::cut(&Imap, &path.display().to_string(), &text, |_| Ok(())).unwrap_or_else(|f| panic!("{f}"));
    }
    let mut session = Imap.open("").unwrap();
    session.receive(b"a LOGIN ana demo\r\nb APPEND INBOX {10+}\r\n12345");
    while !matches!(session.next(), proto::Next::NeedInput { .. }) {}
    assert!(session.house.has_draft());
    session.closed();
    while !matches!(session.next(), proto::Next::Close) {}
    assert!(!session.house.has_draft());
}
