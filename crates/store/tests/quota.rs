//! Quota: what comes and goes is counted, limits hold on all nodes together, and no crash leaves a wrong number for ever.

mod world;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use disk::{Disk, MemoryDisk, every_cut_from};
use mail::quota::Quota;
use mail::{Flags, QuotaRule};
use store::{
    Account, Amount, Crossing, Direction, Error, QuotaFile, QuotaSettings, Resource, Result, Settings, Store,
    Threshold, verify,
};
use world::{HOME, inbox, name, uid};

/// A node with its store, and the account there.
struct Node {
    store: Store,
    account: Arc<Account>,
    disk: MemoryDisk,
}

fn rules(rules: &[&str]) -> Arc<Quota> {
    Arc::new(rules.iter().fold(Quota::default(), |quota, rule| quota.with(QuotaRule::parse(rule).unwrap())))
}

fn settings(host: &str, file: QuotaFile) -> Settings {
    let (lock_wait, lock_stale) = (Duration::from_secs(3), Duration::from_secs(2));
    // Each process has a life of its own, as after a crash.
    static LIVES: AtomicU32 = AtomicU32::new(0);
    let life = format!("{:x}", LIVES.fetch_add(1, Ordering::Relaxed));
    let quota = QuotaSettings { file, grace: 10, life, ..QuotaSettings::default() };
    Settings { hostname: host.to_owned(), lock_wait, lock_stale, quota, ..Settings::default() }
}

fn try_node(disk: &MemoryDisk, settings: Settings, quota: &[&str]) -> Result<Node> {
    let store = Store::new(Arc::new(disk.clone()), settings);
    let account = store.account(Path::new(HOME))?;
    account.obey(rules(quota));
    Ok(Node { store, account, disk: disk.clone() })
}

fn node(disk: &MemoryDisk, host: &str, quota: &[&str]) -> Node {
    try_node(disk, settings(host, QuotaFile::Dict), quota).unwrap()
}

impl Node {
    /// A message of exactly so many octets on disk.
    fn deliver(&self, mailbox: &str, len: usize) -> Result<()> {
        let mut draft = self.account.draft(&name(mailbox))?;
        draft.write(b"\r\n")?;
        draft.write(&vec![b'x'; len - 1])?;
        draft.deliver()
    }

    fn append(&self, mailbox: &str, len: usize) -> Result<()> {
        let mut draft = self.account.draft(&name(mailbox))?;
        draft.write(b"\r\n")?;
        draft.write(&vec![b'x'; len - 1])?;
        draft.append(Flags::NONE, &[], None).map(|_| ())
    }

    fn used(&self) -> (i64, i64) {
        let used = self.account.quota().unwrap().unwrap().used;
        (used.storage, used.messages)
    }

    /// As the server does several times a second.
    fn tend(&self) {
        self.disk.advance(Duration::from_secs(1));
        assert!(self.store.tend_quota().is_empty());
    }

    fn all(&self, mailbox: &str) -> Vec<mail::Uid> {
        let mailbox = self.account.open(&name(mailbox)).unwrap();
        mailbox.sync(store::Access::Look).unwrap().rows.iter().map(|row| row.uid).collect()
    }

    fn expunge(&self, mailbox: &str, uids: &[mail::Uid]) {
        self.account.open(&name(mailbox)).unwrap().expunge(uids).unwrap();
    }

    /// The number is what the messages add up to.
    fn assert_exact(&self) {
        let used = self.account.quota().unwrap().unwrap().used;
        let (_, counted) = self.account.recount_quota().unwrap();
        assert_eq!(used, counted, "the number is not what the messages add up to");
    }
}

fn dict(disk: &MemoryDisk) -> String {
    String::from_utf8(disk.read(&Path::new(HOME).join("dovecot-quota")).unwrap()).unwrap()
}

fn is_over(result: Result<()>) -> bool {
    match result {
        Ok(()) => false,
        Err(Error::OverQuota) => true,
        Err(other) => panic!("{other}"),
    }
}

const WIDE: &[&str] = &["*:storage=2G:messages=100000", "Trash:storage=+100M", "Spam:ignore"];

