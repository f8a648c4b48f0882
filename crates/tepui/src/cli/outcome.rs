//! How a command on users' mail ends, for one user or for several.

use std::process::ExitCode;

/// What is printed and whether all is well, or why nothing was done.
pub type Outcome = Result<(String, bool), String>;

/// One user's trouble does not keep the others from their turn.
///
/// # Errors
/// None: troubles are told at once and make the outcome a bad one.
pub fn each(users: &[String], mut work: impl FnMut(&str) -> Outcome) -> Outcome {
    let (mut text, mut good) = (String::new(), true);
    for user in users {
        match work(user) {
            Ok((part, fine)) => {
                text.push_str(&part);
                good &= fine;
            }
            Err(error) => {
                eprintln!("tepui: {error}");
                good = false;
            }
        }
    }
    Ok((text, good))
}

/// Prints it.
pub fn end(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok((text, good)) => {
            print!("{text}");
            if good { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) }
        }
        Err(error) => super::fail(error),
    }
}
