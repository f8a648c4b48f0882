//! The compiled forms of RFC 5703: parts of a message looked at, taken out, and changed.

use super::{AddressPart, Block, Fields, Matching, Modifier, Text, Texts, Variable};

/// `header`, `address` and `exists` with `:mime` (RFC 5703 §4).
#[derive(Debug)]
pub struct MimeTest {
    /// The parts within are looked at, too.
    pub any_child: bool,
    pub asks: MimeAsk,
}

#[derive(Debug)]
pub enum MimeAsk {
    Header { fields: Fields, piece: MimePiece, matching: Matching },
    Address { fields: Fields, part: AddressPart, matching: Matching },
    Exists(Texts),
}

/// What of a field's value is compared.
#[derive(Debug)]
pub enum MimePiece {
    Whole,
    Type,
    Subtype,
    ContentType,
    /// The parameters of these names.
    Param(Texts),
}

/// The commands of RFC 5703.
#[derive(Debug)]
pub enum MimeCommand {
    ForEveryPart(Block),
    /// Leaves so many loops beside the innermost.
    Break(usize),
    ExtractText(ExtractText),
    Replace(Replace),
    Enclose(Enclose),
}

/// RFC 5703 §7.
#[derive(Debug)]
pub struct ExtractText {
    pub variable: Variable,
    pub modifiers: Vec<Modifier>,
    /// At most so many characters.
    pub first: Option<u64>,
}

/// RFC 5703 §5.
#[derive(Debug)]
pub struct Replace {
    /// The replacement is a part with its header.
    pub mime: bool,
    pub subject: Option<Text>,
    pub from: Option<Text>,
    pub replacement: Text,
}

/// RFC 5703 §6.
#[derive(Debug)]
pub struct Enclose {
    pub subject: Option<Text>,
    /// The names of the fields that are copied.
    pub headers: Texts,
    pub text: Text,
}
