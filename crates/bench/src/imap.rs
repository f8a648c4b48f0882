//! IMAP commands one after the other in one session, each timed by itself.

use std::io;

use clap::Args;

use crate::Target;
use crate::figures::{Samples, measure};
use crate::wire::{Wire, quoted};

#[derive(Debug, Args)]
pub(crate) struct Imap {
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    user: String,
    #[arg(long)]
    password: String,
    /// How often each command is given in a row
    #[arg(long, default_value_t = 1)]
    times: usize,
    /// IMAP commands without their tag; one that begins with `-` is given and not told
    #[arg(required = true, allow_hyphen_values = true)]
    commands: Vec<String>,
}

impl Imap {
    pub(crate) fn run(&self) -> io::Result<()> {
        let mut wire = Wire::connect(self.target.server)?;
        wire.line()?;
        wire.command("login", &format!("LOGIN {} {}", quoted(&self.user), quoted(&self.password)))?;
        let wire = std::sync::Mutex::new(wire);
        for command in &self.commands {
            let each = |_, samples: &mut Samples| {
                let mut wire = wire.lock().map_err(|_| io::Error::other("a thread panicked"))?;
                let command = command.strip_prefix('-').unwrap_or(command);
                (0..self.times).try_for_each(|_| samples.time(|| wire.command("c", command)).map(|_| ()))
            };
            let row = measure(command.clone(), self.target.pid, 1, 1, each)?;
            if !command.starts_with('-') {
                row.print()?;
            }
        }
        Ok(())
    }
}
