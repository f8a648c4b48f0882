//! Logins: connect, hear the greeting, LOGIN, LOGOUT. What a mail program without a kept connection costs a server.

use std::io;
use std::time::{Duration, Instant};

use clap::Args;

use crate::figures::{Samples, measure};
use crate::wire::{Wire, quoted};
use crate::{Target, Users, seconds};

#[derive(Debug, Args)]
pub(crate) struct Logins {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    users: Users,
    #[arg(long)]
    password: String,
    /// How many clients at once
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long to go on
    #[arg(long, default_value = "10", value_parser = seconds)]
    seconds: Duration,
}

impl Logins {
    pub(crate) fn run(&self) -> io::Result<()> {
        let end = Instant::now() + self.seconds;
        let each = |thread: usize, samples: &mut Samples| {
            let mut turn = thread;
            while Instant::now() < end {
                samples.time(|| self.log_in(turn))?;
                turn += self.connections;
            }
            Ok(())
        };
        measure(format!("logins, {} clients", self.connections), self.target.pid, self.connections, 1, each)?.print()
    }

    fn log_in(&self, turn: usize) -> io::Result<()> {
        let mut wire = Wire::connect(self.target.server)?;
        wire.line()?;
        wire.command("a", &format!("LOGIN {} {}", quoted(&self.users.name(turn)), quoted(&self.password)))?;
        wire.command("b", "LOGOUT")?;
        Ok(())
    }
}
