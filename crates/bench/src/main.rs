//! The load generator: it does the same work against any server that speaks the protocols, so that Tepui stands beside
//! Dovecot and Postfix in one run. It starts no server; `benches/*.py` do, and make tables of what it prints.
//!
//! Promises: each command is bounded in time or count; each prints one JSON object a row on standard output; an answer that
//! is not the expected one ends the run, so that a fast failure is never counted as work. Uses threads that block: on a
//! machine that the server shares with it, the cheapest client is the fairest.

mod bare;
mod deliver;
mod figures;
mod idle;
mod imap;
mod logins;
mod pop3;
mod wire;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// A load generator for mail servers. Loopback only.
#[derive(Debug, Parser)]
#[command(name = "tepui-bench")]
struct Bench {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Connects, logs in by IMAP and leaves, again and again
    Logins(logins::Logins),
    /// Delivers messages by LMTP or SMTP over persistent connections
    Deliver(deliver::Deliver),
    /// Makes the system calls of durable deliveries, without a server
    Bare(bare::Bare),
    /// Runs IMAP commands one after the other in one session and tells how long each took
    Imap(imap::Imap),
    /// Takes a whole mailbox in one POP3 session
    Pop3(pop3::Pop3),
    /// Holds idle IMAP sessions until standard input ends
    Idle(idle::Idle),
}

/// Where the server is, and its process, whose processor time and memory are told.
#[derive(Debug, Args)]
struct Target {
    /// ADDRESS:PORT; only loopback addresses are taken
    #[arg(value_parser = loopback)]
    server: SocketAddr,
    /// The server's main process: its processor time and that of all below it go into the figures
    #[arg(long)]
    pid: Option<u32>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "expected ADDRESS:PORT".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("load goes only to loopback addresses".to_owned()) }
}

/// Names of the accounts: `{}` in a pattern stands for 1 to `count`.
#[derive(Debug, Args)]
struct Users {
    /// Name to log in with or to deliver to; `{}` is replaced by a number
    #[arg(long, default_value = "user{}@example.test")]
    user: String,
    /// How many there are
    #[arg(long, default_value_t = 1)]
    users: usize,
}

impl Users {
    /// The account whose turn it is.
    fn name(&self, turn: usize) -> String {
        self.user.replace("{}", &(turn % self.users.max(1) + 1).to_string())
    }
}

/// More seconds are refused.
const SECONDS_MAX: u64 = 600;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: u64 = text.parse().map_err(|_| "expected seconds".to_owned())?;
    if seconds == 0 || seconds > SECONDS_MAX {
        return Err(format!("1 to {SECONDS_MAX} seconds"));
    }
    Ok(Duration::from_secs(seconds))
}

fn main() -> ExitCode {
    let done = match Bench::parse().work {
        Work::Logins(work) => work.run(),
        Work::Deliver(work) => work.run(),
        Work::Bare(work) => work.run(),
        Work::Imap(work) => work.run(),
        Work::Pop3(work) => work.run(),
        Work::Idle(work) => work.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tepui-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
