//! Answers a POP3 session out of the directory and the store.
//!
//! This file logs in, reads and removes; `opening` decides what is shown; `lock` keeps a session the only one.

mod lock;
mod opening;

use std::sync::Arc;

use directory::chain::LogIn;
use mail::flags::{FlagChange, How};
use mail::{Flags, Keyword, Uid};
use proto::pop3::ask::{Answer, Ask, Refusal};
use store::{Mailbox, Pop3Lock, Right, Rights, Viewer};

use super::imap::room::read_exactly;
use super::{Guest, blocking, promptly};
use crate::config::{DeletedFlag, Pop3Settings};
use crate::driver::House;
use lock::Kept;
use opening::Opened;

/// The house of one POP3 session.
#[derive(Debug)]
pub struct Pop3House {
    guest: Guest,
    account: Option<(Arc<store::Account>, Viewer)>,
    maildrop: Option<Box<Maildrop>>,
}

/// The INBOX, and the message that is being read.
#[derive(Debug)]
struct Maildrop {
    mailbox: Arc<Mailbox>,
    rights: Rights,
    /// Where the session is to be the only one.
    lock: Option<Kept>,
    settings: Pop3Settings,
    message: Option<(Uid, store::Message)>,
}

impl Pop3House {
    pub fn new(guest: Guest) -> Pop3House {
        Pop3House { guest, account: None, maildrop: None }
    }

    async fn log_in(&mut self, credentials: proto::sasl::Credentials) -> Answer {
        let account = match self.guest.log_in(credentials).await {
            LogIn::Welcome { account, .. } => account,
            LogIn::Refused(_) => return Answer::Refused(Refusal::Authentication),
            LogIn::Unavailable(_) => return Answer::Refused(Refusal::Temporary),
        };
        match self.guest.open_account(&account).await {
            Ok(mailboxes) => {
                self.account = Some((mailboxes, Viewer::owner(&account.name)));
                Answer::Done
            }
            Err(error) => self.refuse(&error),
        }
    }

    async fn open(&mut self) -> Answer {
        let Some((account, viewer)) = self.account.clone() else { return Answer::Refused(Refusal::Permanent) };
        let live = self.guest.node.live();
        let (pop3, ids) = (live.settings.pop3.clone(), live.settings.mailboxes.unique_ids.clone());
        match blocking(move || opening::open(&account, &viewer, &pop3, &ids)).await {
            Ok(None) => Answer::Refused(Refusal::Permanent),
            Ok(Some(Opened { mailbox, rights, lock, drops, unique_ids })) => {
                let (lock, settings) = (lock.map(Kept::new), live.settings.pop3.clone());
                self.maildrop = Some(Box::new(Maildrop { mailbox, rights, lock, settings, message: None }));
                Answer::Maildrop { drops, unique_ids }
            }
            Err(error) => self.refuse(&error),
        }
    }

    /// Works on the maildrop where it may block.
    async fn in_maildrop(
        &mut self,
        work: impl FnOnce(&mut Maildrop) -> store::Result<Answer> + Send + 'static,
    ) -> Answer {
        let Some(mut maildrop) = self.maildrop.take() else { return Answer::Refused(Refusal::Permanent) };
        let (maildrop, result) = promptly(&self.guest.node, move || {
            let result = work(&mut maildrop);
            (maildrop, result)
        })
        .await;
        self.maildrop = Some(maildrop);
        result.unwrap_or_else(|error| self.refuse(&error))
    }

    fn refuse(&self, error: &store::Error) -> Answer {
        let refusal = match error {
            store::Error::Gone => Refusal::Gone,
            store::Error::Busy => Refusal::InUse,
            store::Error::Damaged { .. } => Refusal::Permanent,
            _ => Refusal::Temporary,
        };
        let session = &*self.guest.session;
        match refusal {
            Refusal::Gone => {}
            Refusal::InUse => tracing::info!(session, %error, "another session has the mailbox"),
            _ => tracing::error!(session, %error, "mailbox trouble"),
        }
        Answer::Refused(refusal)
    }
}

impl Maildrop {
    fn read(&mut self, uid: Uid, offset: u64, length: u32) -> store::Result<Answer> {
        if self.message.as_ref().is_none_or(|(open, _)| *open != uid) {
            self.message = Some((uid, self.mailbox.message(uid)?));
        }
        match &mut self.message {
            Some((_, message)) => read_exactly(message, offset, length as usize).map(Answer::Bytes),
            None => Err(store::Error::Gone),
        }
    }

    /// RFC 1939 §6: the update state. What was fetched is marked first: it stays true if the rest fails.
    fn quit(&mut self, delete: &[Uid], seen: &[Uid]) -> store::Result<Answer> {
        self.message = None;
        self.lock.as_ref().map_or(Ok(()), Kept::verify)?;
        if !seen.is_empty() && !self.settings.no_flag_updates && self.rights.has(Right::WriteSeen) {
            self.add_flags(seen, Flags::SEEN, Vec::new())?;
        }
        if !delete.is_empty() && !self.remove(delete)? {
            return Ok(Answer::Refused(Refusal::Permanent));
        }
        Ok(Answer::Done)
    }

    /// Removes messages, or hides them. False: that is not allowed.
    fn remove(&self, delete: &[Uid]) -> store::Result<bool> {
        let (right, flag) = match &self.settings.deleted_flag {
            None => (Right::Expunge, None),
            Some(DeletedFlag::System(Flags::DELETED)) => (Right::WriteDeleted, Some((Flags::DELETED, Vec::new()))),
            Some(DeletedFlag::System(flags)) => (Right::Write, Some((*flags, Vec::new()))),
            Some(DeletedFlag::Keyword(keyword)) => (Right::Write, Some((Flags::NONE, vec![keyword.clone()]))),
        };
        if !self.rights.has(right) {
            return Ok(false);
        }
        match flag {
            Some((flags, keywords)) => self.add_flags(delete, flags, keywords)?,
            None => _ = self.mailbox.expunge(delete)?,
        }
        Ok(true)
    }

    fn add_flags(&self, uids: &[Uid], flags: Flags, keywords: Vec<Keyword>) -> store::Result<()> {
        self.mailbox.store_flags(uids, &FlagChange { how: How::Add, flags, keywords }).map(|_| ())
    }
}

impl House<proto::pop3::Server> for Pop3House {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(ask) => {
                let answer = self.guest.sasl(ask).await;
                answer.map_or(Answer::Refused(Refusal::Temporary), Answer::Sasl)
            }
            Ask::LogIn(credentials) => self.log_in(credentials).await,
            Ask::Open => self.open().await,
            Ask::Read { uid, offset, length } => {
                self.in_maildrop(move |maildrop| maildrop.read(uid, offset, length)).await
            }
            Ask::Quit { delete, seen } => self.in_maildrop(move |maildrop| maildrop.quit(&delete, &seen)).await,
        }
    }
}
