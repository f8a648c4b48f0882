//! One Tepui node: a process with its own view of the storage, some sessions, and no idea what the others do.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use disk::{MemoryDisk, Pace};
use mail::{Flags, Keyword, MailboxName, Snapshot, Uid};
use store::{Access, Account, Error, FlagChange, How, Mailbox, Message, Result, Settings, Store};

use crate::World;
use crate::chance::Chance;
use crate::ledger::{FLAGS, FlagSet, Ledger, Told, is_volatile};

pub const HOME: &str = "/home/ana";
pub const STABLE: [&str; 4] = ["INBOX", "A", "A/sub", "Trash"];
const VOLATILE: [&str; 3] = ["V1", "V2", "V3"];
const SESSIONS_MAX: usize = 3;

/// Shorter than in life, because each look at a lock that is held costs calls.
pub fn settings(me: usize) -> Settings {
    let (lock_wait, lock_stale) = (Duration::from_secs(14), LOCK_STALE);
    Settings { hostname: format!("node{me}"), lock_wait, lock_stale, ..Settings::default() }
}

/// What is open when a life ends.
#[derive(Default)]
pub struct After {
    pub store: Option<Store>,
    pub account: Option<Arc<Account>>,
    pub sessions: Vec<Session>,
}

pub const LOCK_STALE: Duration = Duration::from_secs(8);

pub struct Node<'w> {
    world: &'w World,
    me: usize,
    chance: Chance,
    disk: MemoryDisk,
    store: Option<Store>,
    account: Option<Arc<Account>>,
    sessions: Vec<Session>,
}

/// A mailbox that is open, and what was shown of it.
pub struct Session {
    pub name: String,
    pub mailbox: Arc<Mailbox>,
    seen: Option<Arc<Snapshot>>,
    vanished: BTreeSet<Uid>,
}

