//! What is slowed, what is locked and what is lifted, by a clock of the tests' own.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOME: &str = "192.0.2.1";
const AWAY: &str = "198.51.100.7";

fn rules() -> Rules {
    Rules {
        account_failures: 4,
        address_failures: 8,
        network_failures: 16,
        window: 30 * MINUTE,
        slow_max: Duration::from_secs(10),
        lock_time: 15 * MINUTE,
        known: 60 * 24 * MINUTE,
        ipv4_network: 24,
        ipv6_network: 56,
        trusted: vec![Network::parse("127.0.0.0/8").unwrap()],
    }
}

/// A lockout, and a clock that is moved by hand.
struct Door {
    lockout: Lockout,
    rules: Rules,
    now: Instant,
    guesses: u64,
}

impl Door {
    fn new() -> Door {
        Door { lockout: Lockout::default(), rules: rules(), now: Instant::now(), guesses: 0 }
    }

    fn look(&self, account: &str, address: &str) -> Hold {
        self.lockout.look(&self.rules, account, address.parse().unwrap(), self.now)
    }

    fn is_locked(&self, account: &str, address: &str) -> bool {
        matches!(self.look(account, address), Hold::Locked(_))
    }

    /// A password nobody tried before; what was locked by it.
    fn fail(&mut self, account: &str, address: &str) -> Vec<&'static str> {
        self.guesses += 1;
        self.guess(account, address, self.guesses)
    }

    fn guess(&mut self, account: &str, address: &str, guess: u64) -> Vec<&'static str> {
        let locked = self.lockout.failed(&self.rules, account, address.parse().unwrap(), Guess(guess), self.now);
        locked.iter().map(|locked| locked.subject.kind()).collect()
    }

    fn succeed(&mut self, account: &str, address: &str) {
        self.lockout.succeeded(&self.rules, account, address.parse().unwrap(), self.now);
    }

    fn failures_of(&self, subject: &str) -> u32 {
        let rows = self.lockout.failures(&self.rules, self.now, 1000);
        rows.iter().find(|row| row.subject.to_string() == subject).map_or(0, |row| row.failures)
    }
}

#[test]
fn failures_slow_down_first_and_then_lock_for_a_while() {
    let mut door = Door::new();
    let seconds = |count| Hold::Slow(Duration::from_secs(count));
    let mut holds = Vec::new();
    for _ in 0..3 {
        assert!(door.fail("ana", HOME).is_empty());
        holds.push(door.look("ana", HOME));
    }
    assert_eq!(holds, [Hold::No, Hold::No, seconds(5)]);
    assert_eq!(door.fail("ana", HOME), ["account-at", "account"]);
    assert!(door.is_locked("ana", HOME) && door.is_locked("ana", AWAY) && !door.is_locked("bob", HOME));
    door.now += 15 * MINUTE;
    assert_eq!(door.look("ana", AWAY), Hold::No);
}

#[test]
fn each_lock_that_follows_is_longer_up_to_a_bound_and_a_quiet_window_forgets_it() {
    let mut door = Door::new();
    let lock = |door: &mut Door| {
        (0..4).for_each(|_| drop(door.fail("ana", HOME)));
        let Hold::Locked(locked) = door.look("ana", AWAY) else { panic!("not locked") };
        let time = locked.until - door.now;
        door.now = locked.until;
        time / 60
    };
    let times: Vec<u64> = (0..5).map(|_| lock(&mut door).as_secs()).collect();
    assert_eq!(times, [15, 30, 60, 120, 120]);
    door.now += 30 * MINUTE;
    assert_eq!(lock(&mut door).as_secs(), 15);
}

#[test]
fn an_address_is_locked_by_many_accounts_and_a_network_by_many_addresses() {
    let mut door = Door::new();
    (0..7).for_each(|number| assert!(door.fail(&format!("user{number}"), HOME).is_empty()));
    assert_eq!(door.fail("another", HOME), ["address"]);
    assert!(door.is_locked("ana", HOME) && !door.is_locked("ana", "192.0.2.2"));
    (0..7)
        .for_each(|number| assert!(door.fail(&format!("user{number}"), &format!("192.0.2.{}", number + 2)).is_empty()));
    assert_eq!(door.fail("another", "192.0.2.9"), ["network"]);
    assert!(door.is_locked("ana", "192.0.2.200") && !door.is_locked("ana", "192.0.3.1"));
}

#[test]
fn a_slash_64_is_one_address() {
    let mut door = Door::new();
    (0..8).for_each(|number| drop(door.fail(&format!("user{number}"), &format!("2001:db8::{number}"))));
    assert!(door.is_locked("ana", "2001:db8::ffff:0:0:1"));
    assert!(!door.is_locked("ana", "2001:db8:0:1::1"));
    assert_eq!(door.failures_of("2001:db8::/64"), 8);
}

#[test]
fn the_same_wrong_password_of_the_same_client_counts_once() {
    let mut door = Door::new();
    (0..100).for_each(|_| assert!(door.guess("ana", HOME, 7).is_empty()));
    assert_eq!((door.failures_of("ana"), door.failures_of("192.0.2.1/32")), (1, 1));
    door.guess("ana", AWAY, 7);
    assert_eq!(door.failures_of("ana"), 2);
}

#[test]
fn a_success_forgives_ones_own_failures_and_nobody_elses() {
    let mut door = Door::new();
    (0..2).for_each(|_| drop(door.fail("ana", HOME)));
    (0..3).for_each(|number| drop(door.fail(&format!("victim{number}"), HOME)));
    door.fail("ana", AWAY);
    assert_eq!((door.failures_of("192.0.2.1/32"), door.failures_of("ana")), (5, 3));
    // Somebody with one good account cannot guess at the others for ever, nor does ana pay for strangers' guesses.
    door.succeed("ana", HOME);
    assert_eq!((door.failures_of("192.0.2.1/32"), door.failures_of("ana")), (3, 1));
}

