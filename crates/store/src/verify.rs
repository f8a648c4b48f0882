//! The table of docs/internals/store.md as a check: reads everything, changes nothing.

use std::path::PathBuf;

use crate::{Account, Result};

/// Whether a finding is what a crash may leave, or what must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    Leftover,
    Damage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub harm: Harm,
    pub path: PathBuf,
    pub what: String,
}

/// Checks every mailbox of an account.
pub fn verify(_account: &Account) -> Result<Vec<Finding>> {
    unimplemented!()
}
