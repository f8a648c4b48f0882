//! Accounts: the mailboxes of one user below one home directory, shared by everybody in this process who uses them.
//!
//! Knows where mailboxes lie, not what is in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use disk::Disk;
use mail::{Flags, MailboxName, ModSeq, ObjectId, Uid, UidValidity};

use crate::acl::Remembered;
use crate::changes::{Changes, Outlet};
use crate::folder::{self, Folder};
use crate::index::{Index, MailboxIndex};
use crate::lately::Lately;
use crate::location::{MailboxPlaces, Places};
use crate::quota::{Ledger, Ledgers, QuotaFile, QuotaSettings};
use crate::subscriptions::{self, Subscriptions};
use crate::weak_map::WeakMap;
use crate::{
    Access, AutoMailbox, Deliveries, DeliveryKey, Draft, Duplicates, Error, Location, Mailbox, Result, Scripts,
    Settings,
};

pub(crate) const SUBSCRIPTIONS: &str = "subscriptions";

/// All accounts that this process has open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    disk: Arc<dyn Disk>,
    settings: Arc<Settings>,
    accounts: Arc<Mutex<WeakMap<PathBuf, Account>>>,
    ledgers: Arc<Ledgers>,
    index: Option<Arc<Index>>,
    changes: Arc<Changes>,
    lately: Arc<Lately>,
    acls: Arc<Remembered>,
}

