//! Tag lists (RFC 6376 §3.2), which signatures and key records are.
//!
//! ```text
//! tag-list = tag-spec *( ";" tag-spec ) [ ";" ]
//! tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]
//! tag-name = ALPHA *ALNUMPUNC
//! ```

/// The longest list read.
pub const LIST_LENGTH_MAX: usize = 64 * 1024;

/// A list whose every tag has a name of its own.
#[derive(Debug)]
pub struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// `None` for what is no list, or names a tag twice.
    pub fn parse(text: &'a str) -> Option<Tags<'a>> {
        if text.len() > LIST_LENGTH_MAX {
            return None;
        }
        let mut tags = Vec::new();
        let text = trimmed(text);
        for spec in text.strip_suffix(';').unwrap_or(text).split(';') {
            let (name, value) = spec.split_once('=')?;
            tags.push((name_of(name)?, trimmed(value)));
        }
        let mut names: Vec<&str> = tags.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let is_unique = names.windows(2).all(|pair| pair[0] != pair[1]);
        is_unique.then_some(Tags(tags))
    }

    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(tag, _)| *tag == name).map(|(_, value)| *value)
    }

    /// The name of the first tag.
    pub fn first(&self) -> Option<&'a str> {
        self.0.first().map(|(name, _)| *name)
    }
}

fn name_of(text: &str) -> Option<&str> {
    let name = trimmed(text);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    is_name.then_some(name)
}

/// Without the white space of folded fields around it.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// The words of a list whose values stand between colons.
pub fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(':').map(trimmed)
}
