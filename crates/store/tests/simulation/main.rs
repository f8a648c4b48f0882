//! A seeded world: several nodes and a Dovecot on one tree, over an NFS that lies, with rests, kills, faults and a power cut
//! wherever the seed wants them. `ledger` has the promises that are checked; docs/internals/testing.md tells how to replay a seed.

#[path = "../world/mod.rs"]
mod world;

mod chance;
mod dovecot;
mod ledger;
mod node;
mod quotas;
mod turns;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use disk::{Clock, Disk, Manners, MemoryDisk, Survival};
use store::{Access, Account, Harm, Settings, Store, verify};

use chance::Chance;
use dovecot::Dovecot;
use ledger::{FlagSet, Ledger, There};
use node::{After, HOME, LOCK_STALE, Node, STABLE, Session, parse, settings};
use quotas::{BULK, Quotas};
use turns::Turns;

/// Seeds in a usual run; `./test simulate` sets TEPUI_SEEDS.
const SEEDS: u64 = 200;

/// Seeds that once found a fault, each row with what it found.
#[rustfmt::skip]
const REGRESSIONS: [u64; 50] = [
    // An owner of the mailbox lock that was stopped between its look at the lock and its write, while another overrode it: UIDs
    // given twice, lines of the uidlist lost or doubled, keywords that lost their letter.
    167, 200, 314, 365, 715, 797, 803, 827, 946, 1051, 1172, 1194, 1364, 1405, 1461,
    // The same where a third came in between the removal of a stale lock and the fence, or where it was the journal that was
    // appended to: UIDs with two meanings, messages lost and doubled, mod-sequences that fell, broken lines.
    671, 2459, 2918, 3227, 3621, 4296, 4926, 4939, 5218, 5304, 5448, 5504, 5821, 6459, 6525, 7187, 8249, 8698, 8712, 8797, 9439,
    // A draft that made a deleted mailbox again.
    2914, 3000, 3346, 5440,
    // The model of Dovecot: expunged what nobody was shown, read an unfinished line, built on lines that it could not sync.
    570, 1316, 2703, 8312,
    // Removed from `new/` by a call whose answer got lost, and not synced there.
    3595,
    // Listed twice: the list was made while we waited for the lock.
    4065,
    // A copy that was told an old size.
    5925,
    // A mailbox whose maker died before its parts were durable.
    2213, 4766,
    // Made within the tick in which a node saw that it was not there.
    20728,
];

/// The same of worlds with quotas.
#[rustfmt::skip]
const QUOTA_REGRESSIONS: [u64; 14] = [
    // The first change of a life under the number's lock: killed before the mark was written, so nobody counted.
    12, 172,
    // A folder that could not be read while it was counted held nothing.
    105,
    // Changes in memory made up for what was in doubt, so a count agreed with the number, and they were added all the same.
    118, 128, 167, 351, 414, 552,
    // The answer to a removal got lost, and nobody took the message off the number.
    71, 304, 598,
    // Overridden while the number was to be what it had been.
    470,
    // One of the above.
    233,
];

#[derive(Debug)]
pub struct World {
    pub seed: u64,
    pub turns: Arc<Turns>,
    ledger: Arc<Mutex<Ledger>>,
    ids: Arc<AtomicU64>,
    pub quotas: Arc<Quotas>,
    /// The storage as it is, for who must know the truth.
    pub server: MemoryDisk,
}

impl World {
    pub fn settings(&self, me: usize) -> Settings {
        self.quotas.settings(me)
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}

/// Which kind of world a seed makes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    /// With quotas and compressed messages, without Dovecot: it does not know what our nodes have in memory.
    Quotas,
}

/// How a seed's run ended.
struct Outcome {
    wrong: Vec<String>,
    calls: u64,
    hash: u64,
    trace: Vec<String>,
}

/// What a seed decides before anything happens.
struct Plan {
    nodes: usize,
    dovecot: bool,
    steps: usize,
    manners: Vec<Manners>,
    tick: Duration,
    /// The power goes at about this call, and so much of what was not synced survives.
    cut: Option<(u64, Survival)>,
    quotas: Arc<Quotas>,
}

