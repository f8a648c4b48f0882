//! What a script may cost: each of these is small, and would run long or hold much if what it does were not counted.

use std::collections::HashMap;

use mail::date::DateTime;
use sieve::{Envelope, Fault, Limits, Location, Message, NotIncluded, Options, Outcome, Script, World, compile};

/// So much work is enough for any script of these that does what it does once.
const WORK_MAX: u64 = 1 << 20;

#[derive(Default)]
struct Town {
    scripts: HashMap<&'static str, String>,
    questions: usize,
}

impl World for Town {
    fn now(&mut self) -> DateTime {
        DateTime::utc(1_795_305_600)
    }

    fn mailbox_exists(&mut self, _mailbox: &str) -> bool {
        self.questions += 1;
        true
    }

    fn duplicate_seen(&mut self, _handle: &str, _id: &str, _seconds: u64) -> bool {
        self.questions += 1;
        false
    }

    fn include(&mut self, _location: Location, name: &str) -> Result<Script, NotIncluded> {
        self.questions += 1;
        let text = self.scripts.get(name).ok_or(NotIncluded::Missing)?;
        compile(text.as_bytes(), &Options::default()).map(|(script, _)| script).map_err(NotIncluded::Broken)
    }
}

const ALL: &str = "require [\"variables\", \"body\", \"regex\", \"comparator-i;unicode-casemap\", \"comparator-i;ascii-numeric\", \"relational\", \"imap4flags\", \"mailbox\", \"duplicate\", \"include\", \"vacation\", \"editheader\", \"envelope\"];";

