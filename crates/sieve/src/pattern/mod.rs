//! What a key of `:matches` and `:regex` looks for, made once for a constant key.

mod glob;
mod regular;

pub use glob::Glob;
pub use regular::compile;

#[derive(Debug, Clone)]
pub enum Pattern {
    Glob(Glob),
    Regex(regex::Regex),
}
