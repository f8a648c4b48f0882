//! `header`, `address` and `exists` with `:mime` (RFC 5703 §4).

use std::borrow::Cow;
use std::ops::Range;

use mail::mime::{Params, content_type, decode_params, disposition};
use mail::text::decode_words;

use crate::program::{Fields, MatchKind, MimeAsk, MimePiece, MimeTest, Text};

use super::fields::{CHOSEN_MAX, indexed, push_addresses};
use super::message::{Field, Message};
use super::work::COMPARISON_COST;
use super::{Fault, Ran, Run};

impl Run<'_, '_> {
    pub(super) fn mime_test(&mut self, test: &MimeTest) -> Ran<bool> {
        let message = self.message.clone();
        let parts = self.scope(&message, test.any_child)?;
        match &test.asks {
            MimeAsk::Exists(names) => self.exists_in(&message, parts, names),
            MimeAsk::Address { fields, part, matching } => {
                let delimiter = self.world.recipient_delimiter().to_owned();
                let mut values = Vec::new();
                for field in self.part_fields(&message, parts, fields)? {
                    self.made(field.value.len())?;
                    push_addresses(field, *part, &delimiter, &mut values);
                }
                self.matches(matching, &values)
            }
            MimeAsk::Header { fields, piece, matching } => {
                let counted = matches!(matching.kind, MatchKind::Count(_));
                let names = match piece {
                    MimePiece::Param(names) => self.expand_all(names)?,
                    _ => Vec::new(),
                };
                let mut values = Vec::new();
                for field in self.part_fields(&message, parts, fields)? {
                    self.made(field.value.len())?;
                    let before = values.len();
                    push_piece(field, piece, &names, &mut values);
                    // RFC 5703 §4.1: where there is none a blank is compared, which does not count as one.
                    if values.len() == before && !counted {
                        values.push(Cow::Borrowed(""));
                    }
                }
                self.matches(matching, &values)
            }
        }
    }

    /// The parts that a test looks at: that of the loop or else the message, with all within it if that is wanted.
    fn scope(&mut self, message: &Message<'_>, any_child: bool) -> Ran<Range<usize>> {
        let part = self.current_part();
        if !any_child {
            return Ok(part..part + 1);
        }
        self.look_into(message)?;
        Ok(part..message.structure().end_of(part))
    }

    fn exists_in(&mut self, message: &Message<'_>, parts: Range<usize>, names: &[Text]) -> Ran<bool> {
        for name in names {
            let name = self.expand(name)?;
            let mut found = false;
            for part in parts.clone() {
                let fields = message.part_fields(part);
                self.work(COMPARISON_COST * (1 + fields.len()))?;
                found = fields.iter().any(|field| field.name.eq_ignore_ascii_case(&name));
                if found {
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The fields of these names: all of the first name, then all of the second.
    fn part_fields<'f>(
        &mut self,
        message: &'f Message<'_>,
        parts: Range<usize>,
        fields: &Fields,
    ) -> Ran<Vec<&'f Field>> {
        let mut chosen: Vec<&Field> = Vec::new();
        for name in &fields.names {
            let name = self.expand(name)?;
            for part in parts.clone() {
                let fields = message.part_fields(part);
                self.work(COMPARISON_COST * (1 + fields.len()))?;
                chosen.extend(fields.iter().filter(|field| field.name.eq_ignore_ascii_case(&name)));
                if chosen.len() > CHOSEN_MAX {
                    return self.fail(Fault::TooMuch("header field"));
                }
            }
        }
        Ok(match fields.index {
            None => chosen,
            Some(index) => indexed(&chosen, index).into_iter().collect(),
        })
    }
}

/// What of a field is to be compared; nothing where the field has no such thing.
fn push_piece<'f>(field: &'f Field, piece: &MimePiece, names: &[String], values: &mut Vec<Cow<'f, str>>) {
    if let MimePiece::Whole = piece {
        values.push(Cow::Borrowed(field.text()));
        return;
    }
    let Some((kind, subtype, params)) = read(field) else { return };
    match piece {
        MimePiece::Whole => {}
        MimePiece::Type => values.push(Cow::Owned(kind)),
        MimePiece::Subtype => values.extend(subtype.map(Cow::Owned)),
        MimePiece::ContentType => values.push(Cow::Owned(match subtype {
            Some(subtype) => format!("{kind}/{subtype}"),
            None => kind,
        })),
        MimePiece::Param(_) => {
            let wanted = |name: &str| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
            let params = decode_params(&params).into_iter().filter(|(name, _)| wanted(name));
            values.extend(params.map(|(_, value)| Cow::Owned(value)));
        }
    }
}

/// Content-Type or Content-Disposition taken apart; the latter has no subtype. `None` for other fields, and for what cannot
/// be read.
fn read(field: &Field) -> Option<(String, Option<String>, Params)> {
    if field.name.eq_ignore_ascii_case("content-type") {
        let (kind, subtype, params) = content_type(&field.value)?;
        return Some((decode_words(&kind), Some(decode_words(&subtype)), params));
    }
    if field.name.eq_ignore_ascii_case("content-disposition") {
        let (kind, params) = disposition(&field.value)?;
        return Some((decode_words(&kind), None, params));
    }
    None
}
