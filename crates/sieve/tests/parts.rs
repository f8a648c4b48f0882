//! What scripts may make of messages by RFC 5703 has its bounds, and what they make is right octet for octet.

use mail::date::DateTime;
use sieve::{Envelope, Fault, Limits, Location, Message, NotIncluded, Options, Outcome, Script, World, compile};

/// A world in which every included script is the same.
struct Including(Option<Script>);

impl World for Including {
    fn now(&mut self) -> DateTime {
        DateTime::utc(1_700_000_000)
    }

    fn include(&mut self, _: Location, _: &str) -> Result<Script, NotIncluded> {
        self.0.clone().ok_or(NotIncluded::Missing)
    }
}

const REQUIRE: &str = "require [\"foreverypart\", \"mime\", \"extracttext\", \"replace\", \"enclose\", \"variables\", \"include\", \
    \"editheader\", \"fileinto\"];";

fn script(text: &str) -> Script {
    compile(format!("{REQUIRE}{text}").as_bytes(), &Options::default()).unwrap().0
}

fn run_with(text: &str, message: &[u8], included: Option<&str>, limits: &Limits) -> Outcome {
    let mut world = Including(included.map(script));
    let envelope = Envelope { to: "me@house.test".to_owned(), ..Envelope::default() };
    script(text).run(&Message::new(message), &envelope, &mut world, limits)
}

fn run(text: &str, message: &[u8]) -> Outcome {
    run_with(text, message, None, &Limits::default())
}

fn changed(outcome: &Outcome, message: &[u8]) -> Vec<u8> {
    assert_eq!(outcome.error, None);
    outcome.rewritten().unwrap().pieces(message).concat()
}

fn too_much(outcome: &Outcome) -> &'static str {
    assert!(outcome.actions.is_empty() && outcome.implicit_keep.is_some() && outcome.rewritten().is_none());
    match outcome.error.as_ref().unwrap().fault {
        Fault::TooMuch(what) => what,
        ref other => panic!("{other}"),
    }
}

#[test]
fn an_enclosed_message_is_as_it_was_octet_for_octet() {
    for message in [
        &b"Subject: a\r\n\r\nbody\r\n"[..],
        b"Subject: a\n\nbody\xff\x00 without an end",
        b"Subject: only a header",
        b"Subject: a\r\nContent-Type: multipart/signed; boundary=\"=_enclosed-000000000000\"\r\n\r\n--=_enclosed-000000000000\r\n\r\nx\r\n--=_enclosed-000000000000--\r\n",
        b"",
    ] {
        let outcome = run("enclose :subject \"s\" \"--=_enclosed-000000000001\";", message);
        let enclosed = changed(&outcome, message);
        let mut indexer = mail::mime::Indexer::new();
        indexer.feed(&enclosed);
        let whole = indexer.finish();
        let mail::mime::Children::Multipart(parts) = &whole.children else { panic!("{whole:?}") };
        assert_eq!(parts.len(), 2);
        let place = usize::try_from(parts[1].body.start).unwrap()..usize::try_from(parts[1].body.end).unwrap();
        // The line end before the delimiter counts to a part without a body (as Dovecot counts it).
        let rest = enclosed[place].strip_prefix(message).expect("the message");
        assert!(rest.is_empty() || (rest == b"\n" && mail::header::header_end(message).is_none()), "{rest:?}");
        assert_eq!(outcome.redirected.unwrap().pieces(message).concat(), message);
    }
}

#[test]
fn messages_grow_only_so_far_and_so_often() {
    let message = b"Subject: a\n\nbody\n";
    let long = "x".repeat(3000);
    let small = Limits { growth_max: 2000, ..Limits::default() };
    for text in [format!("replace \"{long}\";"), format!("enclose \"{long}\";")] {
        assert_eq!(too_much(&run_with(&text, message, None, &small)), "message edit", "{text}");
        assert!(run(&text, message).rewritten().is_some());
    }
    assert_eq!(too_much(&run(&"enclose \"x\";".repeat(101), message)), "message edit");
    assert_eq!(too_much(&run(&"replace \"x\";".repeat(101), message)), "message edit");
}

#[test]
fn a_message_enclosed_deeper_than_parts_are_looked_for_is_still_a_message() {
    let text = format!("foreverypart {{ {} break; }} foreverypart {{ set \"a\" \"x\"; }}", "enclose \"x\";".repeat(90));
    assert_eq!(run(&text, b"Subject: a\n\nbody\n").error, None);
}

#[test]
fn loops_nest_only_so_deep_also_through_included_scripts() {
    let parts: String = (0..5).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}x\n\n--b{n}x\n")).collect();
    let message = format!("Subject: a\n{parts}\nbody\n");
    let inner = "foreverypart { foreverypart { keep; } }";
    let two = "foreverypart { foreverypart { include \"a\"; } }";
    assert_eq!(run_with(two, message.as_bytes(), Some(inner), &Limits::default()).error, None);
    let three = "foreverypart { foreverypart { foreverypart { include \"a\"; } } }";
    assert_eq!(too_much(&run_with(three, message.as_bytes(), Some(inner), &Limits::default())), "foreverypart nesting");
}

#[test]
fn each_part_is_a_step() {
    let message = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\n".repeat(5000));
    let few = Limits { steps_max: 4000, ..Limits::default() };
    assert_eq!(too_much(&run_with("foreverypart { }", message.as_bytes(), None, &few)), "execution step");
    // Each looks at all within it: that is the square of the parts, and it is counted.
    let text = "foreverypart { foreverypart { if header :mime :anychild [\"a\", \"b\", \"c\"] \"d\" { keep; } } }";
    let deep: String = (0..60).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}x\n\n--b{n}x\n")).collect();
    let deep = format!("{deep}{}", "--b59x\n\n".repeat(5000));
    let limits = Limits { work_max: 1 << 22, ..Limits::default() };
    assert_eq!(too_much(&run_with(text, deep.as_bytes(), None, &limits)), "execution work");
}

#[test]
fn a_loop_goes_on_when_the_header_makes_other_parts_of_the_message() {
    let message = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n";
    let text =
        "foreverypart { deleteheader \"content-type\"; extracttext \"t\"; set \"a\" \"${a}[${t}]\"; replace \"new\"; }";
    assert_eq!(run(text, message).error, None);
}

#[test]
fn a_failed_script_leaves_the_message_as_it_was() {
    let outcome = run("replace \"x\"; enclose \"y\"; replace :from \"${nobody}\" \"z\";", b"Subject: a\n\nbody\n");
    assert!(outcome.error.is_some() && outcome.rewritten().is_none() && outcome.redirected.is_none());
    assert!(outcome.implicit_keep.is_some());
}