fn run_in(script: &str, mail: &[u8], town: &mut Town, work_max: u64) -> Outcome {
    let script = format!("{ALL} {script}");
    let (script, _) = compile(script.as_bytes(), &Options::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let limits = Limits { work_max, ..Limits::default() };
    script.run(&Message::new(mail), &Envelope::default(), town, &limits)
}

fn fault(outcome: Outcome) -> Option<Fault> {
    outcome.error.map(|error| error.fault)
}

#[track_caller]
fn is_too_much(script: &str, mail: &[u8]) {
    let outcome = run_in(script, mail, &mut Town::default(), WORK_MAX);
    assert_eq!(fault(outcome), Some(Fault::TooMuch("execution work")), "{script:.100}");
}

fn list(count: usize, mut text: impl FnMut(usize) -> String) -> String {
    let all: Vec<String> = (0..count).map(|number| format!("\"{}\"", text(number))).collect();
    format!("[{}]", all.join(","))
}

const MAIL: &[u8] = b"From: a@b.test\nSubject: hello\nMessage-ID: <1@b.test>\n\nbody\n";

#[test]
fn a_plain_script_does_little_work() {
    let script = "if header :contains \"subject\" [\"x\", \"y\"] { discard; } \
                  if address :matches \"from\" \"*@b.test\" { set \"a\" \"${1}\"; } \
                  if header :regex \"subject\" \"^(h.*)o$\" { set \"b\" \"${1}${a}\"; }";
    assert_eq!(fault(run_in(script, MAIL, &mut Town::default(), WORK_MAX)), None);
}

#[test]
fn many_keys_are_counted_however_short_they_and_the_value_are() {
    for kind in [":is", ":contains", ":matches", ":value \"eq\""] {
        let keys = list(60_000, |_| "1".to_owned());
        is_too_much(
            &format!(
                "if allof (not header {kind} \"subject\" {keys}, not header {kind} \"subject\" {keys}, not header {kind} \"subject\" {keys}) {{ keep; }}"
            ),
            MAIL,
        );
    }
    // An empty value against patterns that are long.
    let keys = list(600, |number| format!("{}{number}", "a*".repeat(600)));
    let script = format!("if not header :matches \"x-empty\" {keys} {{ keep; }}");
    let outcome = run_in(&script, b"X-Empty:\n\n", &mut Town::default(), WORK_MAX / 2);
    assert_eq!(fault(outcome), Some(Fault::TooMuch("execution work")));
}

#[test]
fn long_keys_are_counted() {
    let (key, value) = ("a".repeat(60_000), "a".repeat(50_000));
    let keys = list(10, |number| format!("{key}{number}"));
    is_too_much(
        &format!("if header :contains \"subject\" {keys} {{ keep; }}"),
        format!("Subject: {value}\n\n").as_bytes(),
    );
}

#[test]
fn folding_is_counted_for_keys_and_values() {
    let keys = list(10, |number| format!("{}{number}", "ñ".repeat(5_000)));
    is_too_much(&format!("if header :is :comparator \"i;unicode-casemap\" \"subject\" {keys} {{ keep; }}"), MAIL);
    let mail = format!("Subject: {}\n\n", "ñ".repeat(20_000));
    is_too_much("if header :matches :comparator \"i;unicode-casemap\" \"subject\" \"x\" { keep; }", mail.as_bytes());
}

#[test]
fn strings_that_are_made_are_counted() {
    let set = format!("set \"a\" \"{}\";", "a".repeat(4_000));
    let long = "${a}".repeat(250);
    is_too_much(&format!("{set} if string :is \"{long}\" \"x\" {{ keep; }}"), MAIL);
    is_too_much(&format!("{set} vacation :addresses {} \"x\";", list(100, |_| long.clone())), MAIL);
    is_too_much(&format!("{set} if string :is {} \"x\" {{ keep; }}", list(100, |_| long.clone())), MAIL);
    is_too_much(&format!("{set} if hasflag {} {{ keep; }}", list(100, |_| long.clone())), MAIL);
}

#[test]
fn names_times_fields_are_counted() {
    let mail = "X: 1\n".repeat(4_000) + "\n";
    let names = list(100, |number| format!("y{number}"));
    is_too_much(&format!("if not exists {} {{ keep; }}", list(100, |_| "x".to_owned())), mail.as_bytes());
    for test in [":is", ":count \"eq\""] {
        is_too_much(&format!("if header {test} {names} \"1\" {{ keep; }}"), mail.as_bytes());
    }
    // The same fields again and again are not collected again and again.
    let outcome = run_in(
        &format!("if header :count \"eq\" {} \"1\" {{ keep; }}", list(100, |_| "x".to_owned())),
        mail.as_bytes(),
        &mut Town::default(),
        u64::MAX,
    );
    assert_eq!(fault(outcome), Some(Fault::TooMuch("header field")));
}

#[test]
fn a_body_is_counted_when_it_is_looked_at() {
    let mail = ["\n".as_bytes(), &[0xff; 1 << 20]].concat();
    is_too_much("if body :raw :is \"x\" { keep; }", &mail);
    is_too_much("if body :content \"audio\" :is \"x\" { keep; }", &mail);
}

#[test]
fn flags_are_counted() {
    let set = format!("set \"a\" \"{}\";", "a b ".repeat(1_000));
    is_too_much(&format!("{set} {}", "addflag \"x\" \"${a}\";".repeat(20)), MAIL);
    is_too_much(&format!("{set} if hasflag {} \"c\" {{ keep; }}", list(100, |_| "a".to_owned())), MAIL);
}

#[test]
fn questions_to_the_world_are_bounded() {
    let mut town = Town::default();
    let names = list(60_000, |number| number.to_string());
    let outcome = run_in(&format!("if mailboxexists {names} {{ keep; }}"), MAIL, &mut town, WORK_MAX);
    assert_eq!(fault(outcome), Some(Fault::TooMuch("execution work")));
    assert!(town.questions <= 1024, "{}", town.questions);

    let mut town = Town::default();
    let script: String = (0..1_000).map(|number| format!("if duplicate :uniqueid \"{number}\" {{ keep; }}")).collect();
    let outcome = run_in(&script, MAIL, &mut town, u64::MAX);
    assert_eq!(fault(outcome), Some(Fault::TooMuch("duplicate test")));
    assert!(town.questions <= 64, "{}", town.questions);
}

#[test]
fn global_variables_are_bounded() {
    let script: String = (0..300).map(|number| format!("set \"global.a{number}\" \"x\";")).collect();
    let outcome = run_in(&script, MAIL, &mut Town::default(), WORK_MAX);
    assert_eq!(fault(outcome), Some(Fault::TooMuch("global variable")));
}

#[test]
fn expressions_made_of_variables_are_counted() {
    let each: String =
        (0..20).map(|number| format!("if string :regex \"x\" \"${{a}}{{{number}}}\" {{ keep; }}")).collect();
    is_too_much(&format!("set \"a\" \"y\"; {each}"), MAIL);
    // One is made once.
    let same = "if string :regex \"x\" \"${a}\" { keep; }".repeat(20);
    assert_eq!(fault(run_in(&format!("set \"a\" \"y\"; {same}"), MAIL, &mut Town::default(), WORK_MAX)), None);
}

#[test]
fn a_large_expression_costs_more_than_a_small_one() {
    let mail = format!("Subject: {}\n\n", "x".repeat(4_000));
    let script = |expression: &str| format!("if header :regex \"subject\" \"{expression}\" {{ keep; }}");
    assert_eq!(fault(run_in(&script("y"), mail.as_bytes(), &mut Town::default(), WORK_MAX)), None);
    is_too_much(&script("([a-z]{0,20}y){20}"), mail.as_bytes());
}

#[test]
fn what_is_included_is_counted() {
    let text = format!("set \"a\" \"{}\";", "x".repeat(1 << 17));
    let text = format!("require \"variables\"; {text}");
    let mut town = Town { scripts: HashMap::from([("a", text)]), ..Town::default() };
    let outcome = run_in(&"include \"a\";".repeat(20), MAIL, &mut town, WORK_MAX);
    assert_eq!(fault(outcome), Some(Fault::TooMuch("execution work")));
    assert!(town.questions < 10, "{}", town.questions);
}

#[test]
fn the_regular_expressions_of_a_script_are_bounded_together() {
    let errors = |keys: &str| {
        let script = format!("{ALL} if header :regex \"subject\" {keys} {{ keep; }}");
        match compile(script.as_bytes(), &Options::default()) {
            Ok((script, _)) => Ok(script.memory()),
            Err(problems) => Err(problems),
        }
    };
    let memory = errors(&list(256, |number| format!("^a{number}.*b$"))).unwrap();
    assert!(memory > 256 * 1024 && memory < 8 << 20, "{memory}");
    let too_large = "the script has too many or too large regular expressions (max: 256, 65536 characters, 8388608 bytes compiled).";
    for keys in [
        list(60_000, |number| number.to_string()),
        list(257, |number| number.to_string()),
        list(40, |number| format!("{}{number}", "a".repeat(2_000))),
        list(250, |number| format!("([a-z]{{0,20}}{number}){{15}}")),
    ] {
        let problems = errors(&keys).unwrap_err();
        assert_eq!(problems.len(), 1, "{:?}", problems[0]);
        assert_eq!(problems[0].text, too_large);
    }
    // Those that are refused were made, too.
    assert_eq!(errors(&list(60_000, |_| "(".to_owned())).unwrap_err().len(), 100);
}
