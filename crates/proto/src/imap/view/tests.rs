//! A client that believes what it is told, and what a view keeps.

use mail::{Keywords, UidValidity};

use super::*;

/// A store of UIDs and flags, and a client that knows only what it is told.
struct Model {
    store: Vec<Row>,
    next: u32,
    client: Vec<(Uid, Flags)>,
    seed: u64,
}

fn snapshot(rows: &[Row], next: u32) -> Arc<Snapshot> {
    Arc::new(Snapshot {
        uid_validity: UidValidity::new(1).unwrap(),
        uid_next: Uid::new(next).unwrap(),
        highest_modseq: ModSeq(1),
        keywords: Keywords::default(),
        rows: rows.iter().copied().collect(),
    })
}

fn view(rows: &[Row]) -> View {
    View::new(MailboxName::inbox(), snapshot(rows, 100), Vec::new(), false)
}

fn row(uid: u32, flags: Flags) -> Row {
    Row { uid: Uid::new(uid).unwrap(), flags, modseq: ModSeq(1) }
}

impl Model {
    fn below(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize % bound
    }

    fn change(&mut self) {
        match self.below(4) {
            0 => {
                self.store.push(row(self.next, Flags::NONE));
                self.next += 1;
            }
            1 if !self.store.is_empty() => {
                let at = self.below(self.store.len());
                self.store.remove(at);
            }
            _ if !self.store.is_empty() => {
                let at = self.below(self.store.len());
                let flag = [Flags::SEEN, Flags::FLAGGED, Flags::DELETED][self.below(3)];
                let flags = self.store[at].flags;
                self.store[at].flags = if flags.contains(flag) { flags.without(flag) } else { flags.with(flag) };
            }
            _ => {}
        }
    }

    /// What a client does with untagged responses. New messages it would fetch; here it looks them up.
    fn listen(&mut self, said: &str) {
        for line in said.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            let number: usize = words[1].parse().unwrap();
            match words[2] {
                "EXPUNGE" => drop(self.client.remove(number - 1)),
                "EXISTS" => {
                    let last = self.client.last().map(|(uid, _)| *uid);
                    let new = self.store.iter().filter(|row| Some(row.uid) > last).map(|row| (row.uid, row.flags));
                    self.client.extend(new.collect::<Vec<_>>());
                    assert_eq!(self.client.len(), number);
                }
                "FETCH" => {
                    let names = words[3].trim_start_matches("(FLAGS (").trim_end_matches("))");
                    let flags = names.split(' ').filter_map(Flags::system).fold(Flags::NONE, Flags::with);
                    assert_ne!(self.client[number - 1].1, flags, "nothing is told twice");
                    self.client[number - 1].1 = flags;
                }
                other => panic!("{other}"),
            }
        }
    }

    fn check(&self, expunges: bool) {
        let there = |uid: &Uid| self.store.iter().find(|row| row.uid == *uid);
        let known: Vec<(Uid, Flags)> = self.store.iter().map(|row| (row.uid, row.flags)).collect();
        if expunges {
            assert_eq!(self.client, known);
        }
        for (uid, flags) in &self.client {
            assert!(there(uid).is_none_or(|row| row.flags == *flags));
        }
        assert!(known.iter().all(|(uid, _)| self.client.iter().any(|(shown, _)| shown == uid)));
    }
}

#[test]
fn a_client_that_believes_what_it_is_told_knows_the_mailbox() {
    for seed in 0..300 {
        let mut model = Model { store: Vec::new(), next: 1, client: Vec::new(), seed };
        let mut view = view(&[]);
        for _ in 0..60 {
            for _ in 0..model.below(6) {
                model.change();
            }
            view.hear(snapshot(&model.store, model.next), Vec::new());
            let expunges = model.below(2) == 0;
            let mut out = Outbox::default();
            view.catch_up(Telling { expunges, ..Telling::default() }, &mut out);
            model.listen(&String::from_utf8(out.take()).unwrap());
            model.check(expunges);
            for (index, (uid, _)) in model.client.iter().enumerate() {
                assert_eq!(view.seq(*uid), Seq::at(index), "the numbers are the client's");
            }
        }
    }
}

#[test]
fn the_same_snapshot_again_says_and_keeps_nothing() {
    let mut view = view(&[row(1, Flags::NONE)]);
    let same = Arc::clone(view.latest());
    view.hear(Arc::clone(&same), Vec::new());
    let mut out = Outbox::default();
    view.catch_up(Telling { expunges: true, ..Telling::default() }, &mut out);
    assert!(out.is_empty());
    assert_eq!(Arc::strong_count(&same), 4, "ours, and three places of one view");
}

#[test]
fn a_set_is_what_the_client_counts() {
    let view = view(&[row(3, Flags::NONE), row(7, Flags::NONE), row(9, Flags::NONE)]);
    let uids = |set: &str, numbers| {
        let found = view.messages(&MessageSet::Numbers(NumberSet::parse(set).unwrap()), numbers)?;
        Some(found.into_iter().map(|message| message.uid.number()).collect::<Vec<_>>())
    };
    assert_eq!(uids("3:*,1,2:2", Numbers::Seq), Some(vec![3, 7, 9]));
    assert_eq!(uids("4", Numbers::Seq), None);
    assert_eq!(uids("*", Numbers::Seq), Some(vec![9]));
    assert_eq!(uids("4:8,100:*,4294967295", Numbers::Uid), Some(vec![7, 9]));
    assert_eq!(uids("1:2", Numbers::Uid), Some(vec![]));
}

#[test]
fn what_is_saved_is_a_set_in_whatever_order_it_was_found() {
    let mut view = view(&[row(3, Flags::NONE), row(4, Flags::NONE), row(5, Flags::NONE), row(9, Flags::NONE)]);
    view.save([9, 4, 3, 5].map(|uid| Uid::new(uid).unwrap()));
    assert_eq!(view.saved, NumberSet::from_ranges([(3, 5), (9, 9)]));
}
