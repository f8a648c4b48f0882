//! Answers a POP3 session out of the directory and the store.

use std::sync::Arc;

use directory::chain::LogIn;
use mail::digest::Want;
use mail::flags::{FlagChange, How};
use mail::{Flags, MailboxName, Uid};
use proto::pop3::UniqueIds;
use proto::pop3::ask::{Answer, Ask, Drop, Refusal};
use store::{Access, Mailbox, Right, Rights, Viewer};

use super::imap::room::read_exactly;
use super::{Guest, blocking};
use crate::config::UniqueIdSettings;
use crate::driver::House;

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
        let UniqueIdSettings { format, rename_duplicates } = live.settings.mailboxes.unique_ids.clone();
        let opened = blocking(move || {
            let rights = account.rights(&MailboxName::inbox(), &viewer)?;
            if !rights.has(Right::Read) {
                return Ok(None);
            }
            let mailbox = account.open(&MailboxName::inbox())?;
            let snapshot = mailbox.sync(Access::Serve)?;
            let mut drops = Vec::with_capacity(snapshot.rows.len());
            let uids: Vec<mail::Uid> = snapshot.rows.iter().map(|row| row.uid).collect();
            let want = Want::FACTS;
            let mut rest = uids.as_slice();
            while !rest.is_empty() {
                let found = mailbox.digests(rest, &want)?;
                drops.extend(found.digests.iter().map(|digest| Drop { uid: digest.uid, size: digest.size }));
                rest = rest.get(found.looked_at.max(1)..).unwrap_or_default();
            }
            let mut unique_ids = UniqueIds::new(format, snapshot.uid_validity);
            name_by_list(&mailbox, &mut unique_ids)?;
            if rename_duplicates {
                unique_ids.rename_duplicates(drops.iter().map(|drop| drop.uid));
            }
            Ok(Some((mailbox, rights, drops, unique_ids)))
        });
        match opened.await {
            Ok(None) => Answer::Refused(Refusal::Permanent),
            Ok(Some((mailbox, rights, drops, unique_ids))) => {
                self.maildrop = Some(Box::new(Maildrop { mailbox, rights, message: None }));
                Answer::Maildrop { drops, unique_ids }
            }
            Err(error) => self.refuse(&error),
        }
    }

    /// Works on the maildrop on a blocking thread.
    async fn in_maildrop(
        &mut self,
        work: impl FnOnce(&mut Maildrop) -> store::Result<Answer> + Send + 'static,
    ) -> Answer {
        let Some(mut maildrop) = self.maildrop.take() else { return Answer::Refused(Refusal::Permanent) };
        let (maildrop, result) = blocking(move || {
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
        if refusal != Refusal::Gone {
            tracing::error!(session = &*self.guest.session, %error, "mailbox trouble");
        }
        Answer::Refused(refusal)
    }
}

/// What another server saved for the clients comes first; then what the format makes of names.
fn name_by_list(mailbox: &Mailbox, unique_ids: &mut UniqueIds) -> store::Result<()> {
    let wants_names = unique_ids.wants_names();
    if !wants_names && !mailbox.has_saved_unique_ids()? {
        return Ok(());
    }
    mailbox.each_listed(|listing| {
        let told = listing.unique_id.is_some_and(|saved| unique_ids.give(listing.uid, saved));
        if !told && wants_names {
            unique_ids.make(listing.uid, listing.base, listing.guid);
        }
    })
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

    /// RFC 1939 §6: the update state.
    fn quit(&mut self, delete: &[Uid], seen: &[Uid]) -> store::Result<Answer> {
        self.message = None;
        if !seen.is_empty() && self.rights.has(Right::WriteSeen) {
            self.mailbox.store_flags(seen, &FlagChange { how: How::Add, flags: Flags::SEEN, keywords: Vec::new() })?;
        }
        if !delete.is_empty() && !self.rights.has(Right::Expunge) {
            return Ok(Answer::Refused(Refusal::Permanent));
        }
        if !delete.is_empty() {
            self.mailbox.expunge(delete)?;
        }
        Ok(Answer::Done)
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
