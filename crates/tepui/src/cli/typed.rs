//! A password that somebody types, without showing it, or that comes from a pipe; and how it is to be kept.

use std::io::{self, BufRead, IsTerminal, Write};

use directory::password::NewHash;
use proto::sasl::{PASSWORD_LENGTH_MAX, Secret};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A line of standard input. At a terminal it is asked for, and not shown.
///
/// # Errors
/// Those of reading; more than a password may have.
pub fn password(prompt: &str) -> io::Result<Secret> {
    let quiet = if io::stdin().is_terminal() { Some(Quiet::begin(prompt)?) } else { None };
    let password = line();
    drop(quiet);
    password
}

/// A line of standard input, whatever that is.
///
/// # Errors
/// Those of reading; more than a password may have.
pub fn line() -> io::Result<Secret> {
    let mut line = String::new();
    io::Read::take(io::stdin().lock(), PASSWORD_LENGTH_MAX as u64 + 2).read_line(&mut line)?;
    let password = Secret::new(line.trim_end_matches(['\r', '\n']));
    if password.reveal().len() > PASSWORD_LENGTH_MAX {
        return Err(io::Error::other(format!("it is longer than {PASSWORD_LENGTH_MAX} octets")));
    }
    Ok(password)
}

/// The same for a new one: at a terminal it is typed twice.
///
/// # Errors
/// As `password`; both times differ; it is empty.
pub fn new_password() -> io::Result<Secret> {
    let first = password("New password: ")?;
    if io::stdin().is_terminal() && password("The same again: ")? != first {
        return Err(io::Error::other("it was not the same twice"));
    }
    if first.reveal().is_empty() { Err(io::Error::other("it is empty")) } else { Ok(first) }
}

/// A scheme as somebody types it, with its braces or without.
///
/// # Errors
/// There is no such scheme for new passwords.
pub fn scheme(name: &str) -> Result<NewHash, String> {
    let name = name.trim_start_matches('{').trim_end_matches('}');
    NewHash::parse(name).ok_or_else(|| "expected ARGON2ID, SCRAM-SHA-256, SHA512-CRYPT or BLF-CRYPT".to_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin(prompt: &str) -> io::Result<Quiet> {
        eprint!("{prompt}");
        io::stderr().flush()?;
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        // The line end that was typed was not shown either.
        eprintln!();
    }
}
