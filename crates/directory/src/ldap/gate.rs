//! The gate between a server and the LDAP library: only whole messages of the right shape pass.
//!
//! The library trusts what it reads: it takes a length for granted, nests as deep as the octets say, and stops with a
//! panic where an element is missing. So it does not hold the server's socket; it holds one end of a socket pair, and
//! this gate carries the octets. Promises: what reaches the library is at most `MESSAGE_LENGTH_MAX` long, has RFC
//! 4511's shape, and answers a question that was asked. Anything else closes the connection, with the reason kept for
//! the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use super::ber::{Element, Elements, Header, header, tag, unsigned};
use super::fault::Fault;

/// The longest message taken. A group of 10,000 members is about a megabyte, and the library begins again with a
/// message each time more of it has come, so a much longer one would cost it seconds.
pub const MESSAGE_LENGTH_MAX: usize = 8 * 1024 * 1024;
/// Octets read at once.
const READ_LENGTH: usize = 16 * 1024;

/// A connection in either direction.
pub trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

/// Why a connection ended, once it has.
#[derive(Debug, Clone, Default)]
pub struct Ending(Arc<OnceLock<Fault>>);

impl Ending {
    /// Only the first reason counts.
    pub fn set(&self, fault: Fault) {
        let _ = self.0.set(fault);
    }

    pub fn reason(&self) -> Option<Fault> {
        self.0.get().cloned()
    }

    pub fn has_come(&self) -> bool {
        self.0.get().is_some()
    }
}

/// Carries octets between server and library until one of them ends, or the server says what it must not.
pub async fn carry(server: Box<dyn Octets>, library: UnixStream, ending: Ending) {
    let asked = Mutex::new(Asked::default());
    // Both ends live until the reason is written down: the library must not hear of the end before that.
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_library, mut to_library) = library.into_split();
    let fault = tokio::select! {
        fault = questions(&mut from_library, &mut to_server, &asked) => fault,
        fault = answers(&mut from_server, &mut to_library, &asked) => fault,
    };
    ending.set(fault);
}

/// Questions that wait for an answer, by message ID.
pub(super) type Asked = HashMap<u32, Question>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Bind,
    Search,
    Extended,
}

async fn questions(
    library: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    asked: &Mutex<Asked>,
) -> Fault {
    let mut messages = Messages::default();
    while let Ok(1..) = messages.read(library).await {
        while let Ok(Some(message)) = messages.next() {
            if let Some((id, question)) = question(message) {
                asked.lock().unwrap_or_else(PoisonError::into_inner).insert(id, question);
            }
            if server.write_all(message).await.is_err() {
                return Fault::Lost;
            }
        }
        if server.flush().await.is_err() {
            return Fault::Lost;
        }
    }
    Fault::Lost
}

async fn answers(
    server: &mut (impl AsyncRead + Unpin),
    library: &mut (impl AsyncWrite + Unpin),
    asked: &Mutex<Asked>,
) -> Fault {
    let mut messages = Messages::default();
    while let Ok(1..) = messages.read(server).await {
        loop {
            let message = match messages.next() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(why) => return Fault::Garbage(why),
            };
            let judged = judge(message, &mut asked.lock().unwrap_or_else(PoisonError::into_inner));
            match judged {
                Ok(()) if library.write_all(message).await.is_err() => return Fault::Lost,
                Ok(()) => {}
                Err(fault) => return fault,
            }
        }
    }
    Fault::Lost
}

/// Octets that came, cut into messages.
#[derive(Default)]
pub(super) struct Messages {
    octets: Vec<u8>,
    /// Up to here they have been given out.
    given: usize,
}

impl Messages {
    pub(super) async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<usize> {
        self.octets.drain(..self.given);
        self.given = 0;
        if self.octets.is_empty() {
            // One large answer must not hold its memory for as long as the connection lives.
            self.octets.shrink_to(READ_LENGTH);
        }
        self.octets.reserve(READ_LENGTH);
        from.read_buf(&mut self.octets).await
    }

    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, &'static str> {
        let rest = self.octets.get(self.given..).unwrap_or_default();
        let length = match header(rest) {
            Header::Partial => return Ok(None),
            Header::Bad => return Err("a length that LDAP does not allow"),
            Header::Whole { tag: tag::SEQUENCE, header, content } => header.saturating_add(content),
            Header::Whole { .. } => return Err("a message that is no SEQUENCE"),
        };
        if length > MESSAGE_LENGTH_MAX {
            return Err("a message that is too long");
        }
        let message = rest.get(..length);
        self.given += message.map_or(0, <[u8]>::len);
        Ok(message)
    }
}

