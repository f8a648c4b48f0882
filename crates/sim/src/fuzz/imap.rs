//! The IMAP server among clients that send anything.

use std::sync::Arc;
use std::time::Duration;

use mail::acl::{Identifier, Right, Rights};
use mail::date::DateTime;
use mail::digest::{Digest, Digests, Want};
use mail::mime::{Indexer, Packed};
use mail::namespace::{InList, Namespace, NamespaceKind, Namespaces};
use mail::preview::Wanted;
use mail::sort::Facts;
use mail::thread::{Algorithm, Threads};
use mail::{Flags, Keywords, MailboxName, ModSeq, ObjectId, Row, Snapshot, Uid, UidValidity};
use proto::imap::ask::{Answer, Ask, MailboxInfo, MailboxStatus, MayChange, Quota, READ_MAX, Refusal, Who};
use proto::imap::{Limits, Profile, Server, TlsState};
use proto::sasl::{Mechanism, Offers};

use super::{House, Moods, Script, all_of_tls, converse, judge_credentials, some_sasl};

/// What every message holds.
const MESSAGE: &[u8] = b"From: Ana <ana@example.test>\r\nSubject: =?utf-8?q?=C3=B1?=\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
one\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntwo\r\n--b--\r\n";
const MESSAGE_SIZE_MAX: u64 = 2000;

/// A conversation with an IMAP server.
pub fn imap(data: &[u8]) {
    let Some(script) = Script::read(data) else { return };
    let limits = Limits {
        line_max: 2000,
        command_max: 4000,
        append_max: MESSAGE_SIZE_MAX,
        bad_commands_before_login_max: 20,
        bad_commands_max: 100,
        failed_login_pause: Duration::from_millis(1),
        ..Limits::default()
    };
    let profile = Profile {
        greeting: "ready.".into(),
        id: vec![("name".into(), "Tepui".into())],
        create_special_use: true,
        quota: true,
        namespaces: namespaces(),
        offers: Offers::new(&Mechanism::ALL),
        limits,
    };
    let tls = [TlsState::Off, TlsState::Offered, TlsState::Required, TlsState::On][usize::from(script.profile & 3)];
    let house = &mut Watch { next_uid: 4, rows: vec![1, 2, 3], ..Watch::default() };
    let session = all_of_tls(Server::new(Arc::new(profile), tls), script.profile);
    converse(session, script, house);
}

/// Own mailboxes and others'.
fn namespaces() -> Namespaces {
    let mut namespaces = Namespaces::default();
    let (kind, root) = (NamespaceKind::Shared, MailboxName::parse("shared").ok());
    namespaces.all.push(Namespace { kind, root, list: InList::Children, hidden: false });
    namespaces
}

/// A house with one mailbox that changes behind the session's back, and every name is its name.
#[derive(Default)]
struct Watch {
    logged_in: bool,
    /// Something was asked that only who has logged in may ask.
    used: bool,
    selected: bool,
    read_only: bool,
    opened: Option<Uid>,
    /// Messages were begun.
    appending: bool,
    /// Octets of the last of them that are still to come, where that is known.
    to_come: Option<u64>,
    rows: Vec<u32>,
    next_uid: u32,
}

impl House<Server> for Watch {
    fn answer(&mut self, ask: &Ask, moods: &mut Moods<'_>) -> Answer {
        self.judge(ask);
        let mood = moods.next();
        match ask {
            // These must not fail, or what they end would not be over.
            Ask::AppendAbort => {
                (self.appending, self.to_come) = (false, None);
                return Answer::Done;
            }
            Ask::AppendEnd { .. } if mood.is_multiple_of(8) => self.appending = false,
            Ask::Select { .. } => (self.selected, self.opened) = (false, None),
            _ => {}
        }
        if mood.is_multiple_of(8) {
            let refusals =
                [Refusal::Gone, Refusal::NoSuchMailbox, Refusal::OverQuota, Refusal::Cannot("no\r\n\" way".into())];
            return Answer::Refused(refusals[usize::from(mood >> 6)].clone());
        }
        if mood % 8 == 1 {
            self.rows.retain(|uid| uid % 3 != u32::from(mood >> 6));
        }
        if mood % 8 == 2 && self.next_uid < 20 {
            self.rows.push(self.next_uid);
            self.next_uid += 1;
        }
        self.attempt(ask, mood)
    }

    fn content(&mut self, content: &[u8]) {
        assert!(self.appending, "content without AppendBegin");
        if let Some(left) = &mut self.to_come {
            *left = left.checked_sub(content.len() as u64).expect("more content than was announced");
        }
    }

    fn over(&mut self) {
        assert!(!self.appending, "a message was begun and neither ended nor given up");
    }
}

