//! What Pigeonhole says of our scripts and does with them, and that we do likewise: `oracle/scripts.txt` holds its answers,
//! which `oracle/record.py` asked for.

use std::collections::BTreeMap;

use mail::date::DateTime;
use sieve::{Action, Envelope, Flags, Limits, Message, Options, Outcome, Severity, World, compile};

/// Where we differ on purpose, or cannot be compared, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("bad-22", "an expression that would take too much memory is refused; theirs has no such bound"),
    ("bad-35", "where the string without an end began is told as well"),
    ("good-16", "a byte order mark at the start, as editors of Windows write it, is passed over"),
    ("extension-05", "i;unicode-casemap came after Pigeonhole 0.5.19"),
    ("does-05", "addresses that differ in case only get the message once"),
    ("mime-06", "theirs looks no further than a part that lacks the field"),
    ("mime-09", "likewise"),
    ("mime-11", "likewise"),
    ("mime-15", "likewise"),
    ("mime-10", "a parameter that is not there does not count (RFC 5703 §4.1)"),
    ("mime-14", "fields of parts may hold addresses, as in the example of RFC 5703 §4.2"),
    ("more-25", "Debian's Pigeonhole knows no ereject"),
];

struct Case {
    name: String,
    script: String,
    /// The lines with errors; `None` if the script was accepted.
    refused: Option<Vec<u32>>,
    actions: Vec<String>,
}

struct Nowhere;

impl World for Nowhere {
    fn now(&mut self) -> DateTime {
        DateTime::utc(1_700_000_000)
    }
}

fn cases() -> Vec<Case> {
    let text = include_str!("oracle/scripts.txt");
    text.split("=== ").skip(1).map(case).collect()
}

fn case(block: &str) -> Case {
    let (name, rest) = block.split_once('\n').expect("a name");
    let (script, answers) = rest.split_once("--- sievec\n").expect("an answer");
    let (verdict, actions) = answers.split_once("--- sieve-test\n").unwrap_or((answers, ""));
    let refused = verdict.trim().strip_prefix("refused");
    Case {
        name: name.to_owned(),
        script: script.to_owned(),
        refused: refused.map(|lines| lines.split_whitespace().map(|line| line.parse().expect("a line")).collect()),
        actions: actions.lines().map(str::to_owned).collect(),
    }
}

/// What we say, in the words of `record.py`.
fn ours(script: &str) -> (Option<Vec<u32>>, Vec<String>) {
    match compile(script.as_bytes(), &Options::default()) {
        Ok((script, _)) => {
            let envelope = Envelope {
                from: "ana@bounces.test".to_owned(),
                to: "bob@house.test".to_owned(),
                original_to: Some("bob+work@house.test".to_owned()),
                auth: None,
            };
            let message = Message::new(include_bytes!("oracle/message.eml"));
            (None, told(&script.run(&message, &envelope, &mut Nowhere, &Limits::default())))
        }
        Err(problems) => {
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
            let mut lines: Vec<u32> = errors.map(|problem| problem.line).collect();
            lines.sort_unstable();
            lines.dedup();
            (Some(lines), Vec::new())
        }
    }
}

fn told(outcome: &Outcome) -> Vec<String> {
    // sieve-test does not tell of the keep that follows an error.
    if outcome.error.is_some() {
        assert!(outcome.actions.is_empty() && outcome.implicit_keep.is_some(), "a failed run keeps the mail");
        return vec!["error".to_owned()];
    }
    let mut told: Vec<String> = outcome.actions.iter().map(tell).collect();
    told.extend(outcome.implicit_keep.iter().map(|flags| store("INBOX", flags)));
    told
}

fn tell(action: &Action) -> String {
    match action {
        Action::Keep { flags } => store("INBOX", flags),
        Action::FileInto(file) => store(&file.mailbox, &file.flags),
        Action::Redirect { address, .. } => format!("redirect {address}"),
        other => other.name().to_owned(),
    }
}

fn store(mailbox: &str, flags: &Flags) -> String {
    let flags = flags.join(" ").to_lowercase();
    if flags.is_empty() { format!("store {mailbox}") } else { format!("store {mailbox} ({flags})") }
}

#[test]
fn scripts_are_judged_and_run_as_pigeonhole_does() {
    let excused: BTreeMap<&str, &str> = DIFFERENCES.iter().copied().collect();
    let mut differences = Vec::new();
    let cases = cases();
    assert!(cases.len() > 150);
    for case in &cases {
        let (refused, actions) = ours(&case.script);
        let is_same = refused == case.refused && actions == case.actions;
        if is_same == excused.contains_key(case.name.as_str()) {
            let theirs = (&case.refused, &case.actions);
            differences.push(format!(
                "{}: {}\n  theirs {theirs:?}\n  ours   {:?}",
                case.name,
                case.script,
                (refused, actions)
            ));
        }
    }
    assert!(differences.is_empty(), "{} differ (or no longer do):\n{}", differences.len(), differences.join("\n"));
}
