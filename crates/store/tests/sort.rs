//! Sorted, threaded and searched as the real Dovecot sorts, threads and searches: some hundred messages that answer each
//! other, name messages that are not there, go round in circles, and have subjects and names as the world writes them.

mod world;

use std::sync::Arc;

use disk::RealDisk;
use mail::search::Key;
use mail::sort::{By, Criterion};
use mail::thread::{Algorithm, Node, Threads};
use mail::{Flags, Uid};
use store::{Access, Mailbox, Settings, Store};
use world::dovecot::Dovecot;
use world::inbox;

const MESSAGES: usize = 400;

/// The same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn message(dice: &mut Dice, number: usize) -> String {
    let prefix = dice.pick(&["", "", "", "Re: ", "re: ", "RE[2]: ", "Fwd: ", "[list] ", "[list] Re: ", "Re: [list] "]);
    let suffix = dice.pick(&["", "", "", " (fwd)", "  ", "\t(FWD) "]);
    let base = dice.pick(&[
        "hola",
        "Hola",
        "año nuevo",
        "=?utf-8?q?A=C3=91O?= nuevo",
        "",
        "zeta",
        "[Fwd: zeta]",
        "Éclair",
        "eclair",
        "ß",
        "[x]",
    ]);
    let day = 1 + dice.below(28);
    let date = dice.pick(&[
        "Date: {} Nov 2026 10:00:00 +0000",
        "Date: {} Nov 2026 10:00:00 -0400",
        "Date: nonsense",
        "X-None: {}",
    ]);
    let from = dice.pick(&[
        "From: ana@x.test",
        "From: Zoe <bob@x.test>",
        "From: =?utf-8?q?=C3=81ngel?= <carl@x.test>",
        "From: \"Last, First\" <Dan@x.test>",
        "X-None: none",
        "From: <eva@x.test>",
    ]);
    let to = dice.pick(&["To: a@b, c@d", "To: C <c@d>", "X-None: none", "To: team: x@y;"]);
    let own = match dice.below(12) {
        0 => String::new(),
        1 => format!("Message-ID: <{}@x.test>\r\n", dice.below(MESSAGES)),
        2 => format!("Message-ID: <\"{number}\"@x.test>\r\n"),
        _ => format!("Message-ID: <{number}@x.test>\r\n"),
    };
    let mut id = |number: usize| match dice.below(10) {
        0 => "<gone@x.test>".to_owned(),
        1 => format!("<{}@x.test>", dice.below(MESSAGES)),
        2 => "nothing".to_owned(),
        _ => format!("<{}@x.test>", number.saturating_sub(1 + dice.below(20))),
    };
    let answers = match (number * 7) % 10 {
        0..=3 => String::new(),
        4 | 5 => format!("In-Reply-To: {} {}\r\n", id(number), id(number)),
        _ => format!("References: {} {} {}\r\n", id(number), id(number), id(number)),
    };
    let body = "x".repeat(dice.below(50));
    format!(
        "Subject: {prefix}{base}{suffix}\r\n{}\r\n{from}\r\n{to}\r\n{own}{answers}\r\n{body}\r\n",
        date.replace("{}", &day.to_string())
    )
}

fn filled(dovecot: &Dovecot) -> Arc<Mailbox> {
    let settings = Settings { location: dovecot.location(), auto_mailboxes: Vec::new(), ..Settings::default() };
    let store = Store::new(Arc::new(RealDisk::new().unwrap()), settings);
    let account = store.account_of(&dovecot.home(), "ana").unwrap();
    let mut dice = Dice(7);
    for number in 0..MESSAGES {
        let mut draft = account.draft(&inbox()).unwrap();
        draft.write(message(&mut dice, number).as_bytes()).unwrap();
        // Many arrive in the same second, as when a mailbox is copied.
        let arrived = mail::date::DateTime::utc(1_795_000_000 + (dice.below(300) as i64) * 3600);
        draft.append(Flags::NONE, &[], Some(arrived)).unwrap();
    }
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    mailbox
}

/// The answer of this name in what an IMAP session heard.
fn answers<'a>(heard: &'a str, word: &str) -> Vec<&'a str> {
    let start = format!("* {word}");
    heard.lines().filter_map(|line| line.strip_prefix(&start)).map(|rest| rest.trim_end()).collect()
}