#[test]
fn everything_that_comes_and_goes_is_counted() {
    let disk = MemoryDisk::new();
    let node = node(&disk, "a", WIDE);
    assert_eq!(node.used(), (0, 0));
    node.deliver("INBOX", 1000).unwrap();
    node.append("INBOX", 300).unwrap();
    assert_eq!(node.used(), (1300, 2));
    let (inbox, trash) = (node.account.open(&inbox()).unwrap(), node.account.open(&name("Trash")).unwrap());
    inbox.copy(&[uid(1), uid(2)], &trash).unwrap();
    assert_eq!(node.used(), (2600, 4));
    inbox.move_to(&[uid(2)], &trash).unwrap();
    assert_eq!(node.used(), (2600, 4));
    trash.expunge(&[uid(1)]).unwrap();
    assert_eq!(node.used(), (1600, 3));
    node.account.create(&name("Old"), None).unwrap();
    inbox.copy(&[uid(1)], &node.account.open(&name("Old")).unwrap()).unwrap();
    node.account.rename(&name("Old"), &name("New")).unwrap();
    assert_eq!(node.used(), (2600, 4));
    node.account.delete(&name("New")).unwrap();
    assert_eq!(node.used(), (1600, 3));
    node.tend();
    assert_eq!(dict(&disk), "priv/quota/storage\n1600\npriv/quota/messages\n3\n");
    node.assert_exact();
}

#[test]
fn a_folder_that_is_ignored_costs_nothing_until_it_is_renamed() {
    let disk = MemoryDisk::new();
    let node = node(&disk, "a", WIDE);
    node.account.create(&name("Spam"), None).unwrap();
    node.deliver("Spam", 500).unwrap();
    node.deliver("INBOX", 100).unwrap();
    assert_eq!(node.used(), (100, 1));
    node.account.rename(&name("Spam"), &name("Ham")).unwrap();
    assert_eq!(node.used(), (600, 2));
    node.account.rename(&name("Ham"), &name("Spam")).unwrap();
    assert_eq!(node.used(), (100, 1));
    node.account.delete(&name("Spam")).unwrap();
    assert_eq!(node.used(), (100, 1));
}

/// The conversation of Dovecot in `imap-quota.txt`, and its answers to deliveries.
#[test]
fn what_fits_is_what_fits_in_dovecot() {
    let disk = MemoryDisk::new();
    let node = node(&disk, "a", &["*:bytes=20480", "Trash:storage=+100M"]);
    node.append("INBOX", 15_765).unwrap();
    assert!(is_over(node.append("INBOX", 15_765)));
    assert!(is_over(node.append("Drafts", 15_765)));
    node.append("Trash", 15_765).unwrap();
    assert_eq!(node.used().0, 2 * 15_765);
    let (inbox, trash) = (node.account.open(&inbox()).unwrap(), node.account.open(&name("Trash")).unwrap());
    let drafts = node.account.open(&name("Drafts")).unwrap();
    assert!(is_over(inbox.copy(&[uid(1)], &drafts).map(|_| ())));
    inbox.move_to(&[uid(1)], &trash).unwrap();
    assert!(is_over(trash.move_to(&[uid(1)], &drafts).map(|_| ())));
    trash.expunge(&[uid(1), uid(2)]).unwrap();
    assert_eq!(node.used(), (0, 0));
    // The last delivery may exceed by the grace, and none after it.
    assert!(is_over(node.deliver("INBOX", 22_529)));
    node.deliver("INBOX", 15_000).unwrap();
    node.deliver("INBOX", 7528).unwrap();
    assert!(is_over(node.deliver("INBOX", 1)));
    assert!(node.account.is_full(&name("INBOX")).unwrap() && !node.account.is_full(&name("Trash")).unwrap());
    let moved = inbox.move_to(&node.all("INBOX"), &drafts).unwrap();
    assert_eq!(moved.target.len(), 2, "what only changes places needs no room");
    node.assert_exact();
}

#[test]
fn a_delivery_with_flags_has_the_grace_of_one_without() {
    let disk = MemoryDisk::new();
    let node = node(&disk, "a", &["*:bytes=20480"]);
    node.append("INBOX", 15_000).unwrap();
    let draft = || {
        let mut draft = node.account.draft(&inbox()).unwrap();
        draft.write(&vec![b'x'; 6000]).unwrap();
        draft
    };
    assert!(is_over(draft().append(Flags::SEEN, &[], None).map(|_| ())));
    draft().deliver_marked(Flags::SEEN, &[]).unwrap();
    assert!(is_over(draft().deliver_marked(Flags::SEEN, &[])));
    node.assert_exact();
}

