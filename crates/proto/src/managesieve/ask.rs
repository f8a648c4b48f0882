//! What a ManageSieve session asks the house, and what the house answers.

use mail::ScriptName;

use crate::sasl::{self, Credentials};

/// A question. In brackets: the answers that fit; `Refused` always does. Any other is taken for `Refusal::Temporary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// What a mechanism needs before we know who they are. (`Sasl`)
    Sasl(sasl::Ask),
    /// Is it them? (`Welcome`)
    LogIn(Credentials),
    /// They are nobody again (RFC 5804 §2.14.1). (`Done`)
    LogOut,
    /// Would a script of so many octets be taken? (`Done`)
    HaveSpace { name: ScriptName, size: u64 },
    /// Check a script and keep it if it is good. (`Done`, `Warned`)
    Put { name: ScriptName, content: Vec<u8> },
    /// Check a script. (`Done`, `Warned`)
    Check(Vec<u8>),
    /// (`Scripts`)
    List,
    /// Run this script for their mail; none: no script. (`Done`)
    Activate(Option<ScriptName>),
    /// (`Content`)
    Get(ScriptName),
    /// (`Done`)
    Delete(ScriptName),
    /// (`Done`)
    Rename { from: ScriptName, to: ScriptName },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Sasl(sasl::Answer),
    /// It is this user.
    Welcome(String),
    /// Done, and this is what the script's author may not have meant.
    Warned(String),
    Scripts(Vec<Script>),
    Content(Vec<u8>),
    Refused(Refusal),
}

/// A script in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub name: ScriptName,
    pub is_active: bool,
}

/// Why the house will not. Told to the client with the code of RFC 5804 §1.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Wrong name or password.
    Authentication,
    /// Something on our side is broken and will be mended.
    Temporary,
    /// Something on our side needs an operator.
    Permanent,
    NotFound,
    Exists,
    Active,
    /// The server itself uses this name.
    Reserved,
    /// Octets of a script.
    TooLarge(u64),
    TooMany(usize),
    /// Octets of all scripts.
    NoStorage(u64),
    /// The script's errors, a line each.
    Faulty(String),
}