type Step = fn(&mut Node<'_>) -> Result<()>;

/// What a node does, and how often.
const STEPS: [(u64, Step); 15] = [
    (20, |node| node.deliver()),
    (8, |node| node.append()),
    (10, |node| node.select()),
    (20, |node| node.look()),
    (20, |node| node.store()),
    (7, |node| node.copy()),
    (7, |node| node.move_to()),
    (7, |node| node.expunge()),
    (5, |node| node.read()),
    (4, |node| node.status()),
    (3, |node| node.create()),
    (2, |node| node.delete()),
    (2, |node| node.rename()),
    (2, |node| node.subscribe()),
    (2, |node| node.close()),
];

impl<'w> Node<'w> {
    pub fn new(world: &'w World, me: usize, disk: MemoryDisk) -> Node<'w> {
        let chance = Chance::new(world.seed.wrapping_mul(31).wrapping_add(me as u64));
        world.turns.be(me, &disk);
        Node { world, me, chance, disk, store: None, account: None, sessions: Vec::new() }
    }

    /// Lives for so many steps; what is open in the end stays so.
    pub fn live(mut self, steps: usize) -> After {
        for _ in 0..steps {
            if self.world.turns.is_over() {
                break;
            }
            let outcome = self.step();
            if matches!(outcome, Err(Error::Disk(disk::Error::PowerOff))) && !self.world.turns.is_over() {
                self.restart();
            }
            if self.chance.one_in(3) {
                self.world.turns.sleep(Duration::from_millis(self.chance.below(150)));
            }
        }
        After { store: self.store, account: self.account, sessions: self.sessions }
    }

    fn restart(&mut self) {
        self.sessions.clear();
        self.account = None;
        self.store = None;
        self.disk = self.disk.restart();
        self.world.turns.be(self.me, &self.disk);
    }

    fn step(&mut self) -> Result<()> {
        if self.account.is_none() {
            let store = Store::new(Arc::new(self.disk.clone()), self.world.settings(self.me));
            let account = store.account(Path::new(HOME))?;
            self.world.quotas.obey(&account);
            (self.store, self.account) = (Some(store), Some(account));
        }
        let mut left = self.chance.below(STEPS.iter().map(|(weight, _)| weight).sum());
        let step = STEPS.iter().find(|(weight, _)| left.checked_sub(*weight).map(|rest| left = rest).is_none());
        let outcome = step.map_or(Ok(()), |(_, step)| step(self));
        // As the server does several times a second.
        self.store.iter().for_each(|store| drop(store.tend_quota()));
        if let Err(error) = &outcome {
            self.note(|| format!("-> {error}"));
        }
        self.world.quotas.note(self.world);
        outcome
    }

    fn note(&self, line: impl FnOnce() -> String) {
        self.world.turns.note(line);
    }

    fn account(&self) -> Result<Arc<Account>> {
        self.account.clone().ok_or(Error::NoSuchMailbox)
    }

    fn mailbox_name(&mut self) -> String {
        let names: &[&str] = if self.chance.one_in(4) { &VOLATILE } else { &STABLE };
        self.chance.pick(names).map_or("INBOX", |name| name).to_owned()
    }

    fn volatile_name(&mut self) -> String {
        self.chance.pick(&VOLATILE).map_or("V1", |name| name).to_owned()
    }

    // Messages come in.

    fn draft(&mut self, name: &str) -> Result<(String, store::Draft)> {
        let id = format!("m{}-{}", self.me, self.world.next_id());
        let mut draft = self.account()?.draft(&parse(name))?;
        draft.write(crate::world::content(&id).as_bytes())?;
        Ok((id, draft))
    }

    fn deliver(&mut self) -> Result<()> {
        let name = self.mailbox_name();
        let upheavals = self.world.ledger().upheavals;
        let (id, draft) = self.draft(&name)?;
        self.world.ledger().born(&id, FlagSet::new());
        self.note(|| format!("delivers {id} to {name}"));
        let outcome = self.world.quotas.watch(self.world, 1, || draft.deliver());
        self.world.ledger().add(&name, &id, outcome.is_ok(), upheavals);
        self.note(|| format!("delivered {id} {}", outcome.is_ok()));
        outcome
    }

    fn append(&mut self) -> Result<()> {
        let name = self.mailbox_name();
        let upheavals = self.world.ledger().upheavals;
        let (id, draft) = self.draft(&name)?;
        let flags = self.some_flags();
        self.world.ledger().born(&id, flags.clone());
        self.note(|| format!("appends {id} to {name} with {flags:?}"));
        let (system, keywords) = split(&flags);
        let outcome = self.world.quotas.watch(self.world, 1, || draft.append(system, &keywords, None));
        let mut ledger = self.world.ledger();
        if let Ok(appended) = &outcome {
            ledger.show(&name, (appended.uid_validity.number(), appended.uid.number()), &id);
        }
        ledger.add(&name, &id, outcome.is_ok(), upheavals);
        drop(ledger);
        self.note(|| format!("appended {id}: {outcome:?}"));
        outcome.map(|_| ())
    }

    fn some_flags(&mut self) -> FlagSet {
        FLAGS.iter().filter(|_| self.chance.one_in(3)).map(|flag| (*flag).to_owned()).collect()
    }

    // Sessions.

    fn select(&mut self) -> Result<()> {
        let name = self.mailbox_name();
        self.note(|| format!("selects {name}"));
        let mailbox = self.account()?.open(&parse(&name))?;
        mailbox.sync(Access::Serve)?;
        if self.sessions.len() >= SESSIONS_MAX {
            self.sessions.remove(0);
        }
        let session = Session { name, mailbox, seen: None, vanished: BTreeSet::new() };
        self.sessions.push(session);
        let last = self.sessions.len() - 1;
        self.show(last)
    }

    fn close(&mut self) -> Result<()> {
        self.sessions.pop();
        Ok(())
    }

    fn session(&mut self) -> Option<usize> {
        let some = self.chance.below(self.sessions.len() as u64) as usize;
        (some < self.sessions.len()).then_some(some)
    }

    fn look(&mut self) -> Result<()> {
        let Some(at) = self.session() else { return self.select() };
        let access = if self.chance.one_in(2) { Access::Look } else { Access::Serve };
        let outcome = self.sessions[at].mailbox.sync(access);
        self.keep_or_leave(at, outcome)?;
        self.show(at)
    }

    /// A session ends when its mailbox is gone.
    fn keep_or_leave<T>(&mut self, at: usize, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Error::NoSuchMailbox)) {
            self.sessions.remove(at);
        }
        outcome
    }

    /// Takes note of what a session sees.
    fn show(&mut self, at: usize) -> Result<()> {
        let world = self.world;
        let all = self.chance.one_in(10);
        let Some(session) = self.sessions.get_mut(at) else { return Ok(()) };
        let snapshot = session.mailbox.snapshot();
        session.compare(&snapshot);
        for row in snapshot.rows.iter() {
            let told = (snapshot.uid_validity.number(), row.uid.number());
            if !all && world.ledger().id(told).is_some() {
                continue;
            }
            match session.mailbox.message(row.uid).and_then(|mut message| content_id(&mut message)) {
                Ok(id) => world.ledger().show(&session.name, told, &id),
                Err(Error::Gone) => {}
                Err(error @ Error::Damaged { .. }) => panic!("{error}"),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Some messages of a session. What nobody was shown yet is left alone: nobody could tell what came of it.
    fn some_messages(&mut self) -> Option<(usize, Vec<Uid>)> {
        let at = self.session()?;
        let snapshot = self.sessions.get(at)?.mailbox.snapshot();
        let ledger = self.world.ledger();
        let known = |uid: &Uid| ledger.id((snapshot.uid_validity.number(), uid.number())).is_some();
        let uids = snapshot.rows.iter().map(|row| row.uid).filter(known);
        let uids: Vec<Uid> = uids.filter(|_| self.chance.one_in(3)).take(4).collect();
        (!uids.is_empty()).then_some((at, uids))
    }

    fn told(&self, at: usize, uids: &[Uid]) -> Vec<Told> {
        let validity = self.sessions[at].mailbox.snapshot().uid_validity.number();
        uids.iter().map(|uid| (validity, uid.number())).collect()
    }

    fn store(&mut self) -> Result<()> {
        let Some((at, uids)) = self.some_messages() else { return self.select() };
        let how = *self.chance.pick(&[How::Add, How::Add, How::Remove, How::Replace]).unwrap_or(&How::Add);
        let flags = self.some_flags();
        let value = |flag: &str| match how {
            How::Add => flags.contains(flag).then_some(true),
            How::Remove => flags.contains(flag).then_some(false),
            How::Replace => Some(flags.contains(flag)),
        };
        let changes: Vec<(&str, bool)> = FLAGS.iter().filter_map(|flag| Some((*flag, value(flag)?))).collect();
        let told = self.told(at, &uids);
        self.note(|| format!("stores {how:?} {flags:?} on {} {uids:?}", self.sessions[at].name));
        let each = |act: &dyn Fn(&mut Ledger, Told, &str, bool)| {
            let mut ledger = self.world.ledger();
            told.iter().for_each(|told| changes.iter().for_each(|(flag, value)| act(&mut ledger, *told, flag, *value)));
        };
        each(&|ledger, told, flag, _| ledger.store_begins(told, flag));
        let (system, keywords) = split(&flags);
        let outcome = self.sessions[at].mailbox.store_flags(&uids, &FlagChange { how, flags: system, keywords });
        let done = outcome.is_ok();
        each(&|ledger, told, flag, value| ledger.store_ends(told, flag, done.then_some(value)));
        self.note(|| format!("stored {done}"));
        self.keep_or_leave(at, outcome)?;
        self.show(at)
    }

    fn expunge(&mut self) -> Result<()> {
        let Some((at, uids)) = self.some_messages() else { return self.select() };
        let told = self.told(at, &uids);
        self.note(|| format!("expunges {} {uids:?}", self.sessions[at].name));
        self.world.ledger().maybe_expunged(&told);
        let outcome = self.sessions[at].mailbox.expunge(&uids);
        if outcome.is_ok() {
            told.iter().for_each(|told| self.world.ledger().expunged(*told));
        }
        self.note(|| format!("expunged {}", outcome.is_ok()));
        self.keep_or_leave(at, outcome)?;
        self.show(at)
    }

    fn copy(&mut self) -> Result<()> {
        self.copy_or_move(false)
    }

    fn move_to(&mut self) -> Result<()> {
        self.copy_or_move(true)
    }

    fn copy_or_move(&mut self, moves: bool) -> Result<()> {
        let Some((at, uids)) = self.some_messages() else { return self.select() };
        let target = self.mailbox_name();
        let told = self.told(at, &uids);
        let known: Vec<Option<String>> = told.iter().map(|told| self.world.ledger().id(*told).cloned()).collect();
        if target == self.sessions[at].name || known.contains(&None) {
            return Ok(());
        }
        let ids: Vec<String> = known.into_iter().flatten().collect();
        let upheavals = self.world.ledger().upheavals;
        let to = self.account()?.open(&parse(&target))?;
        self.note(|| format!("copies (moves: {moves}) {} {uids:?} {ids:?} to {target}", self.sessions[at].name));
        ids.iter().for_each(|id| self.world.ledger().copied(id));
        if moves {
            self.world.ledger().maybe_expunged(&told);
        }
        let from = Arc::clone(&self.sessions[at].mailbox);
        let outcome = if moves {
            self.world.quotas.watch_move(uids.len(), || from.move_to(&uids, &to))
        } else {
            self.world.quotas.watch(self.world, uids.len(), || from.copy(&uids, &to))
        };
        let mut ledger = self.world.ledger();
        for ((uid, id), told) in uids.iter().zip(&ids).zip(&told) {
            let place = outcome.as_ref().map(|copied| copied.source.iter().position(|source| source == uid));
            match place {
                Ok(Some(place)) => {
                    let copied = outcome.as_ref().expect("it has a place");
                    ledger.show(&target, (copied.uid_validity.number(), copied.target[place].number()), id);
                    ledger.add(&target, id, true, upheavals);
                    if moves {
                        ledger.expunged(*told);
                    }
                }
                Ok(None) => {}
                Err(_) => ledger.add(&target, id, false, upheavals),
            }
        }
        drop(ledger);
        self.note(|| format!("copied: {outcome:?}"));
        self.keep_or_leave(at, outcome).map(|_| ())
    }

    fn read(&mut self) -> Result<()> {
        let Some((at, uids)) = self.some_messages() else { return Ok(()) };
        let told = self.told(at, &uids);
        for (uid, told) in uids.iter().zip(told) {
            let session = &self.sessions[at];
            match session.mailbox.message(*uid).and_then(|mut message| content_id(&mut message)) {
                Ok(id) => self.world.ledger().show(&session.name, told, &id),
                Err(Error::Gone) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn status(&mut self) -> Result<()> {
        let name = self.mailbox_name();
        self.account()?.status(&parse(&name)).map(|_| ())
    }

    // Mailboxes.

    fn create(&mut self) -> Result<()> {
        let name = if self.chance.one_in(3) { "A/sub".to_owned() } else { self.volatile_name() };
        self.note(|| format!("creates {name}"));
        let account = self.account()?;
        self.world.ledger().made(&name);
        let outcome = account.create(&parse(&name), None);
        self.world.ledger().made(&name);
        outcome
    }

    fn delete(&mut self) -> Result<()> {
        let name = self.volatile_name();
        let account = self.account()?;
        self.note(|| format!("deletes {name}"));
        self.world.ledger().upheaval();
        let makings = self.world.ledger().makings;
        let outcome = account.delete(&parse(&name));
        let mut ledger = self.world.ledger();
        ledger.upheaval();
        if outcome.is_ok() && ledger.makings == makings {
            let since = ledger.upheavals;
            ledger.absent.insert(name.clone(), since);
        }
        drop(ledger);
        self.note(|| format!("deleted {name} {outcome:?}"));
        outcome
    }

    fn rename(&mut self) -> Result<()> {
        let (from, to) = (self.volatile_name(), self.volatile_name());
        let account = self.account()?;
        self.note(|| format!("renames {from} to {to}"));
        self.world.ledger().made(&to);
        let outcome = account.rename(&parse(&from), &parse(&to));
        self.world.ledger().made(&to);
        self.note(|| format!("renamed {from} {outcome:?}"));
        outcome
    }

    fn subscribe(&mut self) -> Result<()> {
        let name = parse(self.chance.pick(&STABLE).unwrap_or(&"A"));
        let account = self.account()?;
        if self.chance.one_in(2) { account.subscribe(&name) } else { account.unsubscribe(&name) }
    }
}

impl Session {
    /// What may not happen between two looks of one session.
    fn compare(&mut self, now: &Arc<Snapshot>) {
        let uids: Vec<Uid> = now.rows.iter().map(|row| row.uid).collect();
        assert!(uids.is_sorted_by(|a, b| a < b), "UIDs do not ascend in {}", self.name);
        assert!(uids.last().is_none_or(|last| *last < now.uid_next), "UIDNEXT is not next in {}", self.name);
        assert!(now.rows.iter().all(|row| row.modseq <= now.highest_modseq), "a mod-sequence above the highest");
        if let Some(before) = &self.seen {
            assert_eq!(before.uid_validity, now.uid_validity, "UIDVALIDITY of {} changed", self.name);
            assert!(before.uid_next <= now.uid_next, "UIDNEXT of {} fell", self.name);
            assert!(before.highest_modseq <= now.highest_modseq, "the highest mod-sequence of {} fell", self.name);
            let there: BTreeSet<Uid> = uids.iter().copied().collect();
            for row in before.rows.iter() {
                if !there.contains(&row.uid) {
                    self.vanished.insert(row.uid);
                } else if let Some(after) = now.row(row.uid) {
                    assert!(row.modseq <= after.modseq, "a mod-sequence fell in {}", self.name);
                    let changed = row.flags != after.flags;
                    assert!(!changed || row.modseq < after.modseq, "flags changed without a mod-sequence");
                }
            }
        }
        if let Some(back) = uids.iter().find(|uid| self.vanished.contains(uid)) {
            panic!("UID {back} of {} was gone for a session and came back", self.name);
        }
        self.seen = Some(Arc::clone(now));
    }

    pub fn is_volatile(&self) -> bool {
        is_volatile(&self.name)
    }
}

pub fn parse(name: &str) -> MailboxName {
    MailboxName::parse(name).expect("a name of ours")
}

fn split(flags: &FlagSet) -> (Flags, Vec<Keyword>) {
    let system = flags.iter().filter_map(|flag| Flags::system(flag)).fold(Flags::NONE, Flags::with);
    (system, flags.iter().filter_map(|flag| Keyword::parse(flag)).collect())
}

/// The id of a message, whose content must be whole.
pub fn content_id(message: &mut Message) -> Result<String> {
    let mut bytes = vec![0; message.size() as usize];
    message.read_at(0, &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let id = text.lines().next().and_then(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned();
    assert_eq!(text, crate::world::content(&id), "the content is not whole");
    Ok(id)
}
