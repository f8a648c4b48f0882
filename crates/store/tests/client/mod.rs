//! A client with CONDSTORE and QRESYNC (RFC 7162): what it knows, and how it learns what it missed.
#![allow(dead_code)] // each test file uses its own part

use std::collections::BTreeMap;

use mail::{Flags, ModSeq};
use store::{Access, Mailbox, Vanished};

use crate::world::uid;

/// What a client with CONDSTORE and QRESYNC knows, and how it learns.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Client {
    pub highest: ModSeq,
    pub flags: BTreeMap<u32, Flags>,
}

impl Client {
    /// Learns what happened since it was here last, and is right then.
    pub fn learn(&mut self, mailbox: &Mailbox) {
        mailbox.sync(Access::Serve).unwrap();
        self.learn_of(mailbox);
    }

    /// The same, without looking at the disk.
    pub fn learn_of(&mut self, mailbox: &Mailbox) {
        let snapshot = mailbox.snapshot();
        match mailbox.vanished_since(self.highest) {
            Vanished::Known(ranges) => {
                self.flags.retain(|known, _| {
                    !ranges.iter().any(|(first, last)| (first.number()..=last.number()).contains(known))
                });
            }
            Vanished::Unknown => self.flags.retain(|known, _| snapshot.row(uid(*known)).is_some()),
        }
        for row in snapshot.rows.iter().filter(|row| row.modseq > self.highest) {
            self.flags.insert(row.uid.number(), row.flags);
        }
        self.highest = snapshot.highest_modseq;
        let truth: BTreeMap<u32, Flags> = snapshot.rows.iter().map(|row| (row.uid.number(), row.flags)).collect();
        assert_eq!(self.flags, truth);
    }
}
