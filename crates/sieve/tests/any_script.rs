//! No script and no message makes the room panic: words of the language in any order, and any text.

use mail::date::DateTime;
use proptest::prelude::*;
use sieve::{Envelope, Limits, Message, Options, World, compile};

struct Nowhere;

impl World for Nowhere {
    fn now(&mut self) -> DateTime {
        DateTime::utc(1_700_000_000)
    }
}

const WORDS: &[&str] = &[
    "if",
    "elsif",
    "else",
    "keep",
    "discard",
    "header",
    "address",
    "set",
    "addflag",
    "hasflag",
    "not",
    "anyof",
    "true",
    "ihave",
    "foreverypart",
    "break",
    "extracttext",
    "replace",
    "enclose",
    ":mime",
    ":anychild",
    ":param",
    ":name",
    "body",
    "date",
    "currentdate",
    "string",
    "addheader",
    "deleteheader",
    "vacation",
    ":is",
    ":matches",
    ":regex",
    ":count",
    ":value",
    ":index",
    ":last",
    ":length",
    ":zone",
    ":content",
    "\"a\"",
    "\"${1}*?\"",
    "\"eq\"",
    "\"(a|b)*\"",
    "\"year\"",
    "\"+0100\"",
    "[\"to\",\"*\"]",
    "1",
    "4G",
    "(",
    ")",
    "{",
    "}",
    ";",
    ";",
    ";",
    ",",
];

/// Commands that are right, so that runs happen too.
const COMMANDS: &[&str] = &[
    "if header :matches [\"to\", \"subject\"] \"*${a}?*\" { set \"a\" \"${1}${2}\"; }",
    "if header :regex \"subject\" [\"(a|b)*c\", \"^[^x]*$\"] { set :length \"b\" \"${0}\"; }",
    "if address :detail :contains [\"from\", \"to\"] \"\" { addflag \"${a}\"; }",
    "if body :content \"text\" :contains [\"a\", \"${b}\"] { discard; }",
    "if date :originalzone \"date\" \"std11\" \"x\" { keep; }",
    "if header :index 2 :last :count \"ge\" \"received\" \"1\" { stop; }",
    "addheader \"X-A\" \"${a}\"; deleteheader :matches \"subject\" \"*${a}*\";",
    "set \"a\" \"${a}${a}${b}xy\";",
    "vacation :subject \"${a}\" \"${b}\";",
    "foreverypart { if header :mime :anychild :param [\"name\", \"${a}\"] :contains [\"content-type\", \"${b}\"] \"a\" { break; } }",
    "foreverypart { extracttext :first 9 \"a\"; foreverypart :name \"x\" { extracttext :upper \"b\"; break :name \"x\"; } }",
    "foreverypart { replace \"${a}\"; } if exists :mime :anychild \"${b}\" { keep; }",
    "foreverypart { enclose :headers [\"to\", \"${a}\"] \"${b}\"; break; }",
    "replace :subject \"${a}\" \"${b}\"; if address :mime :anychild :user \"from\" \"x\" { keep; }",
];

const REQUIRE: &str = "require [\"variables\",\"imap4flags\",\"relational\",\"index\",\"body\",\"date\",\"editheader\",\"regex\",\
    \"subaddress\",\"vacation\",\"ihave\",\"mime\",\"foreverypart\",\"extracttext\",\"replace\",\"enclose\"];";

/// The rest of a header, and the start of a body with parts.
const PARTS: &str =
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; name=a\n\na<b>\n--b\n\n";

fn compile_and_run(script: &[u8], message: &[u8]) -> Option<usize> {
    let (script, _) = compile(script, &Options::default()).ok()?;
    let outcome = script.run(&Message::new(message), &Envelope::default(), &mut Nowhere, &Limits::default());
    // A run that failed loses no mail.
    assert!(outcome.error.is_none() || (outcome.actions.is_empty() && outcome.implicit_keep.is_some()));
    Some(outcome.actions.len())
}

proptest! {
    #[test]
    fn any_octets_are_a_script_or_refused(script in prop::collection::vec(any::<u8>(), 0..200)) {
        compile_and_run(&script, b"To: a@b\r\n\r\nx");
    }

    #[test]
    fn any_words_are_a_script_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        compile_and_run(format!("{REQUIRE} {}", words.join(" ")).as_bytes(), b"To: a@b\r\n\r\nx");
    }

    #[test]
    fn any_message_is_read(
        commands in prop::collection::vec(prop::sample::select(COMMANDS), 0..12),
        header in "((To|From|Subject|Date|Received|Content-Type): [ -~ñ]{0,40}\r?\n){0,6}",
        blank in prop::sample::select(vec!["", "\n", "\r\n", PARTS]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let message = [header.as_bytes(), blank.as_bytes(), &rest].concat();
        let ran = compile_and_run(format!("{REQUIRE} {}", commands.join("\n")).as_bytes(), &message);
        prop_assert!(ran.is_some(), "the commands are right");
    }
}
