//! Whose turn it is. Each actor is a thread, and exactly one of them runs: who wants to call the disk hands the baton back,
//! and the seed says who gets it, who rests in the middle of what he does, and whose process is killed there.
//! So a run is the same whenever its seed is.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use disk::{Disk, MemoryDisk, Op, Pace};

use crate::chance::Chance;

/// Calls after which a run is taken for one that never ends.
const CALLS_MAX: u64 = 400_000;
/// One in so many calls…
const HAND_OVER: u64 = 3;
const REST: u64 = 700;
const KILL: u64 = 900;

thread_local! {
    static ME: Cell<Option<usize>> = const { Cell::new(None) };
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Actor {
    Ready,
    RestsUntil(SystemTime),
    Done,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    actors: Vec<Actor>,
    nodes: Vec<Option<MemoryDisk>>,
    /// How long an actor may be kept from its work at a time.
    rest_max: Vec<Duration>,
    running: usize,
    calls: u64,
    hash: u64,
    trace: Option<Vec<String>>,
    failure: Option<String>,
    /// How often somebody rested for long, or was killed.
    stops: u32,
}

/// A rest that is long: a node may not be kept from its work for longer between looking at a quota and acting upon it.
const LONG: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct Turns {
    server: MemoryDisk,
    state: Mutex<State>,
    wake: Vec<Condvar>,
}

impl Turns {
    pub fn new(server: &MemoryDisk, seed: u64, rest_max: Vec<Duration>, traced: bool) -> Turns {
        let actors = rest_max.len();
        let mut chance = Chance::new(seed);
        let running = chance.below(actors as u64) as usize;
        let state = State {
            chance,
            actors: vec![Actor::Ready; actors],
            nodes: vec![None; actors],
            rest_max,
            running,
            calls: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            trace: traced.then(Vec::new),
            failure: None,
            stops: 0,
        };
        Turns { server: server.clone(), state: Mutex::new(state), wake: (0..actors).map(|_| Condvar::new()).collect() }
    }

    /// Runs an actor's life on this thread, from its first turn to its last.
    pub fn live(&self, me: usize, life: impl FnOnce()) {
        ME.set(Some(me));
        drop(self.wait(self.state(), me));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(life));
        ME.set(None);
        let mut state = self.state();
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            state.fail(text.unwrap_or_else(|| "panic".to_owned()));
        }
        state.actors[me] = Actor::Done;
        self.hand_over(&mut state);
    }

    /// The process that this actor is from now on, which may be killed.
    pub fn be(&self, me: usize, node: &MemoryDisk) {
        self.state().nodes[me] = Some(node.clone());
    }

    /// Writes a line into the trace.
    pub fn note(&self, line: impl FnOnce() -> String) {
        let mut state = self.state();
        let calls = state.calls;
        if let Some(trace) = &mut state.trace {
            trace.push(format!("{calls:6} {}: {}", ME.get().map_or(-1, |me| me as i64), line()));
        }
    }

    pub fn stops(&self) -> u32 {
        self.state().stops
    }

    /// What went wrong first; the calls made; their hash; the trace.
    pub fn end(&self) -> (Option<String>, u64, u64, Vec<String>) {
        let mut state = self.state();
        (state.failure.take(), state.calls, state.hash, state.trace.take().unwrap_or_default())
    }

    pub fn is_over(&self) -> bool {
        self.state().failure.is_some() || !self.server.power_is_on()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, State>, me: usize) -> MutexGuard<'a, State> {
        while state.running != me && state.failure.is_none() {
            state = self.wake[me].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// Gives the baton to somebody who is ready; if all rest, time passes.
    fn hand_over(&self, state: &mut State) {
        let now = self.server.now();
        let until = |actor: &Actor| match actor {
            Actor::Ready => Some(now),
            Actor::RestsUntil(until) => Some(*until),
            Actor::Done => None,
        };
        let Some(first) = state.actors.iter().filter_map(until).min() else { return };
        if first > now {
            self.server.advance(first.duration_since(now).unwrap_or_default());
        }
        let due = first.max(now);
        let ready: Vec<usize> = (0..state.actors.len())
            .filter(|&one| until(&state.actors[one]).is_some_and(|until| until <= due))
            .collect();
        let next = *state.chance.pick(&ready).expect("the first one is due");
        state.actors[next] = Actor::Ready;
        state.running = next;
        self.wake[next].notify_one();
        if state.failure.is_some() {
            self.wake.iter().for_each(Condvar::notify_one);
        }
    }

    fn rest(&self, mut state: MutexGuard<'_, State>, me: usize, duration: Duration) {
        state.actors[me] = Actor::RestsUntil(self.server.now() + duration);
        self.hand_over(&mut state);
        drop(self.wait(state, me));
    }
}

impl Pace for Turns {
    fn turn(&self, op: Op, path: &Path) {
        let Some(me) = ME.get() else { return };
        let mut state = self.state();
        if state.failure.is_some() {
            return;
        }
        self.server.advance(Duration::from_micros(state.chance.below(1500)));
        state.count(me, op, path);
        if state.calls > CALLS_MAX {
            state.fail("the run does not end".to_owned());
            return;
        }
        let rest_max = state.rest_max[me];
        if state.chance.one_in(KILL)
            && let Some(node) = state.nodes[me].take()
        {
            state.trace_line(me, "is killed");
            state.stops += 1;
            node.kill();
        }
        if state.chance.one_in(REST) {
            let share = state.chance.below(1000) as u32;
            // Mostly short, sometimes for as long as it may be.
            let rest = rest_max / 1000 * share * share / 1000;
            state.trace_line(me, &format!("rests for {rest:?}"));
            state.stops += u32::from(rest >= LONG);
            self.rest(state, me, rest);
        } else if state.chance.one_in(HAND_OVER) {
            self.hand_over(&mut state);
            drop(self.wait(state, me));
        }
    }

    /// A busy machine: longer than asked for.
    fn sleep(&self, duration: Duration) {
        match ME.get() {
            Some(me) => {
                let mut state = self.state();
                let times = 8 + state.chance.below(16) as u32;
                self.rest(state, me, duration * times);
            }
            None => self.server.advance(duration),
        }
    }

    fn chance(&self) -> u64 {
        self.state().chance.next()
    }
}

impl State {
    fn fail(&mut self, text: String) {
        self.failure.get_or_insert(text);
        self.nodes.iter().flatten().for_each(MemoryDisk::kill);
    }

    fn count(&mut self, me: usize, op: Op, path: &Path) {
        self.calls += 1;
        let octets = [me as u8, op as u8];
        for octet in octets.iter().chain(path.as_os_str().as_encoded_bytes()) {
            self.hash = (self.hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
        let calls = self.calls;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{calls:6} {me}:     {op} {}", path.display()));
        }
    }

    fn trace_line(&mut self, me: usize, what: &str) {
        let calls = self.calls;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{calls:6} {me}: {what}"));
        }
    }
}
