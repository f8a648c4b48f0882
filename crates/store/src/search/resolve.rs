//! Conditions that the names of files and the list of UIDs answer: they become sets of messages before anything else is asked.

use std::borrow::Cow;

use mail::search::{Day, Key};
use mail::{ObjectId, Uid};

use crate::{Mailbox, Result};

/// What was found out for the conditions of one search; each of it once.
pub(super) struct Resolver<'a> {
    mailbox: &'a Mailbox,
    uids: Vec<Uid>,
    email_ids: Option<Vec<(Uid, ObjectId)>>,
    saved: Option<Vec<(Uid, Day)>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(mailbox: &'a Mailbox, uids: Vec<Uid>) -> Resolver<'a> {
        Resolver { mailbox, uids, email_ids: None, saved: None }
    }

    /// The same condition without any that must be resolved.
    pub(super) fn resolve<'k>(&mut self, key: &'k Key) -> Result<Cow<'k, Key>> {
        if !is_resolved(key) {
            return self.resolved(key).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(key))
    }

    fn resolved(&mut self, key: &Key) -> Result<Key> {
        Ok(match key {
            Key::And(keys) => Key::And(keys.iter().map(|key| self.resolved(key)).collect::<Result<_>>()?),
            Key::Or(one, other) => Key::Or(Box::new(self.resolved(one)?), Box::new(self.resolved(other)?)),
            Key::Not(key) => Key::Not(Box::new(self.resolved(key)?)),
            Key::EmailId(wanted) => Key::Uids(which(self.email_ids()?, |id| id == *wanted)),
            Key::SavedBefore(day) => Key::Uids(which(self.saved()?, |saved| saved < *day)),
            Key::SavedOn(day) => Key::Uids(which(self.saved()?, |saved| saved == *day)),
            Key::SavedSince(day) => Key::Uids(which(self.saved()?, |saved| saved >= *day)),
            other => other.clone(),
        })
    }

    fn email_ids(&mut self) -> Result<&[(Uid, ObjectId)]> {
        if self.email_ids.is_none() {
            let ids = self.mailbox.email_ids(&self.uids)?;
            self.email_ids = Some(there(&self.uids, ids));
        }
        Ok(self.email_ids.as_deref().unwrap_or_default())
    }

    fn saved(&mut self) -> Result<&[(Uid, Day)]> {
        if self.saved.is_none() {
            let saved = self.mailbox.saved(&self.uids)?;
            self.saved = Some(there(&self.uids, saved.into_iter().map(|date| date.map(mail::date::DateTime::day))));
        }
        Ok(self.saved.as_deref().unwrap_or_default())
    }
}

fn is_resolved(key: &Key) -> bool {
    match key {
        Key::And(keys) => keys.iter().all(is_resolved),
        Key::Or(one, other) => is_resolved(one) && is_resolved(other),
        Key::Not(key) => is_resolved(key),
        Key::EmailId(_) | Key::SavedBefore(_) | Key::SavedOn(_) | Key::SavedSince(_) => false,
        _ => true,
    }
}

fn there<T>(uids: &[Uid], known: impl IntoIterator<Item = Option<T>>) -> Vec<(Uid, T)> {
    uids.iter().zip(known).filter_map(|(uid, known)| known.map(|known| (*uid, known))).collect()
}

fn which<T: Copy>(known: &[(Uid, T)], fits: impl Fn(T) -> bool) -> Vec<Uid> {
    known.iter().filter(|(_, known)| fits(*known)).map(|(uid, _)| *uid).collect()
}
