//! CREATE (RFC 3501 §6.3.3), with a special use where the house can give one (RFC 6154 §3).

use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Fault, Parsed, Parser, syntax, syntax_at};
use crate::imap::response::{Completion, mailboxid, refused};
use crate::imap::view::Numbers;

// RFC 6154 §2
const SPECIAL_USES: [&str; 7] = ["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"];

// create = "CREATE" SP mailbox [SP "(" create-param *(SP create-param) ")"]
// create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let encoded = args.astring()?;
    let uses = if args.take_if(b' ') { uses(args)? } else { Vec::new() };
    args.end()?;
    // RFC 3501 §6.3.3: a separator at the end says that mailboxes will be made below it, and is not part of the name.
    let separator = context.separator().char() as u8;
    let name = args.mailbox_name(encoded.strip_suffix(&[separator]).unwrap_or(&encoded))?;
    let special_use = match uses[..] {
        [] => None,
        [special_use] if context.profile.create_special_use => Some(special_use),
        _ => return Err(Fault::Refused(refused(Refusal::SpecialUse))),
    };
    Ok(Step::ask(Ask::Create { name, special_use }, |_, answer| match answer {
        // RFC 8474 §4.1
        Answer::Created { mailbox_id } => Step::Done(Completion::ok("Create completed.").code(mailboxid(mailbox_id))),
        other => Step::failed(other),
    }))
}

fn uses(args: &mut Parser<'_>) -> Parsed<Vec<&'static str>> {
    args.expect(b'(')?;
    if !args.atom()?.eq_ignore_ascii_case("USE") {
        return syntax("Unknown parameter");
    }
    args.space()?;
    let uses = args.list(0, |args| {
        args.expect(b'\\')?;
        let name = args.atom()?;
        let known = SPECIAL_USES.iter().find(|known| known[1..].eq_ignore_ascii_case(name));
        known.map_or_else(|| syntax_at("Unknown special use", name.as_bytes()), |known| Ok(*known))
    })?;
    args.expect(b')')?;
    Ok(uses)
}
