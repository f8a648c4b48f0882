//! Percent-encoding (RFC 3986 §2.1).

/// The text behind `%` and two digits; none where the digits are none or the octets are not UTF-8.
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(octets).ok()
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_read_and_what_is_none_is_refused() {
        assert_eq!(percent_decoded("a%C3%B1o%2c%20").as_deref(), Some("año, "));
        for bad in ["%", "%4", "%zz", "%+f", "%ff"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }
}
