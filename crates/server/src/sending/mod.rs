//! How much each account may send (`[[sending_limit]]`), counted on storage that all nodes share: one stolen password must not
//! send a hundred thousand messages, whichever nodes it is used at.
//!
//! | file                         | what                                        | who writes it                    | what a crash leaves   |
//! |------------------------------|---------------------------------------------|----------------------------------|-----------------------|
//! | `NAME` in `sending_folder`   | what the account has sent lately (`ledger`) | replaced under its own dot lock  | the old or the new one |
//!
//! A message is booked when its content begins: what is refused after that has counted. An operator who deletes the file gives
//! the account a new beginning, and takes away its lock.

mod ledger;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use disk::{Disk, Dotlock, DotlockSettings, Error};
use mail::envelope::{Body, Recipient};
use mail::{Address, Envelope, ReversePath};

use crate::config::SendingLimit;
use crate::deliver::local::date_time;
use crate::deliver::{Acceptance, accept};
use crate::node::Node;
use ledger::Ledger;
pub use ledger::Verdict;

/// How long a message waits for another one of the same account. Longer, and storage is not well.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Books a message of an account. Blocking.
///
/// # Errors
/// The storage's: then nobody knows whether it may be sent.
pub fn charge(node: &Node, login: &str, recipients: &[Address], limit: &SendingLimit) -> disk::Result<Verdict> {
    let folder = node.live().settings.smtp.sending_folder.clone();
    let path = folder.join(file_name(login));
    let verdict = book(&*node.disk(), &folder, &path, recipients, limit)?;
    if let Verdict::TooMuch(what, true) = verdict {
        tracing::error!(login, what, file = %path.display(), "an account has sent too much and is locked: delete the file to unlock it");
        if let Err(error) = tell_postmaster(node, login, what, &path) {
            tracing::error!(login, %error, "the postmaster cannot be told");
        }
    }
    Ok(verdict)
}

fn book(
    disk: &dyn Disk,
    folder: &Path,
    path: &Path,
    recipients: &[Address],
    limit: &SendingLimit,
) -> disk::Result<Verdict> {
    // Its own folder must be there: storage that is not mounted must not get another one.
    match disk.create_dir(folder) {
        Ok(()) | Err(Error::Exists { .. }) => {}
        Err(error) => return Err(error),
    }
    let lock = Dotlock::acquire(disk, path, &DotlockSettings { wait: LOCK_WAIT, ..DotlockSettings::default() })?;
    let now = lock.taken_at()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut ledger = match disk.read(path) {
        Ok(bytes) => Ledger::parse(&String::from_utf8_lossy(&bytes)),
        Err(Error::NotFound { .. }) => Ledger::default(),
        Err(error) => return Err(error),
    };
    let hashes: Vec<u64> = recipients.iter().map(hash).collect();
    let verdict = ledger.charge(now, &hashes, limit);
    if matches!(verdict, Verdict::Sent | Verdict::TooMuch(_, true)) {
        lock.replace_with(ledger.write().as_bytes())?;
    }
    lock.release()?;
    Ok(verdict)
}

/// So that nobody reads there who wrote to whom.
fn hash(address: &Address) -> u64 {
    let digest = digest(&SHA256, address.key().as_bytes());
    digest.as_ref().iter().take(8).fold(0, |hash, octet| hash << 8 | u64::from(*octet))
}

/// A name as a file's: what is not plain is written as `%XX`, what is too long by its hash.
fn file_name(login: &str) -> PathBuf {
    const LENGTH_MAX: usize = 200;
    let mut name = String::new();
    for (index, byte) in login.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"@-_+".contains(&byte) || (byte == b'.' && index > 0);
        // Writing to a String cannot fail.
        let _ = if is_plain { write!(name, "{}", char::from(byte)) } else { write!(name, "%{byte:02X}") };
    }
    if name.len() > LENGTH_MAX {
        let digest = digest(&SHA256, login.as_bytes());
        name = digest.as_ref().iter().fold("%long-".to_owned(), |text, octet| format!("{text}{octet:02x}"));
    }
    name.into()
}

/// Puts a notice into the queue.
fn tell_postmaster(node: &Node, login: &str, what: &str, file: &Path) -> queue::Result<()> {
    let live = node.live();
    let settings = &live.settings;
    let local = || Address::parse(&format!("postmaster@{}", settings.local_domains.first()?)).ok();
    let Some(to) = settings.spare.postmaster.clone().or_else(local) else { return Ok(()) };
    let (trace, date, name) = (node.ids.trace(), date_time(SystemTime::now()).to_rfc5322(), &settings.name);
    // RFC 3834 §5: nobody answers it automatically.
    let text = format!(
        "From: Mail server <MAILER-DAEMON@{name}>\r\nTo: <{to}>\r\nSubject: {login} is locked for sending\r\nDate: {date}\r\n\
         Message-ID: <{trace}@{name}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         The account {login} has sent more than it may ({what}).\r\nIt can send nothing until the file\r\n\r\n    {}\r\n\r\n\
         is deleted. If its user knows nothing of it, give it a new password first.\r\n",
        file.display()
    );
    let mut incoming = node.outgoing.begin()?;
    incoming.write(text.as_bytes())?;
    let envelope = Envelope {
        trace,
        reverse_path: ReversePath::Null,
        recipients: vec![Recipient::new(to.clone())],
        body: Body::EightBitMime,
        smtputf8: false,
        envelope_id: None,
        return_headers_only: true,
    };
    let detail = format!("notice to <{to}> that {login} is locked");
    accept(node, incoming, Acceptance { envelope, header: "", session: None, detail, settles: None })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use disk::MemoryDisk;

    use super::*;

    #[test]
    fn names_are_files_and_stay_apart() {
        for (login, file) in
            [("ana@example.test", "ana@example.test"), ("..", "%2E."), ("a/b", "a%2Fb"), ("ñ", "%C3%B1")]
        {
            assert_eq!(file_name(login), Path::new(file), "{login}");
        }
        assert_eq!(file_name(&"x".repeat(300)).as_os_str().len(), "%long-".len() + 64);
    }

    #[test]
    fn what_was_booked_is_there_after_a_crash_and_without_storage_nobody_sends() {
        let disk = MemoryDisk::new();
        let limit = SendingLimit { messages_day: 2, lock: true, ..SendingLimit::default() };
        let to = [Address::parse("bob@example.test").unwrap()];
        let folder = Path::new("/shared/sending");
        let book = |disk: &MemoryDisk| book(disk, folder, &folder.join("ana"), &to, &limit);
        assert!(book(&disk).is_err(), "/shared is not mounted");
        disk.create_dir_all(Path::new("/shared")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        assert_eq!(book(&disk).unwrap(), Verdict::Sent);
        assert_eq!(book(&disk).unwrap(), Verdict::Sent);
        assert_eq!(book(&disk).unwrap(), Verdict::TooMuch("messages a day", true));
        assert_eq!(book(&disk).unwrap(), Verdict::Locked);
    }
}
