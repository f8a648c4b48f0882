//! What an IMAP session asks the house, and what the house may answer.
//!
//! Every question is a value that a blocking function can answer; nothing of the session is borrowed by it. A house
//! that cannot do a thing answers `Answer::Refused`; `response.rs` alone decides what the client reads then.
//! Knows nothing of IMAP's syntax and nothing of files.

use std::sync::Arc;

pub use mail::flags::{FlagChange, How};

use mail::acl::Rights;
use mail::date::DateTime;
use mail::digest::{Digest, Digests, Want};
use mail::search::Key;
use mail::sort::Criterion;
use mail::thread::{Algorithm, Threads};
use mail::{Flags, Keyword, MailboxName, ModSeq, ObjectId, Snapshot, Uid, UidValidity};

pub use super::identifier::Who;
use crate::sasl::{self, Credentials};

/// The most octets one `Ask::Read` asks for.
pub const READ_MAX: usize = 64 * 1024;
/// The most messages one `Ask::Digests` asks about.
pub const DIGESTS_MAX: usize = 256;

/// A question. The answer that belongs to it is named beside it; `Answer::Refused` is always possible.
#[derive(Debug)]
pub enum Ask {
    /// Who is this? → `Done`, or `Refused(AuthenticationFailed | Unavailable | ..)`. From then on the house knows the account.
    /// The command LOGIN counts as mechanism LOGIN.
    LogIn(Credentials),
    /// Before that, what a mechanism needs → `Sasl`, or `Refused(Unavailable)`.
    Sasl(sasl::Ask),
    /// Nobody is logged in any more (RFC 8437) → `Done`. The house forgets the account and all it has open.
    LogOut,
    /// The mailboxes in some of the profile's namespaces, and all subscriptions → `Mailboxes`.
    Mailboxes { spaces: Vec<usize> },
    /// → `Status`.
    Status { name: MailboxName },
    /// How much is used of what may be used → `Quota`: of the account, or of it as far as this mailbox counts (RFC 9208).
    Quota { mailbox: Option<MailboxName> },
    /// Who may do what with a mailbox → `Acl`.
    Acl { name: MailboxName },
    /// Gives rights, or takes them → `Done`. Durably, as far as the house keeps anything durably.
    SetAcl { name: MailboxName, who: Who, how: How, rights: Rights },
    /// Nothing more is said of somebody → `Done`, also when nothing was said.
    DeleteAcl { name: MailboxName, who: Who },
    /// May this account change a mailbox's ACL? → `Done`.
    MayAdminister { name: MailboxName },
    /// What this account may do with a mailbox → `Rights`.
    MyRights { name: MailboxName },
    /// Makes a mailbox and the missing ones above it → `Created`. `special_use` as `\Sent` (RFC 6154 §3).
    Create { name: MailboxName, special_use: Option<&'static str> },
    /// → `Done`.
    Delete { name: MailboxName },
    /// → `Done`. Mailboxes below move along. Renaming INBOX moves its messages and leaves it empty (RFC 3501 §6.3.5).
    Rename { from: MailboxName, to: MailboxName },
    /// → `Done`.
    Subscribe { name: MailboxName },
    /// → `Done`, also when it was not subscribed.
    Unsubscribe { name: MailboxName },
    /// Opens a mailbox for this session, and closes the one selected before → `Selected`.
    Select { name: MailboxName, read_only: bool },
    /// Closes the selected mailbox → `Done`.
    Unselect,
    /// What does the selected mailbox hold now? → `Synced`. The same `Arc` as before when nothing changed.
    Sync,
    /// Changes flags; messages that are gone are passed over → `Synced`, with the change in it.
    Store { uids: Vec<Uid>, change: FlagChange },
    /// The same, but passes over messages that changed after a mod-sequence (RFC 7162 §3.1.3) → `Stored`.
    StoreUnchanged { uids: Vec<Uid>, change: FlagChange, since: ModSeq },
    /// Which UIDs of the selected mailbox have vanished since a mod-sequence? (RFC 7162 §3.2.5) → `Vanished`.
    Vanished { since: ModSeq },
    /// Removes these messages; those already gone are passed over → `Synced`.
    Expunge { uids: Vec<Uid> },
    /// Copies all or none (RFC 3501 §6.4.7); messages already gone are left out → `Copied`.
    Copy { uids: Vec<Uid>, to: MailboxName },
    /// Moves (RFC 6851) → `Copied`, of the messages that were still there. The session asks `Sync` afterwards.
    Move { uids: Vec<Uid>, to: MailboxName },
    /// Which messages of the selected mailbox fit? → `Found`, in any order.
    Search(Key),
    /// The same, sorted (RFC 5256) → `Found`, in their order.
    Sort { key: Key, criteria: Vec<Criterion> },
    /// The same, as threads → `Threads`.
    Thread { key: Key, algorithm: Algorithm },
    /// What up to `DIGESTS_MAX` messages look like in a list → `Digests`, of as many of the first as fit into one answer.
    Digests { uids: Vec<Uid>, want: Want },
    /// Opens a message of the selected mailbox → `Message`, with its first octets, up to `length`. It stays readable, even
    /// if it is expunged meanwhile, until the next `Open` or `CloseMessage`.
    Open { uid: Uid, length: usize },
    /// Octets of the opened message → `Bytes`: exactly `length` of them, fewer only where the message ends.
    Read { uid: Uid, offset: u64, length: usize },
    /// The opened message is not needed any more → `Done`.
    CloseMessage,
    /// Opens a message of any mailbox, or without a name of the selected one → `Borrowed`. Other than `Open` it looks: nothing becomes
    /// seen or less recent. `Gone` also when the mailbox has another UIDVALIDITY than this. `Read` and `CloseMessage` follow.
    Borrow { mailbox: Option<MailboxName>, uid_validity: Option<UidValidity>, uid: Uid, want: Want },
    /// A message is coming → `Done`. Its content follows as `Next::Content`, `size` octets in all where that is known. Then
    /// comes another `AppendBegin` for the same mailbox, `AppendEnd` or `AppendAbort`. A refusal leaves those before it as they
    /// are.
    AppendBegin {
        mailbox: MailboxName,
        flags: Flags,
        keywords: Vec<Keyword>,
        internal_date: Option<DateTime>,
        size: Option<u64>,
    },
    /// The content of all is complete: keep them durably, all or none → `Appended`. `replaces`: that message of the selected mailbox is
    /// expunged as soon as they are there (RFC 8508), so that its room counts as free already.
    AppendEnd { replaces: Option<Uid> },
    /// Forget all that came → `Done`.
    AppendAbort,
}

/// A mailbox as `LIST` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxInfo {
    pub name: MailboxName,
    /// False for a name that only has mailboxes below it.
    pub selectable: bool,
    pub has_children: bool,
    /// As `\Sent` (RFC 6154 §2).
    pub special_use: Option<&'static str>,
    pub subscribed: bool,
}

