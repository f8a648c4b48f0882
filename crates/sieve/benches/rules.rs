//! What a script of many rules costs: compiling it, and running it over a message.
//!
//!     cargo bench -p sieve --bench rules -- [RULES]

use std::time::{Duration, Instant};

use mail::date::DateTime;
use sieve::{Envelope, Limits, Message, Options, World, compile};

/// How often each thing is done; the median counts.
const ROUNDS: usize = 101;
const MESSAGE_LENGTH: usize = 10_000;

struct Nowhere;

impl World for Nowhere {
    fn now(&mut self) -> DateTime {
        DateTime::utc(0)
    }
}

fn main() {
    let rules = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1000);
    let (script, mail) = (script(rules), mail());
    let compile = || compile(script.as_bytes(), &Options::default()).expect("a good script").0;
    println!("{rules} rules, {} bytes: compiled in {:?}", script.len(), median(|| drop(compile())));
    let compiled = compile();
    let run = || {
        let outcome = compiled.run(&Message::new(&mail), &Envelope::default(), &mut Nowhere, &Limits::default());
        assert!(outcome.error.is_none() && outcome.actions.is_empty());
    };
    println!("run over {} bytes in {:?}", mail.len(), median(run));
}

fn median(mut what: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            what();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

/// Rules as people write them; none is true of the mail, so that all are tried.
fn script(rules: usize) -> String {
    let mut script = "require \"fileinto\";\n".to_owned();
    for n in 0..rules {
        let test = match n % 4 {
            0 => format!("header :contains \"subject\" [\"word{n}\", \"[list-{n}]\"]"),
            1 => format!("address :is \"from\" \"person{n}@example.test\""),
            2 => format!("header :matches \"list-id\" \"*<list{n}.example.test>\""),
            _ => format!("anyof (header :is \"x-rule\" \"{n}\", address :domain [\"to\", \"cc\"] \"host{n}.test\")"),
        };
        script.push_str(&format!("if {test} {{\n    fileinto \"Folder {n}\";\n    stop;\n}}\n"));
    }
    script
}

fn mail() -> Vec<u8> {
    let mut mail = String::new();
    for n in 0..6 {
        mail.push_str(&format!("Received: from host{n} by relay{n} with ESMTPS; Sat, 21 Nov 2026 10:00:00 +0000\r\n"));
    }
    mail.push_str("From: Ana Ruiz <ana@house.test>\r\nTo: bob@house.test, eva@house.test\r\nSubject: =?utf-8?q?Informe_del_a=C3=B1o?=\r\n");
    mail.push_str("List-Id: Noticias <noticias.house.test>\r\nMessage-ID: <1@house.test>\r\nX-Rule: none\r\n\r\n");
    while mail.len() < MESSAGE_LENGTH {
        mail.push_str("Una frase como tantas, que no dice nada.\r\n");
    }
    mail.into_bytes()
}
