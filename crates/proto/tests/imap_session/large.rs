//! Big messages, big headers, many messages: all of it is answered, and no more than a piece of it is ever held.

use proto::imap::ask::READ_MAX;
use proto::imap::{Server, TlsState};
use proto::session::OUTBOX_FULL;
use proto::{Next, Session};

use crate::house::{House, Housed, bare_profile};

/// Talks to a session with an account of these messages; gives what it said, and the longest piece.
fn talk(messages: &[&[u8]], said: &[u8]) -> (Vec<u8>, usize) {
    let mut session = Housed::new(Server::new(bare_profile(), TlsState::On), House::new(messages));
    session.receive(b"a LOGIN ana demo\r\nb SELECT INBOX\r\n");
    session.receive(said);
    let (mut heard, mut longest) = (Vec::new(), 0);
    loop {
        match session.next() {
            Next::Send(bytes) => {
                longest = longest.max(bytes.len());
                heard.extend(bytes);
            }
            Next::NeedInput { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(session.house.violations, Vec::<String>::new());
    (heard, longest)
}

fn position(heard: &[u8], what: &[u8]) -> usize {
    memchr::memmem::find(heard, what).unwrap_or_else(|| panic!("{} is not there", what.escape_ascii()))
}

#[test]
fn a_large_message_is_sent_whole_and_in_pieces() {
    let body: Vec<u8> = (0..1_000_000_u32).flat_map(|n| format!("{n}\r\n").into_bytes()).collect();
    let message = [b"Subject: large\r\n\r\n".to_vec(), body].concat();
    let (heard, longest) = talk(&[&message], b"c FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT]<1000000.5>)\r\n");
    let start = position(&heard, b"BODY[] {") + format!("BODY[] {{{}}}\r\n", message.len()).len();
    assert!(heard[start..].starts_with(&message));
    let partial = [b" BODY[TEXT]<1000000> {5}\r\n", &message[18 + 1_000_000..18 + 1_000_005], b")\r\nc OK"].concat();
    assert!(heard[start + message.len()..].starts_with(&partial));
    assert!(longest <= OUTBOX_FULL + READ_MAX + 200, "{longest}");
}

#[test]
fn a_header_too_long_to_be_held_still_ends_where_it_ends() {
    let filler = "X-Filler: ".to_owned() + &"x".repeat(900) + "\r\n";
    let header = "Subject: first\r\n".to_owned() + &filler.repeat(400) + "To: last@example.test\r\n\r\n";
    let message = header.clone() + "text\r\n";
    let said = b"c FETCH 1 (RFC822.SIZE BODY.PEEK[TEXT] BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[HEADER])\r\n";
    let (heard, _) = talk(&[message.as_bytes()], said);
    position(&heard, b"BODY[TEXT] {6}\r\ntext\r\n BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: first\r\n\r\n");
    position(&heard, format!("BODY[HEADER] {{{}}}\r\n{header})\r\nc OK", header.len()).as_bytes());
}

#[test]
fn an_empty_line_is_found_however_the_header_is_cut() {
    for length in 8160..8200 {
        let header = format!("Subject: {}\r\n\r\n", "y".repeat(length - 13));
        let message = header.clone() + "text\r\n";
        let (heard, _) = talk(&[message.as_bytes()], b"c FETCH 1 BODY.PEEK[TEXT]\r\n");
        position(&heard, b"BODY[TEXT] {6}\r\ntext\r\n)\r\nc OK");
    }
}

#[test]
fn many_messages_are_told_in_their_order_and_marked_seen() {
    let messages = vec![&b"Subject: x\r\n\r\ny\r\n"[..]; 700];
    let (heard, longest) =
        talk(&messages, b"c FETCH 1:* (UID RFC822.SIZE)\r\nd FETCH 1:* BODY[TEXT]\r\ne SEARCH UNSEEN\r\n");
    let mut at = position(&heard, b"b OK");
    for number in 1..=700 {
        at += position(&heard[at..], format!("* {number} FETCH (UID {number} RFC822.SIZE 17)\r\n").as_bytes());
    }
    for number in 1..=700 {
        let expected = format!("* {number} FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {{3}}\r\ny\r\n)\r\n");
        at += position(&heard[at..], expected.as_bytes());
    }
    position(&heard[at..], b"d OK Fetch completed.\r\n* SEARCH\r\ne OK");
    assert!(longest <= OUTBOX_FULL + READ_MAX, "{longest}");
}