#[test]
fn the_last_place_is_given_once() {
    let disk = MemoryDisk::new();
    // Whoever waits moves the clock, so nobody's lock may be taken for stale.
    let patient = |host| {
        let (lock_wait, lock_stale) = (Duration::from_secs(100_000), Duration::from_secs(1_000_000));
        let settings = Settings { lock_wait, lock_stale, ..settings(host, QuotaFile::Dict) };
        try_node(&disk.another_node(Duration::ZERO), settings, &["*:messages=10"]).unwrap()
    };
    let (a, b) = (patient("a"), patient("b"));
    let delivered = thread::scope(|scope| {
        let run = |node: Node| move || (0..20).filter(|_| !is_over(node.deliver("INBOX", 100))).count();
        let (a, b) = (scope.spawn(run(a)), scope.spawn(run(b)));
        a.join().unwrap() + b.join().unwrap()
    });
    assert_eq!(delivered, 10);
    let c = node(&disk, "c", &["*:messages=10"]);
    assert_eq!(c.used(), (1000, 10));
}

/// Limits so large that nodes leave changes to memory, and messages so large that the account passes from wide to full
/// within moments.
#[test]
fn a_limit_holds_while_nodes_leave_changes_to_memory() {
    const LIMIT: &[&str] = &["*:bytes=12M"];
    let limit = 12 << 20;
    for seed in 0..20_u64 {
        let disk = MemoryDisk::new();
        let nodes = ["a", "b", "c"].map(|host| node(&disk.another_node(Duration::ZERO), host, LIMIT));
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let (mut held, mut refused) = (0, 0);
        while refused < 5 {
            let node = &nodes[usize::try_from(next(3)).unwrap()];
            let len = if next(2) == 0 { 90_000 } else { usize::try_from(1 + next(900_000)).unwrap() };
            match is_over(node.append("INBOX", len)) {
                true => refused += 1,
                false => held += i64::try_from(len).unwrap(),
            }
            assert!(held <= limit, "seed {seed}: {held} of {limit}");
            if next(4) == 0 {
                node.disk.advance(Duration::from_millis(next(1500)));
                node.store.tend_quota();
            }
        }
        nodes.iter().for_each(Node::tend);
        assert_eq!(nodes[0].used().0, held, "seed {seed}");
        nodes[0].assert_exact();
    }
}

/// While one node has a fresh look at a wide account, another fills it with one message.
#[test]
fn an_account_that_fills_at_once_waits_until_nobody_leaves_changes_to_memory() {
    let disk = MemoryDisk::new();
    let nodes = ["a", "b"].map(|host| node(&disk.another_node(Duration::ZERO), host, &["*:bytes=12M"]));
    nodes[0].append("INBOX", 8 << 20).unwrap();
    nodes[0].append("INBOX", 1000).unwrap();
    nodes[1].append("INBOX", (4 << 20) - 2000).unwrap();
    assert!(is_over(nodes[0].append("INBOX", 90_000)));
    nodes[0].append("INBOX", 1000).unwrap();
    assert_eq!(nodes[1].used(), (12 << 20, 4));
    nodes[1].assert_exact();
}

#[test]
fn totals_are_exact_after_any_sequence_on_two_nodes() {
    for seed in 1..30_u64 {
        let disk = MemoryDisk::new();
        let nodes = [node(&disk, "a", WIDE), node(&disk.another_node(Duration::from_secs(90)), "b", WIDE)];
        nodes[0].account.create(&name("Spam"), None).unwrap();
        let mut random = seed;
        let mut next = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((random >> 33) % bound).unwrap()
        };
        for _ in 0..40 {
            let (node, from, to) = (&nodes[next(2)], ["INBOX", "Trash", "Spam"][next(3)], ["Sent", "Spam"][next(2)]);
            match next(8) {
                0..3 => node.deliver(from, 1 + next(5000)).unwrap(),
                3 => node.append(from, 1 + next(5000)).unwrap(),
                4 => node.expunge(from, node.all(from).first().map_or(&[][..], std::slice::from_ref)),
                5 => {
                    let target = node.account.open(&name(to)).unwrap();
                    node.account.open(&name(from)).unwrap().move_to(&node.all(from), &target).unwrap();
                }
                6 => drop(node.account.recount_quota().unwrap()),
                _ => node.tend(),
            }
        }
        nodes.iter().for_each(Node::tend);
        let both = nodes.each_ref().map(Node::used);
        assert_eq!(both[0], both[1], "seed {seed}");
        nodes[1].assert_exact();
    }
}

