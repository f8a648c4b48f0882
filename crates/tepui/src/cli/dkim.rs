//! `tepui dkim`: keys that sign mail.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use mail::Domain;
use server::dkim_keygen::{self as keygen, NewKey};

/// Make keys that sign mail
#[derive(Debug, Args)]
pub struct Dkim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(Keygen),
}

/// Make a key: SELECTOR.private, and SELECTOR.txt for the DNS, as opendkim-genkey does
#[derive(Debug, Args)]
struct Keygen {
    /// The domain that signs
    #[arg(long, value_name = "DOMAIN")]
    domain: String,
    /// The name of the key below `_domainkey` of the domain
    #[arg(long, value_name = "NAME", default_value = "default")]
    selector: String,
    /// How many, for an RSA key
    #[arg(long, value_enum, default_value_t = Bits::B2048)]
    bits: Bits,
    /// What kind of key
    #[arg(long = "type", value_enum, default_value_t = KeyType::Rsa)]
    key_type: KeyType,
    /// The folder for both files
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    directory: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Bits {
    #[value(name = "2048")]
    B2048,
    #[value(name = "3072")]
    B3072,
    #[value(name = "4096")]
    B4096,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KeyType {
    Rsa,
    /// Much shorter, and not understood by everybody: sign with an RSA key beside it
    Ed25519,
}

impl Dkim {
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Keygen(command) => command.run(),
        }
    }
}

impl Keygen {
    fn run(self) -> ExitCode {
        for name in [&self.domain, &self.selector] {
            if Domain::parse(name).is_err() || name.starts_with('[') {
                eprintln!("tepui: `{name}` is not a name in the DNS");
                return ExitCode::from(super::MISUSED);
            }
        }
        let kind = match (self.key_type, self.bits) {
            (KeyType::Ed25519, _) => NewKey::Ed25519,
            (KeyType::Rsa, Bits::B3072) => NewKey::Rsa3072,
            (KeyType::Rsa, Bits::B4096) => NewKey::Rsa4096,
            (KeyType::Rsa, Bits::B2048) => NewKey::Rsa2048,
        };
        let Some(made) = kind.make() else { return super::fail("the system gives no random numbers") };
        let line = keygen::zone_line(&self.selector, &self.domain, &made.record);
        let (private, record) = (self.file("private"), self.file("txt"));
        let written = write(&private, &made.private, 0o600)
            .map_err(|error| (&private, error))
            .and_then(|()| write(&record, &line, 0o644).map_err(|error| (&record, error)));
        match written {
            Ok(()) => {
                println!("{} signs; {} is for the DNS of {}", private.display(), record.display(), self.domain);
                ExitCode::SUCCESS
            }
            Err((file, error)) => super::fail(format!("{}: {error}", file.display())),
        }
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.directory.join(format!("{}.{ending}", self.selector))
    }
}

/// A new file; one that is there may be a key in use, and stays.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
