//! Putting a value into an LDAP filter (RFC 4515) or a distinguished name (RFC 4514) so that it stays a value.
//!
//! Dovecot escapes first and modifies then, so that its `%1u` may be half an escape and its `%Mu` the digest of one.
//! Here the escape comes last: a filter is always well-formed, and a digest in it is that of the name.

use crate::digest::hex;

/// A value for an assertion in a filter: whatever it holds, it is compared and never matched as a pattern.
pub fn filter_escape(value: &[u8]) -> String {
    let mut escaped = String::with_capacity(value.len());
    for octet in value {
        match octet {
            // RFC 4515 §3: `*`, `(`, `)`, `\` and NUL must be escaped, and any octet may be. Octets beyond ASCII are,
            // because they need not be UTF-8.
            b'*' | b'(' | b')' | b'\\' | 0 | 1..=0x1f | 0x7f..=0xff => escape_octet(&mut escaped, *octet),
            _ => escaped.push(char::from(*octet)),
        }
    }
    escaped
}

/// A value for an attribute in a distinguished name.
pub fn dn_escape(value: &[u8]) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (index, octet) in value.iter().enumerate() {
        match octet {
            // RFC 4514 §2.4: `"`, `+`, `,`, `;`, `<`, `>`, `\` and NUL anywhere, a space or `#` at the start, a space
            // at the end. `=` and the rest of the controls may be escaped.
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=' | 0..=0x1f | 0x7f..=0xff => {
                escape_octet(&mut escaped, *octet);
            }
            b'#' | b' ' if index == 0 => escape_octet(&mut escaped, *octet),
            b' ' if index == last => escape_octet(&mut escaped, *octet),
            _ => escaped.push(char::from(*octet)),
        }
    }
    escaped
}

fn escape_octet(escaped: &mut String, octet: u8) {
    escaped.push('\\');
    escaped.push_str(&hex(&[octet]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_ends_the_assertion_it_stands_in() {
        assert_eq!(filter_escape(b"*)(mail=*"), r"\2a\29\28mail=\2a");
        assert_eq!(filter_escape("a\\b\0ñ\n".as_bytes()), r"a\5cb\00\c3\b1\0a");
        assert_eq!(filter_escape(b"Ana Maria, O'Brien"), "Ana Maria, O'Brien");
        for octet in 0..=255 {
            let escaped = filter_escape(&[octet]);
            assert!(escaped == char::from(octet).to_string() || escaped == format!("\\{octet:02x}"));
            assert!(!escaped.contains(['*', '(', ')', '\0']));
        }
    }

    #[test]
    fn a_value_never_ends_the_attribute_it_stands_in() {
        assert_eq!(dn_escape(b"ana,dc=evil"), r"ana\2cdc\3devil");
        assert_eq!(dn_escape(b"#a b "), r"\23a b\20");
        assert_eq!(dn_escape(b" "), r"\20");
        assert_eq!(dn_escape(b"a+b\"c\\d<e>f;g"), r"a\2bb\22c\5cd\3ce\3ef\3bg");
        assert_eq!(dn_escape("ñ\0".as_bytes()), r"\c3\b1\00");
        assert_eq!(dn_escape(b""), "");
    }
}
