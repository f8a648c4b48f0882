//! FETCH (RFC 3501 §6.4.5): what can be asked for. `section.rs` has the parts of a body, `structure.rs` writes ENVELOPE and
//! BODYSTRUCTURE, `facts.rs` what else is known of a message without its octets, `modifiers.rs` says of which messages and what else, `run.rs` asks and answers message by message.

mod facts;
mod modifiers;
mod run;
pub mod section;
mod structure;

use section::{Partial, Section, What};

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Fault, Parsed, Parser, syntax, syntax_at};
use crate::imap::response::Completion;
use crate::imap::view::Numbers;

/// One thing asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Flags,
    Uid,
    /// RFC 7162 §3.1.4.2
    ModSeq,
    InternalDate,
    Size,
    /// RFC 8474 §5.1
    EmailId,
    ThreadId,
    /// RFC 8514
    SaveDate,
    /// RFC 8970
    Preview {
        lazy: bool,
    },
    Envelope,
    /// BODY, and with `extensible` BODYSTRUCTURE.
    Structure {
        extensible: bool,
    },
    Content(Content),
    Binary(Binary),
}

/// Octets of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    /// As it is called in the response.
    name: String,
    section: Section,
    partial: Option<Partial>,
    /// Does not set `\Seen`.
    peek: bool,
}

/// A part without its transfer encoding (RFC 3516).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Binary {
    /// As it is called in the response.
    name: String,
    /// A part, or the whole message.
    section: Section,
    partial: Option<Partial>,
    /// Does not set `\Seen`.
    peek: bool,
    /// Only how long it is.
    size_only: bool,
}

impl Content {
    /// Whether its octets are those of the message's header.
    fn is_header(&self) -> bool {
        self.section.path.is_empty() && matches!(self.section.what, What::Header)
    }
}

// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
//         [fetch-modifiers]
pub fn start(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    args.space()?;
    let set = args.message_set()?;
    args.space()?;
    let mut items = if args.peek() == Some(b'(') { args.list(1, item)? } else { macro_or_item(args)? };
    let modifiers = modifiers::parse(args, numbers, context)?;
    args.end()?;
    // RFC 3501 §6.4.8: UID FETCH always tells the UID.
    if numbers == Numbers::Uid && !items.contains(&Item::Uid) {
        items.insert(0, Item::Uid);
    }
    modifiers.add_items(&mut items);
    let Some(view) = context.view() else { return Err(Fault::Refused(Completion::misunderstood())) };
    let Some(mut messages) = view.messages(&set, numbers) else { return syntax("Invalid messageset") };
    modifiers.choose(&mut messages, view);
    if items.contains(&Item::ModSeq) {
        context.enable_condstore();
    }
    Ok(match modifiers.vanished() {
        None => run::run(items, messages, context),
        Some(since) => modifiers::tell_vanished(since, set, move |context| run::run(items, messages, context)),
    })
}

fn macro_or_item(args: &mut Parser<'_>) -> Parsed<Vec<Item>> {
    let fast = [Item::Flags, Item::InternalDate, Item::Size];
    let mut ahead = args.clone();
    let more = match ahead.atom().unwrap_or_default().to_ascii_uppercase().as_str() {
        "FAST" => vec![],
        "ALL" => vec![Item::Envelope],
        "FULL" => vec![Item::Envelope, Item::Structure { extensible: false }],
        _ => return item(args).map(|item| vec![item]),
    };
    *args = ahead;
    Ok(fast.into_iter().chain(more).collect())
}

// fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] / "BODY" ["STRUCTURE"] /
//             "UID" / "BODY" section ["<" number "." nz-number ">"] / "BODY.PEEK" section ["<" number "." nz-number ">"]
fn item(args: &mut Parser<'_>) -> Parsed<Item> {
    let name = args.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.').to_ascii_uppercase();
    let content =
        |name: &str, section, peek| Item::Content(Content { name: name.to_owned(), section, partial: None, peek });
    Ok(match name.as_slice() {
        b"FLAGS" => Item::Flags,
        b"UID" => Item::Uid,
        b"MODSEQ" => Item::ModSeq,
        b"INTERNALDATE" => Item::InternalDate,
        b"RFC822.SIZE" => Item::Size,
        b"EMAILID" => Item::EmailId,
        b"THREADID" => Item::ThreadId,
        b"SAVEDATE" => Item::SaveDate,
        b"PREVIEW" => Item::Preview { lazy: is_lazy(args)? },
        b"ENVELOPE" => Item::Envelope,
        b"BODYSTRUCTURE" => Item::Structure { extensible: true },
        b"RFC822" => content("RFC822", Section::whole(), false),
        b"RFC822.HEADER" => content("RFC822.HEADER", Section::header(), true),
        b"RFC822.TEXT" => content("RFC822.TEXT", Section::text(), false),
        b"BODY" if args.peek() != Some(b'[') => Item::Structure { extensible: false },
        b"BODY" | b"BODY.PEEK" => body(args, name == b"BODY.PEEK")?,
        b"BINARY" | b"BINARY.PEEK" | b"BINARY.SIZE" => Item::Binary(binary(args, &name)?),
        b"" => return syntax("Invalid arguments"),
        _ => return syntax_at("Unknown parameter:", &name),
    })
}

