//! The nouns of mail. Every other room speaks in these types.
//!
//! They are made by `parse`, so a value of such a type cannot be wrong. No IO, no clock, no randomness, and no
//! knowledge of any protocol's grammar beyond the forms that several protocols share (addresses, sets of numbers,
//! modified UTF-7, dates).

pub mod acl;
pub mod address;
pub mod casemap;
pub mod date;
pub mod digest;
pub mod dkim;
pub mod dsn;
pub mod envelope;
pub mod flags;
pub mod header;
pub mod html;
pub mod large;
pub mod mailbox_name;
pub mod mime;
pub mod namespace;
pub mod number_set;
pub mod object_id;
pub mod octets;
pub mod outcome;
pub mod preview;
pub mod quota;
pub mod received;
pub mod rows;
pub mod script_name;
pub mod search;
pub mod snapshot;
pub mod sort;
pub mod status;
pub mod strain;
pub mod subject;
pub mod text;
pub mod thread;
pub mod uid;
pub mod uri;

pub use address::{Address, Domain, ForwardPath, ReversePath};
pub use envelope::{Envelope, QueueId, Recipient, TraceId, TraceMark};
pub use flags::{Flags, Keyword, Keywords};
pub use mailbox_name::MailboxName;
pub use number_set::NumberSet;
pub use object_id::{ObjectId, ObjectKind};
pub use outcome::Outcome;
pub use quota::{Quota, QuotaRule};
pub use rows::Rows;
pub use script_name::ScriptName;
pub use snapshot::{Row, Snapshot};
pub use status::{EnhancedStatus, Reply};
pub use uid::{ModSeq, Seq, Uid, UidValidity};
