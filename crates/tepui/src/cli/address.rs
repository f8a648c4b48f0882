//! `tepui address`: what becomes of mail for an address, and why.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use directory::chain::{Directory, Recipient};
use mail::Address;
use server::config::{NextHop, Settings};

use super::directory_asked::ask;

/// See what becomes of mail for an address
#[derive(Debug, Args)]
pub struct AddressCommand {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say whether it exists, whom it stands for, and where its mail goes from this node
    Explain { address: String },
}

impl AddressCommand {
    pub fn run(self) -> ExitCode {
        let Action::Explain { address } = self.action;
        let address = match Address::parse(&address) {
            Ok(address) => address,
            Err(error) => {
                eprintln!("tepui: {address}: {error}");
                return ExitCode::from(super::MISUSED);
            }
        };
        match ask(&self.config, |directory, settings| explain(directory, settings, address)) {
            Ok((text, true)) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Ok((text, false)) => {
                print!("{text}");
                ExitCode::from(super::FAILED)
            }
            Err(error) => super::fail(error),
        }
    }
}

/// The explanation, and whether mail for the address would be taken.
async fn explain(directory: Directory, settings: Settings, address: Address) -> (String, bool) {
    let hop = match settings.next_hop(address.domain()) {
        NextHop::Route(route) => format!("goes to {}:{}", route.host, route.port),
        NextHop::Here => "is delivered on this node".to_owned(),
        NextHop::Unknown => "has no route from this node".to_owned(),
    };
    if !settings.is_local(address.domain()) {
        let known = settings.next_hop(address.domain()) != NextHop::Unknown;
        return (format!("{address} is in a domain of others; its mail {hop}\n"), known);
    }
    let (what, good) = match directory.recipient(&address).await {
        Recipient::Account(account) => {
            (format!("is the account {}, home {}", account.name, account.home.display()), true)
        }
        Recipient::Forward { to, owner } => (forward(&to, owner.as_ref()), true),
        Recipient::Unknown => ("is unknown: refused with 550 5.1.1".to_owned(), false),
        Recipient::TooMany(why) => (format!("cannot be expanded: {why}"), false),
        Recipient::Unavailable(why) => (format!("cannot be looked up now, refused with 451 4.3.0: {why}"), false),
    };
    (format!("{address} {what}\nmail for {} {hop}\n", address.domain()), good)
}

fn forward(to: &[Address], owner: Option<&Address>) -> String {
    let mut text = format!("stands for {} addresses", to.len());
    if let Some(owner) = owner {
        text.push_str(&format!(", failures go to {owner}"));
    }
    to.iter().for_each(|address| text.push_str(&format!("\n  {address}")));
    text
}
