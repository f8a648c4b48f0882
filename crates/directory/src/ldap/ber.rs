//! Reading BER as LDAP uses it (RFC 4511 §5.1): definite lengths, low tag numbers, nothing deeper than an LDAP answer
//! needs.
//!
//! Promises: no octets of a peer make it panic, recurse or allocate. Knows nothing of what the messages mean (`gate`).

/// A tag that LDAP uses. The class and "constructed" bits are part of the number (X.690 §8.1.2).
pub mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const OCTET_STRING: u8 = 0x04;
    pub const ENUMERATED: u8 = 0x0a;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    /// RFC 4511 §4.1.1: `controls [0] Controls OPTIONAL`.
    pub const CONTROLS: u8 = 0xa0;
    pub const BIND_RESPONSE: u8 = 0x61;
    pub const SEARCH_ENTRY: u8 = 0x64;
    pub const SEARCH_DONE: u8 = 0x65;
    pub const SEARCH_REFERENCE: u8 = 0x73;
    pub const EXTENDED_RESPONSE: u8 = 0x78;
    pub const INTERMEDIATE_RESPONSE: u8 = 0x79;
    pub const SEARCH_REQUEST: u8 = 0x63;
    pub const BIND_REQUEST: u8 = 0x60;
    pub const EXTENDED_REQUEST: u8 = 0x77;
    /// RFC 4511 §4.2: `simple [0] OCTET STRING`.
    pub const SIMPLE_PASSWORD: u8 = 0x80;
}

/// One element: its tag octet and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    pub tag: u8,
    pub content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The content, if the element has this tag.
    pub fn expect(self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }

    /// Whether it holds other elements (X.690 §8.1.2.5).
    pub fn is_constructed(self) -> bool {
        self.tag & 0x20 != 0
    }
}

/// What stands at the beginning of some octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// A tag, the octets of tag and length, and the length of the content.
    Whole { tag: u8, header: usize, content: usize },
    /// More octets are needed to tell.
    Partial,
    /// No BER that LDAP allows: an indefinite length (RFC 4511 §5.1), or one that takes more than four octets.
    Bad,
}

/// Reads tag and length.
pub fn header(octets: &[u8]) -> Header {
    let (Some(&tag), Some(&first)) = (octets.first(), octets.get(1)) else { return Header::Partial };
    if first < 0x80 {
        return Header::Whole { tag, header: 2, content: usize::from(first) };
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Header::Bad;
    }
    let Some(length) = octets.get(2..2 + count) else { return Header::Partial };
    let content = length.iter().fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet));
    Header::Whole { tag, header: 2 + count, content }
}

/// Writes an element whose content is these parts, one after the other.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut octets = vec![tag];
    match u8::try_from(length) {
        Ok(short @ ..0x80) => octets.push(short),
        // Four octets are enough for whatever we send.
        _ => {
            octets.push(0x84);
            octets.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| octets.extend_from_slice(part));
    octets
}

/// The elements that stand one after the other in some octets.
#[derive(Debug, Clone, Copy)]
pub struct Elements<'a>(pub &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element, or `None` when there is none or it is cut off. `is_empty` tells which.
    pub fn take(&mut self) -> Option<Element<'a>> {
        let Header::Whole { tag, header, content } = header(self.0) else { return None };
        let end = header.checked_add(content)?;
        let content = self.0.get(header..end)?;
        self.0 = self.0.get(end..)?;
        Some(Element { tag, content })
    }

    /// The content of the next element, if it has this tag.
    pub fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.take()?.expect(tag)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An INTEGER or ENUMERATED that is not negative and fits (RFC 4511 §4.1.1: `maxInt` is 2³¹ − 1).
pub fn unsigned(content: &[u8]) -> Option<u32> {
    let good = (1..=4).contains(&content.len()) && content.first().is_some_and(|first| first & 0x80 == 0);
    good.then(|| content.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_in_both_forms_and_waited_for() {
        assert_eq!(header(&[0x30, 5]), Header::Whole { tag: 0x30, header: 2, content: 5 });
        assert_eq!(header(&[0x30, 0x82, 1, 0]), Header::Whole { tag: 0x30, header: 4, content: 256 });
        assert_eq!(header(&[0x30, 0x82, 1]), Header::Partial);
        assert_eq!(header(&[0x30, 0x80]), Header::Bad);
        assert_eq!(header(&[0x30, 0x85, 0, 0, 0, 0, 1]), Header::Bad);
    }

    #[test]
    fn an_element_that_is_cut_off_is_none() {
        let mut elements = Elements(&[2, 1, 7, 4, 3, b'a']);
        assert_eq!(elements.expect(tag::INTEGER), Some([7].as_slice()));
        assert_eq!(elements.take(), None);
        assert!(!elements.is_empty());
    }

    #[test]
    fn negative_and_long_numbers_are_none() {
        assert_eq!((unsigned(&[0x31]), unsigned(&[1, 0])), (Some(49), Some(256)));
        assert_eq!((unsigned(&[]), unsigned(&[0xff]), unsigned(&[0, 0, 0, 0, 1])), (None, None, None));
    }
}
