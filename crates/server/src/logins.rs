//! The door of all logins, whatever protocol they come by: what `lockout` holds back waits or is refused, the directory
//! judges the rest, and the outcome is counted and logged.
//!
//! Whoever is locked hears what a wrong password hears, and as late: a guess that is made meanwhile teaches nothing, not
//! even when it was right. Waiting costs a timer and no thread, for at most `WAITERS_MAX` logins at once.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use directory::chain::{Directory, LogIn, NoRandomNumbers, Peer};
use directory::lockout::{Failures, Guess, Guesses, Hold, Lift, Locked, Lockout, Rules};
use directory::passwd_file::Network;
use jiff::Timestamp;
use proto::sasl::Credentials;
use tokio::sync::Semaphore;

/// Logins that wait because of failures. Beyond it a login that would have to wait gets a temporary answer at once.
pub const WAITERS_MAX: usize = 5_000;

/// What is counted of this node's logins. It outlives a reload.
#[derive(Debug)]
pub struct Logins {
    lockout: Mutex<Lockout>,
    guesses: Guesses,
    waiters: Semaphore,
}

/// One login, and what it is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub directory: &'a Directory,
    /// `None`: nothing is counted.
    pub rules: Option<&'a Rules>,
    /// How late a wrong password is answered.
    pub delay: Duration,
    pub peer: Peer<'a>,
    /// The session's name in the log.
    pub session: &'a str,
}

impl Logins {
    /// # Errors
    /// The system gives no random numbers.
    pub fn new() -> Result<Logins, NoRandomNumbers> {
        let guesses = Guesses::new().ok_or(NoRandomNumbers)?;
        Ok(Logins { lockout: Mutex::default(), guesses, waiters: Semaphore::new(WAITERS_MAX) })
    }

    /// Judges credentials. What comes of it is for the caller to log.
    pub async fn judge(&self, attempt: Attempt<'_>, credentials: &Credentials) -> LogIn {
        let verdict = match attempt.rules {
            None => attempt.directory.log_in(credentials, attempt.peer).await,
            Some(rules) => self.judge_counting(attempt, rules, credentials).await,
        };
        if matches!(verdict, LogIn::Refused(_)) {
            // With no place to wait the answer is early; it says no more than a late one.
            self.wait(attempt.delay).await;
        }
        verdict
    }

    async fn judge_counting(&self, attempt: Attempt<'_>, rules: &Rules, credentials: &Credentials) -> LogIn {
        let Attempt { directory, peer, .. } = attempt;
        let claimed = directory.claimed_name(credentials);
        match self.hold(attempt, rules, &claimed).await {
            Hold::No => {}
            Hold::Locked(locked) => return self.refuse_locked(rules, &locked).await,
            Hold::Slow(time) if self.wait(time).await => {}
            Hold::Slow(_) => return LogIn::Unavailable("too many logins wait after failures".to_owned()),
        }
        let verdict = directory.log_in(credentials, peer).await;
        let now = Instant::now();
        match &verdict {
            LogIn::Welcome { account, master, .. } => {
                let name = master.as_ref().map_or_else(|| account.name.clone(), |master| directory.master_name(master));
                // Under one of its other names, or while others were guessing: the account may be locked by now.
                if let Hold::Locked(locked) = self.lockout().look(rules, &name, peer.address, now) {
                    return LogIn::Refused(reason(&locked, now));
                }
                self.lockout().succeeded(rules, &name, peer.address, now);
            }
            LogIn::Refused(_) => {
                let name = directory.one_name(&claimed).await;
                let guess = self.guesses.of(&name, &credentials.evidence);
                self.count(attempt, rules, &name, guess, now);
            }
            LogIn::Unavailable(_) => {}
        }
        verdict
    }

    /// Whether a claimed name is held back. The directory is asked for the account's one name only when it would be:
    /// then it matters whether its owner logged in from there lately.
    async fn hold(&self, attempt: Attempt<'_>, rules: &Rules, claimed: &str) -> Hold {
        let look = |name: &str| self.lockout().look(rules, name, attempt.peer.address, Instant::now());
        if look(claimed) == Hold::No {
            return Hold::No;
        }
        look(&attempt.directory.one_name(claimed).await)
    }

    async fn refuse_locked(&self, rules: &Rules, locked: &Locked) -> LogIn {
        self.wait(rules.slow_max).await;
        LogIn::Refused(reason(locked, Instant::now()))
    }

    fn count(&self, attempt: Attempt<'_>, rules: &Rules, name: &str, guess: Guess, now: Instant) {
        let newly = self.lockout().failed(rules, name, attempt.peer.address, guess, now);
        for Locked { subject, until, failures } in newly {
            let (bound, until) = (subject.kind(), show_time(wall_clock(until, now)));
            tracing::warn!(session = attempt.session, bound, %subject, failures, until, "login locked");
        }
    }

    /// Whether there was a place to wait.
    async fn wait(&self, time: Duration) -> bool {
        if time.is_zero() {
            return true;
        }
        let Ok(_place) = self.waiters.try_acquire() else { return false };
        tokio::time::sleep(time).await;
        true
    }

