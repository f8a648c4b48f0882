//! ID (RFC 2971): who are you? What the client says about itself is read and thrown away.

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser, syntax};
use crate::imap::response;
use crate::imap::view::Numbers;

// RFC 2971 §3.3: more than 30 field-value pairs must not be sent.
const PAIRS_MAX: usize = 30;

// id = "ID" SPACE id_params_list
// id_params_list = "(" #(string SPACE nstring) ")" / nil
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    if args.peek() == Some(b'(') {
        let pairs = args.list(0, |args| {
            args.string()?;
            args.space()?;
            args.nstring()
        })?;
        if pairs.len() > PAIRS_MAX {
            return syntax("Too many fields");
        }
    } else if args.nstring()?.is_some() {
        return syntax("Invalid arguments");
    }
    args.end()?;
    answer(context);
    Ok(Step::ok("ID completed."))
}

fn answer(context: &mut Context) {
    let out = &mut context.out;
    if context.profile.id.is_empty() {
        return out.push(b"* ID NIL\r\n");
    }
    out.push(b"* ID (");
    for (index, (field, value)) in context.profile.id.iter().enumerate() {
        out.push(if index > 0 { b" " } else { b"" });
        response::string(field.as_bytes(), out);
        out.push(b" ");
        response::string(value.as_bytes(), out);
    }
    out.push(b")\r\n");
}
