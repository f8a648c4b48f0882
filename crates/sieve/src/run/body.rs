//! `body` (RFC 5173).

use std::borrow::Cow;

use crate::program::{BodyContent, Matching};

use super::message::TextPart;
use super::work::COMPARISON_COST;
use super::{Ran, Run};

impl Run<'_, '_> {
    pub(super) fn body(&mut self, content: &BodyContent, matching: &Matching) -> Ran<bool> {
        // RFC 5173 §6: this test leaves the match variables alone.
        let matched = self.matched.clone();
        self.work(matched.iter().map(String::len).sum())?;
        let result = self.body_matches(content, matching);
        self.matched = matched;
        result
    }

    fn body_matches(&mut self, content: &BodyContent, matching: &Matching) -> Ran<bool> {
        let message = self.message.clone();
        if message.body().is_empty() {
            return self.matches(matching, &[]);
        }
        let types = match content {
            BodyContent::Raw => {
                self.work(message.body().len())?;
                return self.matches(matching, &[String::from_utf8_lossy(message.body())]);
            }
            BodyContent::Text => vec!["text".to_owned()],
            BodyContent::Content(types) => {
                self.expand_all(types)?.iter().map(|name| name.to_ascii_lowercase()).collect()
            }
        };
        if !message.has_parts() {
            self.work(message.body().len())?;
        }
        self.work(COMPARISON_COST * types.len() * message.parts().len())?;
        let chosen =
            message.parts().iter().filter(|part| types.iter().any(|wanted| is_wanted(wanted, &part.media_type)));
        // RFC 5173 §5.3: `:text` is what people see.
        let is_readable = matches!(content, BodyContent::Text);
        if is_readable {
            self.made(chosen.clone().map(TextPart::readable_cost).sum())?;
        }
        let text = |part| if is_readable { TextPart::readable(part) } else { &part.text };
        let chosen: Vec<_> = chosen.map(|part| Cow::Borrowed(text(part))).collect();
        self.matches(matching, &chosen)
    }
}

// RFC 5173 §5.2: all, a type, or a type and subtype; what is malformed fits nothing. Both in lower case.
fn is_wanted(wanted: &str, media_type: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    match wanted.split_once('/') {
        Some((kind, subtype)) => {
            !kind.is_empty() && !subtype.is_empty() && !subtype.contains('/') && wanted == media_type
        }
        None => media_type.split_once('/').is_some_and(|(kind, _)| kind == wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_chosen_whole_or_by_their_first_half() {
        for (wanted, chosen) in [
            ("", true),
            ("text", true),
            ("text/html", true),
            ("text/", false),
            ("/html", false),
            ("html", false),
            ("text/plain", false),
        ] {
            assert_eq!(is_wanted(wanted, "text/html"), chosen, "{wanted}");
        }
    }
}
