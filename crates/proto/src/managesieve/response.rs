//! Every text that a ManageSieve server of ours says.

use super::server::Profile;

/// The capabilities (RFC 5804 §1.7), as CAPABILITY, the greeting and the end of STARTTLS give them.
///
/// SASL is empty, and SIEVE too: nobody needs to log in as long as there are no scripts.
pub fn capabilities(profile: &Profile, in_tls: bool) -> String {
    let starttls = if profile.starttls && !in_tls { "\"STARTTLS\"\r\n" } else { "" };
    format!("\"IMPLEMENTATION\" \"Tepui\"\r\n\"SIEVE\" \"\"\r\n\"SASL\" \"\"\r\n{starttls}\"VERSION\" \"1.0\"\r\n")
}

pub fn ok(text: &str) -> String {
    format!("OK {}\r\n", quoted(text.as_bytes()))
}

pub fn no(text: &str) -> String {
    format!("NO {}\r\n", quoted(text.as_bytes()))
}

pub fn bye(text: &str) -> String {
    format!("BYE {}\r\n", quoted(text.as_bytes()))
}

/// NOOP with a string (RFC 5804 §2.13).
pub fn noop_tagged(tag: &[u8]) -> String {
    format!("OK (TAG {}) \"Done\"\r\n", quoted(tag))
}

pub fn no_scripts() -> String {
    no("Sieve scripts are not served here yet.")
}

/// A quoted string; what may not stand in one is replaced (RFC 5804 §4).
fn quoted(text: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push('?'),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