impl Plan {
    fn new(seed: u64, kind: Kind) -> Plan {
        let mut chance = Chance::new(seed);
        let nodes = 2 + chance.below(4) as usize;
        let ticks = [Duration::from_nanos(1), Duration::from_millis(10), Duration::from_secs(1)];
        let tick = *chance.pick(&ticks).unwrap_or(&ticks[0]);
        let survival = [Survival::Nothing, Survival::Everything, Survival::Some(seed)];
        let survival = *chance.pick(&survival).unwrap_or(&Survival::Nothing);
        let cut = chance.one_in(3).then(|| (200 + chance.below(1500), survival));
        let manners = (0..=nodes).map(|_| Plan::manners(&mut chance)).collect();
        let dovecot = chance.one_in(2) && kind == Kind::Plain;
        let quotas = match kind {
            Kind::Plain => Quotas::default(),
            Kind::Quotas => Quotas::of(seed, cut.is_none()),
        };
        Plan { nodes, dovecot, steps: 60 / nodes + 6, manners, tick, cut, quotas: Arc::new(quotas) }
    }

    fn manners(chance: &mut Chance) -> Manners {
        let minutes = Duration::from_secs(chance.below(600));
        let clock = match chance.below(3) {
            0 => Clock { ahead: minutes, gains: chance.below(200) as u32, ..Clock::default() },
            1 => Clock { behind: minutes, ..Clock::default() },
            _ => Clock::default(),
        };
        let cache_max = *chance.pick(&[0, 1, 3, 30]).unwrap_or(&0);
        Manners {
            seed: chance.next(),
            cache_max: Duration::from_secs(cache_max),
            keeps_listings: false,
            lost_replies: *chance.pick(&[0, 0, 40]).unwrap_or(&0),
            faults: *chance.pick(&[0, 0, 0, 300]).unwrap_or(&0),
            clock,
        }
    }
}

fn run(seed: u64, kind: Kind, traced: bool) -> Outcome {
    let plan = Plan::new(seed, kind);
    let server = MemoryDisk::new();
    prepare(&server, &plan.quotas);
    server.set_tick(plan.tick);
    let (ledger, ids) = (Arc::new(Mutex::new(Ledger::default())), Arc::new(AtomicU64::new(1)));
    let mut outcome = Outcome { wrong: Vec::new(), calls: 0, hash: 0, trace: Vec::new() };
    let mut legs = vec![server];
    if let Some((cut, survival)) = plan.cut {
        let first = legs.remove(0);
        first.cut_power_at(first.calls() + cut);
        leg(&plan, seed, &first, &ledger, &ids, traced, &mut outcome);
        legs.push(first.reboot(survival));
    }
    if outcome.wrong.is_empty() {
        let last = legs.remove(0);
        let left = leg(&plan, seed ^ 0xff, &last, &ledger, &ids, traced, &mut outcome);
        if outcome.wrong.is_empty() {
            outcome.wrong.extend(settled(&last, left, &plan.quotas, &ledger));
        }
    }
    outcome
}

/// What the accounts of all nodes have before anything begins.
fn prepare(server: &MemoryDisk, quotas: &Quotas) {
    let account = Store::new(Arc::new(server.clone()), settings(0)).account(Path::new(HOME)).expect("the disk is good");
    if quotas.are_on() {
        account.create(&parse(BULK), None).expect("the disk is good");
    }
    for number in 0..quotas.bulk {
        crate::world::deliver(&account, &parse(BULK), &format!("bulk{number}")).expect("the disk is good");
    }
    for name in ["A", "A/sub"] {
        account.create(&parse(name), None).expect("the disk is good");
    }
    for name in STABLE {
        account.open(&parse(name)).and_then(|mailbox| mailbox.sync(Access::Serve)).expect("the disk is good");
    }
}

type Left = Vec<(MemoryDisk, After)>;

