//! `tepui dkim`: keys that sign mail, and what signatures are worth.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use mail::Domain;
use server::config;
use server::dkim_keygen::{self as keygen, NewKey};
use server::dns::{Dns, Servers, Written};
use server::{dkim_published, dkim_verify};

/// How long a server of the DNS has to answer.
const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// RFC 8301 §3.2.
const MINIMUM_KEY_BITS: usize = 1024;

/// Make keys that sign mail, check them, and verify signatures
#[derive(Debug, Args)]
pub struct Dkim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(Keygen),
    Check(Check),
    Verify(Verify),
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
            Command::Check(command) => command.run(),
            Command::Verify(command) => command.run(),
        }
    }
}

/// Compare the keys of the configuration with the DNS
#[derive(Debug, Args)]
struct Check {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Verify the signatures of a message, and say what a server would
#[derive(Debug, Args)]
struct Verify {
    /// The message
    #[arg(value_name = "FILE")]
    message: PathBuf,
    /// Public keys, `NAME RECORD` on each line, instead of the DNS
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

impl Check {
    fn run(self) -> ExitCode {
        let settings = match config::load(&self.config) {
            Ok(settings) => settings,
            Err(bad) => {
                eprint!("{bad}");
                return ExitCode::from(super::MISUSED);
            }
        };
        let Some(signing) = &settings.dkim else { return super::fail("there is no [dkim]") };
        let checked = on_runtime(async {
            let dns = Servers::new(&settings.dns.servers, settings.dns.timeout)?;
            dkim_published::check(signing, &dns).await.map_err(|error| error.to_string())
        });
        let checked = match checked {
            Ok(checked) => checked,
            Err(error) => return super::fail(error),
        };
        for row in &checked {
            let said = row.result.clone().unwrap_or_else(|error| format!("FAILED: {error}"));
            println!("{}  {said}", row.name);
        }
        let good = checked.iter().all(|row| row.result.is_ok());
        if good { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) }
    }
}

impl Verify {
    fn run(self) -> ExitCode {
        match on_runtime(self.verify()) {
            Ok((text, passed)) => {
                print!("{text}");
                if passed { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) }
            }
            Err(error) => super::fail(error),
        }
    }

    /// What is found, and whether a signature passes.
    async fn verify(&self) -> Result<(String, bool), String> {
        let in_file = |path: &Path| {
            let name = path.display().to_string();
            move |error: io::Error| format!("{name}: {error}")
        };
        let message = std::fs::read(&self.message).map_err(in_file(&self.message))?;
        let dns: Box<dyn Dns> = match &self.keys {
            Some(path) => Box::new(Written::parse(&std::fs::read_to_string(path).map_err(in_file(path))?)),
            None => Box::new(Servers::new(&[], DNS_TIMEOUT)?),
        };
        let read = dkim_verify::read(|take| {
            with_crlf(&message, take);
            Ok::<(), String>(())
        });
        let read = read?.ok_or("its header is too long")?;
        let records = read.records(&*dns, 4 * DNS_TIMEOUT).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let findings = read.judge(&records, now, MINIMUM_KEY_BITS);
        let passed = findings.iter().any(|finding| finding.status == dkim_verify::Status::Pass);
        Ok((dkim_verify::results("tepui", &findings).replace("\r\n", "\n"), passed))
    }
}

/// The message as it would be sent: files may have LF alone.
fn with_crlf(message: &[u8], take: &mut dyn FnMut(&[u8])) {
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(content) if !content.ends_with(b"\r") => {
                take(content);
                take(b"\r\n");
            }
            _ => take(line),
        }
    }
}

fn on_runtime<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(work)
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
