//! Which UID means which file, of a whole mailbox, packed: some 12 to 24 octets a message instead of a hundred.
//!
//! Nearly all bases are `SECONDS.MmicrosPpidQcountDmark.HOST,S=size,W=size` with some parts left out, and their neighbours
//! were delivered by the same few hosts a little earlier or later. So numbers are kept as numbers, most as the difference
//! from the neighbour before; which parts there are, and the host, is one number of a table. Any other base is kept as it
//! is. Blocks of `BLOCK` messages are decoded from their beginning, to find one.
//! Pure; knows no files.

use mail::{Uid, large};

use crate::file_name::Base;
use crate::varint::{Octets, number, signed};

const BLOCK: usize = 64;

/// The numbers of one base are no longer than this.
const NUMBERS_LEN_MAX: usize = 9 * 10;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// More hosts than this, and the rest is kept as it is.
const TEMPLATES_MAX: usize = 250;

/// UIDs ascending, each with the base of its file's name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    blocks: Vec<Block>,
    templates: Templates,
    len: usize,
    /// Of all blocks, so that a large mailbox is one piece of memory, which goes back to the system when it is closed.
    octets: Vec<u8>,
    /// How many are in the last block, and the last of them.
    in_last: usize,
    before: Neighbour,
}

#[derive(Debug)]
struct Block {
    first: Uid,
    /// Where its octets begin.
    start: usize,
}

/// What bases have in common, numbered as it was first met.
#[derive(Debug, Default)]
pub(crate) struct Templates(Vec<Template>);

/// What bases have in common: which parts, and the host.
#[derive(Debug, PartialEq, Eq)]
struct Template {
    count: bool,
    mark: bool,
    crlf: bool,
    host: Box<[u8]>,
}

/// What differences are taken from.
#[derive(Debug, Default, Clone, Copy)]
struct Neighbour {
    uid: u64,
    seconds: u64,
    process: u64,
    count: u64,
}

/// The numbers of a base.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    seconds: u64,
    micros: u64,
    process: u64,
    count: u64,
    mark: u64,
    size: u64,
    crlf: u64,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The highest UID.
    pub(crate) fn last(&self) -> Option<Uid> {
        // Of the neighbour before, there is none yet.
        Uid::new(u32::try_from(self.before.uid).ok()?)
    }

    /// Adds a UID that is higher than all.
    pub(crate) fn push(&mut self, uid: Uid, base: &[u8]) {
        if self.blocks.is_empty() || self.in_last == BLOCK {
            self.blocks.push(Block { first: uid, start: self.octets.len() });
            (self.in_last, self.before) = (0, Neighbour::default());
        }
        large::make_lasting_room(&mut self.octets, base.len() + NUMBERS_LEN_MAX);
        number(&mut self.octets, u64::from(uid.number()) - self.before.uid);
        self.before.uid = uid.number().into();
        self.templates.write(base, &mut self.before, &mut self.octets);
        self.len += 1;
        self.in_last += 1;
    }

    /// The octets of no base are lost: gives back room that was kept for more.
    pub(crate) fn shrink(&mut self) {
        self.blocks.shrink_to_fit();
        large::shrink(&mut self.octets);
    }

    fn octets(&self, block: usize) -> Option<Octets<'_>> {
        let start = self.blocks.get(block)?.start;
        let end = self.blocks.get(block + 1).map_or(self.octets.len(), |next| next.start);
        Some(Octets(self.octets.get(start..end)?))
    }

    pub(crate) fn base(&self, uid: Uid) -> Option<Base> {
        self.walk().base(uid).map(Into::into)
    }

    /// For many of them.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk {
            names: self,
            block: usize::MAX,
            rest: Octets(&[]),
            before: Neighbour::default(),
            at: None,
            base: Vec::new(),
        }
    }

    pub(crate) fn uid_of(&self, base: &[u8]) -> Option<Uid> {
        let mut found = None;
        self.each_while(|uid, known| {
            found = (known == base).then_some(uid);
            found.is_none()
        });
        found
    }

    /// All of them, ascending by UID.
    pub(crate) fn each(&self, mut f: impl FnMut(Uid, &[u8])) {
        self.each_while(|uid, base| {
            f(uid, base);
            true
        });
    }

    /// The same, until `f` says false.
    pub(crate) fn each_while(&self, mut f: impl FnMut(Uid, &[u8]) -> bool) {
        for block in 0..self.blocks.len() {
            if !self.each_in(block, &mut f) {
                return;
            }
        }
    }

    fn each_in(&self, block: usize, mut f: impl FnMut(Uid, &[u8]) -> bool) -> bool {
        let Some(mut octets) = self.octets(block) else { return false };
        let (mut before, mut base) = (Neighbour::default(), Vec::new());
        while !octets.0.is_empty() {
            base.clear();
            // What we wrote ourselves can be read.
            let Some((uid, coded)) = self.read(&mut octets, &mut before) else { return false };
            coded.render(&mut base);
            if !f(uid, &base) {
                return false;
            }
        }
        true
    }

    fn read<'a>(&'a self, octets: &mut Octets<'a>, before: &mut Neighbour) -> Option<(Uid, Coded<'a>)> {
        before.uid += octets.number()?;
        let coded = self.templates.read(octets, before)?;
        Some((Uid::new(u32::try_from(before.uid).ok()?)?, coded))
    }
}