impl Watch {
    /// What the contract forbids.
    fn judge(&mut self, ask: &Ask) {
        match ask {
            // A client may still turn back after the mechanism's last words.
            Ask::LogIn(_) | Ask::Sasl(_) => assert!(!self.used, "{ask:?}"),
            _ => {
                assert!(self.logged_in, "{ask:?}");
                self.used = true;
            }
        }
        match ask {
            Ask::Sync
            | Ask::Vanished { .. }
            | Ask::Search(_)
            | Ask::Sort { .. }
            | Ask::Thread { .. }
            | Ask::Digests { .. }
            | Ask::Open { .. }
            | Ask::Copy { .. } => {
                assert!(self.selected, "{ask:?}")
            }
            Ask::Borrow { mailbox, .. } => assert!(self.selected || mailbox.is_some(), "{ask:?}"),
            Ask::Store { .. } | Ask::StoreUnchanged { .. } | Ask::Expunge { .. } | Ask::Move { .. } => {
                assert!(self.selected && !self.read_only, "{ask:?}")
            }
            Ask::Read { uid, length, .. } => assert!(self.opened == Some(*uid) && *length <= READ_MAX, "{ask:?}"),
            Ask::AppendBegin { size, .. } => {
                let complete = self.to_come.is_none_or(|left| left == 0);
                assert!(complete && size.is_none_or(|size| size <= MESSAGE_SIZE_MAX), "{ask:?}");
            }
            Ask::AppendEnd { .. } => {
                assert!(self.appending && self.to_come.is_none_or(|left| left == 0), "the end of half a message");
            }
            Ask::AppendAbort => assert!(self.appending, "nothing to give up"),
            _ => {}
        }
    }

    fn attempt(&mut self, ask: &Ask, mood: u8) -> Answer {
        let uid_validity = UidValidity::new(7).expect("not zero");
        let internal_date = DateTime::utc(1_795_220_135);
        match ask {
            Ask::LogIn(credentials) => {
                judge_credentials(credentials);
                self.logged_in = true;
            }
            Ask::LogOut => {
                (self.logged_in, self.used) = (false, false);
                (self.selected, self.opened) = (false, None);
            }
            Ask::Sasl(ask) => return Answer::Sasl(some_sasl(ask)),
            Ask::Mailboxes { .. } => {
                return Answer::Mailboxes { mailboxes: mailboxes(), subscriptions: vec![MailboxName::inbox()] };
            }
            Ask::Status { .. } => return self.status(uid_validity),
            Ask::Quota { .. } => {
                let some = |bit: u8| (mood & bit > 0).then_some((u64::from(mood), 100));
                return Answer::Quota(Quota { storage: some(16), messages: some(32) });
            }
            Ask::Acl { .. } => {
                let who = Who { identifier: Identifier::Group("a b".to_owned()), negative: mood & 8 > 0 };
                return Answer::Acl(vec![(who, Rights::of(&[Right::Lookup]))]);
            }
            Ask::MyRights { .. } => return Answer::Rights(Rights::ALL),
            Ask::Select { read_only, .. } => {
                (self.selected, self.read_only) = (true, *read_only || mood >= 128);
                return Answer::Selected {
                    snapshot: self.snapshot(),
                    recent: Vec::new(),
                    read_only: self.read_only,
                    may_change: MayChange::ALL,
                    mailbox_id: ObjectId::new(7),
                };
            }
            Ask::Unselect => (self.selected, self.opened) = (false, None),
            Ask::Expunge { uids } => {
                self.rows.retain(|row| uids.iter().all(|uid| uid.number() != *row));
                return self.synced();
            }
            Ask::Sync | Ask::Store { .. } => return self.synced(),
            Ask::StoreUnchanged { uids, .. } => {
                let modified = uids.iter().copied().take(usize::from(mood % 3)).collect();
                return Answer::Stored { snapshot: self.snapshot(), recent: Vec::new(), modified };
            }
            Ask::Vanished { .. } => {
                let range = |first: u32, last: u32| Some((Uid::new(first)?, Uid::new(last)?));
                let known = (mood & 16 > 0).then(|| [range(1, 2), range(4, u32::MAX)].into_iter().flatten().collect());
                return Answer::Vanished(known);
            }
            Ask::Copy { uids, .. } | Ask::Move { uids, .. } => {
                return Answer::Copied { uid_validity, source: uids.clone(), target: uids.clone() };
            }
            Ask::Search(_) | Ask::Sort { .. } => return Answer::Found(self.uids()),
            Ask::Thread { algorithm, .. } => return Answer::Threads(self.threads(*algorithm)),
            Ask::Digests { uids, want } => {
                // Of as many as the mood allows, so that sessions ask again.
                let asked = uids.get(..1 + usize::from(mood % 3)).unwrap_or(uids);
                let there = asked.iter().filter(|uid| self.rows.contains(&uid.number()));
                let digests = there.map(|uid| digest(*uid, want, internal_date)).collect();
                return Answer::Digests(Digests { digests, looked_at: asked.len() });
            }
            Ask::Open { uid, length } => {
                self.opened = Some(*uid);
                let start = MESSAGE.get(..*length).unwrap_or(MESSAGE).to_vec();
                return Answer::Message { size: MESSAGE.len() as u64, internal_date, start };
            }
            Ask::Read { offset, length, .. } => {
                let rest = usize::try_from(*offset).ok().and_then(|offset| MESSAGE.get(offset..)).unwrap_or_default();
                return Answer::Bytes(rest.get(..*length).unwrap_or(rest).to_vec());
            }
            Ask::Borrow { uid, want, .. } => {
                self.opened = Some(*uid);
                return Answer::Borrowed(digest(*uid, want, internal_date));
            }
            Ask::CloseMessage => self.opened = None,
            Ask::AppendBegin { size, .. } => (self.appending, self.to_come) = (true, *size),
            Ask::AppendEnd { .. } => {
                self.appending = false;
                return Answer::Appended { uid_validity, uids: vec![Uid::FIRST] };
            }
            Ask::Create { .. } => return Answer::Created { mailbox_id: ObjectId::new(8) },
            Ask::Delete { .. }
            | Ask::Rename { .. }
            | Ask::Subscribe { .. }
            | Ask::SetAcl { .. }
            | Ask::DeleteAcl { .. }
            | Ask::MayAdminister { .. }
            | Ask::Unsubscribe { .. }
            | Ask::AppendAbort => {}
        }
        Answer::Done
    }

