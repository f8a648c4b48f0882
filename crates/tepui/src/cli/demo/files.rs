//! The files of the demo: configuration, certificate, users, and the words it prints.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use directory::password::{NewHash, make};
use proto::sasl::Secret;

pub const ANA: &str = "ana@example.test";
pub const BOB: &str = "bob@example.test";
/// The demo's one password: it listens on loopback only.
pub const PASSWORD: &str = "demo";

/// What listens where: protocol, offset from the base, TLS, and what it is for.
const LISTENERS: [(&str, u16, &str, &str); 10] = [
    ("submission", 587, "required", "mail programs send here: STARTTLS, then AUTH"),
    ("submission", 465, "implicit", "the same, TLS from the first byte"),
    ("smtp", 25, "starttls", "the mailbox layer takes mail from the outgoing layer"),
    ("lmtp", 24, "off", "the same in LMTP: one answer for each recipient"),
    ("imap", 143, "starttls", "mail programs read here"),
    ("imap", 993, "implicit", "the same, TLS from the first byte"),
    ("pop3", 110, "starttls", "simple mail programs fetch here"),
    ("pop3", 995, "implicit", "the same, TLS from the first byte"),
    ("managesieve", 419, "starttls", "mail programs keep filters here (Sieve)"),
    ("admin", 80, "off", "HTTP for operators: /health, /status, /queue"),
];

/// Writes what is missing, and the configuration anew. Gives the configuration's path.
///
/// # Errors
/// When the folder or a file cannot be written, or the system gives no random numbers.
pub fn write(dir: &Path, base_port: u16) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    certificate(dir)?;
    users(dir)?;
    let config = dir.join("tepui.toml");
    put(&config, configuration(base_port).as_bytes())?;
    put(&dir.join("mbsyncrc"), mbsyncrc(dir, base_port).as_bytes())?;
    Ok(config)
}

fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let in_file = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(in_file)?;
    file.write_all(content).map_err(in_file)
}

fn certificate(dir: &Path) -> io::Result<()> {
    let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
    if certificate.exists() && key.exists() {
        return Ok(());
    }
    let names = ["localhost".to_owned(), "mail.example.test".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    put(&certificate, made.cert.pem().as_bytes())?;
    put(&key, made.signing_key.serialize_pem().as_bytes())
}

fn users(dir: &Path) -> io::Result<()> {
    let file = dir.join("users");
    if file.exists() {
        return Ok(());
    }
    let mut text = String::from("# address:{SCHEME}hash, as `tepui password ADDRESS` makes them\n");
    for address in [ANA, BOB] {
        let hash = make(NewHash::default(), &Secret::new(PASSWORD)).map_err(io::Error::other)?;
        text.push_str(&format!("{address}:{hash}\n"));
    }
    put(&file, text.as_bytes())
}

fn configuration(base_port: u16) -> String {
    let mut text = String::from(HEAD);
    for (protocol, offset, tls, purpose) in LISTENERS {
        let port = base_port + offset;
        text.push_str(&format!(
            "\n# {purpose}\n[[listener]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:{port}\"\ntls = \"{tls}\"\n"
        ));
    }
    text.push_str(&TAIL.replace("PORT", &(base_port + 25).to_string()));
    text
}

const HEAD: &str = r#"# The demo's platform. `tepui demo` writes this file anew at every start; copy it to change it, and run the copy
# with `tepui serve --config FILE`. All options: docs/reference/configuration.md

[node]
name = "mail.example.test"
roles = ["outgoing", "mailbox"]
state = "state"
"#;

const TAIL: &str = r#"
[domains]
local = ["example.test"]

# From the outgoing layer to the mailbox layer. Here both are one process; there they are two machines.
[[route]]
domain = "example.test"
to = "[127.0.0.1]:PORT"

[directory]
password_file = "users"

[mailboxes]
home = "mail/%d/%n"

[tls]
certificate = "certificate.pem"
key = "key.pem"

[log]
level = "warn"
"#;

fn mbsyncrc(dir: &Path, base_port: u16) -> String {
    let copy = dir.join("mbsync");
    format!(
        "IMAPStore demo\nHost 127.0.0.1\nPort {}\nUser {BOB}\nPass {PASSWORD}\nSSLType IMAPS\nCertificateFile {}\n\n\
         MaildirStore copy\nPath {}/\nInbox {}/INBOX\nSubFolders Verbatim\n\n\
         Channel demo\nFar :demo:\nNear :copy:\nPatterns *\nCreate Near\nSyncState *\n",
        base_port + 993,
        dir.join("certificate.pem").display(),
        copy.display(),
        copy.display(),
    )
}

/// What listens where, and how to use it.
pub fn table(dir: &Path, base_port: u16) -> String {
    let mut text = format!("{:12} {:16} {:10} {}\n", "PROTOCOL", "ADDRESS", "TLS", "FOR");
    for (protocol, offset, tls, purpose) in LISTENERS {
        text.push_str(&format!(
            "{protocol:12} {:16} {tls:10} {purpose}\n",
            format!("127.0.0.1:{}", base_port + offset)
        ));
    }
    let (dir, imaps, submissions) = (dir.display(), base_port + 993, base_port + 465);
    text.push_str(&format!(
        "\nUsers: {ANA} and {BOB}, password \"{PASSWORD}\". The certificate is self-signed.\n\n\
         curl         curl --insecure --user {BOB}:{PASSWORD} 'imaps://127.0.0.1:{imaps}/INBOX;MAILINDEX=1'\n\
         mbsync       mkdir -p {dir}/mbsync && mbsync -c {dir}/mbsyncrc demo\n\
         Thunderbird  IMAP 127.0.0.1 port {imaps} SSL/TLS, SMTP 127.0.0.1 port {submissions} SSL/TLS, normal password\n",
    ));
    text
}

/// The first message.
pub fn message() -> Vec<u8> {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let date = mail::date::DateTime::utc(i64::try_from(seconds).unwrap_or_default()).to_rfc5322();
    format!(
        "From: Ana <{ANA}>\r\nTo: Bob <{BOB}>\r\nSubject: The first mail\r\nDate: {date}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Hello Bob,\r\n\r\nthis message went from submission through the queue to your mailbox.\r\n\r\nAna\r\n"
    )
    .into_bytes()
}
