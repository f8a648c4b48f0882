//! `tepui auth`: what a login would hear, and who failed to log in.

mod failures;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use directory::chain::{LogIn, Peer, Steps};
use proto::sasl::{Credentials, Mechanism};

use failures::FailuresCommand;

use super::directory_asked::ask;
use super::typed;

/// Try logins, see and lift what failed ones led to
#[derive(Debug, Args)]
pub struct Auth {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "tepui-demo/tepui.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Try a login as a mail program would; the password is asked for, or read from standard input
    Test {
        login: String,
        #[command(flatten)]
        client: Client,
        /// Say every step: which filter found whom, what the server said, and why
        #[arg(long)]
        explain: bool,
    },
    Failures(FailuresCommand),
}

/// Where the client is said to be.
#[derive(Debug, Args)]
struct Client {
    /// The address the client is said to come from
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
    /// The name of the listener it is said to be connected to
    #[arg(long, value_name = "NAME", default_value = "")]
    listener: String,
}

impl Auth {
    pub fn run(self) -> ExitCode {
        match self.action {
            Action::Test { login, client, explain } => test(&self.config, &login, &client, explain),
            Action::Failures(command) => failures(&self.config, &command),
        }
    }
}

fn failures(config: &Path, command: &FailuresCommand) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let text = runtime.map_err(|error| error.to_string());
    match text.and_then(|runtime| runtime.block_on(command.run(config)).map_err(|error| error.to_string())) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => super::fail(error),
    }
}

fn test(config: &Path, login: &str, peer: &Client, explain: bool) -> ExitCode {
    let password = match typed::password("Password: ") {
        Ok(password) => password,
        Err(error) => return super::fail(format_args!("cannot read the password: {error}")),
    };
    let Ok(credentials) = Credentials::new(Mechanism::Plain, login.as_bytes(), password.reveal().as_bytes()) else {
        return answer(false, &["the login or the password is empty or too long".to_owned()], explain);
    };
    let asked = ask(config, |directory, _| async move {
        let mut steps = if explain { Steps::told() } else { Steps::silent() };
        let peer = Peer { address: peer.from, listener: &peer.listener };
        let verdict = directory.log_in_telling(&credentials, peer, &mut steps).await;
        (verdict, steps.into_steps())
    });
    let (verdict, mut steps) = match asked {
        Ok(told) => told,
        Err(error) => return super::fail(error),
    };
    match verdict {
        LogIn::Welcome { account, master, trusted } => {
            let as_master = master.map_or(String::new(), |master| format!(", by master user {master}"));
            let how = if trusted { ", without a password" } else { "" };
            steps.push(format!("account {}, home {}{as_master}{how}", account.name, account.home.display()));
            answer(true, &steps, explain)
        }
        LogIn::Refused(why) => {
            steps.push(why);
            answer(false, &steps, explain)
        }
        LogIn::Unavailable(why) => {
            steps.iter().for_each(|step| println!("{step}"));
            super::fail(format_args!("no directory answers: {why}"))
        }
    }
}

/// In the manner of `testsaslauthd`.
fn answer(good: bool, steps: &[String], explain: bool) -> ExitCode {
    println!("{}", if good { "0: OK \"Success.\"" } else { "0: NO \"authentication failed\"" });
    if explain {
        steps.iter().for_each(|step| println!("{step}"));
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) }
}