#[test]
fn a_delivery_far_below_the_limit_takes_no_lock_and_writes_nothing_of_its_own() {
    let disk = MemoryDisk::new();
    let with = node(&disk, "a", WIDE);
    with.deliver("INBOX", 100).unwrap();
    let calls = |node: &Node| {
        let before = node.disk.calls();
        node.deliver("INBOX", 100).unwrap();
        node.disk.calls() - before
    };
    let counted = calls(&with);
    let off = try_node(&MemoryDisk::new(), settings("a", QuotaFile::Off), WIDE).unwrap();
    off.deliver("INBOX", 100).unwrap();
    assert_eq!(counted, calls(&off));
}

#[test]
fn a_number_of_dovecot_is_taken_over_and_its_other_keys_stay() {
    let disk = MemoryDisk::new();
    drop(node(&disk, "a", WIDE));
    let path = Path::new(HOME).join("dovecot-quota");
    disk::replace(&disk, &path, b"priv/quota/messages\n7\npriv/other\nx\npriv/quota/storage\n5000\n").unwrap();
    let node = node(&disk, "a", WIDE);
    assert_eq!(node.used(), (5000, 7));
    node.deliver("INBOX", 10).unwrap();
    node.tend();
    assert_eq!(dict(&disk), "priv/quota/messages\n8\npriv/other\nx\npriv/quota/storage\n5010\n");
}

#[test]
fn nobody_is_refused_because_of_an_old_number() {
    let disk = MemoryDisk::new();
    let node = node(&disk, "a", &["*:bytes=10000"]);
    let path = Path::new(HOME).join("dovecot-quota");
    disk::replace(&disk, &path, b"priv/quota/storage\n99999\npriv/quota/messages\n7\n").unwrap();
    node.deliver("INBOX", 9000).unwrap();
    assert_eq!(node.used(), (9000, 1));
}

#[test]
fn maildirsize_is_kept_by_lines_and_summed_up_when_it_is_long() {
    let disk = MemoryDisk::new();
    let node = try_node(&disk, settings("a", QuotaFile::Maildirsize), WIDE).unwrap();
    let read = || String::from_utf8(disk.read(&Path::new(HOME).join("maildir/maildirsize")).unwrap()).unwrap();
    node.deliver("INBOX", 100).unwrap();
    node.tend();
    assert_eq!(read(), "2147483648S,100000C\n100 1\n");
    node.expunge("INBOX", &node.all("INBOX"));
    node.tend();
    assert_eq!(read(), "2147483648S,100000C\n100 1\n-100 -1\n");
    for _ in 0..1000 {
        node.deliver("INBOX", 100).unwrap();
        node.tend();
    }
    assert!(read().len() < 5120);
    assert_eq!(node.used(), (100_000, 1000));
    let found = try_node(&disk, settings("b", QuotaFile::Found), WIDE).unwrap();
    assert_eq!(found.used(), (100_000, 1000));
    node.assert_exact();
}

#[test]
fn a_threshold_is_told_once_among_all_nodes() {
    let disk = MemoryDisk::new();
    let limit: &[&str] = &["*:bytes=1000"];
    let up = |percent| Threshold { resource: Resource::Storage, percent, direction: Direction::Up };
    let below = Threshold { resource: Resource::Storage, percent: 100, direction: Direction::Down };
    let nodes = ["a", "b"].map(|host| {
        let mut settings = settings(host, QuotaFile::Dict);
        settings.quota.thresholds = vec![up(95), up(80), below];
        try_node(&disk.another_node(Duration::ZERO), settings, limit).unwrap()
    });
    let told = |crossings: Vec<Crossing>| crossings.iter().map(|crossing| crossing.threshold).collect::<Vec<_>>();
    let told = || told(nodes.iter().flat_map(|node| node.store.quota_crossings()).collect());
    nodes[0].deliver("INBOX", 790).unwrap();
    assert_eq!(told(), []);
    nodes[1].deliver("INBOX", 10).unwrap();
    nodes[0].deliver("INBOX", 10).unwrap();
    assert_eq!(told(), [1]);
    nodes[1].deliver("INBOX", 200).unwrap();
    assert_eq!(told(), [0]);
    nodes[0].expunge("INBOX", &nodes[0].all("INBOX")[..1]);
    nodes[0].tend();
    assert_eq!(told(), [2]);
}

