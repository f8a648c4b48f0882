//! `tepui password`: a line for the password file.

use std::process::ExitCode;

use clap::Args;
use directory::password::{NewHash, make};
use mail::Address;

use super::typed;

/// Make a line for the password file; the password is read from standard input
#[derive(Debug, Args)]
pub struct Password {
    /// The account's address
    address: String,
    /// How it is kept: ARGON2ID, SCRAM-SHA-256, SHA512-CRYPT or BLF-CRYPT
    #[arg(long, value_name = "SCHEME", default_value = "ARGON2ID", value_parser = typed::scheme)]
    scheme: NewHash,
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
        let password = match typed::new_password() {
            Ok(password) => password,
            Err(error) => return super::fail(format_args!("the password: {error}")),
        };
        match make(self.scheme, &password) {
            Ok(hash) => {
                println!("{}:{hash}", address.key());
                ExitCode::SUCCESS
            }
            Err(error) => super::fail(error),
        }
    }
}