impl Templates {
    /// One base alone, so that it can be compared: equal bases are packed into equal octets, and others into others.
    pub(crate) fn pack(&mut self, base: &[u8], out: &mut Vec<u8>) {
        self.write(base, &mut Neighbour::default(), out);
    }

    /// The base again.
    pub(crate) fn unpack(&self, packed: &[u8]) -> Option<Base> {
        let mut base = Vec::new();
        self.read(&mut Octets(packed), &mut Neighbour::default())?.render(&mut base);
        Some(base.into())
    }

    fn write(&mut self, base: &[u8], before: &mut Neighbour, out: &mut Vec<u8>) {
        match self.code(base) {
            Some((template, numbers)) => {
                number(out, template as u64 + 1);
                numbers.write(self.0.get(template), before, out);
            }
            None => {
                number(out, 0);
                number(out, base.len() as u64);
                out.extend_from_slice(base);
            }
        }
    }

    fn read<'a>(&'a self, octets: &mut Octets<'a>, before: &mut Neighbour) -> Option<Coded<'a>> {
        Some(match octets.number()?.checked_sub(1) {
            Some(template) => {
                let template = self.0.get(usize::try_from(template).ok()?)?;
                Coded::Parts(template, Numbers::read(template, before, octets)?)
            }
            None => {
                let len = octets.number()?;
                Coded::Whole(octets.take(len)?)
            }
        })
    }

    /// The number of the base's template and its numbers; `None` for a base that must be kept as it is. What was met once
    /// keeps its number, or for ever has none.
    fn code(&mut self, base: &[u8]) -> Option<(usize, Numbers)> {
        let (shape, numbers) = Shape::of(base)?;
        let known = self.0.iter().position(|template| template.has(&shape));
        let known = known.or_else(|| {
            (self.0.len() < TEMPLATES_MAX).then(|| {
                self.0.push(Template::new(&shape));
                self.0.len() - 1
            })
        });
        Some((known?, numbers))
    }
}

impl Template {
    fn new(shape: &Shape<'_>) -> Template {
        Template { count: shape.count, mark: shape.mark, crlf: shape.crlf, host: shape.host.into() }
    }

    fn has(&self, shape: &Shape<'_>) -> bool {
        (self.count, self.mark, self.crlf) == (shape.count, shape.mark, shape.crlf) && *self.host == *shape.host
    }
}

/// Bases looked up one after the other. Ascending ones cost least: a block is decoded on from where it was left.
pub(crate) struct Walk<'a> {
    names: &'a Names,
    /// Where `rest` is in; none is the highest there can be.
    block: usize,
    rest: Octets<'a>,
    before: Neighbour,
    /// What was decoded last.
    at: Option<(Uid, Coded<'a>)>,
    base: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub(crate) fn base(&mut self, uid: Uid) -> Option<&[u8]> {
        self.go_to(uid)?;
        while self.at.as_ref().is_none_or(|(at, _)| *at < uid) {
            if self.rest.0.is_empty() {
                return None;
            }
            self.at = Some(self.names.read(&mut self.rest, &mut self.before)?);
        }
        let (_, coded) = self.at.as_ref().filter(|(at, _)| *at == uid)?;
        self.base.clear();
        coded.render(&mut self.base);
        Some(&self.base)
    }

    /// To the block that may hold the UID, unless it is the one we are in and not behind us.
    fn go_to(&mut self, uid: Uid) -> Option<()> {
        let blocks = &self.names.blocks;
        let begins_by = |block: usize| blocks.get(block).is_some_and(|block| block.first <= uid);
        let is_here = begins_by(self.block) && !begins_by(self.block.saturating_add(1));
        if is_here && self.at.as_ref().is_none_or(|(at, _)| *at <= uid) {
            return Some(());
        }
        self.block = blocks.partition_point(|block| block.first <= uid).checked_sub(1)?;
        self.rest = self.names.octets(self.block)?;
        (self.before, self.at) = (Neighbour::default(), None);
        Some(())
    }
}

