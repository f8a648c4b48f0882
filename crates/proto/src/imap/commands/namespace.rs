//! NAMESPACE (RFC 2342): the personal ones, those of other users' mailboxes, and the shared ones, which are nobody's.

use mail::namespace::{Namespace, NamespaceKind, Namespaces};

use crate::Outbox;
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::response;
use crate::imap::view::Numbers;

// namespace = "NAMESPACE"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    let (namespaces, out) = (&context.profile.namespaces, &mut context.out);
    out.push(b"* NAMESPACE");
    group(namespaces, out, |kind| kind == NamespaceKind::Private);
    group(namespaces, out, |kind| kind == NamespaceKind::Shared);
    group(namespaces, out, |kind| matches!(kind, NamespaceKind::Public(_)));
    out.push(b"\r\n");
    Ok(Step::ok("Namespace completed."))
}

// namespace = nil / "(" 1*( "(" string SP (<"> QUOTED_CHAR <"> / nil) *(Namespace_Response_Extension) ")" ) ")"
fn group(namespaces: &Namespaces, out: &mut Outbox, belongs: impl Fn(NamespaceKind) -> bool) {
    let told: Vec<&Namespace> = namespaces.all.iter().filter(|space| belongs(space.kind) && !space.hidden).collect();
    if told.is_empty() {
        return out.push(b" NIL");
    }
    let separator = namespaces.separator;
    out.push(b" (");
    for space in told {
        let prefix = space.root.as_ref().map(|root| format!("{}{}", separator.to_mutf7(root), separator.char()));
        out.push(b"(");
        response::string(prefix.unwrap_or_default().as_bytes(), out);
        out.push(format!(" \"{}\")", separator.char()).as_bytes());
    }
    out.push(b")");
}
