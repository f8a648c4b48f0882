//! What was promised to clients, and whether it is kept.
//!
//! | promise | exactly |
//! |---|---|
//! | no UID twice | a (UIDVALIDITY, UID) that anybody was shown always means the same content |
//! | nothing lost | a delivery, append, copy or move that was acknowledged is there, unless somebody asked to expunge it |
//! | nothing doubled | and not more often than it was asked for |
//! | expunged stays expunged | what an acknowledged EXPUNGE took away is nowhere |
//! | no flag lost | a flag has the value of the last acknowledged STORE, if no other STORE of that flag on that message overlapped or followed it unacknowledged |
//!
//! Mailboxes that are deleted and renamed while messages come in are one place: a message is somewhere there.

use std::collections::{BTreeMap, BTreeSet};

pub type Told = (u32, u32);

/// Flags by their IMAP names.
pub type FlagSet = BTreeSet<String>;

pub const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Answered", "alpha", "beta"];

#[derive(Debug, Default)]
pub struct Ledger {
    told: BTreeMap<Told, String>,
    place_of: BTreeMap<Told, String>,
    copies: BTreeMap<(String, String), Copies>,
    expunged: BTreeSet<Told>,
    maybe_expunged: BTreeSet<Told>,
    flags: BTreeMap<(Told, String), Flag>,
    born_with: BTreeMap<String, FlagSet>,
    copied: BTreeSet<String>,
    /// How often a mailbox was deleted or renamed, or that was tried.
    pub upheavals: u64,
    pub makings: u64,
    /// Volatile names that are known not to exist, since when.
    pub absent: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Copies {
    sure: i64,
    maybe: i64,
    /// Of the sure ones, those that a deletion may have taken.
    doomed: i64,
}

#[derive(Debug, Default)]
struct Flag {
    value: Option<bool>,
    working: u32,
    contested: bool,
}

/// What is there in the end.
#[derive(Debug)]
pub struct There {
    pub mailbox: String,
    pub validity: u32,
    pub uid: u32,
    pub id: String,
    pub flags: FlagSet,
}

pub fn is_volatile(mailbox: &str) -> bool {
    mailbox.starts_with('V')
}

fn place(mailbox: &str) -> String {
    if is_volatile(mailbox) { "V".to_owned() } else { mailbox.to_owned() }
}

impl Ledger {
    pub fn id(&self, told: Told) -> Option<&String> {
        self.told.get(&told)
    }

    /// Somebody was shown this message under this UID.
    pub fn show(&mut self, mailbox: &str, told: Told, id: &str) {
        let known = self.told.entry(told).or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "UID {} of {mailbox} (UIDVALIDITY {}) means two messages", told.1, told.0);
        self.place_of.insert(told, place(mailbox));
    }

    /// A copy of a message was asked for, when so many upheavals had been; `sure` when that was acknowledged.
    pub fn add(&mut self, mailbox: &str, id: &str, sure: bool, upheavals: u64) {
        let copies = self.copies.entry((place(mailbox), id.to_owned())).or_default();
        if sure {
            copies.sure += 1
        } else {
            copies.maybe += 1
        }
        copies.doomed += i64::from(sure && is_volatile(mailbox) && upheavals != self.upheavals);
        if let (true, Some(since)) = (sure, self.absent.get(mailbox)) {
            assert!(*since > upheavals, "{id} was acknowledged into {mailbox}, which had been deleted");
        }
    }

    pub fn born(&mut self, id: &str, flags: FlagSet) {
        self.born_with.insert(id.to_owned(), flags);
    }

    pub fn copied(&mut self, id: &str) {
        self.copied.insert(id.to_owned());
    }

    pub fn maybe_expunged(&mut self, told: &[Told]) {
        self.maybe_expunged.extend(told);
    }

    pub fn expunged(&mut self, told: Told) {
        self.expunged.insert(told);
    }

    /// A volatile mailbox is being made or given this name, or was.
    pub fn made(&mut self, name: &str) {
        self.makings += 1;
        self.absent.remove(name);
    }

    /// A volatile mailbox is being deleted or renamed, or was: what is in them may go with it.
    pub fn upheaval(&mut self) {
        self.upheavals += 1;
        for ((place, _), copies) in &mut self.copies {
            if place == "V" {
                copies.doomed = copies.sure;
            }
        }
    }

    pub fn store_begins(&mut self, told: Told, flag: &str) {
        let flag = self.flags.entry((told, flag.to_owned())).or_default();
        flag.contested |= flag.working > 0;
        flag.working += 1;
    }

    /// `value` is `None` when the STORE was not acknowledged.
    pub fn store_ends(&mut self, told: Told, flag: &str, value: Option<bool>) {
        let flag = self.flags.entry((told, flag.to_owned())).or_default();
        flag.working -= 1;
        flag.value = if flag.contested { None } else { value };
        if flag.working == 0 {
            flag.contested = false;
        }
    }

    /// What is wrong with what is there.
    pub fn check(&self, there: &[There]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut present: BTreeMap<(String, String), i64> = BTreeMap::new();
        for one in there {
            *present.entry((place(&one.mailbox), one.id.clone())).or_default() += 1;
            let told = (one.validity, one.uid);
            if self.expunged.contains(&told) {
                wrong.push(format!("expunged message came back: {} UID {} {}", one.mailbox, one.uid, one.id));
            }
            self.check_flags(one, told, &mut wrong);
        }
        self.check_copies(&present, &mut wrong);
        wrong
    }

    fn check_flags(&self, one: &There, told: Told, wrong: &mut Vec<String>) {
        for flag in FLAGS {
            let expected = match self.flags.get(&(told, flag.to_owned())) {
                Some(flag) => flag.value,
                None if self.copied.contains(&one.id) => None,
                None => self.born_with.get(&one.id).map(|flags| flags.contains(flag)),
            };
            let has = one.flags.contains(flag);
            if expected.is_some_and(|expected| expected != has) {
                let what = if has { "flag came from nowhere" } else { "flag was lost" };
                wrong.push(format!("{what}: {flag} on {} UID {} {}", one.mailbox, one.uid, one.id));
            }
        }
    }

    fn check_copies(&self, present: &BTreeMap<(String, String), i64>, wrong: &mut Vec<String>) {
        let mut gone: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
        for told in self.expunged.union(&self.maybe_expunged) {
            let (Some(id), Some(place)) = (self.told.get(told), self.place_of.get(told)) else { continue };
            let counts = gone.entry((place.clone(), id.clone())).or_default();
            counts.0 += 1;
            counts.1 += i64::from(self.expunged.contains(told));
        }
        let all: BTreeSet<_> = self.copies.keys().chain(present.keys()).collect();
        for key in all {
            let copies = self.copies.get(key).copied().unwrap_or_default();
            let (perhaps_gone, surely_gone) = gone.get(key).copied().unwrap_or_default();
            let least = copies.sure - copies.doomed - perhaps_gone;
            let most = copies.sure + copies.maybe - if key.0 == "V" { 0 } else { surely_gone };
            let count = present.get(key).copied().unwrap_or(0);
            if count < least {
                wrong.push(format!("message lost: {} in {}, {count} of {least}", key.1, key.0));
            } else if count > most {
                wrong.push(format!("message doubled: {} in {}, {count} instead of {most}", key.1, key.0));
            }
        }
    }
}