    fn uids(&self) -> Vec<Uid> {
        self.rows.iter().filter_map(|uid| Uid::new(*uid)).collect()
    }

    fn threads(&self, algorithm: Algorithm) -> Threads {
        let message = |uid: Uid| {
            let header = format!("References: <{}@x>\r\nMessage-ID: <{uid}@x>\r\n", uid.number() / 2);
            algorithm.message(uid, Facts { size: 1, internal_date: 0, header: header.as_bytes() })
        };
        algorithm.threads(&self.uids().into_iter().map(message).collect::<Vec<_>>())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let row = |uid: Uid| Row {
            uid,
            flags: if uid.number().is_multiple_of(2) { Flags::SEEN } else { Flags::DELETED },
            modseq: ModSeq(uid.number().into()),
        };
        Arc::new(Snapshot {
            uid_validity: UidValidity::new(7).expect("not zero"),
            uid_next: Uid::new(self.next_uid).expect("not zero"),
            highest_modseq: ModSeq(self.next_uid.into()),
            keywords: Keywords::default(),
            rows: self.uids().into_iter().map(row).collect(),
        })
    }

    fn synced(&self) -> Answer {
        Answer::Synced { snapshot: self.snapshot(), recent: Vec::new() }
    }

    fn status(&self, uid_validity: UidValidity) -> Answer {
        let uid_next = Uid::new(self.next_uid).expect("not zero");
        Answer::Status(MailboxStatus {
            messages: self.rows.len() as u32,
            recent: 0,
            uid_next,
            uid_validity,
            unseen: 1,
            size: 99,
            deleted: 1,
            deleted_size: 9,
            highest_modseq: ModSeq(1),
            mailbox_id: ObjectId::new(7),
        })
    }
}

fn mailboxes() -> Vec<MailboxInfo> {
    let names = ["INBOX", "Sent", "a/b c", "a", "ñ&\"\\"];
    let info = |name: &str| MailboxInfo {
        name: MailboxName::parse(name).unwrap_or_else(|_| MailboxName::inbox()),
        selectable: name != "a",
        has_children: name == "a",
        special_use: (name == "Sent").then_some("\\Sent"),
        subscribed: name == "INBOX",
    };
    names.into_iter().map(info).collect()
}

fn digest(uid: Uid, want: &Want, internal_date: DateTime) -> Digest {
    let mut indexer = Indexer::new();
    indexer.feed(MESSAGE);
    let part = indexer.finish();
    let header = part.fields.clone();
    Digest {
        uid,
        size: MESSAGE.len() as u64,
        internal_date,
        header,
        structure: want.structure.then(|| Packed::of(&part, <[u8]>::to_vec)),
        email_id: want.email_id.then(|| ObjectId::new(uid.number().into())),
        thread_id: want.thread_id.then(|| ObjectId::new(1)).filter(|_| uid.number() > 1),
        saved: want.saved.then_some(internal_date),
        preview: (want.preview != Wanted::No && uid.number() > 2).then(|| "año".to_owned()),
    }
}
