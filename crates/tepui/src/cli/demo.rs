//! `tepui demo`: both layers of the platform in one process, on loopback, without configuration and without root.
//!
//! Everything it makes lies in one folder, with the configuration written out, so that what is shown can be read, changed
//! and run by `tepui serve`.

mod files;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use server::config::{self, Settings};
use server::{Running, StartError, StepKind, log, submit};
use tokio::sync::broadcast::Receiver;

use super::serve::{Order, Signals, runtime};
use files::{ANA, BOB, PASSWORD};

/// How long the first message may take before the demo says that something is wrong.
const JOURNEY_PATIENCE: Duration = Duration::from_secs(30);

/// The highest offset of a port from the base.
const PORT_OFFSET_MAX: u16 = 995;

/// Run the whole platform on this machine, with two users, and send a first message
#[derive(Debug, Args)]
pub struct Demo {
    /// Where its files lie; kept for the next start
    #[arg(long, value_name = "DIR", default_value = "tepui-demo")]
    dir: PathBuf,
    /// Ports are counted from here: IMAP at N+143, submission at N+587, … Without it 2000, or the next thousand where all
    /// ports are free
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=(u16::MAX - PORT_OFFSET_MAX) as i64))]
    base_port: Option<u16>,
}

/// Where ports are counted from when nobody says.
const BASE_PORTS: [u16; 8] = [2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000];

impl Demo {
    pub fn run(self) -> ExitCode {
        let bases = self.base_port.map_or(BASE_PORTS.to_vec(), |base| vec![base]);
        let settings = match self.prepare(bases[0]) {
            Ok(settings) => settings,
            Err(error) => return super::fail(error),
        };
        log::start(&settings.log);
        match runtime(&settings) {
            Ok(runtime) => runtime.block_on(self.play(&bases)),
            Err(error) => super::fail(error),
        }
    }

    fn prepare(&self, base: u16) -> Result<Settings, String> {
        let written = files::write(&self.dir, base).map_err(|error| error.to_string())?;
        config::load(&written).map_err(|bad| bad.to_string())
    }

    /// Starts at the first base whose ports are all free. One that was asked for is the only one.
    async fn start(&self, bases: &[u16]) -> Result<(Running, u16), String> {
        let mut bases = bases.iter().copied().peekable();
        while let Some(base) = bases.next() {
            match (server::start(self.prepare(base)?).await, bases.peek()) {
                (Ok(running), _) => return Ok((running, base)),
                (Err(taken @ StartError::Taken { .. }), Some(next)) => {
                    eprintln!("tepui: {taken}; counting ports from {next} instead");
                }
                (Err(taken @ StartError::Taken { .. }), None) => {
                    return Err(format!("{taken} (another base: --base-port)"));
                }
                (Err(error), _) => return Err(error.to_string()),
            }
        }
        Err("there is no base to count ports from".to_owned())
    }

    async fn play(&self, bases: &[u16]) -> ExitCode {
        let signals = Signals::new();
        let (running, base) = match self.start(bases).await {
            Ok(started) => started,
            Err(error) => return super::fail(error),
        };
        println!(
            "Tepui {} demo: the roles outgoing and mailbox, in {}\n",
            env!("CARGO_PKG_VERSION"),
            self.dir.display()
        );
        if let Err(error) = send_a_message(&running, base).await {
            running.stop().await;
            return super::fail(error);
        }
        print!("{}", files::table(&self.dir, base));
        println!("\nIt runs. Ctrl-C stops it; the mail stays for the next start.");
        if let Ok(mut signals) = signals {
            while signals.next().await == Order::Reload {}
        }
        println!("\nStopping.");
        let cut = running.stop().await;
        if cut > 0 {
            println!("{cut} sessions had to be cut.");
        }
        ExitCode::SUCCESS
    }
}

/// From ana's mail program to bob's mailbox, telling each step.
async fn send_a_message(running: &Running, base: u16) -> Result<(), String> {
    let mut steps = running.node().steps.listen();
    let started = Instant::now();
    println!("ana sends bob a message through submission, port {}:\n", base + 587);
    let message = files::message();
    let hop = submit::Hop { host: "127.0.0.1".to_owned(), port: base + 587 };
    let reply = submit::submit(&hop, ANA, PASSWORD, &[BOB], &message).await.map_err(|error| error.to_string())?;
    let journey = tokio::time::timeout(JOURNEY_PATIENCE, follow(&mut steps, started)).await;
    match journey {
        Ok(Some(trace)) => {
            println!(
                "\nThe client heard \"{reply}\". The message's trace id is {trace}: find it in the headers and logs.\n"
            );
            Ok(())
        }
        _ => Err("the message did not reach the mailbox; see the log above".to_owned()),
    }
}

/// Prints steps until the message is in its mailbox and the queue knows it. Gives the trace id.
async fn follow(steps: &mut Receiver<server::Step>, started: Instant) -> Option<String> {
    let (mut stored, mut relayed) = (None, false);
    while stored.is_none() || !relayed {
        let step = steps.recv().await.ok()?;
        let room = match step.kind {
            StepKind::Submitted => "submission",
            StepKind::Queued => "queue",
            StepKind::Sending | StepKind::Relayed => "delivery",
            StepKind::Stored => "mailbox",
            StepKind::Deferred | StepKind::Bounced => "trouble",
        };
        println!(
            "  {:>8.1} ms  {room:11} {:9}  trace={}  {}",
            started.elapsed().as_secs_f64() * 1000.0,
            step.kind.word(),
            step.trace,
            step.detail
        );
        match step.kind {
            StepKind::Stored => stored = Some(step.trace.to_string()),
            StepKind::Relayed => relayed = true,
            StepKind::Deferred | StepKind::Bounced => return None,
            StepKind::Submitted | StepKind::Queued | StepKind::Sending => {}
        }
    }
    stored
}
