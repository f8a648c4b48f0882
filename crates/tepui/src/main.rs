//! The program. It knows every room and does nothing itself: one struct a command, in `cli/`.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Tepui::parse().run()
}