/// Power off at each call, whatever survives: the next life of the node finds the right number.
#[test]
fn no_power_cut_leaves_a_wrong_number() {
    for (file, quota) in [(QuotaFile::Dict, WIDE), (QuotaFile::Maildirsize, &["*:bytes=9000"][..])] {
        let start = MemoryDisk::new();
        let before = try_node(&start, settings("a", file), quota).unwrap();
        before.deliver("INBOX", 1000).unwrap();
        before.deliver("INBOX", 2000).unwrap();
        assert!(before.store.end_quota());
        drop(before);
        let scenario = |disk: &MemoryDisk| -> Result<()> {
            let node = try_node(disk, settings("a", file), quota)?;
            node.deliver("INBOX", 500)?;
            node.append("Sent", 300)?;
            let (inbox, trash) = (node.account.open(&inbox())?, node.account.open(&name("Trash"))?);
            inbox.move_to(&[uid(1)], &trash)?;
            inbox.expunge(&[uid(2)])?;
            node.disk.advance(Duration::from_secs(1));
            node.store.tend_quota();
            node.deliver("INBOX", 700)?;
            node.account.delete(&name("Trash"))?;
            node.store.end_quota();
            Ok(())
        };
        every_cut_from(&start, scenario, |disk, cut| {
            disk.advance(Duration::from_secs(5));
            let node = try_node(&disk, settings("a", file), quota).unwrap();
            // Whoever comes asks first, and asks again after the next change.
            node.account.open(&inbox()).unwrap().sync(store::Access::Serve).unwrap();
            assert!(!cut.finished || node.used() == (1500, 3), "{:?}", node.used());
            node.assert_exact();
            node.deliver("INBOX", 50).unwrap();
            assert!(node.store.end_quota());
            node.assert_exact();
            let damage: Vec<_> = verify(&node.account).unwrap();
            assert!(damage.iter().all(|finding| finding.harm != store::Harm::Damage), "{damage:?}");
        });
    }
}

#[test]
fn a_process_that_only_passes_by_leaves_no_mark_and_disturbs_nobody() {
    let disk = MemoryDisk::new();
    let server = node(&disk, "a", WIDE);
    server.deliver("INBOX", 100).unwrap();
    let notes = || String::from_utf8(disk.read(&Path::new(HOME).join("tepui-quota")).unwrap()).unwrap();
    let marks = || notes().lines().filter(|line| line.starts_with("open ")).count();
    let mut passing = settings("a", QuotaFile::Dict);
    passing.quota.life.clear();
    let command = try_node(&disk.restart(), passing, WIDE).unwrap();
    assert_eq!((command.account.recount_quota().unwrap().1.messages, marks()), (1, 1));
    command.deliver("INBOX", 100).unwrap();
    assert_eq!(marks(), 2);
    drop(command.store);
    assert_eq!(marks(), 2);
    drop(command.account);
    assert_eq!(marks(), 1);
    server.deliver("INBOX", 100).unwrap();
    server.tend();
    assert_eq!(server.used(), (300, 3));
    server.assert_exact();
}

#[test]
fn verify_tells_a_number_that_is_wrong() {
    let disk = MemoryDisk::new();
    let node = node(&disk, "a", WIDE);
    node.deliver("INBOX", 100).unwrap();
    assert!(node.store.end_quota());
    let path = Path::new(HOME).join("dovecot-quota");
    disk::replace(&disk, &path, b"priv/quota/storage\n99\npriv/quota/messages\n1\n").unwrap();
    let findings = verify(&node.account).unwrap();
    assert!(findings.iter().any(|finding| finding.path == path && finding.harm == store::Harm::Damage));
    let (before, after) = node.account.recount_quota().unwrap();
    assert_eq!((before, after), (Some(Amount { storage: 99, messages: 1 }), Amount { storage: 100, messages: 1 }));
    assert!(verify(&node.account).unwrap().iter().all(|finding| finding.path != path));
}
