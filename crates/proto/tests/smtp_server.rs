//! Promises of the SMTP server that a transcript cannot state: what depends on how the input arrives, and sizes.

use mail::Reply;
use proto::smtp::{Answer, Ask, Dialect, Profile, Server};
use proto::{Next, Session};

/// Octets that the driver may read at once.
const READ_LENGTH: usize = 200_000;
/// The most content a house is given at once.
const PIECE_LENGTH_MAX: usize = 64 * 1024;

#[derive(Default)]
struct Heard {
    sent: Vec<u8>,
    content: u64,
    longest_piece: usize,
    abandoned: u32,
    closed: bool,
}

fn drive(session: &mut Server, heard: &mut Heard) {
    loop {
        match session.next() {
            Next::NeedInput { .. } => return,
            Next::Send(bytes) => heard.sent.extend_from_slice(&bytes),
            Next::Content(bytes) => {
                heard.content += bytes.len() as u64;
                heard.longest_piece = heard.longest_piece.max(bytes.len());
            }
            Next::Ask(ask) => {
                heard.abandoned += u32::from(ask == Ask::Abandoned);
                let end = matches!(ask, Ask::ContentEnd { .. });
                session.answer(if end { Answer::Reply(Reply::new(250, (2, 0, 0), "kept")) } else { Answer::Go });
            }
            Next::Close => {
                heard.closed = true;
                return;
            }
            Next::StartTls | Next::Pause(_) => {}
        }
    }
}

fn converse(profile: Profile, input: &[u8]) -> Heard {
    let (mut session, mut heard) = (Server::new(profile), Heard::default());
    drive(&mut session, &mut heard);
    for piece in input.chunks(READ_LENGTH) {
        session.receive(piece);
        drive(&mut session, &mut heard);
    }
    heard
}

fn smtp() -> Profile {
    Profile::new(Dialect::Smtp, "mx.example.test")
}

#[test]
fn large_content_is_handed_on_in_bounded_pieces() {
    let body = "x".repeat(998) + "\r\n";
    let input = format!("MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n{}.\r\nQUIT\r\n", body.repeat(8000));
    let heard = converse(smtp(), input.as_bytes());
    assert_eq!((heard.content, heard.closed), (8_000_000, true));
    assert!(heard.longest_piece <= PIECE_LENGTH_MAX);
    assert!(String::from_utf8(heard.sent).unwrap().ends_with("250 2.0.0 kept\r\n221 2.0.0 Bye\r\n"));
}

#[test]
fn content_over_the_limit_is_swallowed_and_abandoned_once() {
    let body = "x".repeat(998) + "\r\n";
    let mut profile = smtp();
    profile.limits.message_size_max = 1_000_000;
    let input = format!("MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n{}.\r\nQUIT\r\n", body.repeat(8000));
    let heard = converse(profile, input.as_bytes());
    assert_eq!((heard.abandoned, heard.closed), (1, true));
    assert!(heard.content <= 1_000_000);
    assert!(String::from_utf8(heard.sent).unwrap().contains("552 5.3.4 Error: message file too big\r\n221"));
}

#[test]
fn what_was_sent_behind_a_refused_data_is_never_a_command() {
    let input = b"MAIL FROM:<>\r\nDATA\r\nRSET\r\nMAIL FROM:<evil@example.test>\r\n.\r\nQUIT\r\n";
    let heard = converse(smtp(), input);
    let sent = String::from_utf8(heard.sent).unwrap();
    assert!(
        sent.ends_with("554 5.5.1 Error: no valid recipients\r\n554 5.5.0 Error: SMTP protocol synchronization\r\n"),
        "{sent}"
    );
    assert!(heard.closed);
}

#[test]
fn who_may_not_come_in_hears_why() {
    let mut session =
        Server::turned_away(smtp(), &Reply::new(421, (4, 7, 0), "mx.example.test Error: too many connections"));
    let mut heard = Heard::default();
    session.receive(b"EHLO x\r\n");
    drive(&mut session, &mut heard);
    assert_eq!(heard.sent, b"421 4.7.0 mx.example.test Error: too many connections\r\n");
    assert!(heard.closed);
}

#[test]
fn a_chunk_of_any_announced_length_holds_no_memory() {
    let input = b"BDAT 18446744073709551615 LAST\r\nMAIL FROM:<>\r\nQUIT\r\n";
    let heard = converse(smtp(), input);
    assert_eq!((heard.sent.as_slice(), heard.closed), (b"220 mx.example.test ESMTP Tepui\r\n".as_slice(), false));
}
