//! What a key of `:matches` and `:regex` looks for, made once for a constant key.

mod glob;
mod regular;

pub use glob::Glob;
pub use regular::compile;

/// An expression that minds case, or what is wrong with it.
pub fn regular(expression: &str) -> Result<regex::Regex, String> {
    compile(expression, false)
}

#[derive(Debug, Clone)]
pub enum Pattern {
    Glob(Glob),
    Regex(regex::Regex),
}