fn question(message: &[u8]) -> Option<(u32, Question)> {
    let mut parts = Elements(Elements(message).expect(tag::SEQUENCE)?);
    let id = unsigned(parts.expect(tag::INTEGER)?)?;
    let question = match parts.take()?.tag {
        tag::BIND_REQUEST => Question::Bind,
        tag::SEARCH_REQUEST => Question::Search,
        tag::EXTENDED_REQUEST => Question::Extended,
        _ => return None,
    };
    Some((id, question))
}

// RFC 4511 §4.1.1: LDAPMessage ::= SEQUENCE { messageID, protocolOp CHOICE { … }, controls [0] OPTIONAL }
pub(super) fn judge(message: &[u8], asked: &mut Asked) -> Result<(), Fault> {
    let parts = Elements(message).expect(tag::SEQUENCE).map(Elements);
    let mut parts = parts.ok_or(Fault::Garbage("a message that is no SEQUENCE"))?;
    let id = parts.expect(tag::INTEGER).and_then(unsigned).ok_or(Fault::Garbage("no message ID"))?;
    if id == 0 {
        // RFC 4511 §4.4.1: the only unsolicited notification there is says that the server hangs up.
        return Err(Fault::Lost);
    }
    let operation = parts.take().ok_or(Fault::Garbage("no operation"))?;
    if !fits(asked.get(&id).copied(), operation.tag) {
        return Err(Fault::Garbage("an answer that nobody asked for"));
    }
    if !has_shape(operation) || !(parts.is_empty() || are_controls(parts)) {
        return Err(Fault::Garbage("an answer of the wrong shape"));
    }
    if matches!(operation.tag, tag::BIND_RESPONSE | tag::SEARCH_DONE | tag::EXTENDED_RESPONSE) {
        asked.remove(&id);
    }
    Ok(())
}

fn fits(question: Option<Question>, answer: u8) -> bool {
    match question {
        Some(Question::Bind) => answer == tag::BIND_RESPONSE,
        Some(Question::Extended) => answer == tag::EXTENDED_RESPONSE,
        Some(Question::Search) => {
            matches!(answer, tag::SEARCH_ENTRY | tag::SEARCH_REFERENCE | tag::SEARCH_DONE | tag::INTERMEDIATE_RESPONSE)
        }
        None => false,
    }
}

fn has_shape(operation: Element<'_>) -> bool {
    let parts = Elements(operation.content);
    match operation.tag {
        tag::SEARCH_ENTRY => is_entry(parts).is_some(),
        tag::SEARCH_REFERENCE => all(parts, |element| is_text(element, tag::OCTET_STRING)),
        tag::INTERMEDIATE_RESPONSE => all(parts, |element| !element.is_constructed()),
        _ => is_result(parts).is_some(),
    }
}

fn all(mut elements: Elements<'_>, good: impl Fn(Element<'_>) -> bool) -> bool {
    while let Some(element) = elements.take() {
        if !good(element) {
            return false;
        }
    }
    elements.is_empty()
}

fn is_text(element: Element<'_>, tag: u8) -> bool {
    element.expect(tag).is_some_and(|content| std::str::from_utf8(content).is_ok())
}

// RFC 4511 §4.5.2: SearchResultEntry ::= { objectName LDAPDN, attributes SEQUENCE OF { type, vals SET OF value } }
fn is_entry(mut parts: Elements<'_>) -> Option<()> {
    parts.expect(tag::OCTET_STRING)?;
    let attributes = Elements(parts.expect(tag::SEQUENCE)?);
    let is_attribute = |element: Element<'_>| {
        let mut parts = Elements(element.expect(tag::SEQUENCE).unwrap_or_default());
        parts.expect(tag::OCTET_STRING).is_some()
            && parts.expect(tag::SET).is_some_and(|set| all(Elements(set), |value| value.tag == tag::OCTET_STRING))
    };
    (parts.is_empty() && all(attributes, is_attribute)).then_some(())
}

// RFC 4511 §4.1.9: LDAPResult ::= { resultCode, matchedDN, diagnosticMessage, referral [3] OPTIONAL }, and what bind
// (serverSaslCreds [7]) and extended answers (responseName [10], responseValue [11]) add.
fn is_result(mut parts: Elements<'_>) -> Option<()> {
    unsigned(parts.expect(tag::ENUMERATED)?)?;
    for _ in ["matchedDN", "diagnosticMessage"] {
        std::str::from_utf8(parts.expect(tag::OCTET_STRING)?).ok()?;
    }
    let is_addition = |element: Element<'_>| match element.tag {
        0xa3 => all(Elements(element.content), |uri| is_text(uri, tag::OCTET_STRING)),
        0x8a => is_text(element, 0x8a),
        0x87 | 0x8b => true,
        _ => false,
    };
    all(parts, is_addition).then_some(())
}

