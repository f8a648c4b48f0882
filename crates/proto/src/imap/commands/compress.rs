//! COMPRESS (RFC 4978).

use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Fault, Parsed, Parser, syntax_at};
use crate::imap::response::Completion;
use crate::imap::view::Numbers;

// compress = "COMPRESS" SP algorithm, algorithm = "DEFLATE"
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let algorithm = args.atom()?;
    args.end()?;
    if !algorithm.eq_ignore_ascii_case("DEFLATE") {
        return syntax_at("Unknown compression mechanism", algorithm.as_bytes());
    }
    if std::mem::replace(&mut context.compressed, true) {
        let already = Completion::no("DEFLATE is already active.").code("COMPRESSIONACTIVE");
        return Err(Fault::Refused(already));
    }
    Ok(Step::Compress(Completion::ok("Begin compression.")))
}
