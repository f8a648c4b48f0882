//! Which of the house's messages fit a search: all is in memory, so each condition is asked as it stands.

use mail::date::DateTime;
use mail::search::Key;
use mail::sort::{self, Criterion, Facts};
use mail::thread::{Algorithm, Threads};
use mail::{Flags, Uid, header};

use super::{Mailbox, Message, NOW};

impl Mailbox {
    fn found(&self, key: &Key) -> impl Iterator<Item = (Uid, Facts<'_>)> {
        self.messages.iter().filter(|message| self.fits(message, key)).map(|message| {
            let size = message.content.len() as u64;
            (message.uid, Facts { size, internal_date: message.date.seconds, header: &message.content })
        })
    }

    pub(super) fn sorted(&self, key: &Key, criteria: &[Criterion]) -> Vec<Uid> {
        let mut found: Vec<_> = self.found(key).map(|(uid, facts)| (uid, sort::values(criteria, facts))).collect();
        found.sort_by(|(_, one), (_, other)| sort::compare(criteria, one, other));
        found.into_iter().map(|(uid, _)| uid).collect()
    }

    pub(super) fn threads(&self, key: &Key, algorithm: Algorithm) -> Threads {
        let found: Vec<_> = self.found(key).map(|(uid, facts)| algorithm.message(uid, facts)).collect();
        algorithm.threads(&found)
    }

    pub(super) fn fits(&self, message: &Message, key: &Key) -> bool {
        let star = self.messages.last().map_or(0, |message| message.uid.number());
        let holds =
            |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).to_lowercase().contains(&text.to_lowercase());
        let head = header::header_end(&message.content).unwrap_or(message.content.len());
        let sent =
            || header::find(&message.content, "Date").and_then(|f| DateTime::parse_rfc5322(f.value)).map(DateTime::day);
        match key {
            Key::All => true,
            Key::And(keys) => keys.iter().all(|key| self.fits(message, key)),
            Key::Or(one, other) => self.fits(message, one) || self.fits(message, other),
            Key::Not(key) => !self.fits(message, key),
            Key::Flags(flags) => message.flags.contains(*flags),
            Key::Keyword(keyword) => {
                let number = self.keywords.number(keyword).and_then(Flags::keyword);
                number.is_some_and(|flag| message.flags.contains(flag))
            }
            Key::Uids(uids) => uids.contains(&message.uid),
            Key::ModSeq(modseq) => message.modseq >= *modseq,
            Key::UidSet(set) => set.contains(message.uid.number(), star),
            Key::Larger(size) => message.content.len() as u64 > *size,
            Key::Smaller(size) => (message.content.len() as u64) < *size,
            Key::Before(day) => message.date.day() < *day,
            Key::On(day) => message.date.day() == *day,
            Key::Since(day) => message.date.day() >= *day,
            Key::Older(age) => NOW - message.date.seconds >= i64::from(*age),
            Key::Younger(age) => NOW - message.date.seconds <= i64::from(*age),
            Key::SentBefore(day) => sent().is_some_and(|sent| sent < *day),
            Key::SentOn(day) => sent().is_some_and(|sent| sent == *day),
            Key::SentSince(day) => sent().is_some_and(|sent| sent >= *day),
            Key::EmailId(id) => message.email_id() == *id,
            Key::ThreadId(id) => message.thread_id() == Some(*id),
            Key::SavedBefore(day) => message.saved.day() < *day,
            Key::SavedOn(day) => message.saved.day() == *day,
            Key::SavedSince(day) => message.saved.day() >= *day,
            Key::Header { name, text } => {
                header::fields(&message.content[..head]).any(|f| f.is(name) && holds(f.value, text))
            }
            Key::Body(text) => holds(&message.content[head..], text),
            Key::Text(text) => holds(&message.content, text),
        }
    }
}
