//! The commands.
//!
//! Exit codes: 0 done, 1 failed, 2 the command line or the configuration file is wrong and nothing was started.

mod address;
mod admin_client;
mod auth;
mod backup;
mod check;
mod demo;
mod directory_asked;
mod dkim;
mod mailbox;
mod outcome;
mod password;
mod progress;
mod queue;
mod quota;
mod serve;
mod sieve;
mod typed;
mod user;
mod user_mail;
mod who;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Failed.
pub const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
pub const MISUSED: u8 = 2;

/// A mail platform in one program: submission, queue, mailboxes, IMAP, POP3.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub struct Tepui {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Serve(serve::Serve),
    Check(check::Check),
    Queue(queue::Queue),
    Mailbox(mailbox::MailboxCommand),
    Backup(backup::Backup),
    Quota(quota::Quota),
    Password(password::Password),
    User(user::User),
    Auth(auth::Auth),
    Address(address::AddressCommand),
    Sieve(sieve::Sieve),
    Dkim(dkim::Dkim),
}

impl Tepui {
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Demo(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Queue(command) => command.run(),
            Command::Mailbox(command) => command.run(),
            Command::Backup(command) => command.run(),
            Command::Quota(command) => command.run(),
            Command::Password(command) => command.run(),
            Command::User(command) => command.run(),
            Command::Auth(command) => command.run(),
            Command::Address(command) => command.run(),
            Command::Sieve(command) => command.run(),
            Command::Dkim(command) => command.run(),
        }
    }
}

/// Says on standard error what failed.
fn fail(what: impl std::fmt::Display) -> ExitCode {
    eprintln!("tepui: {what}");
    ExitCode::from(FAILED)
}