/// A base before it is written out.
enum Coded<'a> {
    Parts(&'a Template, Numbers),
    Whole(&'a [u8]),
}

impl Coded<'_> {
    fn render(&self, base: &mut Vec<u8>) {
        match self {
            Coded::Parts(template, numbers) => numbers.render(template, base),
            Coded::Whole(whole) => base.extend_from_slice(whole),
        }
    }
}

impl Numbers {
    fn write(&self, template: Option<&Template>, before: &mut Neighbour, out: &mut Vec<u8>) {
        let Some(template) = template else { return };
        number(out, signed(self.seconds, before.seconds));
        number(out, self.micros);
        number(out, signed(self.process, before.process));
        if template.count {
            number(out, signed(self.count, before.count));
            before.count = self.count;
        }
        if template.mark {
            out.extend_from_slice(&self.mark.to_le_bytes());
        }
        number(out, self.size);
        if template.crlf {
            number(out, signed(self.crlf, self.size));
        }
        (before.seconds, before.process) = (self.seconds, self.process);
    }

    fn read(template: &Template, before: &mut Neighbour, octets: &mut Octets<'_>) -> Option<Numbers> {
        let mut numbers = Numbers {
            seconds: octets.from(before.seconds)?,
            micros: octets.number()?,
            process: octets.from(before.process)?,
            ..Numbers::default()
        };
        if template.count {
            numbers.count = octets.from(before.count)?;
            before.count = numbers.count;
        }
        if template.mark {
            numbers.mark = u64::from_le_bytes(octets.take(8)?.try_into().ok()?);
        }
        numbers.size = octets.number()?;
        if template.crlf {
            numbers.crlf = octets.from(numbers.size)?;
        }
        (before.seconds, before.process) = (numbers.seconds, numbers.process);
        Some(numbers)
    }

    fn render(&self, template: &Template, out: &mut Vec<u8>) {
        decimal(b"", self.seconds, out);
        decimal(b".M", self.micros, out);
        decimal(b"P", self.process, out);
        if template.count {
            decimal(b"Q", self.count, out);
        }
        if template.mark {
            out.push(b'D');
            let digit = |at: u32| HEX.get((self.mark >> (4 * at) & 15) as usize).copied().unwrap_or_default();
            out.extend((0..16).rev().map(digit));
        }
        out.push(b'.');
        out.extend_from_slice(&template.host);
        decimal(b",S=", self.size, out);
        if template.crlf {
            decimal(b",W=", self.crlf, out);
        }
    }
}

fn decimal(before: &[u8], number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A base cut into its parts, without its numbers.
struct Shape<'a> {
    count: bool,
    mark: bool,
    crlf: bool,
    host: &'a [u8],
}

impl<'a> Shape<'a> {
    /// `None` for a base that `render` would not write again octet for octet.
    fn of(base: &'a [u8]) -> Option<(Shape<'a>, Numbers)> {
        let mut rest = base;
        let mut numbers = Numbers { seconds: take_decimal(&mut rest)?, ..Numbers::default() };
        rest = rest.strip_prefix(b".M")?;
        numbers.micros = take_decimal(&mut rest)?;
        rest = rest.strip_prefix(b"P")?;
        numbers.process = take_decimal(&mut rest)?;
        let count = take(&mut rest, b"Q");
        if count {
            numbers.count = take_decimal(&mut rest)?;
        }
        let mark = take(&mut rest, b"D");
        if mark {
            numbers.mark = take_mark(&mut rest)?;
        }
        rest = rest.strip_prefix(b".")?;
        let comma = memchr::memchr(b',', rest)?;
        let host = rest.get(..comma)?;
        rest = rest.get(comma..)?.strip_prefix(b",S=")?;
        numbers.size = take_decimal(&mut rest)?;
        let crlf = take(&mut rest, b",W=");
        if crlf {
            numbers.crlf = take_decimal(&mut rest)?;
        }
        rest.is_empty().then_some((Shape { count, mark, crlf, host }, numbers))
    }
}

