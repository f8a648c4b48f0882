//! What a part is: its `Content-*` fields (RFC 2045, 2046, 2183, 3282, 2557, 1864).
//!
//! ```text
//! Content-Type        = type "/" subtype *(";" name "=" value)        ; RFC 2045 §5.1
//! Content-Disposition = kind *(";" name "=" value)                    ; RFC 2183 §2
//! value               = token / quoted-string
//! ```
//!
//! Of a field that comes twice the first counts. Unquoted values may hold what needs quotes (`boundary=----=_1`), because
//! they do in the wild. Continuations and charsets of parameters (RFC 2231) are left to the reader: `name*0*` stays so.

use smallvec::SmallVec;

use crate::header::lexer::Lexer;
use crate::header::{fields, unfold};

/// The most parameters kept of one field.
pub const PARAMS_MAX: usize = 200;
/// The most languages kept of one Content-Language field.
pub const LANGUAGES_MAX: usize = 100;

/// A token. Nearly all (`text`, `us-ascii`, `quoted-printable`) are held in place: structures are made by the thousand when
/// a mailbox is listed.
pub type Word = SmallVec<[u8; 16]>;
/// Names and values, without quotes, in their order.
pub type Params = Vec<(Word, Word)>;
/// `inline` or `attachment`, and its parameters.
pub type Disposition = (Word, Params);

/// The content fields of a part, as written unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The type, `text`. With `subtype` the default if there is no valid Content-Type.
    pub kind: Word,
    pub subtype: Word,
    /// With `charset=us-ascii` added to a text that names none (RFC 2046 §4.1.2).
    pub params: Params,
    pub id: Option<Vec<u8>>,
    pub description: Option<Vec<u8>>,
    /// The transfer encoding, `7BIT` if none is named.
    pub encoding: Word,
    pub md5: Option<Vec<u8>>,
    pub location: Option<Vec<u8>>,
    pub language: Vec<Word>,
    pub disposition: Option<Disposition>,
}

impl Media {
    /// Reads a header block. A part of a multipart/digest without Content-Type is a message/rfc822 (RFC 2046 §5.1.5), any
    /// other a text/plain (RFC 2045 §5.2, which wants the same for a Content-Type that cannot be read).
    pub fn read(block: &[u8], in_digest: bool) -> Media {
        let mut media = Media::bare();
        let mut content_type = None;
        for field in fields(block).filter(|field| field.name.len() > 8) {
            match field.name.to_ascii_lowercase().as_slice() {
                b"content-type" => content_type = content_type.or(Some(field.value)),
                b"content-id" => keep_text(&mut media.id, field.value),
                b"content-description" => keep_text(&mut media.description, field.value),
                b"content-md5" => keep_text(&mut media.md5, field.value),
                b"content-location" => keep_text(&mut media.location, field.value),
                b"content-transfer-encoding" if media.encoding.is_empty() => media.encoding = token(field.value),
                b"content-language" if media.language.is_empty() => media.language = languages(field.value),
                b"content-disposition" if media.disposition.is_none() => media.disposition = disposition(field.value),
                _ => {}
            }
        }
        media.set_type(content_type, in_digest);
        if media.encoding.is_empty() {
            media.encoding = Word::from_slice(b"7BIT");
        }
        media
    }

    /// The first value of a Content-Type parameter, name without case.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        self.params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }

    /// Whether this is that type, case ignored.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes()) && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    pub(super) fn is_multipart(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"multipart")
    }

    pub(super) fn is_message(&self) -> bool {
        self.is("message", "rfc822")
    }

    fn bare() -> Media {
        Media {
            kind: Word::new(),
            subtype: Word::new(),
            params: Params::new(),
            id: None,
            description: None,
            encoding: Word::new(),
            md5: None,
            location: None,
            language: Vec::new(),
            disposition: None,
        }
    }

    fn set_type(&mut self, field: Option<&[u8]>, in_digest: bool) {
        let written = field.and_then(content_type);
        let default = if in_digest && field.is_none() { ("message", "rfc822") } else { ("text", "plain") };
        let default =
            || (Word::from_slice(default.0.as_bytes()), Word::from_slice(default.1.as_bytes()), Params::new());
        (self.kind, self.subtype, self.params) = written.unwrap_or_else(default);
        if self.kind.eq_ignore_ascii_case(b"text") && self.param("charset").is_none() {
            self.params.push((Word::from_slice(b"charset"), Word::from_slice(b"us-ascii")));
        }
    }
}

fn keep_text(text: &mut Option<Vec<u8>>, value: &[u8]) {
    if text.is_none() {
        *text = Some(unfold(value)).filter(|text| !text.is_empty());
    }
}

