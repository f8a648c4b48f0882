//! What a script's compiled form holds: counted as it is made, and bounded where a few octets of text make many of memory.

use crate::error::Position;
use crate::pattern::Pattern;
use crate::program::{Comparator, Key, MatchKind, Piece, Text};

use super::{Checker, ready};

/// Regular expressions of one script: how many, the octets of all together, and of their compiled forms. One that is refused
/// counts as well, for it was compiled to know.
const REGEXES_MAX: usize = 256;
const REGEXES_LENGTH_MAX: usize = 64 << 10;
const REGEXES_MEMORY_MAX: usize = 8 << 20;

/// What was made so far, in octets.
#[derive(Debug, Default)]
pub struct Memory {
    held: usize,
    regexes: usize,
    regexes_length: usize,
    regexes_memory: usize,
    /// It was said that they are too many.
    is_told: bool,
}

impl Memory {
    /// All together. Lists grow by doubling.
    pub fn total(&self) -> usize {
        self.held.saturating_mul(2).saturating_add(self.regexes_memory)
    }

    pub fn hold(&mut self, octets: usize) {
        self.held = self.held.saturating_add(octets);
    }

    pub fn hold_text(&mut self, text: &Text) {
        let octets = match text {
            Text::Constant(text) => text.len(),
            Text::Pieces(pieces) => pieces.iter().map(|piece| size_of::<Piece>() + length(piece)).sum(),
        };
        self.hold(size_of::<Text>() + octets);
    }

    fn hold_pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Glob(_) => self.hold(pattern.memory()),
            Pattern::Regex(_) => self.regexes_memory = self.regexes_memory.saturating_add(pattern.memory()),
        }
    }

    /// Whether an expression more may be compiled.
    fn has_room(&mut self, expression: &str) -> bool {
        self.regexes += 1;
        self.regexes_length = self.regexes_length.saturating_add(expression.len());
        self.regexes <= REGEXES_MAX
            && self.regexes_length <= REGEXES_LENGTH_MAX
            && self.regexes_memory <= REGEXES_MEMORY_MAX
    }
}

fn length(piece: &Piece) -> usize {
    match piece {
        Piece::Literal(text) => text.len(),
        Piece::Global(name) | Piece::Environment(name) => name.len(),
        Piece::Variable(_) | Piece::Match(_) | Piece::SuitePath => 0,
    }
}

impl Checker<'_> {
    /// A key, with its pattern where that is known now. `None`: it was told what is wrong with it.
    pub(super) fn key(&mut self, at: Position, written: &str, kind: MatchKind, comparator: Comparator) -> Option<Key> {
        let text = self.text(at, written);
        self.memory.hold(size_of::<Key>());
        let Some(constant) = text.constant() else { return Some(Key { text, pattern: None }) };
        if kind == MatchKind::Regex && !self.memory.has_room(constant) {
            if !std::mem::replace(&mut self.memory.is_told, true) {
                let reason = format!(
                    "the script has too many or too large regular expressions (max: {REGEXES_MAX}, {REGEXES_LENGTH_MAX} characters, {REGEXES_MEMORY_MAX} bytes compiled)."
                );
                self.problems.error(at, reason);
            }
            return None;
        }
        match ready(constant, kind, comparator) {
            Ok(pattern) => {
                pattern.iter().for_each(|pattern| self.memory.hold_pattern(pattern));
                Some(Key { text, pattern })
            }
            Err(reason) => {
                let text = format!("invalid regular expression '{written}' for regex match: {reason}.");
                self.error(at, text)
            }
        }
    }
}