fn take(rest: &mut &[u8], prefix: &[u8]) -> bool {
    let after = rest.strip_prefix(prefix);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

/// A number as `decimal` writes it: no zero before others.
fn take_decimal(rest: &mut &[u8]) -> Option<u64> {
    let (digits, after) = rest.split_at(rest.iter().take_while(|octet| octet.is_ascii_digit()).count());
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    *rest = after;
    digits.iter().try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add((digit - b'0').into()))
}

/// Sixteen digits as `render` writes them.
fn take_mark(rest: &mut &[u8]) -> Option<u64> {
    let (digits, after) = rest.split_at_checked(16)?;
    *rest = after;
    digits.iter().try_fold(0_u64, |number, octet| {
        let digit = HEX.iter().position(|digit| digit == octet)?;
        Some(number << 4 | digit as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    #[test]
    fn every_name_comes_back_octet_for_octet() {
        let usual = ["1795220144.M854781P3269.vm,S=158,W=165", "1795220143.M1P2Q3D0123456789abcdef.a.example,S=0,W=0"];
        let unusual = [
            "x",
            "1.M01P1.x,S=1",
            "1.M1P1.x",
            "+1.M1P1.x,S=1",
            "1.M1P1Q2DABCDEF0123456789.x,S=1",
            "1.M1P1D12.x,S=1",
            "99999999999999999999.M1P1.x,S=1",
            "1.M1P1.x,S=1,W=2,Z",
            "1.M1P1V2I3_0.x,S=1",
            "18446744073709551615.M18446744073709551615P0.,S=0,W=18446744073709551615",
            ",S=",
            "1.M1P1.x,S=5,S=6,W=7",
        ];
        let bases: Vec<Vec<u8>> = (0..500_usize)
            .map(|at| match at % 5 {
                0 | 1 => usual[at % 2].into(),
                2 => unusual[at % unusual.len()].into(),
                3 => vec![0xff, at as u8, b'.'],
                _ => format!("{}.M{}P{}Q{at}.h{},S={at},W={}", 5000 - at, at * 999, at / 9, at % 300, at * 2).into(),
            })
            .collect();
        let mut names = Names::default();
        for (at, base) in bases.iter().enumerate() {
            names.push(uid(at as u32 * 3 + 1), base);
        }
        names.shrink();
        names.push(uid(5000), b"last");
        assert_eq!(names.len(), 501);
        for (at, base) in bases.iter().enumerate() {
            assert_eq!(names.base(uid(at as u32 * 3 + 1)).as_deref(), Some(base.as_slice()));
            assert_eq!(names.base(uid(at as u32 * 3 + 2)), None);
        }
        // Forwards with gaps, back, and the same again.
        let mut walk = names.walk();
        for at in (0..500).step_by(7).chain((0..500).rev().step_by(11)).chain([3, 3]) {
            let known = uid(at as u32 * 3 + 1);
            assert_eq!(walk.base(known), Some(bases[at].as_slice()));
            assert_eq!(walk.base(uid(at as u32 * 3 + 3)), None);
        }
        assert_eq!(walk.base(uid(5000)), Some(&b"last"[..]));
        assert_eq!(walk.base(uid(6000)), None);
        assert_eq!((names.uid_of(b"last"), names.uid_of(b"nobody")), (Some(uid(5000)), None));
        assert_eq!(Names::default().base(uid(1)), None);
        assert_eq!((Names::default().walk().base(uid(1)), names.walk().base(uid(1)).is_some()), (None, true));
        let mut all = Vec::new();
        names.each(|_, base| all.push(base.to_vec()));
        assert_eq!(all[..500], bases);
    }

    #[test]
    fn a_delivered_message_takes_few_octets() {
        let mut names = Names::default();
        for number in 0..6400_u32 {
            let mark = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (micros, size) = (mark % 1_000_000, mark % 90_000);
            let base = format!(
                "{}.M{micros}P{}Q{number}D{mark:016x}.mail01.example.com,S={size},W={}",
                1_795_220_144 + number * 60,
                3269 + mark % 4,
                size + size / 60
            );
            names.push(uid(number + 1), base.as_bytes());
        }
        let octets = names.octets.len() + names.blocks.len() * size_of::<Block>();
        assert!(octets < 24 * names.len(), "{}", octets / names.len());
    }
}
