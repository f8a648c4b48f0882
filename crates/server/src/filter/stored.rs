//! Scripts on messages that are kept already, as Pigeonhole's `sieve-filter` defines it: first a plan, which can be shown, then its
//! doing.
//!
//! A message that a script puts elsewhere leaves its mailbox, one that is put where it is stays, with the flags that the script
//! wants. Nothing leaves the account: whoever wrote long ago gets no answer, and what was to be sent on stays. Promise: a message
//! leaves its mailbox only once it is durable in another one, or when the caller has said what becomes of discarded ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use mail::date::DateTime;
use mail::flags::{FlagChange, How};
use mail::{Flags, Keyword, MailboxName, Uid};
use sieve::{Action, Outcome, Rewritten};

use super::carry_out::{Place, parse_flags};
use super::world::{own_mailbox, with_use};

/// A message of a mailbox.
#[derive(Debug)]
pub struct Stored<'a> {
    pub account: &'a Arc<store::Account>,
    pub mailbox: &'a store::Mailbox,
    pub uid: Uid,
    /// The names of its flags and keywords.
    pub flags: &'a [String],
    pub internal_date: DateTime,
    pub content: &'a [u8],
}

/// What a script wants with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Into which other mailboxes it is put.
    pub copies: Vec<Place>,
    pub stays: Stays,
    /// The message is another one, there and here.
    pub rewritten: Option<Rewritten>,
    /// Actions that are not done with messages that are kept already.
    pub left_out: Vec<&'static str>,
}

/// What becomes of it in its own mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    Unchanged,
    With {
        flags: Flags,
        keywords: Vec<Keyword>,
    },
    /// It is in another one.
    Moved,
    /// The script keeps it nowhere.
    Discarded,
}

/// What is done with messages that a script keeps nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Discarded {
    #[default]
    Keep,
    MoveTo(MailboxName),
    /// It gets the flag `\Deleted`.
    Delete,
    Expunge,
}

impl Plan {
    /// Makes it of what a script has decided.
    ///
    /// # Errors
    /// A mailbox that cannot be one of the user's, or the error of the script, for the user. Then nothing is to be done.
    pub fn new(
        outcome: Outcome,
        stored: &Stored<'_>,
        namespaces: &mail::namespace::Namespaces,
    ) -> Result<Plan, String> {
        let rewritten = outcome.rewritten();
        if let Some(error) = outcome.error {
            return Err(error.to_string());
        }
        let mut plan = Plan { copies: Vec::new(), stays: Stays::Unchanged, rewritten, left_out: Vec::new() };
        let mut keep = outcome.implicit_keep;
        let mut sent = false;
        for action in outcome.actions {
            match action {
                Action::Keep { flags } => keep = Some(flags),
                Action::FileInto(into) => {
                    let named = own_mailbox(namespaces, &into.mailbox)?;
                    let with_use = into.special_use.and_then(|attribute| with_use(stored.account, &attribute));
                    let mailbox = with_use.unwrap_or(named);
                    if mailbox == *stored.mailbox.name() {
                        keep = Some(into.flags);
                        continue;
                    }
                    let (flags, keywords) = parse_flags(&into.flags);
                    plan.copies.push(Place { mailbox, flags, keywords, create: into.create });
                }
                Action::Discard => {}
                other => {
                    sent |= matches!(other, Action::Redirect { .. } | Action::Reject { .. });
                    plan.left_out.push(other.name());
                }
            }
        }
        plan.stays = match keep {
            Some(flags) => {
                let (flags, keywords) = parse_flags(&flags);
                staying(stored.flags, flags, &keywords)
            }
            None if !plan.copies.is_empty() => Stays::Moved,
            // It was to be somewhere else, where it does not get.
            None if sent => Stays::Unchanged,
            None => Stays::Discarded,
        };
        Ok(plan)
    }

    /// Nothing would be done.
    pub fn is_nothing(&self) -> bool {
        self.copies.is_empty() && self.stays == Stays::Unchanged && self.rewritten.is_none()
    }
}

