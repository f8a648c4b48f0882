//! GETACL, SETACL, DELETEACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3).

use mail::MailboxName;
use mail::acl::Rights;
use mail::flags::How;

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::identifier;
use crate::imap::parse::{Parsed, Parser, syntax, syntax_at};
use crate::imap::response;
use crate::imap::view::Numbers;

// getacl = "GETACL" SP mailbox
pub fn get(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.end()?;
    Ok(Step::ask(Ask::Acl { name: name.clone() }, move |context, answer| match answer {
        Answer::Acl(rows) => {
            // acl-data = "ACL" SP mailbox *(SP identifier SP rights)
            begin("ACL", &name, context);
            let out = &mut context.out;
            for (who, rights) in rows {
                out.push(b" ");
                identifier::write(&who, out);
                out.push(b" ");
                response::astring(rights.with_old_letters().as_bytes(), out);
            }
            out.push(b"\r\n");
            Step::ok("Getacl completed.")
        }
        other => Step::failed(other),
    }))
}

// setacl = "SETACL" SP mailbox SP identifier SP mod-rights
// mod-rights = astring ; +rights to add, -rights to remove, rights to replace
pub fn set(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.space()?;
    let who = identifier::parse(args)?;
    args.space()?;
    let text = args.astring()?;
    args.end()?;
    let Ok(text) = str::from_utf8(&text) else { return syntax("Invalid ACL rights") };
    let (how, letters) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(letters), _) => (How::Add, letters),
        (None, Some(letters)) => (How::Remove, letters),
        (None, None) => (How::Replace, text),
    };
    match Rights::parse(letters) {
        Ok(rights) => Ok(Step::ask_done(Ask::SetAcl { name, who, how, rights }, "Setacl complete.")),
        Err(letter) => syntax_at("Invalid ACL right:", letter.to_string().as_bytes()),
    }
}

// deleteacl = "DELETEACL" SP mailbox SP identifier
pub fn delete(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.space()?;
    let who = identifier::parse(args)?;
    args.end()?;
    Ok(Step::ask_done(Ask::DeleteAcl { name, who }, "Deleteacl complete."))
}

// listrights = "LISTRIGHTS" SP mailbox SP identifier
pub fn list_rights(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.space()?;
    let who = identifier::parse(args)?;
    args.end()?;
    Ok(Step::ask(Ask::MayAdminister { name: name.clone() }, move |context, answer| match answer {
        Answer::Done => {
            // listrights-data = "LISTRIGHTS" SP mailbox SP identifier SP required-rights *(SP optional-rights)
            // Nobody has a right that cannot be taken away, and each can be given alone.
            begin("LISTRIGHTS", &name, context);
            let out = &mut context.out;
            out.push(b" ");
            identifier::write(&who, out);
            let letters: Vec<String> =
                Rights::ALL.with_old_letters().chars().map(|letter| letter.to_string()).collect();
            out.push(format!(" \"\" {}\r\n", letters.join(" ")).as_bytes());
            Step::ok("Listrights completed.")
        }
        other => Step::failed(other),
    }))
}

// myrights = "MYRIGHTS" SP mailbox
pub fn my_rights(args: &mut Parser<'_>, _: &mut Context, _: Numbers) -> Parsed<Step> {
    args.space()?;
    let name = args.mailbox()?;
    args.end()?;
    Ok(Step::ask(Ask::MyRights { name: name.clone() }, move |context, answer| match answer {
        Answer::Rights(rights) => {
            write_my_rights(&name, rights, context);
            Step::ok("Myrights completed.")
        }
        other => Step::failed(other),
    }))
}

// myrights-data = "MYRIGHTS" SP mailbox SP rights
/// Also for LIST (RFC 8440).
pub fn write_my_rights(name: &MailboxName, rights: Rights, context: &mut Context) {
    begin("MYRIGHTS", name, context);
    context.out.push(b" ");
    response::astring(rights.with_old_letters().as_bytes(), &mut context.out);
    context.out.push(b"\r\n");
}

fn begin(word: &str, name: &MailboxName, context: &mut Context) {
    context.out.push(format!("* {word} ").as_bytes());
    response::mailbox(name, context.separator(), &mut context.out);
}