impl Store {
    pub fn new(disk: Arc<dyn Disk>, settings: Settings) -> Store {
        let ledgers = Arc::new(Ledgers::new(&*disk, &settings));
        let folder = settings.index.clone();
        let index = folder.map(|folder| Index::new(Arc::clone(&disk), folder, settings.index_size));
        let (accounts, changes, lately, acls) = Default::default();
        Store { disk, settings: Arc::new(settings), accounts, ledgers, index, changes, lately, acls }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn shared_disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings)
    }

    pub(crate) fn ledgers(&self) -> &Ledgers {
        &self.ledgers
    }

    /// `tell` hears of every change that this process makes durable: the home of the account, and the mailbox. It must not
    /// wait. To be called once.
    pub fn on_change(&self, tell: impl Fn(&Path, &MailboxName) + Send + Sync + 'static) {
        self.changes.listen(Box::new(tell));
    }

    /// Keeps what this node remembers of mailboxes within its size. To be called now and then; costs nothing when little
    /// was written since the last call, and else a walk over the folder.
    pub fn sweep_index(&self) -> Result<()> {
        Ok(self.index.as_ref().map_or(Ok(()), |index| index.sweep())?)
    }

    /// The Sieve scripts below this home directory. Makes nothing.
    pub fn scripts(&self, home: &Path) -> Scripts {
        Scripts::new(self.shared_disk(), self.settings(), home)
    }

    /// What was done for the account with this home directory and shall not be done again for a while. Makes nothing.
    pub fn duplicates(&self, home: &Path) -> Duplicates {
        Duplicates::new(self.shared_disk(), self.settings(), home)
    }

    /// Lets go of mailboxes that nobody has opened since the call before. To be called every half minute or so.
    pub fn let_go_of_unused(&self) {
        self.lately.turn();
    }

    /// The account below this home directory, where the location needs no name. What is missing is made.
    pub fn account(&self, home: &Path) -> Result<Arc<Account>> {
        self.account_of(home, "")
    }

    /// Whether an account has any mailboxes yet. Makes nothing.
    pub fn is_there(&self, home: &Path, user: &str) -> Result<bool> {
        match self.disk.stat(&self.settings.location.of(home, user)?.mail) {
            Ok(_) => Ok(true),
            Err(disk::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The account of this name below this home directory; `Settings::location` says where its files are. What is missing
    /// is made.
    pub fn account_of(&self, home: &Path, user: &str) -> Result<Arc<Account>> {
        if let Some(account) = self.accounts().find(home) {
            return Ok(account);
        }
        let account = self.at(&self.settings, (home, user))?;
        account.make_root()?;
        self.remember(home, account)
    }

    /// The mailboxes at a place that is one for all ([`Location::is_one_for_all`]) and nobody's: there is no INBOX, none that
    /// everybody has, and no quota. What is missing of the place is made.
    pub fn public(&self, location: &Location) -> Result<Arc<Account>> {
        let root = location.of(Path::new("/"), "")?.mail;
        if let Some(account) = self.accounts().find(&root) {
            return Ok(account);
        }
        let quota = QuotaSettings { file: QuotaFile::Off, ..self.settings.quota.clone() };
        let settings =
            Settings { location: location.clone(), auto_mailboxes: Vec::new(), quota, ..(*self.settings).clone() };
        let account = Account { has_inbox: false, ..self.at(&Arc::new(settings), (&root, ""))? };
        self.disk.create_dir_all(&account.places.mail)?;
        self.disk.create_dir_all(account.places.account_files())?;
        self.remember(&root, account)
    }

    fn at(&self, settings: &Arc<Settings>, (home, user): (&Path, &str)) -> Result<Account> {
        let places = settings.location.of(home, user)?;
        Ok(Account {
            disk: Arc::clone(&self.disk),
            settings: Arc::clone(settings),
            ledger: self.ledgers.of(&self.disk, settings, (home, user), &places)?,
            _ledgers: Arc::clone(&self.ledgers),
            places,
            has_inbox: true,
            mailboxes: Mutex::default(),
            index: self.index.clone(),
            outlet: Outlet::new(home, &self.changes),
            lately: Arc::downgrade(&self.lately),
            acls: Arc::clone(&self.acls),
        })
    }

    fn remember(&self, home: &Path, account: Account) -> Result<Arc<Account>> {
        let account = Arc::new(account);
        let mut accounts = self.accounts();
        if let Some(faster) = accounts.find(home) {
            return Ok(faster);
        }
        accounts.insert(home.to_owned(), &account);
        Ok(account)
    }

    fn accounts(&self) -> MutexGuard<'_, WeakMap<PathBuf, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One user's mailboxes.
#[derive(Debug)]
pub struct Account {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) places: Places,
    /// False where mailboxes are nobody's.
    pub(crate) has_inbox: bool,
    pub(crate) ledger: Arc<Ledger>,
    /// Whoever has an account keeps them: the last one who goes writes down what is in memory.
    _ledgers: Arc<Ledgers>,
    mailboxes: Mutex<WeakMap<MailboxName, Mailbox>>,
    index: Option<Arc<Index>>,
    outlet: Outlet,
    /// Weak, for it may hold this account.
    lately: Weak<Lately>,
    pub(crate) acls: Arc<Remembered>,
}

/// What STATUS asks for (RFC 3501 §6.3.10, RFC 8438).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub messages: u32,
    pub recent: u32,
    pub unseen: u32,
    pub uid_next: Uid,
    pub uid_validity: UidValidity,
    /// The sum of the messages' sizes in CRLF octets.
    pub size: u64,
    /// The messages with `\Deleted`, and the sum of their sizes in CRLF octets (RFC 9208 §4.1.4).
    pub deleted: u32,
    pub deleted_size: u64,
    pub highest_modseq: ModSeq,
    pub mailbox_id: ObjectId,
}

impl Account {
    /// The mailbox, shared with everybody in this process who has it open. An auto mailbox is made.
    pub fn open(self: &Arc<Self>, name: &MailboxName) -> Result<Arc<Mailbox>> {
        self.open_for(name, Access::Look)
    }

    /// The same for somebody who goes on with the state just seen, and need not look again.
    pub fn open_for(self: &Arc<Self>, name: &MailboxName, access: Access) -> Result<Arc<Mailbox>> {
        let mut mailbox = self.shared(name)?;
        match mailbox.sync(access) {
            Ok(_) => {}
            // It was made anew under the same name since somebody here opened it.
            Err(Error::NoSuchMailbox) => {
                self.retire(|known| known == name);
                mailbox = self.shared(name)?;
                mailbox.sync(access)?;
            }
            Err(error) => return Err(error),
        }
        if let Some(lately) = self.lately.upgrade() {
            lately.keep(self, &mailbox);
        }
        Ok(mailbox)
    }

    /// Whether a mailbox is on disk; an auto mailbox may still have to be made.
    pub fn exists(&self, name: &MailboxName) -> Result<bool> {
        self.folder(name)?.exists()
    }

    pub fn status(self: &Arc<Self>, name: &MailboxName) -> Result<Status> {
        let mailbox = self.open(name)?;
        let snapshot = mailbox.snapshot();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let is_deleted = |row: &&mail::Row| row.flags.contains(Flags::DELETED);
        let deleted: Vec<Uid> = snapshot.rows.iter().filter(is_deleted).map(|row| row.uid).collect();
        Ok(Status {
            deleted: count(deleted.len()),
            deleted_size: mailbox.size_of(&deleted)?,
            messages: count(snapshot.rows.len()),
            recent: count(mailbox.recent_count()?),
            unseen: count(snapshot.unseen()),
            uid_next: snapshot.uid_next,
            uid_validity: snapshot.uid_validity,
            size: mailbox.total_size()?,
            highest_modseq: snapshot.highest_modseq,
            mailbox_id: mailbox.id()?,
        })
    }

    /// Begins a message for a mailbox: a file in its `tmp/`. An auto mailbox is made.
    pub fn draft(self: &Arc<Self>, name: &MailboxName) -> Result<Draft> {
        let folder = self.made(name)?;
        Draft::begin(Arc::clone(self), name.clone(), folder, None)
    }

    /// A draft for a delivery that can be recognized later.
    pub fn draft_for(self: &Arc<Self>, name: &MailboxName, key: &DeliveryKey) -> Result<Draft> {
        let folder = self.made(name)?;
        Draft::begin(Arc::clone(self), name.clone(), folder, Some(key))
    }

    /// Whether this delivery has reached the mailbox already. Reads its folders: to be asked only when an earlier attempt
    /// ended without an answer. A message that was expunged is recognized until the uidlist is rewritten.
    pub fn was_delivered(self: &Arc<Self>, name: &MailboxName, key: &DeliveryKey) -> Result<bool> {
        key.is_in(&self.made(name)?)
    }

    /// All deliveries that can be recognized in a mailbox, read once, for whoever has many to ask for.
    pub fn deliveries(self: &Arc<Self>, name: &MailboxName) -> Result<Deliveries> {
        Deliveries::read(&self.made(name)?)
    }

    /// Tells who has a mailbox open, in this process and elsewhere, that there is something new.
    pub(crate) fn tell(&self, name: &MailboxName) {
        let open = self.mailboxes().find(name);
        if let Some(mailbox) = open {
            mailbox.wake();
        }
        self.outlet.tell(name);
    }

    /// Sessions that have these mailboxes open hear that they are gone.
    pub(crate) fn retire(&self, fits: impl Fn(&MailboxName) -> bool) {
        let retired = self.mailboxes().take(fits);
        retired.iter().for_each(|mailbox| mailbox.retire());
    }

    /// What the node remembers of a mailbox.
    pub(crate) fn index_of(&self, folder: &Folder) -> Option<Arc<MailboxIndex>> {
        self.index.as_ref().map(|index| index.mailbox(&self.places.mail, &folder.path))
    }

    pub(crate) fn folder(&self, name: &MailboxName) -> Result<Folder> {
        let MailboxPlaces { mail, control, .. } = self.places.mailbox(name)?;
        Ok(Folder {
            disk: Arc::clone(&self.disk),
            path: mail,
            control,
            root: self.places.mail.clone(),
            layout: self.places.layout,
            settings: Arc::clone(&self.settings),
            quota: Arc::clone(&self.ledger),
        })
    }

    /// The folder of a mailbox that exists; an auto mailbox is made.
    pub(crate) fn made(&self, name: &MailboxName) -> Result<Folder> {
        let folder = self.folder(name)?;
        if folder.exists()? {
            return Ok(folder);
        }
        let subscribe = self.auto(name).ok_or(Error::NoSuchMailbox)?.subscribe;
        folder.make(!name.is_inbox())?;
        if subscribe {
            self.change_subscriptions(|subscriptions| subscriptions.add(name))?;
        }
        Ok(folder)
    }

    pub(crate) fn auto(&self, name: &MailboxName) -> Option<&AutoMailbox> {
        self.settings.auto_mailboxes.iter().find(|auto| auto.name == *name)
    }

    pub(crate) fn read_subscriptions(&self) -> Result<Subscriptions> {
        let path = self.account_file(SUBSCRIPTIONS);
        let read = folder::read_up_to(&*self.disk, &path, subscriptions::LENGTH_MAX)?;
        Ok(Subscriptions::parse(&read.unwrap_or_default().0, self.places.encoding))
    }

    /// A file that belongs to no single mailbox.
    pub(crate) fn account_file(&self, name: &str) -> PathBuf {
        self.places.account_files().join(name)
    }

    /// Changes the file under its lock if `change` says that it changed something.
    pub(crate) fn change_subscriptions(&self, change: impl FnOnce(&mut Subscriptions) -> bool) -> Result<()> {
        let lock = folder::lock(&*self.disk, &self.account_file(SUBSCRIPTIONS), &self.settings)?;
        let mut subscriptions = self.read_subscriptions()?;
        if change(&mut subscriptions) {
            lock.replace_with(&subscriptions.encode(self.places.encoding))?;
        }
        Ok(())
    }

    /// INBOX is subscribed when it is made, and never again, so that a user can change his mind.
    fn make_root(&self) -> Result<()> {
        let inbox = MailboxName::inbox();
        let folder = self.folder(&inbox)?;
        if folder.is_whole()? {
            return Ok(());
        }
        let is_new = !folder.exists()?;
        if is_new {
            self.disk.create_dir_all(&self.places.mail)?;
            self.disk.create_dir_all(self.places.account_files())?;
            folder.make(false)?;
        }
        folder.complete(false)?;
        if is_new && self.auto(&inbox).is_some_and(|auto| auto.subscribe) {
            self.change_subscriptions(|subscriptions| subscriptions.add(&inbox))?;
        }
        Ok(())
    }

    fn shared(&self, name: &MailboxName) -> Result<Arc<Mailbox>> {
        let usable = |mailbox: &Arc<Mailbox>| !mailbox.is_gone();
        if let Some(mailbox) = self.mailboxes().find(name).filter(usable) {
            return Ok(mailbox);
        }
        let folder = self.made(name)?;
        let (index, files) = (self.index_of(&folder), self.places.account_files().to_owned());
        let mailbox =
            Mailbox::new(name.clone(), folder, files, index, self.outlet.clone()).ok_or(Error::NoSuchMailbox)?;
        let mut mailboxes = self.mailboxes();
        if let Some(faster) = mailboxes.find(name).filter(usable) {
            return Ok(faster);
        }
        let mailbox = Arc::new(mailbox);
        mailboxes.insert(name.clone(), &mailbox);
        Ok(mailbox)
    }

    fn mailboxes(&self) -> MutexGuard<'_, WeakMap<MailboxName, Mailbox>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