fn numbers(uids: &[Uid]) -> String {
    uids.iter().map(|uid| format!(" {uid}")).collect()
}

fn shown(threads: &Threads) -> String {
    fn node(threads: &Threads, at: usize) -> String {
        let Node { uid, children } = &threads.nodes[at];
        let own = uid.map(|uid| uid.to_string()).unwrap_or_default();
        let gap = if uid.is_some() && !children.is_empty() { " " } else { "" };
        let below = match &children[..] {
            [only] => node(threads, *only),
            many => many.iter().map(|child| format!("({})", node(threads, *child))).collect(),
        };
        format!("{own}{gap}{below}")
    }
    format!(" {}", threads.roots.iter().map(|root| format!("({})", node(threads, *root))).collect::<String>())
}

#[test]
fn messages_are_sorted_as_dovecot_sorts_them() {
    let dovecot = Dovecot::new("maildir:~/maildir");
    let mailbox = filled(&dovecot);
    let orders: [(&str, &[(By, bool)]); 10] = [
        ("SUBJECT", &[(By::Subject, false)]),
        ("REVERSE SUBJECT DATE", &[(By::Subject, true), (By::Date, false)]),
        ("DATE", &[(By::Date, false)]),
        ("REVERSE DATE", &[(By::Date, true)]),
        ("ARRIVAL", &[(By::Arrival, false)]),
        ("FROM REVERSE SIZE", &[(By::From, false), (By::Size, true)]),
        ("TO", &[(By::To, false)]),
        ("CC ARRIVAL", &[(By::Cc, false), (By::Arrival, false)]),
        ("DISPLAYFROM", &[(By::DisplayFrom, false)]),
        ("REVERSE DISPLAYTO", &[(By::DisplayTo, true)]),
    ];
    let commands: String = orders.iter().map(|(words, _)| format!("x UID SORT ({words}) UTF-8 ALL\n")).collect();
    let heard = dovecot.imap(&format!("a SELECT INBOX\n{commands}z LOGOUT\n"));
    let told = answers(&heard, "SORT");
    assert_eq!(told.len(), orders.len(), "{heard}");
    for ((words, criteria), told) in orders.iter().zip(told) {
        let criteria: Vec<Criterion> =
            criteria.iter().map(|(by, reverse)| Criterion { by: *by, reverse: *reverse }).collect();
        assert_eq!(numbers(&mailbox.sort(&Key::All, &criteria).unwrap()), told, "{words}");
    }
}

#[test]
fn messages_are_threaded_as_dovecot_threads_them() {
    let dovecot = Dovecot::new("maildir:~/maildir");
    let mailbox = filled(&dovecot);
    let algorithms = [
        ("ORDEREDSUBJECT", Algorithm::OrderedSubject),
        ("REFERENCES", Algorithm::References),
        ("REFS", Algorithm::Refs),
    ];
    let commands: String = algorithms.iter().map(|(name, _)| format!("x UID THREAD {name} UTF-8 ALL\n")).collect();
    let heard = dovecot.imap(&format!("a SELECT INBOX\n{commands}z LOGOUT\n"));
    let told = answers(&heard, "THREAD");
    assert_eq!(told.len(), algorithms.len(), "{heard}");
    for ((name, algorithm), told) in algorithms.iter().zip(told) {
        assert_eq!(shown(&mailbox.thread(&Key::All, *algorithm).unwrap()), told, "{name}");
    }
}

#[test]
fn texts_are_found_as_dovecot_finds_them() {
    let dovecot = Dovecot::new("maildir:~/maildir");
    let mailbox = filled(&dovecot);
    let texts = ["año", "AN\u{303}O", "ano", "ECLAIR", "éclair", "ß", "e"];
    let commands: String =
        texts.iter().map(|text| format!("x UID SEARCH CHARSET UTF-8 SUBJECT \"{text}\"\n")).collect();
    let heard = dovecot.imap(&format!("a SELECT INBOX\n{commands}z LOGOUT\n"));
    let told = answers(&heard, "SEARCH");
    assert_eq!(told.len(), texts.len(), "{heard}");
    for (text, told) in texts.iter().zip(told) {
        let key = Key::Header { name: "SUBJECT".to_owned(), text: (*text).to_owned() };
        assert_eq!(numbers(&mailbox.search(&key).unwrap()), told, "{text}");
    }
}