// RFC 4511 §4.1.11: Control ::= SEQUENCE { controlType, criticality BOOLEAN DEFAULT FALSE, controlValue OPTIONAL }
fn are_controls(mut parts: Elements<'_>) -> bool {
    let Some(controls) = parts.expect(tag::CONTROLS) else { return false };
    let is_control = |element: Element<'_>| {
        let mut parts = Elements(element.expect(tag::SEQUENCE).unwrap_or_default());
        let named = parts.take().is_some_and(|name| is_text(name, tag::OCTET_STRING));
        let rest: Vec<(u8, usize)> =
            std::iter::from_fn(|| parts.take()).map(|part| (part.tag, part.content.len())).take(3).collect();
        let good = matches!(
            rest.as_slice(),
            [] | [(tag::OCTET_STRING, _)] | [(tag::BOOLEAN, 1)] | [(tag::BOOLEAN, 1), (tag::OCTET_STRING, _)]
        );
        named && good && parts.is_empty()
    };
    parts.is_empty() && all(Elements(controls), is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(message: &[u8]) -> Result<(), Fault> {
        let mut asked = Asked::from([(1, Question::Bind), (2, Question::Search)]);
        judge(message, &mut asked)
    }

    #[test]
    fn a_good_answer_passes_and_the_same_one_again_does_not() {
        let answer = [0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0];
        let mut asked = Asked::from([(1, Question::Bind)]);
        assert_eq!(judge(&answer, &mut asked), Ok(()));
        assert!(matches!(judge(&answer, &mut asked), Err(Fault::Garbage(_))));
    }

    #[test]
    fn an_entry_with_values_that_are_not_utf8_passes() {
        let entry = [0x30, 19, 2, 1, 2, 0x64, 14, 4, 1, b'x', 0x30, 9, 0x30, 7, 4, 1, b'a', 0x31, 2, 4, 0];
        assert_eq!(verdict(&entry), Ok(()));
        let binary = [0x30, 20, 2, 1, 2, 0x64, 15, 4, 1, b'x', 0x30, 10, 0x30, 8, 4, 1, b'a', 0x31, 3, 4, 1, 0xff];
        assert_eq!(verdict(&binary), Ok(()));
    }

    #[test]
    fn what_would_make_the_library_panic_does_not_pass() {
        let cases: [&[u8]; 9] = [
            &[0x30, 0],
            &[0x30, 3, 2, 1, 1],
            // a bind answered as a search, a search answered as a bind, an answer to nothing
            &[0x30, 12, 2, 1, 1, 0x65, 7, 10, 1, 0, 4, 0, 4, 0],
            &[0x30, 12, 2, 1, 2, 0x61, 7, 10, 1, 0, 4, 0, 4, 0],
            &[0x30, 12, 2, 1, 9, 0x61, 7, 10, 1, 0, 4, 0, 4, 0],
            // no diagnostic message; one that is not UTF-8
            &[0x30, 10, 2, 1, 1, 0x61, 5, 10, 1, 0, 4, 0],
            &[0x30, 13, 2, 1, 1, 0x61, 8, 10, 1, 0, 4, 0, 4, 1, 0xff],
            // a control whose criticality is empty; an entry in whose place of values stands something deeper
            &[0x30, 20, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0, 0xa0, 6, 0x30, 4, 4, 0, 1, 0],
            &[0x30, 20, 2, 1, 2, 0x64, 15, 4, 1, b'x', 0x30, 10, 0x30, 8, 4, 1, b'a', 0x31, 3, 0x30, 1, 4],
        ];
        for message in cases {
            assert!(matches!(verdict(message), Err(Fault::Garbage(_))), "{message:?}");
        }
    }

    #[test]
    fn a_notice_of_disconnection_is_a_lost_connection() {
        let notice = [0x30, 12, 2, 1, 0, 0x78, 7, 10, 1, 52, 4, 0, 4, 0];
        assert_eq!(verdict(&notice), Err(Fault::Lost));
    }

    #[test]
    fn messages_are_cut_wherever_the_octets_were() {
        let mut messages = Messages { octets: vec![0x30, 1, 7, 0x30], given: 0 };
        assert_eq!(messages.next(), Ok(Some([0x30, 1, 7].as_slice())));
        assert_eq!(messages.next(), Ok(None));
        let mut long = Messages { octets: vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], given: 0 };
        assert!(long.next().is_err());
        let mut text = Messages { octets: b"HTTP/1.1 400".to_vec(), given: 0 };
        assert!(text.next().is_err());
    }
}
