//! Answers remembered for a while: yes and no with their own lifetimes, one question at a time for each name, and,
//! where it is allowed, the last yes when nobody can answer.
//!
//! Promises: at most `entries_max` answers are kept; those who ask the same thing at the same time wait for one
//! question; a question goes on when the one who asked first hangs up. "Unavailable" is never remembered, and an old no
//! is never served: it could be the person who was hired today.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long, how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    pub yes: Duration,
    pub no: Duration,
    /// How old a yes may be that is served when nobody can answer, counted from when it was given. Zero: never.
    pub stale_max: Duration,
    pub entries_max: usize,
}

impl Default for Lifetimes {
    fn default() -> Lifetimes {
        Lifetimes {
            yes: Duration::from_secs(300),
            no: Duration::from_secs(30),
            stale_max: Duration::from_secs(24 * 3600),
            entries_max: 100_000,
        }
    }
}

/// What kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Yes,
    No,
    Unavailable,
}

/// Something that can be remembered.
pub trait Answer: Clone + Send + Sync + 'static {
    fn kind(&self) -> Kind;
    /// What is said when a question was broken off.
    fn unavailable() -> Self;
}

/// Answers by name.
#[derive(Debug)]
pub struct Cache<V> {
    shared: Arc<Mutex<Shared<V>>>,
}

#[derive(Debug)]
struct Shared<V> {
    lifetimes: Lifetimes,
    /// Two generations: when the young one has half of `entries_max`, it becomes the old one, and the old one is
    /// forgotten. What is asked for in between moves to the young one, so what is in use stays.
    young: HashMap<String, Remembered<V>>,
    old: HashMap<String, Remembered<V>>,
    questions: HashMap<String, watch::Receiver<Option<V>>>,
}

#[derive(Debug, Clone)]
struct Remembered<V> {
    answer: V,
    since: Instant,
}

impl<V: Answer> Cache<V> {
    pub fn new(lifetimes: Lifetimes) -> Cache<V> {
        let (young, old) = (HashMap::new(), HashMap::new());
        Cache { shared: Arc::new(Mutex::new(Shared { lifetimes, young, old, questions: HashMap::new() })) }
    }

    /// The answer for a name: remembered, or asked for. Must be called inside a tokio runtime.
    pub async fn ask<F>(&self, name: &str, question: impl FnOnce() -> F) -> V
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut answer = {
            let mut shared = lock(&self.shared);
            if let Some(answer) = shared.fresh(name) {
                return answer;
            }
            match shared.questions.get(name) {
                Some(answer) => answer.clone(),
                None => {
                    let (tell, answer) = watch::channel(None);
                    shared.questions.insert(name.to_owned(), answer.clone());
                    tokio::spawn(carry_out(Arc::clone(&self.shared), name.to_owned(), question(), tell));
                    answer
                }
            }
        };
        let told = answer.wait_for(Option::is_some).await;
        told.ok().and_then(|answer| answer.clone()).unwrap_or_else(V::unavailable)
    }

    /// What is remembered and still good.
    pub fn fresh(&self, name: &str) -> Option<V> {
        lock(&self.shared).fresh(name)
    }

    /// Forgets one name, when something is known to have changed.
    pub fn forget(&self, name: &str) {
        let mut shared = lock(&self.shared);
        shared.young.remove(name);
        shared.old.remove(name);
    }

    pub fn len(&self) -> usize {
        let shared = lock(&self.shared);
        shared.young.len() + shared.old.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn lock<V>(shared: &Mutex<Shared<V>>) -> std::sync::MutexGuard<'_, Shared<V>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn carry_out<V: Answer>(
    shared: Arc<Mutex<Shared<V>>>,
    name: String,
    question: impl Future<Output = V>,
    tell: watch::Sender<Option<V>>,
) {
    // A question that panics takes `tell` with it, and its place must not stay taken.
    let _place = Place { shared: &shared, name: &name };
    let answer = question.await;
    let answer = lock(&shared).keep(&name, answer);
    tell.send_replace(Some(answer));
}

struct Place<'a, V> {
    shared: &'a Mutex<Shared<V>>,
    name: &'a str,
}

impl<V> Drop for Place<'_, V> {
    fn drop(&mut self) {
        lock(self.shared).questions.remove(self.name);
    }
}

impl<V: Answer> Shared<V> {
    fn fresh(&mut self, name: &str) -> Option<V> {
        let known = self.known(name)?;
        let (age, answer) = (known.since.elapsed(), known.answer.clone());
        let lifetime = match answer.kind() {
            Kind::Yes => self.lifetimes.yes,
            Kind::No => self.lifetimes.no,
            Kind::Unavailable => Duration::ZERO,
        };
        (age < lifetime).then_some(answer)
    }

