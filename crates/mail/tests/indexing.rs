//! Promises of the MIME indexer on messages that nobody wrote by hand: generated well-formed ones, compared with the
//! `mailparse` crate, and any octets at all.

use mail::mime::{Children, DEPTH_MAX, HEADER_KEPT_MAX, Indexer, PARTS_MAX, Part, decode_transfer};
use proptest::prelude::*;

fn indexed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Part {
    let mut indexer = Indexer::new();
    pieces.into_iter().for_each(|piece| indexer.feed(piece));
    indexer.finish()
}

fn slice(message: &[u8], range: std::ops::Range<u64>) -> &[u8] {
    &message[range.start as usize..range.end as usize]
}

/// Parts lie one after the other, within their parents, and within the message; lines and kept headers agree with it.
fn check(part: &Part, message: &[u8]) {
    assert!(part.header.start <= part.header.end && part.header.end <= part.body.start, "{part:?}");
    assert!(part.body.start <= part.body.end && part.body.end <= message.len() as u64, "{part:?}");
    let line_feeds = slice(message, part.body.clone()).iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(part.lines, line_feeds as u64, "{part:?}");
    assert_eq!(slice(message, part.header.clone()), part.fields);
    let children = match &part.children {
        Children::Leaf => &[],
        Children::Multipart(parts) => parts.as_slice(),
        Children::Message(inner) => std::slice::from_ref(inner.as_ref()),
    };
    let mut after = part.body.start;
    for child in children {
        assert!(after <= child.header.start && child.body.end <= part.body.end, "{part:?}");
        after = child.body.end;
        check(child, message);
    }
}

/// Lines that make odd structures likely.
fn odd_message() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("--a".to_owned()),
        Just("--a--".to_owned()),
        Just("--ab".to_owned()),
        Just("--ab--".to_owned()),
        Just(String::new()),
        Just("Content-Type: multipart/mixed; boundary=a".to_owned()),
        Just("Content-Type: multipart/digest;\r\n boundary=\"ab\"".to_owned()),
        Just("Content-Type: message/rfc822".to_owned()),
        Just("Content-Transfer-Encoding: base64".to_owned()),
        "[-a: \r\t]{0,6}",
    ];
    let end = prop_oneof![8 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r\r\n"), 1 => Just("")];
    prop::collection::vec((line, end), 0..40)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| (line + end).into_bytes()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_the_same_parts(message in odd_message(), sizes in prop::collection::vec(1_usize..9, 1..20)) {
        let whole = indexed([message.as_slice()]);
        check(&whole, &message);
        prop_assert_eq!(&indexed(message.chunks(1)), &whole);
        let mut rest = message.as_slice();
        let pieces = sizes.iter().cycle().map_while(|&size| {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&indexed(pieces), &whole);
    }

    #[test]
    fn any_octets_have_a_structure(message in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&indexed([message.as_slice()]), &message);
    }
}

/// A well-formed part, with the bodies of its leaves.
#[derive(Debug, Clone)]
enum Written {
    Text(&'static str, String),
    Multipart(Vec<Written>),
}

fn written() -> impl Strategy<Value = Written> {
    let text =
        ("[ -,.-~\r]{0,40}(\r\n[ -,.-~]{0,40}){0,5}").prop_map(|text| text.replace('\r', "").replace('\n', "\r\n"));
    let encoding = prop_oneof![Just("7bit"), Just("base64"), Just("quoted-printable")];
    let leaf = (encoding, text).prop_map(|(encoding, text)| Written::Text(encoding, text));
    leaf.prop_recursive(4, 24, 4, |part| prop::collection::vec(part, 1..4).prop_map(Written::Multipart))
}

fn write(part: &Written, number: &mut u32, out: &mut String) {
    match part {
        Written::Text(encoding, text) => {
            out.push_str(&format!("Content-Type: text/plain\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{text}"));
        }
        Written::Multipart(parts) => {
            *number += 1;
            let boundary = format!("=_{number}_");
            out.push_str(&format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\npreamble"));
            for part in parts {
                out.push_str(&format!("\r\n--{boundary}\r\n"));
                write(part, number, out);
            }
            out.push_str(&format!("\r\n--{boundary}--\r\nepilogue"));
        }
    }
}

fn leaves(part: &Part) -> Vec<&Part> {
    part.walk().filter(|part| part.children == Children::Leaf).collect()
}

fn oracle_leaves<'a>(part: &'a mailparse::ParsedMail<'a>) -> Vec<&'a mailparse::ParsedMail<'a>> {
    match part.subparts.as_slice() {
        [] => vec![part],
        parts => parts.iter().flat_map(oracle_leaves).collect(),
    }
}

fn raw_body<'a>(part: &'a mailparse::ParsedMail<'a>) -> Vec<u8> {
    match part.get_body_encoded() {
        mailparse::body::Body::Base64(body) | mailparse::body::Body::QuotedPrintable(body) => body.get_raw().to_vec(),
        mailparse::body::Body::SevenBit(body) | mailparse::body::Body::EightBit(body) => body.get_raw().to_vec(),
        mailparse::body::Body::Binary(body) => body.get_raw().to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn leaves_are_those_that_mailparse_finds(part in written()) {
        let mut message = String::from("Subject: x\r\n");
        write(&part, &mut 0, &mut message);
        let root = indexed([message.as_bytes()]);
        check(&root, message.as_bytes());
        let parsed = mailparse::parse_mail(message.as_bytes()).unwrap();
        let (ours, theirs) = (leaves(&root), oracle_leaves(&parsed));
        prop_assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let body = slice(message.as_bytes(), ours.body.clone());
            // That crate leaves the line end before a delimiter to the body.
            let raw = raw_body(theirs);
            let trimmed = raw.strip_suffix(b"\r\n").unwrap_or(&raw);
            prop_assert!(body == raw || body == trimmed, "{:?} {:?}", body.escape_ascii(), raw.escape_ascii());
            if *ours.media.encoding == *b"7bit" {
                prop_assert_eq!(decode_transfer(&ours.media.encoding, body), body);
            }
        }
    }
}