/// The value of a Content-Type field: type, subtype, parameters. `None` if it is none.
pub fn content_type(value: &[u8]) -> Option<(Word, Word, Params)> {
    let mut lexer = Lexer::new(value);
    lexer.skip_cfws();
    let kind: Word = lexer.take_while(is_token).into();
    lexer.skip_cfws();
    let slash = lexer.eat(b'/');
    lexer.skip_cfws();
    let subtype: Word = lexer.take_while(is_token).into();
    let valid = slash && !kind.is_empty() && !subtype.is_empty();
    valid.then(|| (kind, subtype, params(&mut lexer)))
}

/// The value of a Content-Disposition field.
pub fn disposition(value: &[u8]) -> Option<Disposition> {
    let mut lexer = Lexer::new(value);
    lexer.skip_cfws();
    let kind: Word = lexer.take_while(is_token).into();
    (!kind.is_empty()).then(|| (kind, params(&mut lexer)))
}

fn params(lexer: &mut Lexer<'_>) -> Params {
    let mut params = Params::new();
    while params.len() < PARAMS_MAX {
        lexer.skip_cfws();
        // What stands before the next semicolon belongs to nothing.
        lexer.take_while(|byte| byte != b';');
        if !lexer.eat(b';') {
            break;
        }
        params.extend(param(lexer));
    }
    params
}

fn param(lexer: &mut Lexer<'_>) -> Option<(Word, Word)> {
    lexer.skip_cfws();
    let name: Word = lexer.take_while(is_token).into();
    lexer.skip_cfws();
    if name.is_empty() || !lexer.eat(b'=') {
        return None;
    }
    lexer.skip_cfws();
    let value = if lexer.eat(b'"') { lexer.quoted().into() } else { lexer.take_while(is_unquoted).into() };
    Some((name, value))
}

fn token(value: &[u8]) -> Word {
    let mut lexer = Lexer::new(value);
    lexer.skip_cfws();
    lexer.take_while(is_token).into()
}

// RFC 3282 §2: Content-Language = language-tag *("," language-tag)
fn languages(value: &[u8]) -> Vec<Word> {
    let tags = value.split(|&byte| byte == b',').map(token);
    tags.filter(|tag| !tag.is_empty()).take(LANGUAGES_MAX).collect()
}

// RFC 2045 §5.1: token = 1*<any CHAR except SPACE, CTLs, or tspecials>
fn is_token(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

fn is_unquoted(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !b";(".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(params: &Params) -> Vec<String> {
        params
            .iter()
            .map(|(name, value)| String::from_utf8_lossy(&[name, &b"="[..], value].concat()).into_owned())
            .collect()
    }

    #[test]
    fn content_fields_are_read_as_written() {
        let media = Media::read(
            b"Content-Type: Application/PDF (x); name*0*=utf-8''a%20; NAME*1=\"d;f\";\r\n foo = \"b\\\"a\" ; bare; b=----=_1\r\n\
              Content-Disposition: Attachment; filename=\"=?utf-8?q?x?=\"\r\nContent-Transfer-Encoding: BASE64 (x)\r\n\
              Content-Language: de, en (x)\r\nContent-Location: http://x/\r\n  y\r\nContent-MD5: Q2hl\r\n\
              Content-ID: <a@b> \r\nContent-Description: a\r\n  b\r\nContent-Type: text/html\r\n\r\n",
            false,
        );
        assert!(media.is("application", "pdf"));
        assert_eq!(pairs(&media.params), ["name*0*=utf-8''a%20", "NAME*1=d;f", "foo=b\"a", "b=----=_1"]);
        let (kind, params) = media.disposition.unwrap();
        assert_eq!((kind.as_slice(), pairs(&params)), (&b"Attachment"[..], vec!["filename==?utf-8?q?x?=".to_owned()]));
        assert_eq!(
            (media.encoding.as_slice(), media.language),
            (&b"BASE64"[..], vec![Word::from_slice(b"de"), Word::from_slice(b"en")])
        );
        assert_eq!((media.id, media.md5), (Some(b"<a@b>".to_vec()), Some(b"Q2hl".to_vec())));
        assert_eq!((media.description, media.location), (Some(b"a  b".to_vec()), Some(b"http://x/  y".to_vec())));
    }

    #[test]
    fn without_a_valid_type_it_is_plain_text_or_a_message_of_a_digest() {
        for block in
            ["", "Content-Type: text\r\n", "Content-Type: te xt/plain; charset=x\r\n", "Content-Type: text/; a=b\r\n"]
        {
            let media = Media::read(block.as_bytes(), false);
            assert!(media.is("text", "plain"), "{block}");
            assert_eq!(pairs(&media.params), ["charset=us-ascii"], "{block}");
        }
        assert!(Media::read(b"", true).is("message", "rfc822"));
        assert!(Media::read(b"Content-Type: bad\r\n", true).is("text", "plain"));
    }
}
