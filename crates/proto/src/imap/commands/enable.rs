//! ENABLE (RFC 5161): what the client understands. Unknown names are passed over, as §3.1 wants.

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

/// What can be enabled, and how.
struct Extension {
    name: &'static str,
    enable: fn(&mut Context),
}

const EXTENSIONS: [Extension; 2] = [
    Extension { name: "CONDSTORE", enable: Context::enable_condstore },
    // RFC 7162 §3.2.3: CONDSTORE comes with it.
    Extension {
        name: "QRESYNC",
        enable: |context| {
            context.enable_condstore();
            context.enabled.qresync = true;
        },
    },
];

// enable = "ENABLE" 1*(SP capability)
// response-data =/ "*" SP enable-data CRLF ; enable-data = "ENABLED" *(SP capability)
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    let mut wanted = Vec::new();
    args.space()?;
    wanted.push(args.atom()?);
    while args.take_if(b' ') {
        wanted.push(args.atom()?);
    }
    args.end()?;
    let mut enabled = String::from("* ENABLED");
    for Extension { name, enable } in EXTENSIONS {
        if wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)) {
            enable(context);
            enabled.push(' ');
            enabled.push_str(name);
        }
    }
    enabled.push_str("\r\n");
    context.out.push(enabled.as_bytes());
    Ok(Step::ok("Enabled."))
}
