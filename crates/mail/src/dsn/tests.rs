//! What a report says, field by field, and what it does not let in.

use proptest::prelude::*;

use super::*;
use crate::header::{find, unfold};
use crate::mime::{Children, Indexer, Part};

const ORIGINAL: &[u8] = b"From: Uno <usuario01@domain01.dom>\r\nSubject: rebote\r\n\r\nhola\r\n";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn indexed(message: &[u8]) -> Part {
    let mut indexer = Indexer::new();
    indexer.feed(message);
    indexer.finish()
}

fn body<'a>(message: &'a [u8], part: &Part) -> &'a [u8] {
    &message[part.body.start as usize..part.body.end as usize]
}

fn with_report<T>(
    kind: ReportKind,
    to: &str,
    recipient: &str,
    reply: &Reply,
    original: Returned<'_>,
    test: impl Fn(&Report<'_>) -> T,
) -> T {
    let (to, address) = (address(to), address(recipient));
    let moment = DateTime::utc(1_795_220_201);
    test(&Report {
        kind,
        reporting_mta: "mx.example.test",
        from: "MAILER-DAEMON@mx.example.test",
        message_id: "<20261121001641.5DF25990033@mx.example.test>",
        boundary: "5BE8F990021.1795220201/mx.example.test",
        date: moment,
        arrival: moment,
        to: &to,
        envelope_id: Some("abc"),
        recipients: vec![ReportedRecipient {
            address: &address,
            original: Some("rfc822;juan.perez@domain01.dom"),
            reply,
            remote_mta: Some("127.0.0.1"),
            last_attempt: moment,
            will_retry_until: Some(DateTime::utc(1_795_220_201 + 86_400)),
        }],
        original,
    })
}

fn failed(reply: &Reply) -> Vec<u8> {
    let (to, recipient) = ("usuario01@domain01.dom", "juan.perez@domain01.dom");
    with_report(ReportKind::Failed, to, recipient, reply, Returned::Whole(ORIGINAL), |report| report.write())
}

#[test]
fn a_failure_is_told_in_words_in_fields_and_with_the_message() {
    let reply = Reply::new(550, (5, 1, 1), "<juan.perez@domain01.dom> User doesn't exist: juan.perez@domain01.dom");
    let message = failed(&reply);
    let root = indexed(&message);
    assert!(root.media.is("multipart", "report"));
    assert_eq!(root.media.param("report-type"), Some(&b"delivery-status"[..]));
    assert_eq!(unfold(find(&root.fields, "Auto-Submitted").unwrap().value), b"auto-replied");

    let Children::Multipart(parts) = &root.children else { panic!("not a multipart") };
    let types: Vec<String> = parts
        .iter()
        .map(|part| String::from_utf8([part.shown_type().0, b"/", part.shown_type().1].concat()).unwrap())
        .collect();
    assert_eq!(types, ["text/plain", "message/delivery-status", "message/rfc822"]);
    let status = body(&message, &parts[1]);
    // Field for field what Postfix tells in the same case.
    let expected = "Original-Envelope-Id: abc\r\n\
        Reporting-MTA: dns; mx.example.test\r\n\
        Arrival-Date: Sat, 21 Nov 2026 00:16:41 +0000\r\n\
        \r\n\
        Original-Recipient: rfc822;juan.perez@domain01.dom\r\n\
        Final-Recipient: rfc822; juan.perez@domain01.dom\r\n\
        Action: failed\r\n\
        Status: 5.1.1\r\n\
        Remote-MTA: dns; 127.0.0.1\r\n\
        Diagnostic-Code: smtp; 550 5.1.1 <juan.perez@domain01.dom> User doesn't\r\n\
        \texist: juan.perez@domain01.dom\r\n\
        Last-Attempt-Date: Sat, 21 Nov 2026 00:16:41 +0000\r\n";
    assert_eq!(String::from_utf8_lossy(status), expected);
    assert_eq!(body(&message, &parts[2]), ORIGINAL, "what comes back is what was sent, to the octet");
    assert!(message.is_ascii() && !String::from_utf8_lossy(&message).contains("8bit"));
}

#[test]
fn a_delay_tells_until_when_it_is_tried_and_returns_the_header() {
    let reply = Reply::plain(451, "try later");
    let (to, recipient) = ("a@example.test", "b@example.test");
    let message =
        with_report(ReportKind::Delayed, to, recipient, &reply, Returned::Headers(ORIGINAL), |report| report.write());
    let root = indexed(&message);
    let status = String::from_utf8_lossy(body(&message, root.section(&[2]).unwrap()));
    assert!(status.contains("Action: delayed\r\nStatus: 4.0.0\r\n"), "{status}");
    assert!(status.ends_with("Will-Retry-Until: Sun, 22 Nov 2026 00:16:41 +0000\r\n"), "{status}");
    let returned = root.section(&[3]).unwrap();
    assert!(returned.media.is("text", "rfc822-headers"));
    assert!(!body(&message, returned).windows(4).any(|window| window == b"hola"));
}

#[test]
fn an_address_with_utf8_makes_the_report_a_global_one() {
    let reply = Reply::new(550, (5, 1, 1), "no such user ñandú");
    let (to, recipient) = ("a@example.test", "ñandú@example.test");
    let message =
        with_report(ReportKind::Failed, to, recipient, &reply, Returned::Whole(ORIGINAL), |report| report.write());
    let root = indexed(&message);
    let status = root.section(&[2]).unwrap();
    assert!(status.media.is("message", "global-delivery-status"));
    assert_eq!(*root.media.encoding, *b"8bit");
    assert!(String::from_utf8_lossy(body(&message, status)).contains("Final-Recipient: utf-8; ñandú@example.test\r\n"));
}

#[test]
fn a_returned_message_with_8_bit_octets_is_declared_so() {
    let reply = Reply::plain(550, "");
    let original = Returned::Whole(b"Subject: x\r\n\r\n\xf1\r\n");
    let message =
        with_report(ReportKind::Failed, "a@example.test", "b@example.test", &reply, original, |report| report.write());
    let root = indexed(&message);
    assert_eq!(*root.media.encoding, *b"8bit");
    assert_eq!(*root.section(&[3]).unwrap().media.encoding, *b"8bit");
    assert_eq!(*root.section(&[1]).unwrap().media.encoding, *b"7BIT");
}

#[test]
fn the_status_fits_the_action() {
    let status = |kind, reply: Reply| {
        with_report(kind, "a@b.test", "b@b.test", &reply, Returned::Whole(b""), |report| {
            report.status(&reply).to_string()
        })
    };
    assert_eq!(status(ReportKind::Failed, Reply::plain(550, "")), "5.0.0");
    assert_eq!(status(ReportKind::Failed, Reply::new(451, (4, 4, 7), "too long")), "4.4.7");
    assert_eq!(status(ReportKind::Failed, Reply::new(550, (2, 0, 0), "a liar")), "5.0.0");
    assert_eq!(status(ReportKind::Delayed, Reply::new(550, (5, 1, 1), "")), "4.0.0");
    assert_eq!(status(ReportKind::Delivered, Reply::new(250, (2, 1, 5), "")), "2.1.5");
}

proptest! {
    #[test]
    fn a_reply_can_inject_nothing(text in "(?s)(.{0,40}(\r\n|\n|\r)?(--5BE8F990021.1795220201/mx.example.test|X-Field: x|[a-z]{0,2000})?){0,6}") {
        let message = failed(&Reply::new(550, (5, 1, 1), text));
        let root = indexed(&message);
        let Children::Multipart(parts) = &root.children else { panic!("not a multipart") };
        prop_assert_eq!(parts.len(), 3);
        prop_assert_eq!(body(&message, &parts[2]), ORIGINAL);
        let status = body(&message, &parts[1]);
        prop_assert_eq!(status.windows(4).filter(|window| window == b"\r\n\r\n").count(), 1);
        prop_assert_eq!(find(status, "X-Field"), None);
        let text = String::from_utf8(message).unwrap();
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 998 && line.is_ascii() && !line.contains(['\r', '\n'])));
    }
}
