//! Idle sessions: logged in, INBOX selected, IDLE. Whoever runs this looks at the server's memory meanwhile.

use std::io::{self, Read};

use clap::Args;

use crate::wire::{Wire, quoted};
use crate::{Target, Users};

#[derive(Debug, Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    users: Users,
    #[arg(long)]
    password: String,
    /// How many sessions
    #[arg(long, default_value_t = 1000)]
    sessions: usize,
}

impl Idle {
    pub(crate) fn run(&self) -> io::Result<()> {
        let sessions: Vec<Wire> = (0..self.sessions).map(|turn| self.session(turn)).collect::<io::Result<_>>()?;
        println!("{{\"sessions\":{}}}", sessions.len());
        io::stdin().read_to_end(&mut Vec::new())?;
        Ok(())
    }

    fn session(&self, turn: usize) -> io::Result<Wire> {
        let mut wire = Wire::connect(self.target.server)?;
        wire.line()?;
        wire.command("a", &format!("LOGIN {} {}", quoted(&self.users.name(turn)), quoted(&self.password)))?;
        wire.command("b", "SELECT INBOX")?;
        wire.send(b"c IDLE\r\n")?;
        while !wire.line()?.starts_with(b"+") {}
        Ok(wire)
    }
}
