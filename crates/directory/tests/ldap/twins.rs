//! Twins of a directory server that count, hang, or talk nonsense, and what every test needs to ask one.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use directory::ldap::{Description, Groups, OwnBind, Settings, Url, UserAttributes, lookup_template};
use proto::sasl::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What a test that waits for an answer allows at most; the settings below say less.
pub const AT_MOST: Duration = Duration::from_secs(20);

/// LDAP's application tags (RFC 4511 §4.2 and §4.5.1).
const BIND_REQUEST: u8 = 0x60;
const SEARCH_REQUEST: u8 = 0x63;

/// A search for this never gets its answer.
pub const SWALLOWED: &[u8] = b"lenta@domain01.dom";

/// Passes everything on to a server but what is swallowed, and counts.
pub struct Relay {
    pub port: u16,
    pub connections: Arc<AtomicUsize>,
    pub searches: Arc<AtomicUsize>,
    pub binds: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Relay {
    pub async fn to(server: u16) -> Relay {
        Relay::at(0, server).await
    }

    pub async fn at(port: u16, server: u16) -> Relay {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, searches, binds) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let counters = (Arc::clone(&connections), Arc::clone(&searches), Arc::clone(&binds));
        let task = tokio::spawn(async move {
            let (connections, searches, binds) = counters;
            let mut open = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                open.spawn(pass_on(client, server, Arc::clone(&searches), Arc::clone(&binds)));
            }
        });
        Relay { port, connections, searches, binds, task: task.abort_handle() }
    }

    pub fn searches(&self) -> usize {
        self.searches.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(client: TcpStream, server: u16, searches: Arc<AtomicUsize>, binds: Arc<AtomicUsize>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = async {
        let mut octets = Vec::new();
        while from_client.read_buf(&mut octets).await.is_ok_and(|count| count > 0) {
            while let Some((length, tag)) = whole(&octets) {
                searches.fetch_add(usize::from(tag == SEARCH_REQUEST), Ordering::SeqCst);
                binds.fetch_add(usize::from(tag == BIND_REQUEST), Ordering::SeqCst);
                if octets[..length].windows(SWALLOWED.len()).any(|window| window == SWALLOWED) {
                    octets.drain(..length);
                    continue;
                }
                if to_server.write_all(&octets[..length]).await.is_err() {
                    return;
                }
                octets.drain(..length);
            }
        }
    };
    tokio::select! {
        () = questions => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

/// The length of the first message and its operation's tag, once it is whole.
fn whole(octets: &[u8]) -> Option<(usize, u8)> {
    let (header, length) = match *octets.get(1)? {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            (2 + count, octets.get(2..2 + count)?.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)))
        }
    };
    let id = usize::from(*octets.get(header + 1)?);
    let tag = *octets.get(header + 2 + id)?;
    (octets.len() >= header + length).then_some((header + length, tag))
}

/// Accepts, because the kernel does, and never says a word.
pub fn hanging() -> (StdListener, u16) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Answers whatever is asked with these octets.
pub async fn babbling(octets: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let octets = octets.clone();
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                while client.read(&mut asked).await.is_ok_and(|count| count > 0) {
                    if client.write_all(&octets).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// Passes everything on, and flips one bit in about every `step`-th octet of the answers, the same for the same seed.
pub async fn mangling(server: u16, seed: u64, step: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let mangled = async {
                let mut octets = [0; 4096];
                while let Ok(count @ 1..) = from_server.read(&mut octets).await {
                    for octet in &mut octets[..count] {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        if (random >> 33).is_multiple_of(step) {
                            *octet ^= 1 << ((random >> 20) & 7);
                        }
                    }
                    if to_client.write_all(&octets[..count]).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = mangled => {}
                _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
            }
        }
    });
    port
}

