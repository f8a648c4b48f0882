//! SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2), with what a client that was away missed (RFC 7162 §3.1.8, §3.2.5).

use std::collections::VecDeque;

use mail::MailboxName;

use super::resync::{self, Known, Question};
use crate::imap::ask::{Answer, Ask};
use crate::imap::command::Step;
use crate::imap::context::{Context, State};
use crate::imap::parse::{Fault, Parsed, Parser, syntax, syntax_at};
use crate::imap::response::{Completion, mailboxid};
use crate::imap::view::{Numbered, Numbers, View};

/// Which of the two commands, and its parameters.
#[derive(Debug)]
struct Request {
    text: &'static str,
    read_only: bool,
    condstore: bool,
    known: Option<Known>,
}

// select = "SELECT" SP mailbox [select-params]
pub fn select(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    open(args, context, "Select completed.", false)
}

// examine = "EXAMINE" SP mailbox [select-params]
pub fn examine(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    open(args, context, "Examine completed.", true)
}

fn open(args: &mut Parser<'_>, context: &mut Context, text: &'static str, read_only: bool) -> Parsed<Step> {
    args.space()?;
    let encoded = args.astring()?;
    let mut request = Request { text, read_only, condstore: false, known: None };
    parameters(args, context, &mut request)?;
    args.end()?;
    // RFC 3501 §6.3.1: also a SELECT that fails leaves no mailbox selected.
    let was_selected = leave(context);
    if request.condstore {
        context.enable_condstore();
    }
    let name = match args.mailbox_name(&encoded) {
        Err(Fault::Refused(completion)) if was_selected => {
            return Ok(Step::ask(Ask::Unselect, |_, _| Step::Done(completion)));
        }
        other => other?,
    };
    Ok(Step::ask(Ask::Select { name: name.clone(), read_only }, move |context, answer| {
        opened(name, request, context, answer)
    }))
}

// select-params = SP "(" select-param *(SP select-param) ")"
// select-param =/ "CONDSTORE" / "QRESYNC" SP "(" ... ")"
fn parameters(args: &mut Parser<'_>, context: &Context, request: &mut Request) -> Parsed<()> {
    if !args.take_if(b' ') {
        return Ok(());
    }
    args.list(1, |args| {
        let name = args.atom()?.to_ascii_uppercase();
        match name.as_str() {
            "CONDSTORE" => request.condstore = true,
            "QRESYNC" if !context.enabled.qresync => return syntax("QRESYNC is not enabled"),
            "QRESYNC" if request.known.is_none() => {
                args.space()?;
                request.known = Some(resync::known(args)?);
            }
            _ => return syntax_at("Unknown parameter", name.as_bytes()),
        }
        Ok(())
    })?;
    Ok(())
}

/// RFC 7162 §3.2.11: where the responses about the mailbox selected before end.
fn leave(context: &mut Context) -> bool {
    let was_selected = matches!(context.state, State::Selected(_));
    if was_selected {
        context.out.push(b"* OK [CLOSED] Previous mailbox closed.\r\n");
        context.state = State::LoggedIn;
    }
    was_selected
}

fn opened(name: MailboxName, request: Request, context: &mut Context, answer: Answer) -> Step {
    let (view, read_only, mailbox_id) = match answer {
        Answer::Selected { snapshot, recent, read_only, may_change, mailbox_id } => {
            let read_only = request.read_only || read_only;
            (View::new(name, snapshot, recent, read_only).with_flags_of(may_change), read_only, mailbox_id)
        }
        other => return Step::failed(other),
    };
    view.introduce(&mut context.out);
    // RFC 8474 §4.2
    context.out.push(format!("* OK [{}] Ok\r\n", mailboxid(mailbox_id)).as_bytes());
    // RFC 7162 §3.2.5: with another UIDVALIDITY, what the client knows counts for nothing.
    let known = request.known.filter(|known| known.validity == view.shown().uid_validity);
    context.state = State::Selected(Box::new(view));
    let code = if read_only { "READ-ONLY" } else { "READ-WRITE" };
    let completion = Completion::ok(request.text).code(code);
    let Some(known) = known else { return Step::Done(completion) };
    Step::ask(Ask::Vanished { since: known.since }, move |context, answer| match answer {
        Answer::Vanished(vanished) => {
            let Context { state: State::Selected(view), out, .. } = context else {
                return Step::Done(Completion::misunderstood());
            };
            let question = Question { uids: known.uids.as_ref(), agreed: known.agreed(view) };
            resync::write_vanished(view, &question, vanished, out);
            tell_changed(changed(view, &known), completion, context)
        }
        // The mailbox is open, and the client must not believe that it is up to date.
        other => {
            context.state = State::LoggedIn;
            Step::ask(Ask::Unselect, |_, _| Step::failed(other))
        }
    })
}

/// The messages that changed since the client knew them.
fn changed(view: &View, known: &Known) -> VecDeque<Numbered> {
    let is_newer = |message: &Numbered| view.modseq(message.uid) > known.since;
    match &known.uids {
        Some(uids) => view.known_messages(uids, Numbers::Uid).into_iter().filter(is_newer).collect(),
        None => view.all().filter(is_newer).collect(),
    }
}

fn tell_changed(mut messages: VecDeque<Numbered>, completion: Completion, context: &mut Context) -> Step {
    let Context { state: State::Selected(view), out, .. } = context else {
        return Step::Done(Completion::misunderstood());
    };
    while let Some(Numbered { seq, uid }) = messages.pop_front() {
        out.push(format!("* {seq} FETCH (UID {uid} ").as_bytes());
        view.tell_flags(uid, out);
        out.push(b" ");
        view.tell_modseq(uid, out);
        out.push(b")\r\n");
        if out.is_full() {
            return Step::Flush(Box::new(move |context| tell_changed(messages, completion, context)));
        }
    }
    Step::Done(completion)
}
