//! Who is who: names and templates, password hashes, the password file; what the rest of the house asks a directory
//! for.
//!
//! Promises: whatever a login, an attribute or a hash holds, nothing here panics, takes unbounded time or memory,
//! prints a password, or lets a value lead out of its folder, its filter or its DN. Knows no protocol's words and no
//! settings file.
//!
//! `chain` is the door; `ldap`, `passwd_file` and trusted networks are its sources. `lockout` counts what fails at it.

pub mod account;
pub mod cache;
pub mod chain;
mod digest;
pub mod groups;
mod keyed;
pub mod ldap;
pub mod lockout;
pub mod oauth;
pub mod passwd_file;
pub mod password;
pub mod template;

pub use account::{Account, Quota, QuotaRule, QuotaRuleError};
pub use passwd_file::{LogIn, PasswdFile};
pub use password::Hash;
pub use template::{Template, Variables};
