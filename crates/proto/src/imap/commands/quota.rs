//! GETQUOTA and GETQUOTAROOT (RFC 9208). An account has one quota root, whose name is empty, as in Dovecot; or none when
//! nothing is limited. SETQUOTA is not offered: quotas are the directory's.

use crate::Outbox;
use crate::imap::ask::{Answer, Ask, Quota};
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser};
use crate::imap::response::{self, Completion};
use crate::imap::view::Numbers;

/// The name of the only quota root.
const ROOT: &[u8] = b"";

// getquota = "GETQUOTA" SP quota-root-name
pub fn get(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let root = args.astring()?;
    args.end()?;
    if root != ROOT {
        return Ok(no_such_root());
    }
    Ok(Step::ask(Ask::Quota { mailbox: None }, |context, answer| match answer {
        Answer::Quota(quota) if quota == Quota::default() => no_such_root(),
        Answer::Quota(quota) => {
            write(&quota, &mut context.out);
            Step::ok("Getquota completed.")
        }
        other => Step::failed(other),
    }))
}

// getquotaroot = "GETQUOTAROOT" SP mailbox
pub fn get_root(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.end()?;
    Ok(Step::ask(Ask::Quota { mailbox: Some(name.clone()) }, move |context, answer| match answer {
        Answer::Quota(quota) => {
            // quotaroot-response = "QUOTAROOT" SP mailbox *(SP quota-root-name)
            context.out.push(b"* QUOTAROOT ");
            response::mailbox(&name, context.separator(), &mut context.out);
            if quota != Quota::default() {
                context.out.push(b" \"\"");
            }
            context.out.push(b"\r\n");
            write(&quota, &mut context.out);
            Step::ok("Getquotaroot completed.")
        }
        other => Step::failed(other),
    }))
}

// quota-response = "QUOTA" SP quota-root-name SP quota-list
fn write(quota: &Quota, out: &mut Outbox) {
    let resources = [("STORAGE", quota.storage), ("MESSAGE", quota.messages)];
    let limited = resources.iter().filter_map(|(name, numbers)| Some((name, (*numbers)?)));
    let list: Vec<String> = limited.map(|(name, (used, limit))| format!("{name} {used} {limit}")).collect();
    if !list.is_empty() {
        out.push(format!("* QUOTA \"\" ({})\r\n", list.join(" ")).as_bytes());
    }
}

fn no_such_root() -> Step {
    Step::Done(Completion::no("Quota root doesn't exist.").code("NONEXISTENT"))
}
