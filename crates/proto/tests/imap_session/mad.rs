//! Clients that send anything: transcripts' lines in any order, with octets changed, cut and repeated. No session may panic,
//! go on for ever, or ask the house what it must not.

use proto::{Next, Session};
use sim::transcript::Stage;

use crate::{Imap, folder};

const RUNS: u64 = 3_000;
const LINES_MAX: u64 = 12;
/// Octets that mean something somewhere.
const ODD: &[u8] = b"(){}[]\"\\*%:,<>.+0\r\n \0\xff";
/// A session that has not come to rest after this many steps never will.
const STEPS_MAX: usize = 200_000;

/// A linear congruential generator: the same numbers every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn lines() -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for path in sim::transcript::files(&folder()).unwrap() {
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| !line.contains("\\(")) {
            if let Some(said) = line.strip_prefix("C: ") {
                lines.push([said.replace("\\\\", "\\").as_bytes(), b"\r\n"].concat());
            }
        }
    }
    lines
}

fn conversation(numbers: &mut Numbers, lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"x LOGIN ana demo\r\ny SELECT INBOX\r\n".to_vec();
    for _ in 0..numbers.below(LINES_MAX) + 1 {
        bytes.extend_from_slice(&lines[numbers.below(lines.len() as u64) as usize]);
    }
    for _ in 0..numbers.below(4) {
        let at = numbers.below(bytes.len() as u64) as usize;
        match numbers.below(4) {
            0 => bytes[at] = numbers.below(256) as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, ODD[numbers.below(ODD.len() as u64) as usize]),
            _ => bytes.truncate(at.max(40)),
        }
    }
    bytes
}

#[test]
fn whatever_a_client_sends_the_session_keeps_its_promises() {
    let lines = lines();
    assert!(lines.len() > 100);
    for seed in 0..RUNS {
        let mut numbers = Numbers(seed);
        let bytes = conversation(&mut numbers, &lines);
        let mut session = Imap.open(if seed % 2 == 0 { "tls-on" } else { "create-special-use" }).unwrap();
        let mut steps = 0;
        let mut rest = &bytes[..];
        loop {
            steps += 1;
            assert!(steps < STEPS_MAX, "seed {seed} never rests");
            match session.next() {
                Next::NeedInput { .. } if rest.is_empty() => break,
                Next::NeedInput { watch, .. } => {
                    if watch && numbers.below(2) == 0 {
                        session.house.other(["delivers x", "expunges 2", "marks 1 \\Seen"][numbers.below(3) as usize]);
                        session.changed();
                    }
                    let (piece, after) = rest.split_at((numbers.below(200) as usize + 1).min(rest.len()));
                    session.receive(piece);
                    rest = after;
                }
                Next::Close => break,
                _ => {}
            }
        }
        session.closed();
        while !matches!(session.next(), Next::Close) {}
        assert_eq!(session.house.violations, Vec::<String>::new(), "seed {seed}: {}", bytes.escape_ascii());
        assert!(!session.house.has_draft(), "seed {seed} left a message begun");
    }
}
