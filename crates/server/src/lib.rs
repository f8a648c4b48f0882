//! Sockets, TLS, roles, the sessions' drivers, delivery, configuration, admin.
//!
//! A connection comes in at `listener`, which asks `connections` for a place and `profiles` for a session and its house,
//! and lets the `driver` run them. The houses (`house/`) answer out of the directory (`sources`), store and queue. What is in the queue
//! is taken out by `deliver`. `node` holds it all together; `config` says how.

mod admin;
mod certificate;
mod changed_files;
mod clients;
pub mod config;
mod connection;
mod connections;
mod deliver;
mod dkim;
pub mod dns;
mod driver;
pub mod examine;
mod filter;
mod gssapi;
mod hints;
mod house;
mod ids;
mod listener;
pub mod log;
mod logins;
mod node;
mod policy;
mod profiles;
mod proxy;
mod quota;
mod rates;
mod scan;
mod secret;
mod sending;
mod socket;
mod sources;
mod steps;
mod tls;
pub mod users_file;

pub use admin::{LoginFailures, QueueEntry, QueueRecipient, TOKEN_FILE};
pub use axum;
pub use deliver::submit;
pub use dkim::{keygen as dkim_keygen, published as dkim_published, verify as dkim_verify};
pub use filter::{Verdict as ScriptVerdict, check as check_script, options as script_options};
pub use hints::HintCounts;

/// Scripts over messages that are kept already, without a node.
pub mod scripts {
    pub use crate::filter::{Discarded, Known, Plan, Programs, ScriptWorld, Stays, Stored, stored_items};
}

pub use node::{Node, Running, StartError, start};
pub use quota::Mailboxes;
pub use scan::ScanCounts;
pub use sources::{SourceError, directory as open_directory};
pub use steps::{Step, StepKind};