/// Which flags may be changed in a mailbox (RFC 4314 §5.1.1: the rights `s`, `t` and `w`). What is beyond them stays as it is,
/// without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayChange {
    /// `\Seen`
    pub seen: bool,
    /// `\Deleted`
    pub deleted: bool,
    /// All others, keywords too.
    pub others: bool,
}

impl MayChange {
    pub const ALL: MayChange = MayChange { seen: true, deleted: true, others: true };
}

/// Numbers for `STATUS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxStatus {
    pub messages: u32,
    pub recent: u32,
    pub uid_next: Uid,
    pub uid_validity: UidValidity,
    pub unseen: u32,
    /// Octets of all messages together (RFC 8438).
    pub size: u64,
    /// The messages with `\Deleted`, and their octets (RFC 9208 §4.1.4).
    pub deleted: u32,
    pub deleted_size: u64,
    /// RFC 7162 §3.1.7
    pub highest_modseq: ModSeq,
    /// RFC 8474 §4
    pub mailbox_id: ObjectId,
}

/// Use and limit of what is limited (RFC 9208 §5). Without any, there is no quota root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// In units of 1024 octets.
    pub storage: Option<(u64, u64)>,
    pub messages: Option<(u64, u64)>,
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    Sasl(sasl::Answer),
    Done,
    Mailboxes {
        mailboxes: Vec<MailboxInfo>,
        /// Subscribed names, also those of mailboxes that do not exist.
        subscriptions: Vec<MailboxName>,
    },
    Status(MailboxStatus),
    Quota(Quota),
    /// In the order in which they are judged.
    Acl(Vec<(Who, Rights)>),
    Rights(Rights),
    Created {
        mailbox_id: ObjectId,
    },
    Selected {
        snapshot: Arc<Snapshot>,
        /// The messages that this session is the first to be told of (`\Recent`), ascending.
        recent: Vec<Uid>,
        /// True also when the account may not change the mailbox.
        read_only: bool,
        /// The flags that it may change there.
        may_change: MayChange,
        mailbox_id: ObjectId,
    },
    Synced {
        snapshot: Arc<Snapshot>,
        /// Messages that became recent in this session since the last answer, ascending.
        recent: Vec<Uid>,
    },
    Stored {
        snapshot: Arc<Snapshot>,
        recent: Vec<Uid>,
        /// The messages that were passed over.
        modified: Vec<Uid>,
    },
    /// Ranges, first and last UID, ascending. `None`: it is too long ago, every UID that is not there must be taken for vanished.
    Vanished(Option<Vec<(Uid, Uid)>>),
    /// `source[i]` became `target[i]`. Both empty when nothing was copied.
    Copied {
        uid_validity: UidValidity,
        source: Vec<Uid>,
        target: Vec<Uid>,
    },
    Found(Vec<Uid>),
    Threads(Threads),
    Digests(Digests),
    Message {
        /// Octets with CR LF line ends.
        size: u64,
        internal_date: DateTime,
        /// As many of the first octets as were asked for, or fewer.
        start: Vec<u8>,
    },
    Bytes(Vec<u8>),
    Borrowed(Digest),
    Appended {
        uid_validity: UidValidity,
        /// In their order.
        uids: Vec<Uid>,
    },
    Refused(Refusal),
}

/// Why the house says no. A closed list; `response.rs` turns each into text and response code (RFC 3501 §7.1, RFC 5530 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Wrong login or password, or an account that may not log in.
    AuthenticationFailed,
    /// The password is right, but this login may not act as that authorization identity.
    AuthorizationFailed,
    NoSuchMailbox,
    AlreadyExists,
    /// Never possible; the text is fit for the client, a sentence without its full stop.
    Cannot(String),
    /// The special use cannot be given (RFC 6154 §3).
    SpecialUse,
    NoPermission,
    OverQuota,
    /// The message is no longer there.
    Gone,
    /// Not now: directory or storage cannot be reached, or the server has no room.
    Unavailable,
    InUse,
    /// A bound of the server's (mailboxes, keywords, ..) is reached.
    Limit,
    TooBig,
    /// What is stored does not make sense.
    Corrupt,
    ServerBug,
}
