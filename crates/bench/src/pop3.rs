//! One POP3 session that takes a whole mailbox: each command of it timed by itself, all messages counted.

use std::io;
use std::sync::Mutex;

use clap::Args;

use crate::Target;
use crate::figures::{Samples, measure};
use crate::wire::Wire;

#[derive(Debug, Args)]
pub(crate) struct Pop3 {
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    user: String,
    #[arg(long)]
    password: String,
    /// How many RETR are sent before their answers are read
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pipelined: u64,
}

/// A command for each message, or for all.
type Command = fn(u64) -> String;

const LISTS: [(&str, Command); 2] = [("LIST", |_| "LIST\r\n".to_owned()), ("UIDL", |_| "UIDL\r\n".to_owned())];

impl Pop3 {
    pub(crate) fn run(&self) -> io::Result<()> {
        let session: Mutex<Option<(Wire, u64)>> = Mutex::new(None);
        let log_in = |_, samples: &mut Samples| {
            *lock(&session)? = Some(samples.time(|| self.log_in())?);
            Ok(())
        };
        measure("log in, STAT".to_owned(), self.target.pid, 1, 1, log_in)?.print()?;
        let (wire, count) = lock(&session)?.take().ok_or_else(|| io::Error::other("no session"))?;
        let wire = Mutex::new(wire);
        for (name, command) in LISTS {
            self.measure(&wire, name, command, 1, 1)?;
        }
        self.measure(&wire, "TOP n 0", |number| format!("TOP {number} 0\r\n"), count, 1)?;
        self.measure(&wire, "RETR", |number| format!("RETR {number}\r\n"), count, 1)?;
        let name = format!("RETR, {} at a time", self.pipelined);
        self.measure(&wire, &name, |number| format!("RETR {number}\r\n"), count, self.pipelined)?;
        lock(&wire)?.send(b"QUIT\r\n")
    }

    /// The session and how many messages it is shown.
    fn log_in(&self) -> io::Result<(Wire, u64)> {
        let mut wire = Wire::connect(self.target.server)?;
        wire.pop3_line()?;
        for command in [format!("USER {}\r\n", self.user), format!("PASS {}\r\n", self.password), "STAT\r\n".to_owned()]
        {
            wire.send(command.as_bytes())?;
            let count = wire.pop3_line()?.split(' ').nth(1).and_then(|count| count.parse().ok());
            if command.starts_with("STAT") {
                return Ok((wire, count.ok_or_else(|| io::Error::other("STAT tells no number"))?));
            }
        }
        Err(io::Error::other("not logged in"))
    }

    /// Gives a command for each of so many messages, some at a time, and tells the rate of messages.
    fn measure(&self, wire: &Mutex<Wire>, name: &str, command: Command, count: u64, at_once: u64) -> io::Result<()> {
        let all = |_, samples: &mut Samples| {
            let mut wire = lock(wire)?;
            let mut next = 1;
            while next <= count {
                let end = (next + at_once - 1).min(count);
                let commands: String = (next..=end).map(command).collect();
                samples.time(|| {
                    wire.send(commands.as_bytes())?;
                    (next..=end).try_for_each(|_| wire.pop3_lines())
                })?;
                next = end + 1;
            }
            Ok(())
        };
        measure(name.to_owned(), self.target.pid, 1, at_once, all)?.print()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> io::Result<std::sync::MutexGuard<'_, T>> {
    mutex.lock().map_err(|_| io::Error::other("a thread panicked"))
}