#[test]
fn failures_of_an_older_row_pay_for_nothing_in_a_newer_one() {
    let mut door = Door::new();
    door.rules.account_failures = 0;
    (0..5).for_each(|_| drop(door.fail("mallory", HOME)));
    (0..3).for_each(|number| drop(door.fail(&format!("victim{number}"), HOME)));
    assert!(door.is_locked("ana", HOME));
    door.now += 15 * MINUTE;
    (0..7).for_each(|number| drop(door.fail(&format!("victim{number}"), HOME)));
    door.succeed("mallory", HOME);
    assert_eq!(door.failures_of("192.0.2.1/32"), 7);
    assert_eq!(door.fail("victim9", HOME), ["address"]);
}

#[test]
fn who_logged_in_from_a_place_lately_is_not_locked_out_of_it_by_strangers() {
    let mut door = Door::new();
    door.succeed("ana", HOME);
    (0..4).for_each(|_| drop(door.fail("ana", AWAY)));
    (0..8).for_each(|number| drop(door.fail(&format!("user{number}"), HOME)));
    assert!(door.is_locked("ana", AWAY) && door.is_locked("bob", HOME));
    assert_eq!(door.look("ana", HOME), Hold::No);
    // Guessing from that very place is bounded too.
    (0..4).for_each(|_| drop(door.fail("ana", HOME)));
    assert!(door.is_locked("ana", HOME));
    door.now += 61 * 24 * MINUTE;
    (0..4).for_each(|_| drop(door.fail("ana", AWAY)));
    assert!(door.is_locked("ana", HOME));
}

#[test]
fn from_trusted_networks_only_accounts_are_counted() {
    let mut door = Door::new();
    (0..50).for_each(|number| assert!(door.fail(&format!("user{number}"), "127.0.0.1").is_empty()));
    assert_eq!(door.look("ana", "127.0.0.1"), Hold::No);
    (0..4).for_each(|_| drop(door.fail("ana", "::ffff:127.0.0.1")));
    assert!(door.is_locked("ana", "127.0.0.1"));
}

#[test]
fn memory_is_bounded_and_a_flood_of_names_washes_nobody_clean() {
    let mut door = Door::new();
    door.lockout = Lockout::bounded(80, 80);
    door.rules.address_failures = 1000;
    (0..3).for_each(|_| drop(door.fail("ana", AWAY)));
    (0..4).for_each(|_| drop(door.fail("bob", AWAY)));
    for number in 0..2000_u32 {
        door.now += Duration::from_millis(10);
        let address = format!("10.{}.{}.1", number / 250, number % 250);
        door.fail(&format!("user{number}"), &address);
        door.succeed(&format!("user{number}"), &address);
        assert!(door.lockout.counts.iter().all(|table| table.len() <= 80) && door.lockout.known.len() <= 80);
    }
    assert_eq!(door.failures_of("ana"), 3);
    assert!(door.is_locked("bob", HOME));
}

#[test]
fn one_account_has_room_for_so_many_places_and_the_oldest_goes() {
    let mut door = Door::new();
    (0..=KNOWN_PLACES_MAX).for_each(|number| door.succeed("ana", &format!("10.0.0.{number}")));
    (0..4).for_each(|_| drop(door.fail("ana", AWAY)));
    assert!(door.is_locked("ana", "10.0.0.0") && !door.is_locked("ana", "10.0.0.1"));
}

#[test]
fn what_is_lifted_is_gone_and_the_rest_stays() {
    let mut door = Door::new();
    let fill = |door: &mut Door| {
        door.lockout.lift(&Lift::All);
        (0..4).for_each(|_| drop(door.fail("ana", HOME)));
        (0..8).for_each(|number| drop(door.fail(&format!("user{number}"), HOME)));
    };
    fill(&mut door);
    assert_eq!(door.lockout.lift(&Lift::Account("ana".to_owned())), 2);
    assert!(!door.is_locked("ana", AWAY) && door.is_locked("ana", HOME));
    fill(&mut door);
    let here = Network::parse(HOME).unwrap();
    assert!(door.lockout.lift(&Lift::Within(here)) > 1);
    assert!(!door.is_locked("bob", HOME) && door.is_locked("ana", AWAY));
    assert_eq!(door.failures_of("192.0.2.0/24"), 12);
    door.lockout.lift(&Lift::Within(Network::parse("192.0.2.77/24").unwrap()));
    assert_eq!(door.failures_of("192.0.2.0/24"), 0);
    assert_eq!(door.lockout.lift(&Lift::All), 1 + 8);
    assert!(door.lockout.failures(&door.rules, door.now, 10).is_empty());
}

#[test]
fn failures_without_a_name_lock_addresses_and_nobody_elsewhere() {
    let mut door = Door::new();
    (0..7).for_each(|_| assert!(door.fail("", HOME).is_empty()));
    assert!(!door.is_locked("", HOME) && door.look("", AWAY) == Hold::No);
    assert_eq!(door.fail("", HOME), ["address"]);
    assert!(door.is_locked("", HOME) && door.look("", AWAY) == Hold::No);
}

#[test]
fn a_bound_of_nought_counts_nothing() {
    let mut door = Door::new();
    door.rules = Rules { account_failures: 0, address_failures: 0, network_failures: 0, ..rules() };
    (0..100).for_each(|_| assert!(door.fail("ana", HOME).is_empty()));
    assert_eq!(door.look("ana", HOME), Hold::No);
}
