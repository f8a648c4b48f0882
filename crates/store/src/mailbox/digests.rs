//! What lists of messages show, in batches: out of the node's index where it is remembered, else out of the files, and
//! remembered then.
//!
//! A message is looked up by the base of its file, so a UID that means another file now finds nothing. What is remembered
//! of a file's outside is compared with the file whenever its content is opened (`open`).

use mail::date::DateTime;
use mail::digest::{Digest, Digests, Fields, Want};
use mail::mime::{HEADER_KEPT_MAX, Packed, Part};
use mail::preview::{self, Wanted};
use mail::thread::{FIRST_FIELDS, first_message};
use mail::{ObjectId, Uid};

use super::{Mailbox, of_guid};
use crate::file_name;
use crate::index::{self, Depth, Facts, Gist, Key, Remembered};
use crate::{Error, Message, Result};

/// A batch ends when it has reached so many octets.
const BATCH_OCTETS_MAX: usize = 1 << 20;
/// The most messages of one batch.
pub(crate) const BATCH_MAX: usize = 256;
/// A message up to this size is read whole when its header is wanted, so that its structure is learned too.
const READ_WHOLE_MAX: u64 = 64 << 10;

/// What a message's thread is known by (RFC 8474 §5.2): the first message of it, so a thread is whatever goes back to one.
pub(crate) fn thread_id(header: &[u8]) -> Option<ObjectId> {
    first_message(header).map(|id| of_guid(&id))
}

/// The fields that tell it.
pub(crate) fn first_fields() -> Fields {
    Fields::Named(FIRST_FIELDS.iter().map(|name| name.as_bytes().to_vec()).collect())
}

/// What is seen of a message.
pub(crate) struct Seen {
    pub(crate) facts: Facts,
    /// The fields wanted, and maybe others.
    pub(crate) header: Vec<u8>,
    /// All of the header was looked at for them.
    pub(crate) whole_header: bool,
    pub(crate) structure: Option<Packed>,
    pub(crate) preview: Option<String>,
}

impl Mailbox {
    /// Digests of the first of these messages, as many as fit into a batch.
    pub fn digests(&self, uids: &[Uid], want: &Want) -> Result<Digests> {
        let threads = if want.thread_id { first_fields() } else { Fields::None };
        let seen = self.see(uids, &Want { fields: want.fields.clone().and(threads), ..want.clone() })?;
        let looked_at = seen.len();
        let uids = uids.get(..looked_at).unwrap_or(uids);
        let mut email_ids = if want.email_id { self.email_ids(uids)? } else { Vec::new() }.into_iter();
        let mut saved = if want.saved { self.saved(uids)? } else { Vec::new() }.into_iter();
        let digest = |(uid, seen): (&Uid, Option<Seen>)| {
            let (email_id, saved) = (email_ids.next().flatten(), saved.next().flatten());
            let Seen { facts, header, structure, preview, .. } = seen?;
            let internal_date = DateTime::utc(facts.internal_date);
            let thread_id = if want.thread_id { thread_id(&header) } else { None };
            Some(Digest {
                uid: *uid,
                size: facts.size,
                internal_date,
                header,
                structure,
                email_id,
                thread_id,
                saved,
                preview,
            })
        };
        Ok(Digests { digests: uids.iter().zip(seen).filter_map(digest).collect(), looked_at })
    }

    /// The same, with `None` for messages that are gone.
    pub(crate) fn see(&self, uids: &[Uid], want: &Want) -> Result<Vec<Option<Seen>>> {
        let uids = uids.get(..BATCH_MAX).unwrap_or(uids);
        if let Want { fields: Fields::None, structure: false, date: false, preview: Wanted::No, .. } = want
            && let Some(told) = self.told_sizes(uids)?
        {
            return Ok(told);
        }
        let keys = self.keys(uids)?;
        let mut recalled = match index::suffices(&want.fields) {
            true => self.recall(&keys, want).into_iter(),
            // No entry would do.
            false => vec![None; keys.len()].into_iter(),
        };
        let mut learned = Vec::new();
        let (mut seen, mut octets) = (Vec::with_capacity(recalled.len()), 0);
        for (&uid, key) in uids.iter().zip(&keys).take(recalled.len()) {
            let found = recalled.next().flatten();
            if octets > BATCH_OCTETS_MAX {
                break;
            }
            let too_long = found.as_ref().is_some_and(|found| found.too_long);
            let one = match (key, found.and_then(|found| found.answer(want))) {
                (None, _) => None,
                (_, Some(known)) => Some(known),
                (Some(key), None) => match self.learn(uid, want) {
                    Ok((one, gist)) => {
                        if !too_long {
                            learned.push((*key, one.facts, gist));
                        }
                        Some(one)
                    }
                    Err(Error::Gone) => None,
                    Err(error) => return Err(error),
                },
            };
            octets += one.as_ref().map_or(0, Seen::octets);
            seen.push(one);
        }
        if let Some(index) = &self.index
            && !learned.is_empty()
        {
            index.add(&learned);
            self.with_work(|work| {
                let keys = || {
                    let mut keys = std::collections::HashSet::new();
                    work.each_base(|_, base| _ = keys.insert(Key::of(base)));
                    keys
                };
                index.compact(work.count(), keys);
                Ok(())
            })?;
        }
        Ok(seen)
    }

