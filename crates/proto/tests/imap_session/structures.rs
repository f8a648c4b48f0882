//! BODYSTRUCTURE of odd messages, compared with what Dovecot 2.3.19 answered for the very same octets: the recordings of
//! the crate `mail`, which compares the values; here it is the wire form.

use std::path::Path;

use proto::imap::{Server, TlsState};
use proto::{Next, Session};

use crate::house::{House, Housed, bare_profile};

#[test]
fn bodystructure_is_written_as_dovecot_writes_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mail/tests/structure");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let answers = std::fs::read_to_string(path.with_extension("dovecot")).unwrap();
        let expected = answers.lines().next().unwrap();
        let got = fetched(&std::fs::read(&path).unwrap());
        // Case apart: Dovecot calls an encoding that nobody named 7bit, and ours is 7BIT, as RFC 2045 §6.1 writes it.
        assert_eq!(got.to_lowercase(), expected.to_lowercase(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 12, "the recorded messages are there");
}

fn fetched(message: &[u8]) -> String {
    let mut session = Housed::new(Server::new(bare_profile(), TlsState::On), House::new(&[message]));
    session.receive(b"a LOGIN ana demo\r\nb SELECT INBOX\r\nc FETCH 1 BODYSTRUCTURE\r\n");
    let mut said = Vec::new();
    loop {
        match session.next() {
            Next::Send(bytes) => said.extend(bytes),
            Next::NeedInput { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    let (_, rest) = said.split_once("* 1 FETCH (").unwrap();
    rest.split_once(")\r\nc OK").unwrap().0.to_owned()
}