// fetch-att =/ "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]
// preview-mod = "LAZY"
/// Behind a PREVIEW that stands alone there may be other modifiers, which are FETCH's.
fn is_lazy(args: &mut Parser<'_>) -> Parsed<bool> {
    let mut ahead = args.clone();
    let all_lazy = |args: &mut Parser<'_>| -> Parsed<bool> {
        args.space()?;
        Ok(args.list(1, |args| args.atom().map(|name| name.eq_ignore_ascii_case("LAZY")))?.into_iter().all(|lazy| lazy))
    };
    match all_lazy(&mut ahead) {
        Ok(true) => {
            *args = ahead;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn body(args: &mut Parser<'_>, peek: bool) -> Parsed<Item> {
    let section = section::parse(args)?;
    let partial = section::parse_partial(args)?;
    let origin = partial.map(|partial| format!("<{}>", partial.offset)).unwrap_or_default();
    Ok(Item::Content(Content { name: format!("BODY{section}{origin}"), section, partial, peek }))
}

// fetch-att =/ "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary
// section-binary = "[" [section-part] "]"
fn binary(args: &mut Parser<'_>, called: &[u8]) -> Parsed<Binary> {
    let section = section::parse(args)?;
    if section.what != What::All {
        return syntax("Invalid BINARY[..] section");
    }
    let size_only = called == b"BINARY.SIZE";
    let partial = if size_only { None } else { section::parse_partial(args)? };
    let origin = partial.map(|partial| format!("<{}>", partial.offset)).unwrap_or_default();
    let name = format!("BINARY{}{section}{origin}", if size_only { ".SIZE" } else { "" });
    Ok(Binary { name, section, partial, peek: called != b"BINARY", size_only })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Vec<Item>> {
        let mut parser = Parser::new(text.as_bytes());
        let items = if text.starts_with('(') { parser.list(1, item) } else { macro_or_item(&mut parser) };
        items.ok().filter(|_| parser.at_end())
    }

    #[test]
    fn macros_stand_alone() {
        assert_eq!(parsed("full").map(|items| items.len()), Some(5));
        assert_eq!(parsed("(ALL)"), None);
    }

    #[test]
    fn a_section_is_named_in_the_response_as_it_was_asked_for() {
        for (asked, named) in [
            ("BODY[]", "BODY[]"),
            ("body.peek[1.2.mime]<5.7>", "BODY[1.2.MIME]<5>"),
            ("BODY[header.fields.not (from \"To\")]", "BODY[HEADER.FIELDS.NOT (FROM TO)]"),
            ("BODY.PEEK[3.TEXT]", "BODY[3.TEXT]"),
        ] {
            let items = parsed(asked).unwrap();
            let [Item::Content(content)] = &items[..] else { panic!("{asked}") };
            assert_eq!(content.name, named);
        }
    }

    #[test]
    fn a_preview_may_be_lazy_and_leaves_other_modifiers_alone() {
        let (lazy, plain) = (Item::Preview { lazy: true }, Item::Preview { lazy: false });
        assert_eq!(parsed("PREVIEW (LAZY)"), Some(vec![lazy.clone()]));
        assert_eq!(parsed("(preview (lazy lazy) UID PREVIEW)"), Some(vec![lazy, Item::Uid, plain]));
        let mut parser = Parser::new(b"PREVIEW (CHANGEDSINCE 5)");
        assert!(macro_or_item(&mut parser).is_ok() && parser.peek() == Some(b' '));
    }

    #[test]
    fn what_is_no_item_is_refused() {
        for bad in [
            "",
            "FOO",
            "BODY[",
            "BODY[MIME]",
            "BODY[0]",
            "BODY[1.]",
            "BODY[.1]",
            "BODY[1.FOO]",
            "BODY[]<1>",
            "()",
            "BODY[]<1.2",
            "BODY[HEADER.FIELDS ()]",
            "BODY[HEADER.FIELDS (a:b)]",
            "BODY[HEADER.FIELDS]",
            "(FLAGS  UID)",
            "(PREVIEW (EAGER))",
            "(PREVIEW ())",
            "BINARY",
            "BINARY[HEADER]",
            "BINARY[1.MIME]",
            "BINARY.SIZE[1]<0.5>",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
