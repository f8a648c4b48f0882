//! What a key of `:matches` and `:regex` looks for, made once for a constant key.

mod glob;
mod regular;

pub use glob::Glob;
pub use regular::{REGEX_SIZE_MAX, Regex, compile};

#[derive(Debug, Clone)]
pub enum Pattern {
    Glob(Glob),
    Regex(Regex),
}

impl Pattern {
    /// The memory it holds, in octets.
    pub fn memory(&self) -> usize {
        match self {
            Pattern::Glob(glob) => glob.memory(),
            Pattern::Regex(regex) => regex.memory(),
        }
    }
}