    fn known(&mut self, name: &str) -> Option<&Remembered<V>> {
        if let Some(known) = self.old.remove(name) {
            self.insert(name, known);
        }
        self.young.get(name)
    }

    /// Remembers an answer, and gives what is to be said: that answer, or an older one when it says nothing.
    fn keep(&mut self, name: &str, answer: V) -> V {
        if answer.kind() != Kind::Unavailable {
            self.old.remove(name);
            self.insert(name, Remembered { answer: answer.clone(), since: Instant::now() });
            return answer;
        }
        let stale_max = self.lifetimes.stale_max;
        let known = self.known(name).filter(|known| known.since.elapsed() < stale_max);
        known.map(|known| known.answer.clone()).filter(|known| known.kind() == Kind::Yes).unwrap_or(answer)
    }

    fn insert(&mut self, name: &str, known: Remembered<V>) {
        if self.young.len() >= (self.lifetimes.entries_max / 2).max(1) && !self.young.contains_key(name) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name.to_owned(), known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::{advance, sleep};

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Said {
        Yes(u32),
        No,
        Nothing,
    }

    impl Answer for Said {
        fn kind(&self) -> Kind {
            match self {
                Said::Yes(_) => Kind::Yes,
                Said::No => Kind::No,
                Said::Nothing => Kind::Unavailable,
            }
        }

        fn unavailable() -> Said {
            Said::Nothing
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn cache(entries_max: usize) -> Cache<Said> {
        Cache::new(Lifetimes { yes: 60 * SECOND, no: 10 * SECOND, stale_max: 300 * SECOND, entries_max })
    }

    #[tokio::test(start_paused = true)]
    async fn yes_and_no_are_remembered_for_their_own_time() {
        let cache = cache(10);
        cache.ask("ana", || async { Said::Yes(1) }).await;
        cache.ask("bob", || async { Said::No }).await;
        advance(9 * SECOND).await;
        assert_eq!(cache.ask("ana", || async { Said::Yes(2) }).await, Said::Yes(1));
        assert_eq!(cache.ask("bob", || async { Said::Yes(2) }).await, Said::No);
        advance(SECOND).await;
        assert_eq!(cache.ask("bob", || async { Said::Yes(2) }).await, Said::Yes(2));
        advance(50 * SECOND).await;
        assert_eq!(cache.ask("ana", || async { Said::Yes(2) }).await, Said::Yes(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_yes_is_served_for_a_while_when_nobody_answers_and_an_old_no_never() {
        let cache = cache(10);
        cache.ask("ana", || async { Said::Yes(1) }).await;
        cache.ask("bob", || async { Said::No }).await;
        advance(299 * SECOND).await;
        assert_eq!(cache.ask("ana", || async { Said::Nothing }).await, Said::Yes(1));
        assert_eq!(cache.ask("bob", || async { Said::Nothing }).await, Said::Nothing);
        advance(SECOND).await;
        assert_eq!(cache.ask("ana", || async { Said::Nothing }).await, Said::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_question_is_asked_once_even_when_its_first_asker_hangs_up() {
        let cache = Arc::new(cache(10));
        let asked = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let (cache, asked) = (Arc::clone(&cache), Arc::clone(&asked));
            tokio::spawn(async move {
                let question = || async move {
                    asked.fetch_add(1, Ordering::SeqCst);
                    sleep(SECOND).await;
                    Said::Yes(7)
                };
                cache.ask("ana", question).await
            })
        };
        let first = ask();
        tokio::task::yield_now().await;
        let others: Vec<_> = (0..20).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        first.abort();
        for other in others {
            assert_eq!(other.await.unwrap(), Said::Yes(7));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_breaks_off_is_unavailable_and_may_be_asked_again() {
        let cache = cache(10);
        let broken = cache.ask("ana", || async { panic!("a bug, for this test") }).await;
        assert_eq!(broken, Said::Nothing);
        assert_eq!(cache.ask("ana", || async { Said::Yes(1) }).await, Said::Yes(1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_bound_is_kept_and_what_is_in_use_stays() {
        let cache = cache(100);
        cache.ask("ana", || async { Said::Yes(1) }).await;
        for number in 0..1000 {
            cache.ask(&format!("user{number}"), || async { Said::No }).await;
            assert!(cache.len() <= 100);
            assert!(number % 20 != 0 || cache.fresh("ana").is_some());
        }
    }
}
