//! A connection on which users are bound, one after the other.
//!
//! A bind is one small question and one small answer, so it is written and read here: the LDAP library and the socket
//! pair to it (`gate`) would cost a login two more tasks to wake. The same gate judges the answer. Once anything
//! went wrong on it, it is used no more.

use std::fmt;
use std::time::Duration;

use proto::sasl::Secret;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::ber::{Elements, element, tag, unsigned};
use super::connection::BindAnswer;
use super::dial::{Trust, dial};
use super::fault::Fault;
use super::gate::{Asked, Messages, Octets, Question, judge};
use super::settings::{Settings, Url};

/// Message IDs go round, as only one question is open at a time; up to here they take one octet.
const ID_MAX: u8 = 127;

/// A connection for binds.
pub struct Binder {
    octets: Box<dyn Octets>,
    messages: Messages,
    id: u8,
    open: bool,
    used: Instant,
}

impl fmt::Debug for Binder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binder").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Binder {
    /// Connects, with TLS where it is wanted.
    ///
    /// # Errors
    /// `Connect`, `Tls`, `TimedOut`.
    pub async fn open(url: &Url, settings: &Settings, trust: &Trust, deadline: Instant) -> Result<Binder, Fault> {
        let dialled = timeout_at(deadline, dial(url, settings.start_tls, trust)).await;
        let octets = dialled.map_err(|_| Fault::TimedOut)??;
        Ok(Binder { octets, messages: Messages::default(), id: 0, open: true, used: Instant::now() })
    }

    /// Binds. Never called with an empty password: that would be an anonymous bind, which succeeds (RFC 4513 §5.1.2).
    ///
    /// # Errors
    /// No answer; the connection is not used again then.
    pub async fn bind(&mut self, dn: &str, password: &Secret, deadline: Instant) -> Result<BindAnswer, Fault> {
        assert!(!password.reveal().is_empty(), "an empty password must never reach a server");
        let answer = timeout_at(deadline, self.exchange(dn, password)).await.unwrap_or(Err(Fault::TimedOut));
        self.open = answer.is_ok();
        self.used = Instant::now();
        answer
    }

    async fn exchange(&mut self, dn: &str, password: &Secret) -> Result<BindAnswer, Fault> {
        self.id = self.id % ID_MAX + 1;
        let lost = |_| Fault::Lost;
        self.octets.write_all(&request(self.id, dn, password)).await.map_err(lost)?;
        self.octets.flush().await.map_err(lost)?;
        loop {
            if let Some(message) = self.messages.next().map_err(Fault::Garbage)? {
                judge(message, &mut Asked::from([(u32::from(self.id), Question::Bind)]))?;
                return answer(message).ok_or(Fault::Garbage("an answer of the wrong shape"));
            }
            if self.messages.read(&mut self.octets).await.map_err(lost)? == 0 {
                return Err(Fault::Lost);
            }
        }
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    pub fn idle_for(&self) -> Duration {
        self.used.elapsed()
    }
}

// RFC 4511 §4.2: BindRequest ::= [APPLICATION 0] { version 3, name LDAPDN, simple [0] OCTET STRING }
fn request(id: u8, dn: &str, password: &Secret) -> Vec<u8> {
    let version = element(tag::INTEGER, &[&[3]]);
    let name = element(tag::OCTET_STRING, &[dn.as_bytes()]);
    let simple = element(tag::SIMPLE_PASSWORD, &[password.reveal().as_bytes()]);
    let bind = element(tag::BIND_REQUEST, &[&version, &name, &simple]);
    element(tag::SEQUENCE, &[&element(tag::INTEGER, &[&[id]]), &bind])
}

fn answer(message: &[u8]) -> Option<BindAnswer> {
    let mut parts = Elements(Elements(message).expect(tag::SEQUENCE)?);
    parts.expect(tag::INTEGER)?;
    let mut result = Elements(parts.expect(tag::BIND_RESPONSE)?);
    let code = unsigned(result.expect(tag::ENUMERATED)?)?;
    result.expect(tag::OCTET_STRING)?;
    let text = String::from_utf8_lossy(result.expect(tag::OCTET_STRING)?).into_owned();
    Some(BindAnswer { code, text })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    /// What becomes of a bind to which a server says this, message ID 1 being the first.
    async fn bound(says: &[u8]) -> Result<BindAnswer, Fault> {
        let (ours, mut servers) = duplex(1024);
        let mut binder =
            Binder { octets: Box::new(ours), messages: Messages::default(), id: 0, open: true, used: Instant::now() };
        servers.write_all(says).await.unwrap();
        servers.shutdown().await.unwrap();
        let answer = binder.bind("cn=ana", &Secret::new("secret"), Instant::now() + Duration::from_secs(20)).await;
        assert_eq!(binder.is_open(), answer.is_ok());
        drop(binder);
        let mut sent = Vec::new();
        servers.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent, b"\x30\x18\x02\x01\x01\x60\x13\x02\x01\x03\x04\x06cn=ana\x80\x06secret");
        answer
    }

    #[tokio::test]
    async fn only_the_answer_to_this_bind_lets_in() {
        let no = b"\x30\x0e\x02\x01\x01\x61\x09\x0a\x01\x31\x04\x00\x04\x02no";
        assert_eq!(bound(no).await, Ok(BindAnswer { code: 49, text: "no".to_owned() }));
        assert!(matches!(
            bound(b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00").await,
            Err(Fault::Garbage(_))
        ));
        assert!(matches!(
            bound(b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00").await,
            Err(Fault::Garbage(_))
        ));
        assert!(matches!(bound(b"HTTP/1.1 400").await, Err(Fault::Garbage(_))));
        assert_eq!(bound(b"\x30\x0c\x02\x01\x01\x61").await, Err(Fault::Lost));
        assert_eq!(bound(b"").await, Err(Fault::Lost));
    }
}