    /// Sizes alone, out of the names, which asks neither files nor the index. `None` when a name does not tell, or was found
    /// to be wrong.
    fn told_sizes(&self, uids: &[Uid]) -> Result<Option<Vec<Option<Seen>>>> {
        let told = self.with_work(|work| {
            let bases = work.map_bases(uids, |base| file_name::sizes(base).plausible());
            let is_true = |uid: &Uid| !work.measured.contains_key(uid);
            Ok(uids.iter().all(is_true).then_some(bases))
        })?;
        let sizes = told.filter(|_| self.liars.contain_none(uids));
        let seen = |size: Option<Option<(u64, u64)>>| match size {
            None => Some(None),
            Some(told) => told.map(|(on_disk, size)| Some(Seen::of_name(on_disk, size))),
        };
        Ok(sizes.and_then(|sizes| sizes.into_iter().map(seen).collect()))
    }

    fn keys(&self, uids: &[Uid]) -> Result<Vec<Option<Key>>> {
        self.with_work(|work| Ok(work.map_bases(uids, Key::of)))
    }

    fn recall(&self, keys: &[Option<Key>], want: &Want) -> Vec<Option<Remembered>> {
        let nothing = || keys.iter().map(|_| None).collect();
        let Some(index) = &self.index else { return nothing() };
        let depth = match want {
            Want { fields: Fields::None, structure: false, preview: Wanted::No, .. } => Depth::Facts,
            Want { structure: false, .. } => Depth::Fields,
            Want { fields: Fields::None, .. } => Depth::Structure,
            _ => Depth::All,
        };
        let known: Vec<Key> = keys.iter().copied().flatten().collect();
        let mut found = index.find(&known, depth).into_iter();
        let mut recalled = Vec::with_capacity(keys.len());
        for key in keys {
            match key {
                None => recalled.push(None),
                Some(_) => match found.next() {
                    Some(remembered) => recalled.push(remembered),
                    None => break,
                },
            }
        }
        recalled
    }

    /// Asks the message's file. What is worth remembering of its content comes along.
    fn learn(&self, uid: Uid, want: &Want) -> Result<(Seen, Option<Gist>)> {
        if want.fields == Fields::None && !want.structure && want.preview != Wanted::Yes {
            return Ok((Seen::outside(self.look_at(uid)?), None));
        }
        let (mut message, _, facts) = self.open_message(uid)?;
        let reads_whole = want.structure || want.preview == Wanted::Yes || message.size() <= READ_WHOLE_MAX;
        let (mut gist, whole, block) = match reads_whole {
            true => {
                let whole = message.structure()?;
                (index::gist_of(&whole), Some(whole), None)
            }
            false => {
                let (block, whole_header) = message.header_up_to(HEADER_KEPT_MAX)?;
                (
                    Gist { header: index::remembered(&block), whole_header, structure: None, preview: None },
                    None,
                    Some(block),
                )
            }
        };
        if let Some(whole) = whole.as_deref().filter(|_| want.preview == Wanted::Yes) {
            gist.preview = Some(preview_of(&mut message, whole)?);
        }
        let block = || block.as_deref().or(whole.as_deref().map(|part| &*part.fields)).unwrap_or_default();
        let (header, structure) = match index::suffices(&want.fields) {
            true => (gist.header.clone(), gist.structure.clone()),
            // Of messages within it more may be wanted too than is remembered.
            false => {
                let header = index::chosen(block(), |name| want.fields.is_wanted(name));
                (header, whole.as_deref().map(|whole| Packed::of(whole, <[u8]>::to_vec)))
            }
        };
        let structure = structure.filter(|_| want.structure);
        let preview = gist.preview.clone();
        Ok((Seen { facts, header, whole_header: gist.whole_header, structure, preview }, Some(gist)))
    }
}

fn preview_of(message: &mut Message, structure: &Part) -> Result<String> {
    let Some(place) = preview::place(structure) else { return Ok(String::new()) };
    let mut octets = Vec::new();
    message.read_range(place.start, place.end, |piece| octets.extend_from_slice(piece))?;
    Ok(preview::preview(structure, &octets))
}

impl Remembered {
    /// `None` when more is wanted than is remembered; fields that are never remembered are none of those.
    fn answer(self, want: &Want) -> Option<Seen> {
        let facts = self.facts;
        match self.gist {
            Some(Gist { preview: None, .. }) if want.preview == Wanted::Yes => None,
            Some(gist) if gist.structure.is_some() || !want.structure => {
                let Gist { header, whole_header, structure, preview } = gist;
                Some(Seen { facts, header, whole_header, structure, preview })
            }
            _ if want.fields == Fields::None && !want.structure && want.preview != Wanted::Yes => {
                Some(Seen::outside(facts))
            }
            _ => None,
        }
    }
}

impl Seen {
    /// The date is not known.
    fn of_name(on_disk: u64, size: u64) -> Seen {
        Seen::outside(Facts { on_disk, size, internal_date: 0 })
    }

    fn outside(facts: Facts) -> Seen {
        Seen { facts, header: Vec::new(), whole_header: false, structure: None, preview: None }
    }

    /// About as many as it holds in memory.
    fn octets(&self) -> usize {
        size_of::<Seen>()
            + self.header.len()
            + self.preview.as_ref().map_or(0, String::len)
            + self.structure.as_ref().map_or(0, |structure| structure.as_octets().len())
    }
}
