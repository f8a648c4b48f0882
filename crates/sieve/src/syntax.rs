//! A script as it was written: commands, tests and arguments with their places (RFC 5228 §8.2). Nothing here knows which
//! commands exist; `check` does.

use crate::error::Position;

/// A command or a test: they are written alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub at: Position,
    pub name: String,
    pub arguments: Vec<Argument>,
    pub tests: Tests,
    /// What stands in braces after a command.
    pub block: Option<Vec<Node>>,
}

/// The tests after the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tests {
    None,
    One(Box<Node>),
    /// Between parentheses; at least one.
    List(Vec<Node>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub at: Position,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    Text(String),
    List(Vec<(Position, String)>),
    /// Without its colon, as written.
    Tag(String),
}

impl Value {
    /// What it is, for error texts.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "string list",
            Value::Tag(_) => "tag",
        }
    }
}
