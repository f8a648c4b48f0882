//! Metadata that is damaged or half written, with the real Dovecot as witness: no UID is given to another message, no message is
//! lost, nothing outside the account is touched; and once we have served the mailbox, Dovecot opens it without a word in its log.

mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use disk::RealDisk;
use mail::{Flags, MailboxName};
use store::{Access, Account, Error, Harm, Settings, Store, repair, verify};
use world::dovecot::Dovecot;
use world::{add, inbox, name, uid};

fn account(dovecot: &Dovecot) -> Arc<Account> {
    let settings = Settings { location: dovecot.location(), auto_mailboxes: Vec::new(), ..Settings::default() };
    let store = Store::new(Arc::new(RealDisk::new().unwrap()), settings);
    store.account_of(&dovecot.home(), "ana").unwrap()
}

/// Six messages, of which the second is gone and the fifth has flags, seen by both.
fn filled() -> (Dovecot, PathBuf) {
    let dovecot = Dovecot::new("maildir:~/maildir");
    for number in 1..=6 {
        dovecot.save("INBOX", &format!("m{number}"));
    }
    dovecot.ask(&["flags", "add", "\\Flagged work", "mailbox", "INBOX", "uid", "5"]);
    dovecot.ask(&["expunge", "mailbox", "INBOX", "uid", "2"]);
    let maildir = dovecot.home().join("maildir");
    (dovecot, maildir)
}

/// UIDVALIDITY, and which message has which UID.
fn messages(account: &Arc<Account>) -> (u32, BTreeMap<u32, String>) {
    let mailbox = account.open(&inbox()).unwrap();
    let snapshot = mailbox.sync(Access::Serve).unwrap();
    let lines = world::lines(&mailbox).into_iter().map(|(uid, subject, _)| (uid, subject)).collect();
    (snapshot.uid_validity.number(), lines)
}

fn subjects(messages: &BTreeMap<u32, String>) -> Vec<&str> {
    let mut subjects: Vec<&str> = messages.values().map(String::as_str).collect();
    subjects.sort_unstable();
    subjects
}

/// In the form of `Dovecot::story`, of INBOX alone.
fn story(account: &Arc<Account>) -> Vec<String> {
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    let snapshot = mailbox.snapshot();
    let mut story = vec![format!("INBOX\t{}\t{}", snapshot.uid_next, snapshot.uid_validity)];
    let line = |(uid, subject, flags): world::Line| format!("INBOX\t{uid}\t{}\t{subject}", flags.join(" "));
    story.extend(world::lines(&mailbox).into_iter().map(line));
    story.sort();
    story
}

fn replace(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
}

