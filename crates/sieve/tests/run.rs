//! What scripts do with a message: one line a rule of the RFCs, in the words of `shown`.

use std::collections::HashMap;

use mail::date::DateTime;
use sieve::{
    Action, Envelope, Limits, Location, Message, NotIncluded, Options, Outcome, Score, Script, World, compile,
};

const MAIL: &[u8] = b"Received: from a by b; Sat, 21 Nov 2026 10:00:00 +0100\r\n\
Received: from c by a; Sat, 21 Nov 2026 09:59:00 +0100\r\n\
From: Ana <ana+news@example.test>\r\n\
To: bob@house.test, \"Carl\" <carl@other.test>\r\n\
Subject: =?utf-8?q?[list]_a=C3=B1o_nuevo?=\r\n\
Date: Sat, 21 Nov 2026 22:30:00 -0500\r\n\
Message-ID: <1@example.test>\r\n\
X-Priority: 3\r\n\
X-Empty:\r\n\
\r\n\
Hello Bob,\r\nbye.\r\n";

#[derive(Default)]
struct Town {
    scripts: HashMap<&'static str, &'static str>,
    score: Option<Score>,
    log: Vec<String>,
}

impl World for Town {
    fn now(&mut self) -> DateTime {
        DateTime { seconds: 1_795_305_600, offset_minutes: 60 } // Sunday 22 November 2026 00:00 UTC
    }

    fn mailbox_exists(&mut self, mailbox: &str) -> bool {
        mailbox == "Work"
    }

    fn special_use_exists(&mut self, mailbox: Option<&str>, use_: &str) -> bool {
        use_ == "\\Junk" && mailbox.is_none_or(|mailbox| mailbox == "Spam")
    }

    fn duplicate_seen(&mut self, handle: &str, id: &str, _seconds: u64) -> bool {
        handle == "h" && id == "<1@example.test>"
    }

    fn environment(&mut self, name: &str) -> Option<String> {
        (name == "domain").then(|| "house.test".to_owned())
    }

    fn include(&mut self, _location: Location, name: &str) -> Result<Script, NotIncluded> {
        let text = self.scripts.get(name).ok_or(NotIncluded::Missing)?;
        compile(text.as_bytes(), &Options::default()).map(|(script, _)| script).map_err(NotIncluded::Broken)
    }

    fn score(&mut self, _virus: bool, _message: &Message<'_>) -> Option<Score> {
        self.score
    }

    fn log(&mut self, line: u32, text: &str) {
        self.log.push(format!("{line}: {text}"));
    }
}