#[test]
fn parts_beyond_the_bound_are_content_of_the_last_one() {
    let message =
        format!("Content-Type: multipart/mixed; boundary=o\r\n\r\n{}", "--o\r\n\r\nx\r\n".repeat(PARTS_MAX + 50));
    let root = indexed([message.as_bytes()]);
    check(&root, message.as_bytes());
    let Children::Multipart(parts) = &root.children else { panic!("not a multipart") };
    assert_eq!(parts.len(), PARTS_MAX - 1, "the message itself counts");
    assert_eq!(parts[PARTS_MAX - 2].body.end, message.len() as u64);
}

#[test]
fn what_is_nested_too_deep_is_a_leaf() {
    let multipart = |depth: usize| format!("Content-Type: multipart/mixed; boundary=b{depth}_\r\n\r\n--b{depth}_\r\n");
    let message: String = (0..DEPTH_MAX + 20).map(multipart).collect();
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(DEPTH_MAX + 20);
    for message in [message, messages] {
        let root = indexed([message.as_bytes()]);
        check(&root, message.as_bytes());
        let deepest = root.walk().last().unwrap();
        assert_eq!((root.walk().count(), &deepest.children), (DEPTH_MAX, &Children::Leaf));
        assert_eq!(deepest.shown_type(), (&b"application"[..], &b"octet-stream"[..]));
    }
}

// Found by `any_cut_gives_the_same_parts`: the inner message once began after its outer one had ended.
#[test]
fn a_message_cut_off_in_its_header_holds_an_empty_one() {
    let message = b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\njunk\r\n--b--\r\n";
    let root = indexed([&message[..]]);
    check(&root, message);
    let Some(Part { children: Children::Message(inner), fields, .. }) = root.section(&[1]) else {
        panic!("no message")
    };
    assert_eq!(
        (fields.as_slice(), inner.header.clone(), inner.children.clone()),
        (&b"junk"[..], 55..55, Children::Leaf)
    );
}

#[test]
fn an_encoded_message_is_not_looked_into() {
    let message =
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: Base64\r\n\r\nU3ViamVjdDogeA0KDQpoaQ0K\r\n";
    let root = indexed([&message[..]]);
    assert_eq!((&root.children, root.shown_type()), (&Children::Leaf, (&b"application"[..], &b"octet-stream"[..])));
}

#[test]
fn of_an_endless_header_only_the_beginning_is_kept_and_the_offsets_stay_right() {
    let header =
        format!("Subject: x\r\n{}\r\n", "X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(20_000));
    let long_line = format!("Subject: {}\r\n\r\n", "z".repeat(HEADER_KEPT_MAX * 2));
    for header in [header, long_line] {
        let message = format!("{header}body\r\n");
        let root = indexed([message.as_bytes()]);
        assert_eq!(root.header, 0..header.len() as u64);
        assert_eq!(slice(message.as_bytes(), root.body.clone()), b"body\r\n");
        assert_eq!(root.fields, &message.as_bytes()[..HEADER_KEPT_MAX]);
        assert_eq!(indexed(message.as_bytes().chunks(1000)), root);
    }
}

#[test]
fn many_large_headers_share_one_bound() {
    let part = format!("--o\r\nX-Filler: {}\r\nContent-Type: text/html\r\n\r\nx\r\n", "y".repeat(200_000));
    let message = format!("Content-Type: multipart/mixed; boundary=o\r\n\r\n{}--o--\r\n", part.repeat(60));
    let root = indexed([message.as_bytes()]);
    let Children::Multipart(parts) = &root.children else { panic!("not a multipart") };
    assert_eq!(parts.len(), 60);
    assert!(root.walk().map(|part| part.fields.len()).sum::<usize>() < 9 * 1024 * 1024);
    assert!(parts.iter().all(|part| slice(message.as_bytes(), part.body.clone()) == b"x"));
}
