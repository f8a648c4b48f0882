//! Active Directory, or any LDAP directory: servers and connections, log in by bind, accounts, recipients and groups.
//!
//! From the wire up: `ber`, `dial`, `gate` (nothing but well-formed answers passes), `connection`, `search`, `pool`
//! (one server), `servers` (fail-over), `directory` (one entry and what it means), `login`, `recipient`, `masters`,
//! `iterate` (all accounts). `examine` tries a server for the operator. Knows no cache
//! and no other source of users (`chain`).

mod ad;
mod attributes;
mod ber;
mod binder;
mod connection;
mod description;
mod dial;
mod directory;
mod examine;
mod fault;
mod gate;
mod home;
mod iterate;
mod login;
mod masters;
mod person;
mod pool;
mod recipient;
mod referral;
mod search;
mod servers;
mod settings;

pub use ad::{Refusal, Verdict};
pub use attributes::{UserAttributes, UserAttributesError};
pub use description::{Description, Groups, MasterUsers, lookup_template};
pub use dial::TrustError;
pub(crate) use dial::client_config;
pub use directory::{LdapDirectory, Person};
pub use examine::{Step, Trouble, examine};
pub use fault::{Fault, Outcome};
pub use home::{BadHomeRoot, HomeRoots};
pub use iterate::Listing;
pub use recipient::Listed;
pub use search::{Entry, Query, Scope};
pub use servers::{Health, Servers};
pub use settings::{OwnBind, Settings, Transport, Url, UrlError};