fn run_with(script: &str, town: &mut Town) -> Outcome {
    let all: Vec<String> = sieve::capabilities().split(' ').map(|name| format!("\"{name}\"")).collect();
    let script = format!("require [{}]; {script}", all.join(","));
    let (script, _) = compile(script.as_bytes(), &Options::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let envelope = Envelope {
        from: "ana@bounces.test".to_owned(),
        to: "bob@house.test".to_owned(),
        original_to: Some("bob+work@house.test".to_owned()),
        auth: None,
    };
    script.run(&Message::new(MAIL), &envelope, town, &Limits::default())
}

fn shown(outcome: &Outcome) -> String {
    let mut parts: Vec<String> = outcome.actions.iter().map(shown_action).collect();
    parts.extend(outcome.implicit_keep.iter().map(|flags| format!("implicit{}", shown_flags(flags))));
    parts.extend(outcome.error.iter().map(|error| format!("error({})", error.fault)));
    parts.join(" ")
}

fn shown_flags(flags: &[String]) -> String {
    if flags.is_empty() { String::new() } else { format!("({})", flags.join(",")) }
}

fn shown_action(action: &Action) -> String {
    match action {
        Action::Keep { flags } => format!("keep{}", shown_flags(flags)),
        Action::FileInto(into) => {
            let marks = [(into.copy, "+copy"), (into.create, "+create")];
            let marks: String = marks.into_iter().filter(|(on, _)| *on).map(|(_, mark)| mark).collect();
            format!("into:{}{marks}{}", into.mailbox, shown_flags(&into.flags))
        }
        Action::Redirect { address, copy, .. } => format!("to:{address}{}", if *copy { "+copy" } else { "" }),
        Action::Reject { reason, extended } => format!("reject:{reason}:{extended}"),
        Action::Vacation(vacation) => format!("vacation:{}:{:?}", vacation.reason, vacation.seconds),
        Action::Notify(notification) => format!("notify:{}:{}", notification.method, notification.importance),
        Action::Discard => "discard".to_owned(),
    }
}

#[track_caller]
fn gives(script: &str, expected: &str) {
    assert_eq!(shown(&run_with(script, &mut Town::default())), expected, "{script}");
}

/// Whether a test is true of the mail.
#[track_caller]
fn holds(test: &str, expected: bool) {
    gives(&format!("if {test} {{ discard; }}"), if expected { "discard" } else { "implicit" });
}

#[test]
fn without_an_action_the_message_is_kept() {
    gives("", "implicit");
    gives("stop; discard;", "implicit");
    gives("discard;", "discard");
    gives("keep; discard;", "keep discard");
    gives("fileinto \"a\"; fileinto :copy \"b\"; fileinto \"a\";", "into:a into:b+copy");
    gives("fileinto :copy :create \"b\";", "into:b+copy+create implicit");
    gives("fileinto :create \"b\"; fileinto \"b\";", "into:b+create");
    gives("fileinto :specialuse \"\\\\Junk\" \"b\"; fileinto \"b\";", "into:b into:b");
    gives("keep; fileinto :specialuse \"\\\\Junk\" \"INBOX\";", "keep into:INBOX");
    gives("redirect :copy \"x@y.test\"; redirect \"X@y.test\";", "to:x@y.test");
    gives("if false {} elsif true { keep; } else { discard; }", "keep");
}

#[test]
fn an_error_keeps_the_message_and_undoes_the_rest() {
    gives("fileinto \"a\"; error \"why\";", "implicit error(why)");
    gives(
        "fileinto \"a\"; reject \"no\";",
        "implicit error(reject action conflicts with other action: the store action.)",
    );
    gives(
        "vacation \"a\"; vacation \"b\";",
        "implicit error(vacation action conflicts with other action: the vacation action.)",
    );
    gives("reject \"no\";", "reject:no:false");
    gives("ereject \"no\";", "reject:no:true");
    gives("set \"a\" \"x\"; redirect \"${a}\";", "implicit error(specified redirect address 'x' is invalid.)");
    gives("set \"a\" \"(\"; if string :regex \"a\" \"${a}\" { discard; }", "implicit");
    let many = "redirect \"a@b.test\"; redirect \"b@b.test\"; redirect \"c@b.test\"; redirect \"d@b.test\"; redirect \"e@b.test\";";
    gives(many, "implicit error(redirect limit exceeded.)");
}

#[test]
fn headers_are_compared() {
    holds("header :is \"subject\" \"[list] año nuevo\"", true);
    holds("header :contains \"SUBJECT\" [\"x\", \"AÑO\"]", false);
    holds("header :comparator \"i;unicode-casemap\" :contains \"subject\" \"AÑO\"", true);
    holds("header :matches \"subject\" \"[*] *\"", true);
    holds("header :contains [\"x-none\", \"x-empty\"] \"\"", true);
    holds("header :contains \"x-none\" \"\"", false);
    holds("header :comparator \"i;octet\" :is \"x-priority\" \"3\"", true);
    holds("header :value \"lt\" :comparator \"i;ascii-numeric\" \"x-priority\" \"10\"", true);
    holds("header :count \"eq\" :comparator \"i;ascii-numeric\" \"received\" \"2\"", true);
    holds("header :regex \"subject\" \"^\\\\[(list|x)\\\\] a.o\"", true);
    holds("header :index 2 :contains \"received\" \"from c\"", true);
    holds("header :index 1 :last :contains \"received\" \"from a\"", false);
    holds("exists [\"from\", \"to\"]", true);
    holds("exists [\"from\", \"x-none\"]", false);
    holds("size :over 10", true);
    holds("size :under 10", false);
    holds("not anyof(false, allof(true, false))", true);
    holds("header :is \"x-priority\" \"${hex: 33}\"", true);
}

#[test]
fn addresses_are_taken_apart() {
    holds("address :is \"from\" \"ANA+news@example.test\"", true);
    holds("address :localpart \"from\" \"ana+news\"", true);
    holds("address :domain \"to\" \"other.test\"", true);
    holds("address :user \"from\" \"ana\"", true);
    holds("address :detail \"from\" \"news\"", true);
    holds("address :detail :contains \"to\" \"\"", false);
    holds("address :count \"eq\" :comparator \"i;ascii-numeric\" \"to\" \"2\"", true);
    holds("envelope \"from\" \"ana@bounces.test\"", true);
    holds("envelope :detail \"to\" \"work\"", true);
    holds("envelope \"auth\" \"\"", false);
}

#[test]
fn bodies_dates_and_the_world_are_asked() {
    holds("body :contains \"hello bob\"", true);
    holds("body :raw :contains \"Bob,\"", true);
    holds("body :content \"text/plain\" :matches \"*bye*\"", true);
    holds("body :content \"image\" :contains \"\"", false);
    holds("date :originalzone \"date\" \"hour\" \"22\"", true);
    holds("date :zone \"+0000\" \"date\" \"date\" \"2026-11-22\"", true);
    holds("date \"received\" \"time\" \"10:00:00\"", true);
    holds("date :index 2 \"received\" \"minute\" \"59\"", true);
    holds("currentdate \"weekday\" \"0\"", true);
    holds("currentdate :zone \"-0100\" \"weekday\" \"6\"", true);
    holds("currentdate :value \"ge\" \"date\" \"2026-11-22\"", true);
    holds("mailboxexists \"Work\"", true);
    holds("mailboxexists [\"Work\", \"None\"]", false);
    holds("specialuse_exists \"\\\\Junk\"", true);
    holds("specialuse_exists \"Inbox\" \"\\\\Junk\"", false);
    holds("environment \"domain\" \"house.test\"", true);
    holds("environment :contains \"none\" \"\"", false);
    holds("valid_notify_method [\"mailto:a@b.test\"]", true);
    holds("valid_notify_method \"xmpp:a\"", false);
    holds("notify_method_capability \"mailto:a@b.test\" \"Online\" \"maybe\"", true);
    holds("spamtest :is \"0\"", true);
    let mut town = Town { score: Some(Score::Points { points: 5.0, points_max: 10.0 }), ..Town::default() };
    assert_eq!(shown(&run_with("if spamtest :percent :is \"50\" { discard; }", &mut town)), "discard");
}

#[test]
fn duplicates_are_remembered_once_the_actions_are_done() {
    let outcome =
        run_with("if duplicate { discard; } if duplicate :handle \"h\" { fileinto \"again\"; }", &mut Town::default());
    assert_eq!(shown(&outcome), "into:again");
    assert_eq!(outcome.seen.len(), 1);
    assert_eq!((outcome.seen[0].id.as_str(), outcome.seen[0].seconds), ("<1@example.test>", 43_200));
}

#[test]
fn variables_hold_what_was_matched_and_set() {
    gives("if header :matches \"subject\" \"[*] *\" { fileinto \"${1}.${2}${3}\"; }", "into:list.año nuevo");
    gives("if header :regex \"from\" \"<([a-z]+)\" { fileinto \"${1}\"; }", "into:ana");
    gives("set :upper :length \"a\" \"año\"; fileinto \"n${A}${none}\";", "into:n3");
    gives("set :quotewildcard \"a\" \"*\"; if string :matches \"x*\" \"x${a}\" { discard; }", "discard");
    gives("if string :count \"eq\" :comparator \"i;ascii-numeric\" [\"\", \"a\"] \"1\" { discard; }", "discard");
    gives("fileinto \"a${b\";", "into:a${b");
    gives("set \"v\" \"x\"; set \"v\" \"${v}${v}\"; fileinto \"${v}\";", "into:xx");
    // A failed match leaves what was matched before.
    gives(
        "if header :matches \"x-priority\" \"*\" {} if header :matches \"x-priority\" \"a*\" {} fileinto \"${1}\";",
        "into:3",
    );
}

#[test]
fn variables_do_not_grow_without_end() {
    let doubling = "set \"v\" \"xxxxxxxxxx\"; ".to_owned() + &"set \"v\" \"${v}${v}\"; ".repeat(40);
    gives(
        &(doubling + "if string :matches \"${v}\" \"*\" { set :length \"l\" \"${v}\"; } fileinto \"${l}\";"),
        "into:4000",
    );
}

#[test]
fn flags_follow_the_message() {
    gives("setflag \"\\\\Seen\"; addflag [\"work\", \"\\\\Flagged \\\\seen\"];", "implicit(\\Seen,work,\\Flagged)");
    gives("setflag \"a b\"; removeflag \"A\"; keep;", "keep(b)");
    gives("setflag \"a\"; keep :flags \"b\"; fileinto \"x\";", "keep(b) into:x(a)");
    gives("setflag \"v\" \"a b\"; if hasflag \"v\" [\"b\"] { fileinto :flags \"${v}\" \"x\"; }", "into:x(a,b)");
    holds("hasflag :contains \"a\"", false);
    gives("setflag \"a b\"; if hasflag :count \"eq\" :comparator \"i;ascii-numeric\" \"2\" { discard; }", "discard");
}

#[test]
fn headers_are_edited() {
    let outcome = run_with(
        "deleteheader \"received\"; deleteheader \"x-empty\"; addheader \"X-New\" \"1\"; addheader :last \"X-Last\" \"ñ\"; deleteheader :contains \"to\" \"other\";",
        &mut Town::default(),
    );
    let header = String::from_utf8(outcome.header.unwrap()).unwrap();
    assert!(header.starts_with("X-New: 1\r\nReceived: from a"), "{header}");
    assert!(header.ends_with("X-Last: =?utf-8?B?w7E=?=\r\n\r\n"), "{header}");
    assert!(!header.contains("X-Empty") && !header.contains("To: bob"), "{header}");
    assert_eq!(
        run_with("addheader \"X\" \"a\"; deleteheader \"X\"; if exists \"X\" { discard; }", &mut Town::default())
            .actions,
        []
    );
    assert_eq!(run_with("keep;", &mut Town::default()).header, None);
}

#[test]
fn scripts_include_scripts() {
    let mut town = Town::default();
    town.scripts.insert("a", "require [\"include\", \"variables\", \"fileinto\"]; global \"g\"; set \"g\" \"${g}a\"; set \"l\" \"x\"; return; discard;");
    town.scripts.insert("stops", "discard; stop;");
    town.scripts.insert("loops", "require \"include\"; include \"loops\";");
    town.scripts.insert("broken", "nonsense;");
    let mut gives =
        |script: &str, expected: &str| assert_eq!(shown(&run_with(script, &mut town)), expected, "{script}");
    gives("global \"g\"; include \"a\"; include \"a\"; include :once \"a\"; fileinto \"${g}${l}\";", "into:aa");
    gives("include \"a\"; fileinto \"${global.g}\";", "into:a");
    gives("include \"stops\"; keep;", "discard");
    gives("include :optional \"none\"; keep;", "keep");
    gives("include \"none\"; keep;", "implicit error(include: included script 'none' does not exist.)");
    gives("include \"loops\";", "implicit error(include nesting limit exceeded.)");
    gives(
        "include \"broken\";",
        "implicit error(include: included script 'broken' does not compile: line 1: error: unknown command 'nonsense' (only reported once at first occurrence).)",
    );
}

#[test]
fn answers_and_notices_carry_their_arguments() {
    gives("vacation :days 7 \"away\";", "vacation:away:Some(604800) implicit");
    gives("vacation :seconds 0 \"away\"; discard;", "vacation:away:Some(0) discard");
    gives("notify :importance \"1\" \"mailto:a@b.test\";", "notify:mailto:a@b.test:1 implicit");
}

#[test]
fn work_is_bounded() {
    let keys = (0..500).map(|n| format!("\"x{n}*a*b*c\"")).collect::<Vec<_>>().join(",");
    let block = format!("if header :matches [\"subject\"] [{keys}] {{ keep; }} ");
    let (script, _) = compile(block.repeat(100).as_bytes(), &Options::default()).unwrap();
    let limits = Limits { work_max: 100_000, ..Limits::default() };
    let outcome = script.run(&Message::new(MAIL), &Envelope::default(), &mut Town::default(), &limits);
    assert_eq!(shown(&outcome), "implicit error(execution work limit exceeded.)");
    let limits = Limits { steps_max: 50, ..Limits::default() };
    let outcome = script.run(&Message::new(MAIL), &Envelope::default(), &mut Town::default(), &limits);
    assert_eq!(shown(&outcome), "implicit error(execution step limit exceeded.)");
}

#[test]
fn odd_messages_do_no_harm() {
    let script = "require [\"body\", \"date\", \"editheader\"]; if body :content \"\" :contains \"x\" {} if date \"date\" \"year\" \"1\" {} \
        if address \"from\" \"x\" {} addheader :last \"X\" \"y\"; deleteheader \"subject\";";
    let (script, _) = compile(script.as_bytes(), &Options::default()).unwrap();
    for mail in [
        &b""[..],
        b"\n",
        b"\r\n\r\n",
        b"no header",
        b"From:",
        b"From: a\nSubject: x",
        b"\xff\xfe: \x00\n\nx",
        b"Date: ;\n\n",
    ] {
        let outcome = script.run(&Message::new(mail), &Envelope::default(), &mut Town::default(), &Limits::default());
        assert_eq!(outcome.error, None);
    }
}

#[test]
fn the_platforms_default_script_files_spam() {
    let script = "require \"fileinto\";\nif exists \"X-Spam-Flag\" {\n\tif header :contains \"X-Spam-Flag\" \"NO\" {\n\t\t} else {\n\tfileinto \"Junk\";\n\t\tstop;\n\t}\n}\nif header :contains \"subject\" [\"***SPAM***\"] {\n\tfileinto \"Junk\";\n\tstop;\n}\n";
    let (script, _) = compile(script.as_bytes(), &Options::default()).unwrap();
    for (mail, expected) in [
        (&b"X-Spam-Flag: YES\r\n\r\n"[..], "into:Junk"),
        (b"X-Spam-Flag: NO\r\n\r\n", "implicit"),
        (b"Subject: ***spam*** buy\r\n\r\n", "into:Junk"),
        (b"Subject: hi\r\n\r\n", "implicit"),
    ] {
        let outcome = script.run(&Message::new(mail), &Envelope::default(), &mut Town::default(), &Limits::default());
        assert_eq!(shown(&outcome), expected);
    }
}