/// What a list of UIDs may have suffered, and whether its UIDVALIDITY outlives that.
type Spoil = (&'static str, bool, fn(&str) -> Vec<u8>);

const SPOILED_LISTS: &[Spoil] = &[
    ("torn in the last line", true, |list| list.as_bytes()[..list.len() - 9].to_vec()),
    ("torn in the middle", true, |list| list.as_bytes()[..list.len() / 2].to_vec()),
    ("without its last lines", true, |list| list.split_inclusive('\n').take(3).collect::<String>().into_bytes()),
    ("as it was when three messages were there", true, |list| {
        let lines: String = list.split_inclusive('\n').take(3).collect();
        let head: Vec<&str> = lines.split(' ').map(|word| if word.starts_with('N') { "N4" } else { word }).collect();
        head.join(" ").into_bytes()
    }),
    ("an older copy, and torn", true, |list| {
        let lines: String = list.split_inclusive('\n').take(3).collect();
        let head: Vec<&str> = lines.split(' ').map(|word| if word.starts_with('N') { "N4" } else { word }).collect();
        format!("{}4 :to", head.join(" ")).into_bytes()
    }),
    ("garbage in the middle", true, |list| list.replace("\n4 :", "\n\x00\x01\u{feff}\n4 ;").into_bytes()),
    ("8-bit garbage behind", true, |list| [list.as_bytes(), &[0xff; 4000]].concat()),
    ("noughts behind", true, |list| [list.as_bytes(), &[0; 4096]].concat()),
    ("one UID twice", true, |list| list.replace("\n4 :", "\n3 :").into_bytes()),
    ("one message twice", true, |list| {
        let line = list.lines().nth(2).unwrap().split_once(' ').unwrap().1.to_owned();
        format!("{list}9 {line}\n").into_bytes()
    }),
    ("out of order", true, |list| {
        let (head, lines) = list.split_once('\n').unwrap();
        let mut lines: Vec<&str> = lines.lines().collect();
        lines.reverse();
        format!("{head}\n{}\n", lines.join("\n")).into_bytes()
    }),
    ("a next UID that was given", true, |list| {
        let (head, lines) = list.split_once('\n').unwrap();
        let head: Vec<&str> = head.split(' ').map(|word| if word.starts_with('N') { "N2" } else { word }).collect();
        format!("{}\n{lines}", head.join(" ")).into_bytes()
    }),
    ("a slash in a name", true, |list| list.replace("\n4 :", "\n4 :../../../../etc/").into_bytes()),
    ("version 1", true, |list| {
        let (head, lines) = list.split_once('\n').unwrap();
        let number = |letter| head.split(' ').find_map(|word| word.strip_prefix(letter)).unwrap();
        format!("1 {} {}\n{}", number('V'), number('N'), lines.replace(" :", " ")).into_bytes()
    }),
    ("no first line", false, |list| list.split_once('\n').unwrap().1.as_bytes().to_vec()),
    ("empty", false, |_| Vec::new()),
    ("garbage", false, |_| b"\x7fELF\n\n\n:::\n1 2 3\n".repeat(100)),
    ("one endless line", false, |_| vec![b'3'; 1 << 20]),
    ("of a later version", false, |list| list.replacen('3', "4", 1).into_bytes()),
];

#[test]
fn whatever_a_list_of_uids_suffered_no_uid_goes_to_another_message() {
    for (what, keeps, spoil) in SPOILED_LISTS {
        let (dovecot, maildir) = filled();
        let (validity, before) = messages(&account(&dovecot));
        assert_eq!(subjects(&before), ["m1", "m3", "m4", "m5", "m6"]);
        let path = maildir.join("dovecot-uidlist");
        replace(&path, spoil(&fs::read_to_string(&path).unwrap()));

        let account = account(&dovecot);
        let (after_validity, after) = messages(&account);
        assert_eq!(after_validity == validity, *keeps, "{what}");
        assert!(after_validity >= validity, "{what}");
        assert_eq!(subjects(&after), subjects(&before), "{what}: a message is missing or doubled");
        if *keeps {
            for (uid, subject) in &after {
                let known = before.get(uid);
                assert!(known.is_none_or(|known| known == subject), "{what}: UID {uid} was {known:?}, is {subject}");
                assert!(known.is_some() || *uid > 6, "{what}: UID {uid} was given before");
            }
        }
        // Whoever repairs it leaves nothing to find.
        let left = repair(&account).unwrap().left;
        assert!(left.is_empty(), "{what}: {left:?}");
        assert_eq!(messages(&account).1, after, "{what}");
        if !keeps {
            // It cannot but find another UIDVALIDITY than the one in its index.
            forget_indexes(&maildir);
        }
        assert_eq!(dovecot.story(), story(&account), "{what}");
        dovecot.save("INBOX", "later");
        let last = messages(&account).1.pop_last().unwrap();
        assert!(last.0 > *after.keys().last().unwrap() && last.1 == "later", "{what}");
    }
}

fn forget_indexes(maildir: &Path) {
    for entry in fs::read_dir(maildir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("dovecot.index") {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Beyond any file of its kind, and still only that much memory.
const ENDLESS: u64 = 100 << 20;

#[test]
fn a_hundred_megabytes_of_garbage_cost_no_memory_and_no_message() {
    for file in ["dovecot-uidlist", "dovecot-keywords", "subscriptions", "maildirsize", "dovecot-uidvalidity"] {
        let (dovecot, maildir) = filled();
        let before = messages(&account(&dovecot)).1;
        let path = maildir.join(file);
        // Noughts that lie nowhere: the bound is on what is read.
        let garbage = fs::File::create(&path).unwrap();
        (&garbage).write_all(b"garbage without an end").unwrap();
        garbage.set_len(ENDLESS).unwrap();
        let highest = memory_highest();
        let account = account(&dovecot);
        assert_eq!(subjects(&messages(&account).1), subjects(&before), "{file}");
        account.subscribe(&inbox()).unwrap();
        account.open(&inbox()).unwrap().store_flags(&[first(&account)], &add(Flags::NONE, &["new"])).unwrap();
        world::deliver(&account, &inbox(), "later").unwrap();
        assert!(memory_highest().saturating_sub(highest) < ENDLESS / 4, "{file} was read whole");
        assert!(repair(&account).unwrap().left.is_empty(), "{file}");
        forget_indexes(&maildir);
        assert_eq!(dovecot.story(), story(&account), "{file}");
    }
}

fn first(account: &Arc<Account>) -> mail::Uid {
    uid(*messages(account).1.keys().next().unwrap())
}

/// The most octets of memory that this process ever had.
fn memory_highest() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn damaged_keywords_and_subscriptions_lose_no_flag_and_no_mailbox() {
    for garbage in [&b"\xff\xfe\0\0"[..], b"0 c\n0 d\n-1 x\n99999999999999999999 y\nwork 0\n", b"", b"0 work"] {
        let (dovecot, maildir) = filled();
        dovecot.ask(&["mailbox", "create", "-s", "A/B"]);
        messages(&account(&dovecot));
        replace(&maildir.join("dovecot-keywords"), garbage);
        replace(&maildir.join("subscriptions"), garbage);
        let account = account(&dovecot);
        let before = story(&account);
        assert!(before.iter().any(|line| line.contains("\\Flagged")), "{garbage:?}: {before:?}");
        let names: Vec<String> = account.list().unwrap().iter().map(|listed| listed.name.to_string()).collect();
        assert_eq!(names, ["A", "A/B", "INBOX"]);
        let mailbox = account.open(&inbox()).unwrap();
        mailbox.store_flags(&[uid(1)], &add(Flags::NONE, &["fresh"])).unwrap();
        let marked = |uid: u32| {
            let snapshot = mailbox.snapshot();
            let flags = snapshot.rows.iter().find(|row| row.uid.number() == uid).unwrap().flags;
            snapshot.keywords.names_of(flags).any(|keyword| keyword == "fresh")
        };
        assert!(marked(1) && !marked(5), "{garbage:?}: a letter without a name got one that somebody else chose");
        account.subscribe(&name("A/B")).unwrap();
        assert!(account.subscriptions().unwrap().contains(&name("A/B")));
        let left = repair(&account).unwrap().left;
        assert!(left.iter().all(|finding| finding.harm == Harm::Leftover), "{garbage:?}: {left:?}");
        assert_eq!(dovecot.ask(&["mailbox", "list", "-s"]).lines().filter(|line| *line == "A/B").count(), 1);
    }
}

#[test]
fn links_pipes_and_devices_in_the_place_of_metadata_are_refused_and_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    for file in ["dovecot-uidlist", "dovecot-keywords", "tepui-changes", "subscriptions"] {
        for kind in ["link", "dangling", "pipe", "zero"] {
            let (dovecot, maildir) = filled();
            messages(&account(&dovecot));
            replace(&target, "3 V7 N9\n1 :outside\n");
            let path = maildir.join(file);
            let _ = fs::remove_file(&path);
            match kind {
                "link" => symlink(&target, &path).unwrap(),
                "dangling" => symlink(outside.path().join("nowhere"), &path).unwrap(),
                "pipe" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
                _ => symlink("/dev/zero", &path).unwrap(),
            }
            let account = account(&dovecot);
            let refused = match file {
                "subscriptions" => account.list().map(drop),
                _ => account.open(&inbox()).map(drop),
            };
            let what = format!("{file} {kind}");
            assert!(matches!(refused, Err(Error::Disk(_))), "{what}: {refused:?}");
            assert!(account.subscribe(&inbox()).is_err() || file != "subscriptions", "{what}");
            assert_eq!(fs::read_to_string(&target).unwrap(), "3 V7 N9\n1 :outside\n", "{what}");
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{what}");
            assert!(
                !fs::symlink_metadata(&path).unwrap().file_type().is_file(),
                "{what}: it stays for whoever put it there"
            );
        }
    }
}

#[test]
fn what_is_no_file_is_no_message_even_when_it_comes_later() {
    let (dovecot, maildir) = filled();
    let account = account(&dovecot);
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    let before = messages(&account).1;
    let outside = dovecot.home().join("secret");
    replace(&outside, "Subject: secret\n\n");
    let cur = maildir.join("cur");
    let file_of = |subject: &str| {
        let holds = |path: &PathBuf| fs::read_to_string(path).unwrap().contains(&format!("Subject: {subject}\n"));
        fs::read_dir(&cur).unwrap().map(|entry| entry.unwrap().path()).find(holds).unwrap()
    };
    // Each takes the place of a file that was scanned already.
    let (link, pipe) = (file_of("m1"), file_of("m3"));
    fs::remove_file(&link).unwrap();
    symlink(&outside, &link).unwrap();
    fs::remove_file(&pipe).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for number in [1, 3] {
        let opened = mailbox.message(uid(number));
        assert!(matches!(opened, Err(Error::Disk(_) | Error::Gone)), "{number}: {opened:?}");
    }
    symlink("/dev/zero", cur.join("9.endless:2,")).unwrap();
    let copied = mailbox.copy(&[uid(4)], &mailbox).unwrap();
    assert_eq!(copied.target, [uid(7)]);
    let after = messages(&self::account(&dovecot)).1;
    assert_eq!(after.keys().copied().collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert!(after.iter().all(|(uid, subject)| before.get(uid).is_none_or(|known| known == subject)));
    assert_eq!(fs::read_to_string(&outside).unwrap(), "Subject: secret\n\n");
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_message_that_vanishes_shrinks_or_grows_while_it_is_read_is_never_told_as_another() {
    let (dovecot, maildir) = filled();
    let account = account(&dovecot);
    let mailbox = account.open(&inbox()).unwrap();
    mailbox.sync(Access::Serve).unwrap();
    let long = "x".repeat(70) + "\r\n";
    let mut draft = account.draft(&inbox()).unwrap();
    draft.write(format!("Subject: long\r\n\r\n{}", long.repeat(2000)).as_bytes()).unwrap();
    let appended = draft.append(Flags::NONE, &[], None).unwrap().uid;
    let is_long = |path: &PathBuf| fs::metadata(path).unwrap().len() > 100_000;
    let path = fs::read_dir(maildir.join("cur")).unwrap().map(|entry| entry.unwrap().path()).find(is_long).unwrap();
    let content = fs::read(&path).unwrap();
    let mut whole = vec![0; 200_000];

    let mut message = mailbox.message(appended).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    assert!(matches!(message.read_at(50_000, &mut whole), Err(Error::Damaged { .. })));
    // A file that grew is as long as it was when it was opened; then its name is found out.
    replace(&path, &content);
    let mut message = mailbox.message(appended).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more\n").unwrap();
    let got = message.read_at(0, &mut whole[..1000]).unwrap();
    assert_eq!(got, 1000);
    assert_eq!(mailbox.message(appended).unwrap().size(), message.size() + 6);
    fs::remove_file(&path).unwrap();
    assert!(matches!(mailbox.message(appended), Err(Error::Gone)));
    assert_eq!(messages(&self::account(&dovecot)).1.len(), 5);
}

/// Names that tell wrong sizes, and messages short and long.
#[test]
fn a_name_with_wrong_sizes_is_answered_rightly_and_mended() {
    let body = |lines: usize| format!("Subject: sizes\n\n{}", "a line of the body\n".repeat(lines));
    for (lines, name) in [
        (3, "1.M1P1.x,S=1,W=1:2,S"),
        (3, "1.M1P1.x,S={S},W={S}:2,S"),
        (3, "1.M1P1.x,S={S},W=99:2,S"),
        (3, "1.M1P1.x,S={S},W={S}0:2,S"),
        (3, "1.M1P1.x,W=5:2,S"),
        (9000, "1.M1P1.x,S=1,W=1:2,S"),
        (9000, "1.M1P1.x,S={S},W=1:2,S"),
        (9000, "1.M1P1.x,S={S},W={S}:2,S"),
        (9000, "1.M1P1.x,S={S},W=171025:2,S"),
        (9000, "1.M1P1.x,S={S},W=190000:2,S"),
    ] {
        let dovecot = Dovecot::new("maildir:~/maildir");
        let cur = dovecot.home().join("maildir/cur");
        dovecot.save("INBOX", "first");
        let (content, account) = (body(lines), account(&dovecot));
        let name = name.replace("{S}", &content.len().to_string());
        replace(&cur.join(&name), &content);
        let crlf = content.replace('\n', "\r\n");
        let mailbox = account.open(&inbox()).unwrap();
        let read = || {
            let mut message = mailbox.message(uid(2)).unwrap();
            let mut bytes = vec![0; usize::try_from(message.size()).unwrap()];
            let mut filled = 0;
            while filled < bytes.len() {
                filled += message.read_at(filled as u64, &mut bytes[filled..])?;
            }
            Ok::<_, Error>(String::from_utf8(bytes).unwrap())
        };
        // What no content can be is not believed at all.
        assert!(!name.contains("W=1:") || read().is_ok(), "{name}");
        // What is told and not true is found out at the latest when it is read; no half message is ever whole.
        let text = read().or_else(|_| read()).unwrap();
        assert!(text == crlf, "{name}");
        assert_eq!(mailbox.facts(uid(2)).unwrap().size, crlf.len() as u64, "{name}");
        let told = verify(&account).unwrap();
        assert!(told.iter().any(|finding| finding.what.contains("as its name says")), "{name}: {told:?}");
        assert_eq!(repair(&account).unwrap().left, [], "{name}");
        let told =
            dovecot.ask(&["-f", "tab", "fetch", "uid size.physical size.virtual", "mailbox", "INBOX", "uid", "2"]);
        assert_eq!(told.lines().nth(1).unwrap(), format!("2\t{}\t{}", content.len(), crlf.len()), "{name}");
        assert!(dovecot.ask(&["fetch", "text", "mailbox", "INBOX", "uid", "2"]).contains("a line of the body"));
        assert_eq!(self::account(&dovecot).open(&inbox()).unwrap().snapshot().rows.len(), 2, "{name}");
    }
}

#[test]
fn names_that_no_folder_can_have_are_refused() {
    for (location, prefix) in [("maildir:~/maildir", "."), ("maildir:~/maildir:LAYOUT=fs", "")] {
        let dovecot = Dovecot::new(location);
        let account = account(&dovecot);
        let before = tree(dovecot.home().parent().unwrap());
        let (long, deep) = ("x".repeat(4000), vec!["a"; 100].join("/"));
        for bad in ["..", "../x", "a/../../x", "/etc/x", "a//b", "a/", "", "\0", "a\nb", "\x7f", "~root", &long, &deep]
        {
            let made = MailboxName::parse(bad).ok().map(|name| account.create(&name, None));
            assert!(made.is_none_or(|made| matches!(made, Err(Error::NotAllowed(_)))), "{location} {bad:?}");
        }
        assert_eq!(tree(dovecot.home().parent().unwrap()), before, "{location}");
        // And folders that lie there already are nobody's.
        let deep = vec![if prefix.is_empty() { "a" } else { ".a" }; 100].join("/");
        fs::create_dir_all(dovecot.home().join("maildir").join(deep).join("cur")).unwrap();
        let listed = account.list().unwrap();
        assert!(listed.len() < 40, "{location}: {}", listed.len());
        assert!(listed.iter().filter(|listed| listed.selectable).all(|listed| account.open(&listed.name).is_ok()));
    }
}

fn tree(path: &Path) -> Vec<PathBuf> {
    let mut paths = vec![path.to_owned()];
    if fs::symlink_metadata(path).unwrap().is_dir() {
        paths.extend(fs::read_dir(path).unwrap().flat_map(|entry| tree(&entry.unwrap().path())));
    }
    paths.sort();
    paths
}
