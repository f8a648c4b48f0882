//! The form in which texts are compared without case: the collation `i;unicode-casemap` (RFC 5051), in which IMAP searches and
//! sorts (I18NLEVEL=1, RFC 5255 §4.3). Each character becomes its titlecase, which is then decomposed; what is equal is equal
//! octet by octet, and what is greater has the greater octets.

use unicode_normalization::char::decompose_compatible;

/// The collated form.
pub fn casemap(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let mut mapped = String::with_capacity(text.len() + text.len() / 2);
    for c in text.chars() {
        match c {
            _ if c.is_ascii() => mapped.push(c.to_ascii_uppercase()),
            _ => decompose_compatible(titlecase(c), |part| mapped.push(part)),
        }
    }
    mapped
}

/// The character's simple titlecase, which is nearly always the uppercase that is one character.
fn titlecase(c: char) -> char {
    match c {
        // Letters that are two: their titlecase has one of them large.
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        // Georgian is written without case; its large letters are for headings only.
        'ა'..='ჺ' | 'ჽ'..='ჿ' => c,
        // Greek with an iota below, whose full uppercase is two characters.
        'ᾀ'..='ᾇ' | 'ᾐ'..='ᾗ' | 'ᾠ'..='ᾧ' => char::from_u32(c as u32 + 8).unwrap_or(c),
        'ᾳ' => 'ᾼ',
        'ῃ' => 'ῌ',
        'ῳ' => 'ῼ',
        _ => {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                _ => c,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_case_or_in_composition_alone_is_equal() {
        for (one, other) in [
            ("straße", "STRAßE"),
            ("Ñandú", "n\u{303}ANDU\u{301}"),
            ("ǆ", "ǅ"),
            ("ﬁn", "ﬁN"),
            ("ᾳ", "ᾼ"),
            ("привет", "ПРИВЕТ"),
            ("①", "1"),
        ] {
            assert_eq!(casemap(one), casemap(other), "{one} {other}");
        }
        assert_ne!(casemap("n"), casemap("ñ"));
        assert!(casemap("ñandú").contains(&casemap("NANDU").as_str()[..1]));
        assert_eq!(casemap("ა"), "ა");
    }
}
