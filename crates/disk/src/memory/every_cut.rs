//! Cuts the power at every call of a scenario and looks at what every kind of luck leaves.

use std::fmt;

use super::{MemoryDisk, Survival};

/// A scenario of more calls is taken for one that never ends.
const CALLS_MAX: u64 = 100_000;

const SURVIVALS: [Survival; 6] = [
    Survival::Nothing,
    Survival::Everything,
    Survival::Some(1),
    Survival::Some(2),
    Survival::Some(3),
    Survival::Some(4),
];

/// When the power went off, and what survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The last call that took effect, counted from 1.
    pub call: u64,
    pub survival: Survival,
    /// The scenario had come to its end, so everything it promised must be there.
    pub finished: bool,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.finished { "after the last call" } else { "at call" };
        write!(f, "power cut {when} {}, {}", self.call, self.survival)
    }
}

/// Runs `scenario` on an empty disk with the power cut at call 1, 2, 3… until it comes to its end, and once more cuts
/// after that; calls `check` with what each survival leaves. The answer is how many calls the scenario makes.
///
/// # Panics
/// When the scenario fails although the power was on. A check that panics is preceded by the cut on stderr.
pub fn every_cut<T, E: fmt::Debug>(
    scenario: impl Fn(&MemoryDisk) -> Result<T, E>,
    check: impl Fn(MemoryDisk, Cut),
) -> u64 {
    every_cut_from(&MemoryDisk::new(), scenario, check)
}

/// The same on a copy of the disk `start` for each run, all of it durable: what is prepared there is not cut.
pub fn every_cut_from<T, E: fmt::Debug>(
    start: &MemoryDisk,
    scenario: impl Fn(&MemoryDisk) -> Result<T, E>,
    check: impl Fn(MemoryDisk, Cut),
) -> u64 {
    for call in 1..=CALLS_MAX {
        let disk = start.reboot(Survival::Everything);
        disk.cut_power_at(call);
        let answer = scenario(&disk);
        let finished = disk.power_is_on();
        if let (true, Err(error)) = (finished, answer) {
            panic!("the scenario failed without a power cut, after {} calls: {error:?}", disk.calls());
        }
        for survival in SURVIVALS {
            let told = Told(Cut { call: disk.calls(), survival, finished });
            check(disk.reboot(survival), told.0);
        }
        if finished {
            return disk.calls();
        }
    }
    panic!("the scenario makes more than {CALLS_MAX} calls");
}

/// Tells the cut when the check inside panics, so that no check must remember to.
struct Told(Cut);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