/// A directory with one group of so many members, of which it gives only a part at once, as Active Directory does; it
/// breaks off before the part that begins at `end`.
pub async fn ranging(members: usize, part: usize, end: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut octets = Vec::new();
                while client.read_buf(&mut octets).await.is_ok_and(|count| count > 0) {
                    while let Some((length, tag)) = whole(&octets) {
                        let question: Vec<u8> = octets.drain(..length).collect();
                        let id = &message_id(&question);
                        let text = String::from_utf8_lossy(&question).into_owned();
                        let answer = match tag {
                            BIND_REQUEST => done(id, 0x61),
                            _ => [
                                found(&text, members, part, end).map(|entry| message(id, &entry)),
                                Some(done(id, 0x65)),
                            ]
                            .into_iter()
                            .flatten()
                            .flatten()
                            .collect(),
                        };
                        if client.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    port
}

/// The entry that a search of the ranging directory finds.
fn found(question: &str, members: usize, part: usize, end: usize) -> Option<Vec<u8>> {
    if let Some((_, rest)) = question.split_once("cn=m") {
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return Some(entry(&format!("cn=m{number}"), &[("mail", vec![format!("m{number}@domain01.dom")])]));
    }
    let first = question.split_once(";range=").map_or(Some(0), |(_, rest)| rest.split_once('-')?.0.parse().ok())?;
    if first >= end || !(question.contains("member")) {
        return None;
    }
    let last = members.min(first + part);
    let values = (first..last).map(|number| format!("cn=m{number}")).collect();
    let to = if last == members { "*".to_owned() } else { (last - 1).to_string() };
    // Active Directory says "member" too, with no values.
    Some(entry("cn=grupo", &[("member", vec![]), (&format!("member;range={first}-{to}"), values)]))
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], length.as_slice(), content].concat()
}

fn message(id: &[u8], operation: &[u8]) -> Vec<u8> {
    element(0x30, &[&element(2, id), operation].concat())
}

fn message_id(question: &[u8]) -> Vec<u8> {
    let header = if question[1] < 0x80 { 2 } else { 2 + usize::from(question[1] & 0x7f) };
    let length = usize::from(question[header + 1]);
    question[header + 2..header + 2 + length].to_vec()
}

/// A result without a fault.
fn done(id: &[u8], tag: u8) -> Vec<u8> {
    message(id, &element(tag, &[10, 1, 0, 4, 0, 4, 0]))
}

fn entry(dn: &str, attributes: &[(&str, Vec<String>)]) -> Vec<u8> {
    let attribute = |(name, values): &(&str, Vec<String>)| {
        let values: Vec<u8> = values.iter().flat_map(|value| element(4, value.as_bytes())).collect();
        element(0x30, &[element(4, name.as_bytes()), element(0x31, &values)].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    element(0x64, &[element(4, dn.as_bytes()), element(0x30, &attributes)].concat())
}

/// Settings with short waits, for servers on these ports of this machine.
pub fn settings(ports: &[u16]) -> Settings {
    let urls = ports.iter().map(|port| Url::parse(&format!("ldap://127.0.0.1:{port}/")).unwrap()).collect();
    let own = OwnBind { dn: OWN_DN.to_owned(), password: Secret::new("Pass2016Mail") };
    Settings {
        own_bind: Some(own),
        connect_timeout: Duration::from_secs(1),
        answer_timeout: Duration::from_secs(1),
        operation_timeout: Duration::from_secs(5),
        rest_min: Duration::from_millis(50),
        rest_max: Duration::from_millis(200),
        ..Settings::new(urls)
    }
}

pub const OWN_DN: &str = "cn=correoapp,ou=mailapps,dc=domain01,dc=dom";

const FILTER: &str = "(|(&(sAMAccountName=%n)(mail=%n@domain01.dom))(&(sAMAccountName=%n)(mail=%n@domain02.dom)))";
const ATTRIBUTES: &str = "sAMAccountName=home=/var/vmail/%1M$/%2.1M$/%$,=quota_rule=*:bytes=%{ldap:info}";
const PEOPLE: &str = "(|(&(objectClass=person)(mail=%s)(mail=*@domain01.dom))\
                        (&(objectClass=person)(mail=%s)(mail=*@domain02.dom))(proxyAddresses=smtp:%s))";
const GROUPS: &str = "(|(&(objectClass=group)(mail=%s)(mail=*@domain01.dom))\
                        (&(objectClass=group)(mail=%s)(mail=*@domain02.dom)))";

/// The platform's directory, described once.
pub fn description() -> Description {
    let attributes = UserAttributes::parse(ATTRIBUTES).unwrap();
    let mut description = Description::active_directory("dc=domain01,dc=dom", FILTER, attributes).unwrap();
    description.recipient_filter = Some(lookup_template(PEOPLE).unwrap());
    let mut groups = Groups::active_directory(GROUPS).unwrap();
    groups.address_attributes.push("proxyAddresses".to_owned());
    groups.owner_attribute = Some("managedBy".to_owned());
    description.groups = Some(groups);
    description
}
