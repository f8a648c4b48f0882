//! `tepui auth`: what a login would hear.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use directory::chain::LogIn;
use proto::sasl::{Credentials, Mechanism, Secret};

use super::directory_asked::ask;

/// Try logins
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
    /// Try a login as a mail program would; the password is read from standard input
    Test {
        login: String,
        /// The address the client is said to come from
        #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
        from: IpAddr,
        /// Say why, as the log would
        #[arg(long)]
        explain: bool,
    },
}

impl Auth {
    pub fn run(self) -> ExitCode {
        let Action::Test { login, from, explain } = self.action;
        let password = match read_password() {
            Ok(password) => password,
            Err(error) => return super::fail(format_args!("cannot read the password: {error}")),
        };
        let Ok(credentials) = Credentials::new(Mechanism::Plain, login.as_bytes(), password.reveal().as_bytes()) else {
            return answer(false, "the login or the password is empty or too long", explain);
        };
        match ask(&self.config, |directory, _| async move { directory.log_in(&credentials, from).await }) {
            Ok(LogIn::Welcome { account, master }) => {
                let as_master = master.map_or(String::new(), |master| format!(", by master user {master}"));
                answer(true, &format!("account {}, home {}{as_master}", account.name, account.home.display()), explain)
            }
            Ok(LogIn::Refused(why)) => answer(false, &why, explain),
            Ok(LogIn::Unavailable(why)) => super::fail(format_args!("no directory answers: {why}")),
            Err(error) => super::fail(error),
        }
    }
}

/// In the manner of `testsaslauthd`.
fn answer(good: bool, why: &str, explain: bool) -> ExitCode {
    println!("{}", if good { "0: OK \"Success.\"" } else { "0: NO \"authentication failed\"" });
    if explain {
        println!("{why}");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) }
}

fn read_password() -> io::Result<Secret> {
    if io::stdin().is_terminal() {
        eprint!("Password (it will be shown): ");
        io::stderr().flush()?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}
