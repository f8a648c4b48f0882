//! A model of Dovecot 2.3 on the same tree: its own code, not ours, following what Dovecot documents of its Maildir and
//! does with it.
//!
//! | Dovecot | here |
//! |---|---|
//! | delivery: `tmp/`, fsync, rename to `new/`, no lock | `deliver` |
//! | `dovecot-uidlist.lock` around whatever gives UIDs, flags or expunges | our `Dotlock` with our fence, so that its own races are not counted against us |
//! | the uidlist is appended to, or written to `dovecot-uidlist.tmp` and renamed | `give_uids` |
//! | `new/` is emptied into `cur/` | `sync` |
//! | flags: a rename by the name that was last seen; not found: look again | `store` |
//! | keywords: written to `dovecot-keywords.lock`, which is renamed | `letters` |
//! | expunge: the file is removed; its line stays until the list is written anew | `expunge` |
//! | `tmp/` is swept of what is older than 36 hours | `sweep` |
//! | `subscriptions`: dot lock, replaced | `subscribe` |
//!
//! It syncs folders, which Dovecot does not, and where it could not sync its list, the next owner of the lock writes that anew: what
//! Dovecot loses in a power cut is not ours to answer for. For the same reason it never rests for longer than a lock is respected:
//! Dovecot does not look whether it still has its lock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use disk::{Disk, Dotlock, DotlockSettings, Error, MemoryDisk, Pace, Result};

use crate::World;
use crate::chance::Chance;
use crate::ledger::{FlagSet, Told};
use crate::node::{HOME, LOCK_STALE, STABLE};

const LETTERS: [(char, &str); 3] = [('F', "\\Flagged"), ('R', "\\Answered"), ('S', "\\Seen")];

pub struct Dovecot<'w> {
    world: &'w World,
    me: usize,
    chance: Chance,
    disk: MemoryDisk,
    count: u32,
}

/// A mailbox as it was read under the lock.
struct View {
    folder: PathBuf,
    validity: u32,
    next: u32,
    /// UID, and where the file is.
    messages: BTreeMap<u32, PathBuf>,
}

