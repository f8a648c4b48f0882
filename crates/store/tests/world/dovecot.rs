//! The real Dovecot (Debian: `dovecot-imapd`) on a tree of its own, asked by `doveadm`, which needs no running server.
//!
//! Whatever it says on its log is a failure of the test: a resync, a broken list, a renamed duplicate.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use disk::RealDisk;
use store::{Account, Settings, Store};

/// Dovecot serves no mail as root; when the tests run as root the tree is given to this account (`nobody`) for it.
const NOBODY: u32 = 65534;

const NOT_SELECTABLE: &str = "Failed to lookup mailbox status: Mailbox doesn't exist";

pub struct Dovecot {
    dir: tempfile::TempDir,
    location: String,
    uid: u32,
}

impl Dovecot {
    /// An empty home whose mail lies as `location` says.
    pub fn new(location: &str) -> Dovecot {
        Dovecot::with(location, "")
    }

    /// The same with more settings; `DIR` in them is a folder of the test's, of which the home is a part.
    pub fn with(location: &str, more: &str) -> Dovecot {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let id = Command::new("id").arg("-u").output().expect("id");
        let me: u32 = String::from_utf8_lossy(&id.stdout).trim().parse().expect("a number");
        let uid = if me == 0 { NOBODY } else { me };
        let dovecot = Dovecot { dir, location: location.to_owned(), uid };
        fs::create_dir(dovecot.home()).expect("a home");
        let config = format!(
            "log_path = /dev/stderr\nssl = no\nfirst_valid_uid = 1\nfirst_valid_gid = 1\nbase_dir = {0}/run\n\
             mail_home = {0}/home\nmail_location = {location}\nmail_uid = {uid}\nmail_gid = {uid}\n\
             namespace {{\n inbox = yes\n separator = /\n}}\n{1}",
            dovecot.dir.path().display(),
            more.replace("DIR", &dovecot.dir.path().display().to_string()),
        );
        fs::write(dovecot.config(), config).expect("a configuration");
        dovecot
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn location(&self) -> store::Location {
        self.location.parse().expect("a location")
    }

    /// Our account on the same tree.
    pub fn account(&self, settings: Settings) -> Arc<Account> {
        let settings = Settings { location: self.location(), auto_mailboxes: Vec::new(), ..settings };
        let store = Store::new(Arc::new(RealDisk::new().expect("a disk")), settings);
        store.account_of(&self.home(), "ana").expect("an account")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("dovecot.conf")
    }

    /// What `doveadm` prints. Fails when it says anything else.
    pub fn ask(&self, words: &[&str]) -> String {
        self.ask_with(words, "")
    }

    pub fn save(&self, mailbox: &str, subject: &str) {
        self.ask_with(&["save", "-m", mailbox], &format!("Subject: {subject}\n\nBody of {subject}.\n"));
    }

    /// A message as it is.
    pub fn save_content(&self, mailbox: &str, content: &str) {
        self.ask_with(&["save", "-m", mailbox], content);
    }

    fn ask_with(&self, words: &[&str], input: &str) -> String {
        self.hand_over();
        let file = self.dir.path().join("input");
        fs::write(&file, input).expect("the input");
        let mut command = Command::new("doveadm");
        command.arg("-c").arg(self.config()).args(words).env("USER", "ana").env("HOME", self.home());
        let output = command
            .stdin(fs::File::open(&file).expect("the input"))
            .output()
            .expect("doveadm, of Debian's dovecot-core, must be installed for the store's tests");
        let said = String::from_utf8_lossy(&output.stderr);
        // `status *` asks for names, too, that are only there for the mailboxes below them.
        let complaints: Vec<&str> = said.lines().filter(|line| !line.contains(NOT_SELECTABLE)).collect();
        assert!(complaints.is_empty(), "doveadm {words:?}: {complaints:?}");
        assert!(output.status.success() || !said.is_empty(), "doveadm {words:?} failed");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What an IMAP session hears that says this, already logged in.
    pub fn imap(&self, said: &str) -> String {
        self.hand_over();
        let mut command = Command::new("/usr/lib/dovecot/imap");
        command.arg("-c").arg(self.config()).env("USER", "ana").env("HOME", self.home());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut imap =
            command.spawn().expect("imap, of Debian's dovecot-imapd, must be installed for the store's tests");
        // It is little, and fits into the pipe.
        let mut input = imap.stdin.take().expect("a pipe");
        input.write_all(said.replace('\n', "\r\n").as_bytes()).expect("imap reads");
        drop(input);
        let output = imap.wait_with_output().expect("imap ends");
        assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn hand_over(&self) {
        if self.uid == NOBODY {
            give(self.dir.path(), self.uid);
        }
    }

    /// Every mailbox: UIDVALIDITY, next UID, and each message's UID, flags and subject.
    pub fn story(&self) -> Vec<String> {
        let mut story: Vec<String> = self
            .ask(&["-f", "tab", "mailbox", "status", "uidvalidity uidnext", "*"])
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect();
        let messages = self.ask(&["-f", "tab", "fetch", "mailbox uid flags hdr.subject", "mailbox", "*"]);
        story.extend(messages.lines().skip(1).map(|line| line.replace(" \\Recent", "").replace("\\Recent", "")));
        story.sort();
        story
    }
}

fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).expect("root may give files away");
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        for entry in fs::read_dir(path).expect("a folder") {
            give(&entry.expect("an entry").path(), uid);
        }
    }
}