fn staying(now: &[String], flags: Flags, keywords: &[Keyword]) -> Stays {
    let (flags_now, keywords_now) = parse_flags(now);
    let same = |one: &[Keyword], other: &[Keyword]| one.iter().all(|keyword| other.contains(keyword));
    if flags == flags_now && same(keywords, &keywords_now) && same(&keywords_now, keywords) {
        return Stays::Unchanged;
    }
    Stays::With { flags, keywords: keywords.to_vec() }
}

impl Stored<'_> {
    /// Does what is planned. Blocking.
    ///
    /// # Errors
    /// Those of the store; then the message is at least where it was.
    pub fn carry_out(&self, plan: &Plan, discarded: &Discarded) -> store::Result<()> {
        let mut there = BTreeSet::new();
        for place in &plan.copies {
            if there.insert(&place.mailbox) {
                self.put(place, plan.rewritten.as_ref())?;
            }
        }
        match &plan.stays {
            Stays::Unchanged => match &plan.rewritten {
                Some(rewritten) => {
                    let (flags, keywords) = parse_flags(self.flags);
                    self.renew(flags, &keywords, rewritten)
                }
                None => Ok(()),
            },
            Stays::With { flags, keywords } => match &plan.rewritten {
                Some(rewritten) => self.renew(*flags, keywords, rewritten),
                None => self.mark(How::Replace, *flags, keywords.clone()),
            },
            Stays::Moved => self.expunge(),
            Stays::Discarded => self.discard(discarded),
        }
    }

    fn discard(&self, discarded: &Discarded) -> store::Result<()> {
        match discarded {
            Discarded::Keep => Ok(()),
            Discarded::Delete => self.mark(How::Add, Flags::DELETED, Vec::new()),
            Discarded::Expunge => self.expunge(),
            Discarded::MoveTo(name) if name == self.mailbox.name() => Ok(()),
            Discarded::MoveTo(name) => {
                let target = self.account.open(name)?;
                self.mailbox.move_to(&[self.uid], &target).map(|_| ())
            }
        }
    }

    fn put(&self, place: &Place, rewritten: Option<&Rewritten>) -> store::Result<()> {
        match self.put_there(place, rewritten) {
            Err(store::Error::NoSuchMailbox) if place.create => {
                match self.account.create(&place.mailbox, None) {
                    Ok(()) | Err(store::Error::MailboxExists) => {}
                    Err(error) => return Err(error),
                }
                self.put_there(place, rewritten)
            }
            other => other,
        }
    }

    fn put_there(&self, place: &Place, rewritten: Option<&Rewritten>) -> store::Result<()> {
        let target = self.account.open(&place.mailbox)?;
        let as_it_is = staying(self.flags, place.flags, &place.keywords) == Stays::Unchanged;
        if rewritten.is_none() && as_it_is {
            // A second name of the same file.
            return match self.mailbox.copy(&[self.uid], &target)?.source.is_empty() {
                true => Err(store::Error::Gone),
                false => Ok(()),
            };
        }
        self.write(&place.mailbox, place.flags, &place.keywords, rewritten)
    }

    /// Another message in its place (RFC 5293 §5: what was edited is another one).
    fn renew(&self, flags: Flags, keywords: &[Keyword], rewritten: &Rewritten) -> store::Result<()> {
        self.write(self.mailbox.name(), flags, keywords, Some(rewritten))?;
        self.expunge()
    }

    fn write(
        &self,
        mailbox: &MailboxName,
        flags: Flags,
        keywords: &[Keyword],
        rewritten: Option<&Rewritten>,
    ) -> store::Result<()> {
        let mut draft = self.account.draft(mailbox)?;
        match rewritten {
            None => draft.write(self.content)?,
            Some(rewritten) => {
                rewritten.pieces(self.content).into_iter().try_for_each(|piece| draft.write(piece))?;
            }
        }
        draft.append(flags, keywords, Some(self.internal_date)).map(|_| ())
    }

    fn mark(&self, how: How, flags: Flags, keywords: Vec<Keyword>) -> store::Result<()> {
        self.mailbox.store_flags(&[self.uid], &FlagChange { how, flags, keywords }).map(|_| ())
    }

    fn expunge(&self) -> store::Result<()> {
        self.mailbox.expunge(&[self.uid]).map(|_| ())
    }
}