impl<'w> Dovecot<'w> {
    pub fn new(world: &'w World, me: usize, disk: MemoryDisk) -> Dovecot<'w> {
        world.turns.be(me, &disk);
        Dovecot { world, me, chance: Chance::new(world.seed ^ 0xd0ec07), disk, count: 0 }
    }

    pub fn live(mut self, steps: usize) {
        for _ in 0..steps {
            if self.world.turns.is_over() {
                return;
            }
            let outcome = self.step();
            if let Err(error) = &outcome {
                self.world.turns.note(|| format!("-> {error}"));
            }
            if matches!(outcome, Err(Error::PowerOff)) && !self.world.turns.is_over() {
                self.disk = self.disk.restart();
                self.world.turns.be(self.me, &self.disk);
            }
            self.world.turns.sleep(Duration::from_millis(self.chance.below(150)));
        }
    }

    fn step(&mut self) -> Result<()> {
        let mailbox = (*self.chance.pick(&STABLE).unwrap_or(&"INBOX")).to_owned();
        match self.chance.below(10) {
            0..3 => self.deliver(&mailbox),
            3..5 => self.with_lock(&mailbox, |_, _| Ok(())),
            5..7 => self.with_lock(&mailbox, Dovecot::store),
            7 => self.with_lock(&mailbox, Dovecot::expunge),
            8 => self.sweep(&mailbox),
            _ => self.subscribe(),
        }
    }

    fn folder(&self, mailbox: &str) -> PathBuf {
        let root = Path::new(HOME).join("maildir");
        if mailbox == "INBOX" { root } else { root.join(format!(".{}", mailbox.replace('/', "."))) }
    }

    fn deliver(&mut self, mailbox: &str) -> Result<()> {
        let folder = self.folder(mailbox);
        let id = format!("d{}-{}", self.me, self.world.next_id());
        let content = crate::world::content(&id).replace("\r\n", "\n");
        self.count += 1;
        let now = self.disk.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let process = self.disk.holder();
        let process = process.split(':').next().unwrap_or_default();
        let (lf, crlf) = (content.len(), content.len() + content.lines().count());
        let name = format!("{}.M{}P{process}V{}.dove,S={lf},W={crlf}", now.as_secs(), now.subsec_micros(), self.count);
        let upheavals = self.world.ledger().upheavals;
        let tmp = folder.join("tmp").join(&name);
        let mut file = self.disk.create_new(&tmp)?;
        file.write_all(content.as_bytes())?;
        file.sync()?;
        drop(file);
        self.world.ledger().born(&id, FlagSet::new());
        let new = folder.join("new");
        self.world.turns.note(|| format!("Dovecot delivers {id} to {mailbox}"));
        let outcome = self.disk.rename(&tmp, &new.join(&name)).and_then(|()| self.disk.sync_dir(&new));
        self.world.ledger().add(mailbox, &id, outcome.is_ok(), upheavals);
        outcome
    }

    fn with_lock(&mut self, mailbox: &str, act: fn(&mut Self, &mut View) -> Result<()>) -> Result<()> {
        let folder = self.folder(mailbox);
        let list = folder.join("dovecot-uidlist");
        let settings =
            DotlockSettings { wait: Duration::from_secs(14), stale: LOCK_STALE, ..DotlockSettings::default() };
        let disk = self.disk.clone();
        let lock = Dotlock::acquire_for(&disk, &list, vec![folder.join("tepui-changes")], &settings)?;
        let outcome = self.sync(&folder);
        if outcome.is_err() {
            // What it has appended may never become durable, and it would leave that as it is: the next owner writes it anew.
            lock.leave_behind();
        }
        let outcome = outcome.and_then(|view| match view {
            Some(mut view) => {
                self.show(mailbox, &view)?;
                act(self, &mut view)
            }
            None => Ok(()),
        });
        let released = lock.release();
        outcome.and(released)
    }

    /// Reads the list, gives UIDs to new files, empties `new/`. `None` while no Tepui node has made the list.
    fn sync(&mut self, folder: &Path) -> Result<Option<View>> {
        let list = folder.join("dovecot-uidlist");
        let found = match self.disk.read(&list) {
            Err(Error::NotFound { .. }) => return Ok(None),
            other => String::from_utf8_lossy(&other?).into_owned(),
        };
        // A last line without its end was not finished: Dovecot does not see it.
        let content = found.rfind('\n').and_then(|end| found.get(..=end)).unwrap_or_default();
        let is_whole = content.len() == found.len();
        let mut lines = content.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let field = |letter: char| header.iter().find_map(|word| word.strip_prefix(letter)?.parse::<u32>().ok());
        let (Some(validity), Some(next)) = (field('V'), field('N')) else { return Ok(None) };
        let mut listed: BTreeMap<String, u32> = BTreeMap::new();
        let mut next = next;
        for line in lines {
            let Some((uid, base)) =
                line.split_once(" :").and_then(|(head, base)| Some((head.split(' ').next()?, base)))
            else {
                continue;
            };
            let Ok(uid) = uid.parse::<u32>() else { continue };
            assert!(listed.insert(base.to_owned(), uid).is_none_or(|before| before == uid), "{base} has two UIDs");
            next = next.max(uid + 1);
        }
        let mut view = View { folder: folder.to_owned(), validity, next, messages: BTreeMap::new() };
        let files = self.files(folder)?;
        let strangers: Vec<&String> = files.keys().filter(|base| !listed.contains_key(*base)).collect();
        let mut added = String::new();
        for base in strangers {
            added.push_str(&format!("{} :{base}\n", view.next));
            listed.insert(base.clone(), view.next);
            view.next += 1;
        }
        if !added.is_empty() {
            self.give_uids(&view, content, is_whole, &header, &added)?;
        }
        for (base, path) in files {
            let path = self.to_cur(folder, path)?;
            if let (Some(uid), Some(path)) = (listed.get(&base), path) {
                view.messages.insert(*uid, path);
            }
        }
        Ok(Some(view))
    }

    /// Every message file by its base. A name that two listings miss is not there.
    fn files(&self, folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
        let mut files = BTreeMap::new();
        for _ in 0..2 {
            for part in ["new", "cur"] {
                for entry in self.disk.list(&folder.join(part))? {
                    let name = entry.name.to_string_lossy().into_owned();
                    if !name.starts_with('.') {
                        let base = name.split(':').next().unwrap_or_default().to_owned();
                        files.insert(base, folder.join(part).join(&name));
                    }
                }
            }
        }
        Ok(files)
    }

    fn give_uids(&mut self, view: &View, content: &str, is_whole: bool, header: &[&str], added: &str) -> Result<()> {
        let list = view.folder.join("dovecot-uidlist");
        if self.chance.one_in(2) && is_whole {
            let mut file = self.disk.append(&list)?;
            file.write_all(added.as_bytes())?;
            return file.sync();
        }
        let words: Vec<String> = header
            .iter()
            .map(|word| match word.strip_prefix('N') {
                Some(_) => format!("N{}", view.next),
                None => (*word).to_owned(),
            })
            .collect();
        let rest = content.split_once('\n').map_or("", |(_, rest)| rest);
        let whole = format!("{}\n{rest}{added}", words.join(" "));
        self.replace_through(&view.folder.join("dovecot-uidlist.tmp"), &list, whole.as_bytes())
    }

    fn replace_through(&self, beside: &Path, path: &Path, content: &[u8]) -> Result<()> {
        let mut file = self.disk.append(beside)?;
        file.truncate(0)?;
        file.write_all(content)?;
        file.sync()?;
        drop(file);
        self.disk.rename(beside, path)?;
        self.disk.sync_dir(path.parent().unwrap_or(path))
    }

    fn to_cur(&self, folder: &Path, path: PathBuf) -> Result<Option<PathBuf>> {
        if !path.parent().is_some_and(|part| part.ends_with("new")) {
            return Ok(Some(path));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let served = folder.join("cur").join(if name.contains(':') { name } else { format!("{name}:2,") });
        match self.disk.rename(&path, &served) {
            Ok(()) => Ok(Some(served)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its session is told what is there.
    fn show(&self, mailbox: &str, view: &View) -> Result<()> {
        for (uid, path) in &view.messages {
            let told = (view.validity, *uid);
            if self.world.ledger().id(told).is_some() {
                continue;
            }
            match self.disk.read(path) {
                Ok(content) => {
                    let text = String::from_utf8_lossy(&content).replace("\r\n", "\n");
                    let id = text.lines().next().and_then(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
                    self.world.ledger().show(mailbox, told, id);
                }
                Err(Error::NotFound { .. } | Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One of those that its client was shown: what could not be read a moment ago, nobody asks to change.
    fn some_message(&mut self, view: &View) -> Option<(u32, PathBuf)> {
        let ledger = self.world.ledger();
        let shown: Vec<_> =
            view.messages.iter().filter(|(uid, _)| ledger.id((view.validity, **uid)).is_some()).collect();
        drop(ledger);
        self.chance.pick(&shown).map(|(uid, path)| (**uid, (*path).clone()))
    }

    fn store(&mut self, view: &mut View) -> Result<()> {
        let Some((uid, path)) = self.some_message(view) else { return Ok(()) };
        let set = self.chance.one_in(2);
        let flag = match self.chance.below(4) {
            3 => "alpha",
            n => LETTERS[n as usize].1,
        };
        let told = (view.validity, uid);
        self.world.ledger().store_begins(told, flag);
        let outcome = self.change_flag(view, &path, flag, set);
        self.world.ledger().store_ends(told, flag, outcome.as_ref().ok().copied().flatten());
        self.world.turns.note(|| format!("Dovecot stores {flag} {set} on {told:?}: {outcome:?}"));
        outcome.map(|_| ())
    }

    /// What it told its client; `None` when the message was gone.
    fn change_flag(&mut self, view: &View, path: &Path, flag: &str, set: bool) -> Result<Option<bool>> {
        let letter = match LETTERS.iter().find(|(_, name)| *name == flag) {
            Some((letter, _)) => *letter,
            None => match self.letter(view, flag)? {
                Some(letter) => letter,
                None => return Ok(None),
            },
        };
        let mut path = path.to_owned();
        for _ in 0..10 {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (base, letters) = name.split_once(":2,").unwrap_or((&name, ""));
            let mut letters: Vec<char> = letters.chars().filter(|one| *one != letter).collect();
            if set {
                letters.push(letter);
            }
            letters.sort_unstable();
            let letters: String = letters.into_iter().collect();
            let renamed = view.folder.join("cur").join(format!("{base}:2,{letters}"));
            if renamed == path {
                return Ok(Some(set));
            }
            match self.disk.rename(&path, &renamed) {
                Ok(()) => return self.disk.sync_dir(&view.folder.join("cur")).map(|()| Some(set)),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
            let base = base.to_owned();
            match self.files(&view.folder)?.remove(&base) {
                Some(found) => path = found,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The letter of a keyword; a new one goes through the keywords' own lock file.
    fn letter(&mut self, view: &View, keyword: &str) -> Result<Option<char>> {
        let path = view.folder.join("dovecot-keywords");
        let content = match self.disk.read(&path) {
            Err(Error::NotFound { .. }) => String::new(),
            other => String::from_utf8_lossy(&other?).into_owned(),
        };
        let number =
            |line: &str| line.split_once(' ').map(|(number, name)| (number.parse::<u8>().ok(), name.to_owned()));
        let known: Vec<(u8, String)> =
            content.lines().filter_map(number).filter_map(|(n, name)| Some((n?, name))).collect();
        if let Some((number, _)) = known.iter().find(|(_, name)| name == keyword) {
            return Ok(Some((b'a' + number) as char));
        }
        let Some(free) = (0..26).find(|number| known.iter().all(|(taken, _)| taken != number)) else { return Ok(None) };
        let lock = view.folder.join("dovecot-keywords.lock");
        match self.disk.create_new(&lock) {
            Ok(_) => {}
            // Somebody died there: Dovecot would wait until it is stale, here the keyword is not stored.
            Err(Error::Exists { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        self.replace_through(&lock, &path, format!("{content}{free} {keyword}\n").as_bytes())?;
        Ok(Some((b'a' + free) as char))
    }

    fn expunge(&mut self, view: &mut View) -> Result<()> {
        let Some((uid, path)) = self.some_message(view) else { return Ok(()) };
        let told: Told = (view.validity, uid);
        self.world.ledger().maybe_expunged(&[told]);
        match self.disk.remove(&path) {
            Ok(()) => {
                self.disk.sync_dir(path.parent().unwrap_or(&path))?;
                self.world.ledger().expunged(told);
                self.world.turns.note(|| format!("Dovecot expunges {told:?}"));
                Ok(())
            }
            Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sweep(&mut self, mailbox: &str) -> Result<()> {
        let tmp = self.folder(mailbox).join("tmp");
        for entry in self.disk.list(&tmp)? {
            let path = tmp.join(&entry.name);
            let Ok(stat) = self.disk.stat(&path) else { continue };
            let age = self.disk.now().duration_since(stat.changed.max(stat.modified)).unwrap_or_default();
            if age > Duration::from_secs(36 * 3600) {
                let _ = self.disk.remove(&path);
            }
        }
        Ok(())
    }

    fn subscribe(&mut self) -> Result<()> {
        let path = Path::new(HOME).join("maildir/subscriptions");
        let settings =
            DotlockSettings { wait: Duration::from_secs(14), stale: LOCK_STALE, ..DotlockSettings::default() };
        let disk = self.disk.clone();
        let lock = Dotlock::acquire(&disk, &path, &settings)?;
        let content = match self.disk.read(&path) {
            Err(Error::NotFound { .. }) => b"V\t2\n\n".to_vec(),
            other => other?,
        };
        let mut text = String::from_utf8_lossy(&content).into_owned();
        assert!(text.starts_with("V\t2\n\n"), "subscriptions are not whole: {text:?}");
        if !text.lines().any(|line| line == "A") {
            text.push_str("A\n");
        }
        lock.replace_with(text.as_bytes())?;
        lock.release()
    }
}
