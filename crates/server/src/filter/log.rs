//! `.dovecot.sieve.log` beside the active script: what went wrong in it, for the user, as Pigeonhole tells it. Best effort: mail
//! does not wait for it.

use std::path::Path;
use std::time::SystemTime;

use mail::TraceId;

use crate::deliver::local::date_time;
use crate::node::Node;

const FILE: &str = ".dovecot.sieve.log";
/// A file longer than this has told enough: it begins anew.
const LENGTH_MAX: u64 = 256 << 10;
/// Characters of one reason.
const WHY_LENGTH_MAX: usize = 4096;

/// Adds a line.
pub fn write(node: &Node, home: &Path, trace: &TraceId, script: &str, why: &str) {
    let name = if script.is_empty() { String::new() } else { format!("{script}: ") };
    let why: String = why.replace(['\r', '\n'], " ").chars().take(WHY_LENGTH_MAX).collect();
    let line = format!("{} {trace}: {name}{why}\n", date_time(SystemTime::now()).to_rfc5322());
    let written = node.disk().append(&home.join(FILE)).and_then(|mut log| {
        if log.len() > LENGTH_MAX {
            log.truncate(0)?;
        }
        log.write_all(line.as_bytes())
    });
    if let Err(error) = written {
        tracing::warn!(%trace, %error, "cannot write a user's Sieve log");
    }
}