/// The nodes live side by side until each has had its steps, or the power goes.
fn leg(
    plan: &Plan,
    seed: u64,
    server: &MemoryDisk,
    ledger: &Arc<Mutex<Ledger>>,
    ids: &Arc<AtomicU64>,
    traced: bool,
    outcome: &mut Outcome,
) -> Left {
    // Longer than a lock is respected, for whoever looks whether it still has its own.
    let mut rest_max = vec![3 * LOCK_STALE; plan.nodes];
    if plan.dovecot {
        rest_max.push(LOCK_STALE / 4);
    }
    let turns = Arc::new(Turns::new(server, seed, rest_max, traced));
    let (ledger, ids, quotas) = (Arc::clone(ledger), Arc::clone(ids), Arc::clone(&plan.quotas));
    let world = World { seed, turns: Arc::clone(&turns), ledger, ids, quotas, server: server.clone() };
    let disks: Vec<MemoryDisk> =
        plan.manners.iter().map(|manners| server.nfs_client(manners.clone()).paced(turns.clone())).collect();
    let left = thread::scope(|scope| {
        let world = &world;
        if plan.dovecot {
            let disk = disks[plan.nodes].clone();
            scope
                .spawn(move || world.turns.live(plan.nodes, || Dovecot::new(world, plan.nodes, disk).live(plan.steps)));
        }
        let lives: Vec<_> = (0..plan.nodes)
            .map(|me| {
                let disk = disks[me].clone();
                scope.spawn(move || {
                    let mut left = After::default();
                    world.turns.live(me, || left = Node::new(world, me, disk).live(plan.steps));
                    left
                })
            })
            .collect();
        lives.into_iter().map(|life| life.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    let (failure, calls, hash, trace) = turns.end();
    outcome.wrong.extend(failure);
    outcome.calls += calls;
    outcome.hash = outcome.hash.rotate_left(7) ^ hash;
    outcome.trace.extend(trace);
    disks.into_iter().zip(left).collect()
}

/// Quiet has come: everybody looks once more and must see the same, and the ledger is read out.
fn settled(server: &MemoryDisk, left: Left, quotas: &Quotas, ledger: &Mutex<Ledger>) -> Vec<String> {
    server.advance(Duration::from_secs(7200));
    left.iter().for_each(|(disk, _)| disk.calm());
    // A mailbox that was made within the tick in which a node saw that it was not there, that node does not see before the
    // folder's times change (docs/internals/disk-nfs.md).
    let sign = Path::new(HOME).join("maildir/dovecot-sign");
    server.create_new(&sign).and_then(|_| server.remove(&sign)).expect("the disk is good");
    let account =
        Store::new(Arc::new(server.clone()), quotas.settings(99)).account(Path::new(HOME)).expect("the disk is good");
    let mut wrong = Vec::new();
    let there = everything(&account, &mut wrong);
    settle_quotas(server, &left, quotas);
    quotas.settled(&account, &mut wrong);
    for (_, After { account, sessions, .. }) in left {
        for session in sessions {
            compare_session(&session, &there, &mut wrong);
        }
        if let Some(node) = account.filter(|node| node.list().is_ok()) {
            let seen = everything(&node, &mut wrong);
            if lines(&seen) != lines(&there) {
                wrong.push(format!("a node sees\n{:#?}\ninstead of\n{:#?}", lines(&seen), lines(&there)));
            }
        }
    }
    let findings = verify(&account).expect("the disk is good");
    wrong.extend(findings.iter().filter(|finding| finding.harm == Harm::Damage).map(|finding| format!("{finding:?}")));
    wrong.extend(ledger.lock().unwrap_or_else(PoisonError::into_inner).check(&there));
    wrong
}

/// Who lives writes down what it has in memory, and who died begins its next life. Each looks at the number: nobody else knows
/// what died with it.
fn settle_quotas(server: &MemoryDisk, left: &Left, quotas: &Quotas) {
    for (me, (_, After { store, account, .. })) in left.iter().enumerate().filter(|_| quotas.are_on()) {
        let lives = store.as_ref().is_some_and(Store::end_quota);
        let looked = account.as_ref().filter(|_| lives).map(|account| account.quota());
        if looked.is_none_or(|looked| looked.is_err()) {
            let store = Store::new(Arc::new(server.clone()), quotas.settings(me));
            let account = store.account(Path::new(HOME)).expect("the disk is good");
            account.quota().expect("the disk is good");
        }
    }
}

fn everything(account: &Arc<Account>, wrong: &mut Vec<String>) -> Vec<There> {
    let mut there = Vec::new();
    for listed in account
        .list()
        .expect("the disk is good")
        .into_iter()
        .filter(|listed| listed.exists && listed.name.as_str() != BULK)
    {
        let opened = account.open(&listed.name).and_then(|mailbox| {
            let snapshot = mailbox.sync(Access::Serve)?;
            Ok((mailbox, snapshot))
        });
        let (mailbox, snapshot) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                wrong.push(format!("{} cannot be opened: {error}", listed.name));
                continue;
            }
        };
        for row in snapshot.rows.iter() {
            let id = match mailbox.message(row.uid).and_then(|mut message| node::content_id(&mut message)) {
                Ok(id) => id,
                Err(error) => {
                    wrong.push(format!("{} UID {}: {error}", listed.name, row.uid));
                    continue;
                }
            };
            let flags: FlagSet = snapshot.keywords.names_of(row.flags).map(str::to_owned).collect();
            let (validity, uid) = (snapshot.uid_validity.number(), row.uid.number());
            there.push(There { mailbox: listed.name.to_string(), validity, uid, id, flags });
        }
    }
    there
}

fn lines(there: &[There]) -> Vec<String> {
    let line = |one: &There| format!("{} {} {} {} {:?}", one.mailbox, one.validity, one.uid, one.id, one.flags);
    there.iter().map(line).collect()
}

/// A session that was open all the time sees what a new one sees.
fn compare_session(session: &Session, there: &[There], wrong: &mut Vec<String>) {
    let Ok(snapshot) = session.mailbox.sync(Access::Look) else { return };
    let seen: Vec<u32> = snapshot.rows.iter().map(|row| row.uid.number()).collect();
    let validity = snapshot.uid_validity.number();
    let expected: Vec<u32> = there.iter().filter(|one| one.validity == validity).map(|one| one.uid).collect();
    if seen != expected && !session.is_volatile() {
        wrong.push(format!("a session on {} sees UIDs {seen:?} instead of {expected:?}", session.name));
    }
}

fn tell(seed: u64, kind: Kind, outcome: &Outcome) -> String {
    let test = if kind == Kind::Plain { "no_seed_breaks_a_promise" } else { "no_seed_breaks_a_quota" };
    let replay = format!("TEPUI_SEED={seed} cargo test -p store --test simulation {test}");
    format!("seed {seed}: {}\nreplay: {replay} (with TEPUI_TRACE=1: every call)", outcome.wrong.join("\n"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn check_all(seeds: &[u64], kind: Kind) {
    let (next, wrong) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let outcome = run(seed, kind, false);
                    if !outcome.wrong.is_empty() {
                        let told = tell(seed, kind, &outcome);
                        eprintln!("{told}");
                        wrong.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    wrong.sort_unstable();
    assert!(wrong.is_empty(), "{} of {} seeds break a promise: {wrong:?}", wrong.len(), seeds.len());
}

fn check_asked_for(kind: Kind) {
    if let Some(seed) = number("TEPUI_SEED") {
        let outcome = run(seed, kind, std::env::var_os("TEPUI_TRACE").is_some());
        outcome.trace.iter().for_each(|line| eprintln!("{line}"));
        assert!(outcome.wrong.is_empty(), "{}", tell(seed, kind, &outcome));
        return;
    }
    let first = number("TEPUI_FIRST_SEED").unwrap_or(1);
    let seeds: Vec<u64> = (first..first + number("TEPUI_SEEDS").unwrap_or(SEEDS)).collect();
    check_all(&seeds, kind);
}

#[test]
fn no_seed_breaks_a_promise() {
    check_asked_for(Kind::Plain);
}

#[test]
fn no_seed_breaks_a_quota() {
    check_asked_for(Kind::Quotas);
}

#[test]
fn seeds_that_once_broke_a_promise_keep_it() {
    check_all(&REGRESSIONS, Kind::Plain);
    check_all(&QUOTA_REGRESSIONS, Kind::Quotas);
}

#[test]
fn the_same_seed_runs_the_same() {
    for (seed, kind) in [(3, Kind::Plain), (8, Kind::Plain), (3, Kind::Quotas)] {
        let (one, two) = (run(seed, kind, false), run(seed, kind, false));
        assert_eq!((one.calls, one.hash), (two.calls, two.hash));
        assert!(one.calls > 1000, "nothing happened");
    }
    assert_ne!(run(3, Kind::Plain, false).hash, run(4, Kind::Plain, false).hash);
}
