//! The IMAP server among clients that send anything.

use std::sync::Arc;
use std::time::Duration;

use mail::date::DateTime;
use mail::mime::Indexer;
use mail::{Flags, Keywords, MailboxName, ModSeq, Row, Snapshot, Uid, UidValidity};
use proto::imap::ask::{Answer, Ask, Fact, MailboxInfo, MailboxStatus, READ_MAX, Refusal};
use proto::imap::{Limits, Profile, Server, TlsState};

use super::{House, Moods, Script, converse};

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
        limits,
    };
    let tls = [TlsState::Off, TlsState::Offered, TlsState::Required, TlsState::On][usize::from(script.profile & 3)];
    let house = &mut Watch { next_uid: 4, rows: vec![1, 2, 3], ..Watch::default() };
    converse(Server::new(Arc::new(profile), tls), script, house);
}

/// A house with one mailbox that changes behind the session's back, and every name is its name.
#[derive(Default)]
struct Watch {
    logged_in: bool,
    selected: bool,
    read_only: bool,
    opened: Option<Uid>,
    /// Octets of the draft that are still to come.
    draft: Option<u64>,
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
                self.draft = None;
                return Answer::Done;
            }
            Ask::AppendEnd if mood.is_multiple_of(8) => self.draft = None,
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
        let left = self.draft.as_mut().expect("content without AppendBegin");
        *left = left.checked_sub(content.len() as u64).expect("more content than was announced");
    }

    fn over(&mut self) {
        assert!(self.draft.is_none(), "a message was begun and neither ended nor given up");
    }
}

impl Watch {
    /// What the contract forbids.
    fn judge(&self, ask: &Ask) {
        assert_eq!(self.logged_in, !matches!(ask, Ask::LogIn(_)), "{ask:?}");
        match ask {
            Ask::Sync | Ask::Search(_) | Ask::Facts { .. } | Ask::Open { .. } | Ask::Copy { .. } => {
                assert!(self.selected, "{ask:?}")
            }
            Ask::Store { .. } | Ask::Expunge { .. } | Ask::Move { .. } => {
                assert!(self.selected && !self.read_only, "{ask:?}")
            }
            Ask::Read { uid, length, .. } => assert!(self.opened == Some(*uid) && *length <= READ_MAX, "{ask:?}"),
            Ask::AppendBegin { size, .. } => assert!(self.draft.is_none() && *size <= MESSAGE_SIZE_MAX, "{ask:?}"),
            Ask::AppendEnd => assert_eq!(self.draft, Some(0), "the end of half a message"),
            Ask::AppendAbort => assert!(self.draft.is_some(), "nothing to give up"),
            _ => {}
        }
    }

    fn attempt(&mut self, ask: &Ask, mood: u8) -> Answer {
        let uid_validity = UidValidity::new(7).expect("not zero");
        let internal_date = DateTime::utc(1_795_220_135);
        match ask {
            Ask::LogIn(_) => self.logged_in = true,
            Ask::Mailboxes => {
                return Answer::Mailboxes { mailboxes: mailboxes(), subscriptions: vec![MailboxName::inbox()] };
            }
            Ask::Status { .. } => return self.status(uid_validity),
            Ask::Select { read_only, .. } => {
                (self.selected, self.read_only) = (true, *read_only || mood >= 128);
                return Answer::Selected { snapshot: self.snapshot(), recent: Vec::new(), read_only: self.read_only };
            }
            Ask::Unselect => (self.selected, self.opened) = (false, None),
            Ask::Expunge { uids } => {
                self.rows.retain(|row| uids.iter().all(|uid| uid.number() != *row));
                return self.synced();
            }
            Ask::Sync | Ask::Store { .. } => return self.synced(),
            Ask::Copy { uids, .. } | Ask::Move { uids, .. } => {
                return Answer::Copied { uid_validity, source: uids.clone(), target: uids.clone() };
            }
            Ask::Search(_) => return Answer::Found(self.uids()),
            Ask::Facts { uids } => {
                let fact = |uid: &Uid| Fact { uid: *uid, size: MESSAGE.len() as u64, internal_date };
                return Answer::Facts(uids.iter().filter(|uid| self.rows.contains(&uid.number())).map(fact).collect());
            }
            Ask::Open { uid, structure } => {
                self.opened = Some(*uid);
                let structure = structure.then(structure_of_message);
                return Answer::Message { size: MESSAGE.len() as u64, internal_date, structure };
            }
            Ask::Read { offset, length, .. } => {
                let rest = usize::try_from(*offset).ok().and_then(|offset| MESSAGE.get(offset..)).unwrap_or_default();
                return Answer::Bytes(rest.get(..*length).unwrap_or(rest).to_vec());
            }
            Ask::CloseMessage => self.opened = None,
            Ask::AppendBegin { size, .. } => self.draft = Some(*size),
            Ask::AppendEnd => {
                self.draft = None;
                return Answer::Appended { uid_validity, uid: Uid::FIRST };
            }
            Ask::Create { .. }
            | Ask::Delete { .. }
            | Ask::Rename { .. }
            | Ask::Subscribe { .. }
            | Ask::Unsubscribe { .. }
            | Ask::AppendAbort => {}
        }
        Answer::Done
    }

    fn uids(&self) -> Vec<Uid> {
        self.rows.iter().filter_map(|uid| Uid::new(*uid)).collect()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let row = |uid: Uid| Row {
            uid,
            flags: if uid.number().is_multiple_of(2) { Flags::SEEN } else { Flags::DELETED },
            modseq: ModSeq(1),
        };
        Arc::new(Snapshot {
            uid_validity: UidValidity::new(7).expect("not zero"),
            uid_next: Uid::new(self.next_uid).expect("not zero"),
            highest_modseq: ModSeq(1),
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

fn structure_of_message() -> Arc<mail::mime::Part> {
    let mut indexer = Indexer::new();
    indexer.feed(MESSAGE);
    Arc::new(indexer.finish())
}
