//! What is measured: how many, how long, how they spread, and what it cost the server's processes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Linux counts processor time in hundredths of a second for everybody who asks /proc.
const TICKS_PER_SECOND: f64 = 100.0;

/// One row of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    /// Of the single pieces of work, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Processor time of the server's processes in cores, where its process is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cores: Option<f64>,
    pub(crate) own_cores: f64,
}

impl Row {
    pub(crate) fn print(&self) -> io::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// How long each piece of work took.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let since = Instant::now();
        let done = work()?;
        self.0.push(since.elapsed());
        Ok(done)
    }

    /// In milliseconds. Sorts.
    fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    }
}

/// Runs the same work in many threads at once and makes a row of it. `pieces` is how much one sample counts for.
pub(crate) fn measure(
    work: String,
    pid: Option<u32>,
    threads: usize,
    pieces: u64,
    each: impl Fn(usize, &mut Samples) -> io::Result<()> + Sync,
) -> io::Result<Row> {
    let (before, own_before) = (pid.map(cpu_seconds), cpu_seconds(std::process::id()));
    let since = Instant::now();
    let mut samples = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                let each = &each;
                scope.spawn(move || {
                    let mut samples = Samples::default();
                    each(number, &mut samples).map(|()| samples)
                })
            })
            .collect();
        let mut all = Samples::default();
        for worker in workers {
            all.0.extend(worker.join().map_err(|_| io::Error::other("a thread panicked"))??.0);
        }
        Ok::<_, io::Error>(all)
    })?;
    let seconds = since.elapsed().as_secs_f64();
    let count = samples.0.len() as u64 * pieces;
    Ok(Row {
        work,
        count,
        seconds,
        per_second: count as f64 / seconds,
        p50: samples.percentile(50),
        p99: samples.percentile(99),
        server_cores: pid.zip(before).map(|(pid, before)| (cpu_seconds(pid) - before).max(0.0) / seconds),
        own_cores: (cpu_seconds(std::process::id()) - own_before) / seconds,
    })
}

/// Processor time so far of a process and all below it, with what its dead children used.
fn cpu_seconds(pid: u32) -> f64 {
    let processes = processes();
    let mut wanted = vec![pid];
    let mut ticks = 0;
    while let Some(parent) = wanted.pop() {
        ticks += processes.get(&parent).map_or(0, |process| process.ticks);
        wanted.extend(processes.iter().filter(|(_, process)| process.parent == parent).map(|(pid, _)| *pid));
    }
    ticks as f64 / TICKS_PER_SECOND
}

struct Process {
    parent: u32,
    ticks: u64,
}

fn processes() -> HashMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let of = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((pid, parse_stat(&stat)?))
    };
    entries.flatten().filter_map(of).collect()
}

/// proc(5): the name in parentheses may hold anything, so fields count from behind it.
fn parse_stat(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
    Some(Process { parent: u32::try_from(number(1)?).ok()?, ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_counts_own_and_children() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 99";
        let process = parse_stat(stat).unwrap();
        assert_eq!((process.parent, process.ticks), (3, 100));
    }

    #[test]
    fn percentiles_of_nothing_are_nothing() {
        assert_eq!(Samples::default().percentile(99), 0.0);
        let mut samples = Samples((1..=200).map(Duration::from_millis).collect());
        assert_eq!((samples.percentile(50), samples.percentile(99)), (101.0, 199.0));
    }
}