    /// What is counted now, at most `rows_max` rows, with the time by the clock.
    pub fn failures(&self, rules: &Rules, rows_max: usize) -> Vec<(Failures, Option<SystemTime>)> {
        let now = Instant::now();
        let rows = self.lockout().failures(rules, now, rows_max);
        let by_the_clock = |row: &Failures| row.locked_until.map(|until| wall_clock(until, now));
        rows.into_iter().map(|row| (row.clone(), by_the_clock(&row))).collect()
    }

    /// Takes counts back: a network, an address, or an account by any of its names. Says how many.
    pub async fn lift(&self, directory: &Directory, what: &str) -> usize {
        let lift = match (Network::parse(what), what.parse::<IpAddr>()) {
            // An IPv6 address is counted with its /64.
            (_, Ok(IpAddr::V6(six))) => Lift::Within(Network::around(six.into(), 32, 64)),
            (Some(network), _) => Lift::Within(network),
            (None, _) => Lift::Account(directory.one_name(&what.to_lowercase()).await),
        };
        let lifted = self.lockout().lift(&lift);
        tracing::info!(what, lifted, "login failures lifted");
        lifted
    }

    pub fn lift_all(&self) -> usize {
        let lifted = self.lockout().lift(&Lift::All);
        tracing::info!(what = "all", lifted, "login failures lifted");
        lifted
    }

    fn lockout(&self) -> MutexGuard<'_, Lockout> {
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(locked: &Locked, now: Instant) -> String {
    let until = show_time(wall_clock(locked.until, now));
    format!("{} {} is locked until {until}", locked.subject.kind(), locked.subject)
}

fn wall_clock(until: Instant, now: Instant) -> SystemTime {
    SystemTime::now() + until.saturating_duration_since(now)
}

fn show_time(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use directory::cache::Lifetimes;
    use directory::chain::{ChainSettings, PasswordMemory, Source, SourceKind, UsersFile};
    use directory::passwd_file::PasswdFile;
    use directory::template::Template;
    use proto::sasl::Mechanism;

    use super::*;

    const ADDRESS: &str = "192.0.2.1";

    fn directory() -> Directory {
        let file = PasswdFile::parse("users", "ana:{PLAIN}right\n").unwrap();
        let users = UsersFile { file, home: Template::parse("/mail/%u").unwrap() };
        let kind = SourceKind::PasswdFile(Arc::new(users));
        let settings = ChainSettings {
            sources: vec![Source { domains: Vec::new(), kind }],
            masters: None,
            bearer: None,
            made_up: None,
            delimiter: None,
            accounts: Lifetimes::default(),
            recipients: Lifetimes::default(),
            passwords: PasswordMemory::default(),
        };
        Directory::new(settings).unwrap()
    }

    fn rules() -> Rules {
        Rules {
            account_failures: 4,
            address_failures: 50,
            network_failures: 200,
            window: Duration::from_secs(1800),
            slow_max: Duration::from_secs(10),
            lock_time: Duration::from_secs(900),
            known: Duration::from_secs(3600),
            ipv4_network: 24,
            ipv6_network: 64,
            trusted: Vec::new(),
        }
    }

    async fn try_login(logins: &Logins, directory: &Directory, password: &str) -> (LogIn, Duration) {
        let credentials = Credentials::new(Mechanism::Plain, b"Ana", password.as_bytes()).unwrap();
        let peer = Peer::from(ADDRESS.parse::<IpAddr>().unwrap());
        let (rules, delay) = (rules(), Duration::from_secs(2));
        let began = tokio::time::Instant::now();
        let attempt = Attempt { directory, rules: Some(&rules), delay, peer, session: "1" };
        (logins.judge(attempt, &credentials).await, began.elapsed())
    }

    /// `count` wrong passwords, each another.
    async fn fail(logins: &Logins, directory: &Directory, count: usize) {
        for number in 0..count {
            let (verdict, _) = try_login(logins, directory, &format!("wrong{number}")).await;
            assert!(matches!(verdict, LogIn::Refused(_)), "{verdict:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_password_waits_before_the_lock_and_is_refused_during_it() {
        let (logins, directory) = (Logins::new().unwrap(), directory());
        fail(&logins, &directory, 3).await;
        let (verdict, time) = try_login(&logins, &directory, "right").await;
        assert!(matches!(verdict, LogIn::Welcome { .. }));
        assert_eq!(time.as_secs(), 5);
        fail(&logins, &directory, 4).await;
        let (LogIn::Refused(why), time) = try_login(&logins, &directory, "right").await else { panic!("let in") };
        assert!(why.contains("is locked until"), "{why}");
        // As late as a wrong password at its slowest.
        assert_eq!(time.as_secs(), 12);
        assert_eq!(logins.lift(&directory, "ANA").await, 2);
        assert!(matches!(try_login(&logins, &directory, "right").await.0, LogIn::Welcome { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn when_too_many_wait_already_the_answer_is_temporary_and_comes_at_once() {
        let (logins, directory) = (Logins::new().unwrap(), directory());
        fail(&logins, &directory, 3).await;
        let all = u32::try_from(WAITERS_MAX).unwrap();
        let waiting = logins.waiters.acquire_many(all).await.unwrap();
        let (verdict, time) = try_login(&logins, &directory, "right").await;
        assert!(matches!(verdict, LogIn::Unavailable(_)), "{verdict:?}");
        assert!(time.is_zero());
        drop(waiting);
        assert!(matches!(try_login(&logins, &directory, "right").await.0, LogIn::Welcome { .. }));
    }
}
