//! `tepui password`: a line for the password file.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use directory::password::{NewHash, make};
use mail::Address;
use proto::sasl::Secret;

/// Make a line for the password file; the password is read from standard input
#[derive(Debug, Args)]
pub struct Password {
    /// The account's address
    address: String,
}

impl Password {
    pub fn run(self) -> ExitCode {
        let address = match Address::parse(&self.address) {
            Ok(address) => address,
            Err(error) => {
                eprintln!("tepui: {}: {error}", self.address);
                return ExitCode::from(super::MISUSED);
            }
        };
        if io::stdin().is_terminal() {
            eprint!("Password (it will be shown): ");
            let _ = io::stderr().flush();
        }
        let mut line = String::new();
        if let Err(error) = io::stdin().lock().read_line(&mut line) {
            return super::fail(format_args!("cannot read the password: {error}"));
        }
        let password = line.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return super::fail("the password is empty");
        }
        match make(NewHash::default(), &Secret::new(password)) {
            Ok(hash) => {
                println!("{}:{hash}", address.key());
                ExitCode::SUCCESS
            }
            Err(error) => super::fail(error),
        }
    }
}
