//! The values that `header`, `address`, `envelope` and `exists` look at (RFC 5228 §5, RFC 5233, RFC 5260 §6).

use std::borrow::Cow;

use mail::header::{MISSING_DOMAIN, MISSING_MAILBOX, MailAddress, unfold};

use crate::program::{AddressPart, Fields, Index, Text};

use super::message::{FIELDS_MAX, Field, Message};
use super::work::COMPARISON_COST;
use super::{Fault, Ran, Run};

/// Fields that one test looks at, one that was named twice counted twice.
pub(super) const CHOSEN_MAX: usize = 4 * FIELDS_MAX;
/// What an address of the envelope costs: it has no more octets (RFC 5321 §4.5.3.1).
const ENVELOPE_COST: usize = 512;

/// An address taken apart: its local-part and its domain.
pub(super) struct Parts<'a> {
    pub local_part: Cow<'a, str>,
    pub domain: Cow<'a, str>,
}

impl Run<'_, '_> {
    pub(super) fn exists(&mut self, names: &[Text]) -> Ran<bool> {
        for name in names {
            let name = self.expand(name)?;
            self.work(COMPARISON_COST * (1 + self.message.all_fields().len()))?;
            if self.message.fields(&name).next().is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Calls back with the fields that are asked for, in their order.
    pub(super) fn each_field<'f>(
        &mut self,
        message: &'f Message<'_>,
        fields: &Fields,
        mut take: impl FnMut(&'f Field),
    ) -> Ran<()> {
        let mut chosen: Vec<&Field> = Vec::new();
        for name in &fields.names {
            let name = self.expand(name)?;
            self.work(COMPARISON_COST * (1 + message.all_fields().len()))?;
            chosen.extend(message.all_fields().iter().filter(|field| field.name.eq_ignore_ascii_case(&name)));
            // The same name again and again would make a longer list each time.
            if chosen.len() > CHOSEN_MAX {
                return self.fail(Fault::TooMuch("header field"));
            }
        }
        match fields.index {
            None => chosen.into_iter().for_each(take),
            Some(index) => {
                if let Some(field) = indexed(&chosen, index) {
                    take(field);
                }
            }
        }
        Ok(())
    }

    pub(super) fn address_values(
        &mut self,
        message: &Message<'_>,
        fields: &Fields,
        part: AddressPart,
    ) -> Ran<Vec<Cow<'static, str>>> {
        let delimiter = self.world.recipient_delimiter().to_owned();
        let mut chosen = Vec::new();
        self.each_field(message, fields, |field| chosen.push(field))?;
        let mut values = Vec::new();
        for field in chosen {
            self.made(field.value.len())?;
            push_addresses(field, part, &delimiter, &mut values);
        }
        Ok(values)
    }

    pub(super) fn envelope_values(&mut self, parts: &[Text], part: AddressPart) -> Ran<Vec<Cow<'static, str>>> {
        let delimiter = self.world.recipient_delimiter().to_owned();
        let mut values = Vec::new();
        for name in parts {
            let name = self.expand(name)?;
            self.made(ENVELOPE_COST)?;
            let address = match name.to_ascii_lowercase().as_str() {
                "from" => self.envelope.from.as_str(),
                "to" => self.envelope.original_to.as_deref().unwrap_or(&self.envelope.to),
                "auth" => {
                    values.extend(self.envelope.auth.clone().map(Cow::Owned));
                    continue;
                }
                _ => continue,
            };
            // RFC 5228 §5.4: the null path is empty, whatever part of it is asked for.
            let (local_part, domain) = address.rsplit_once('@').unwrap_or((address, ""));
            let parts = Parts { local_part: Cow::Borrowed(local_part), domain: Cow::Borrowed(domain) };
            values.extend(part_of(&parts, part, &delimiter).map(|value| Cow::Owned(value.into_owned())));
        }
        Ok(values)
    }
}

/// The addresses of a field, or that part of them.
pub(super) fn push_addresses(field: &Field, part: AddressPart, delimiter: &str, values: &mut Vec<Cow<'static, str>>) {
    let before = values.len();
    for address in field.addresses() {
        let Some(parts) = parts(address) else { continue };
        values.extend(part_of(&parts, part, delimiter).map(|value| Cow::Owned(value.into_owned())));
    }
    // What is no address can still be compared as a whole.
    if values.len() == before && part == AddressPart::All {
        let text = String::from_utf8_lossy(&unfold(&field.value)).into_owned();
        values.push(Cow::Owned(text));
    }
}

/// The occurrence that an index means.
pub(super) fn indexed<T: Copy>(all: &[T], index: Index) -> Option<T> {
    let number = usize::try_from(index.number).ok()?.checked_sub(1)?;
    if index.from_last { all.iter().rev().nth(number).copied() } else { all.get(number).copied() }
}

/// `None` for the names of groups and what has no local-part or no domain.
fn parts(address: &MailAddress) -> Option<Parts<'_>> {
    let (mailbox, host) = (address.mailbox.as_deref()?, address.host.as_deref()?);
    if mailbox == MISSING_MAILBOX || host == MISSING_DOMAIN {
        return None;
    }
    Some(Parts { local_part: String::from_utf8_lossy(mailbox), domain: String::from_utf8_lossy(host) })
}

fn part_of<'a>(parts: &'a Parts<'_>, part: AddressPart, delimiter: &str) -> Option<Cow<'a, str>> {
    // RFC 5233 §4: of an address without a detail the user is the whole local-part, and there is no detail.
    let separated = || parts.local_part.split_once(|c| delimiter.contains(c));
    match part {
        AddressPart::All if parts.domain.is_empty() => Some(Cow::Borrowed(&parts.local_part)),
        AddressPart::All => Some(Cow::Owned(format!("{}@{}", parts.local_part, parts.domain))),
        AddressPart::LocalPart => Some(Cow::Borrowed(&parts.local_part)),
        AddressPart::Domain => Some(Cow::Borrowed(&parts.domain)),
        AddressPart::User => Some(Cow::Borrowed(separated().map_or(&*parts.local_part, |(user, _)| user))),
        AddressPart::Detail => separated().map(|(_, detail)| Cow::Borrowed(detail)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_addresses() {
        let parts = Parts { local_part: Cow::Borrowed("ana+lists+x"), domain: Cow::Borrowed("b.test") };
        let part = |part| part_of(&parts, part, "+").map(Cow::into_owned);
        assert_eq!(part(AddressPart::All).as_deref(), Some("ana+lists+x@b.test"));
        assert_eq!(part(AddressPart::User).as_deref(), Some("ana"));
        assert_eq!(part(AddressPart::Detail).as_deref(), Some("lists+x"));
        assert_eq!(part_of(&parts, AddressPart::Detail, "-"), None);
    }

    #[test]
    fn an_index_counts_from_either_end() {
        let index = |number, from_last| indexed(&['a', 'b', 'c'], Index { number, from_last });
        assert_eq!(
            [index(1, false), index(1, true), index(3, true), index(4, false)],
            [Some('a'), Some('c'), Some('a'), None]
        );
    }
}
