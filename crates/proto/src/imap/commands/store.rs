//! STORE (RFC 3501 §6.4.6), also of what nobody else changed meanwhile (CONDSTORE, RFC 7162 §3.1.3).

use std::collections::BTreeSet;

use mail::{ModSeq, NumberSet, Uid};

use crate::Outbox;
use crate::imap::ask::{Answer, Ask, FlagChange, How};
use crate::imap::command::{MAILBOX_LOST, Step};
use crate::imap::context::{Context, Enabled, State};
use crate::imap::parse::{Fault, Parsed, Parser, syntax, syntax_at};
use crate::imap::response::Completion;
use crate::imap::view::{Numbered, Numbers, View};

/// What is stored, and how it is told.
#[derive(Debug, Clone)]
struct Store {
    change: FlagChange,
    silent: bool,
    unchanged_since: Option<ModSeq>,
    numbers: Numbers,
}

// store = "STORE" SP sequence-set [store-modifiers] SP store-att-flags
pub fn start(args: &mut Parser<'_>, context: &mut Context, numbers: Numbers) -> Parsed<Step> {
    args.space()?;
    let set = args.message_set()?;
    args.space()?;
    let unchanged_since = modifiers(args)?;
    let (change, silent) = change(args)?;
    args.end()?;
    let store = Store { change, silent, unchanged_since, numbers };
    let Some(view) = context.view() else { return Err(Fault::Refused(Completion::misunderstood())) };
    let Some(messages) = view.messages(&set, numbers) else { return syntax("Invalid messageset") };
    if view.is_read_only() {
        return Err(Fault::Refused(Completion::read_only()));
    }
    if store.unchanged_since.is_some() {
        context.enable_condstore();
    }
    if messages.is_empty() {
        return Ok(Step::ok("Store completed."));
    }
    Ok(Step::ask(store.ask(&messages), move |context, answer| {
        let (answer, modified) = match answer {
            Answer::Synced { .. } => (answer, Vec::new()),
            Answer::Stored { snapshot, recent, modified } => (Answer::Synced { snapshot, recent }, modified),
            other => return Step::failed(other),
        };
        if !context.hear(answer) {
            return Step::Bye(MAILBOX_LOST);
        }
        store.tell(context, &messages, &modified.into_iter().collect())
    }))
}

// store-modifiers = SP "(" store-modifier *(SP store-modifier) ")", store-modifier =/ "UNCHANGEDSINCE" SP mod-sequence-valzer
/// The space behind them is taken, as the one before them was.
fn modifiers(args: &mut Parser<'_>) -> Parsed<Option<ModSeq>> {
    if args.peek() != Some(b'(') {
        return Ok(None);
    }
    let mut since = None;
    args.list(1, |args| {
        let name = args.atom()?;
        if !name.eq_ignore_ascii_case("UNCHANGEDSINCE") || since.is_some() {
            return syntax_at("Unknown STORE modifier", name.as_bytes());
        }
        args.space()?;
        since = Some(args.mod_sequence()?);
        Ok(())
    })?;
    args.space()?;
    Ok(since)
}

// store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
fn change(args: &mut Parser<'_>) -> Parsed<(FlagChange, bool)> {
    let name = args.atom()?;
    let (how, rest) = match name.as_bytes() {
        [b'+', ..] => (How::Add, &name[1..]),
        [b'-', ..] => (How::Remove, &name[1..]),
        _ => (How::Replace, name),
    };
    let silent = rest.eq_ignore_ascii_case("FLAGS.SILENT");
    if !silent && !rest.eq_ignore_ascii_case("FLAGS") {
        return syntax_at("Unknown parameter", name.as_bytes());
    }
    args.space()?;
    let (flags, keywords) = if args.peek() == Some(b'(') { args.flag_list()? } else { bare_flags(args)? };
    Ok((FlagChange { how, flags, keywords }, silent))
}

fn bare_flags(args: &mut Parser<'_>) -> Parsed<(mail::Flags, Vec<mail::Keyword>)> {
    let mut found = (mail::Flags::NONE, Vec::new());
    args.flag(&mut found)?;
    while args.take_if(b' ') {
        args.flag(&mut found)?;
    }
    Ok(found)
}

impl Store {
    fn ask(&self, messages: &[Numbered]) -> Ask {
        let uids = messages.iter().map(|message| message.uid).collect();
        match (self.change.clone(), self.unchanged_since) {
            (change, None) => Ask::Store { uids, change },
            (change, Some(since)) => Ask::StoreUnchanged { uids, change, since },
        }
    }

    /// The new flags of each message, or with `.SILENT` only what the client cannot reckon itself, which `catch_up` tells.
    fn tell(&self, context: &mut Context, messages: &[Numbered], modified: &BTreeSet<Uid>) -> Step {
        let Context { state: State::Selected(view), out, enabled, .. } = context else {
            return Step::Done(Completion::misunderstood());
        };
        view.announce_keywords(out);
        let (mut missing, mut passed_over) = (false, Vec::new());
        for message in messages {
            if !view.is_there(message.uid) {
                missing = true;
            } else if modified.contains(&message.uid) {
                // What it is now is told at the end, if the client does not know it.
                passed_over.push(if self.numbers == Numbers::Uid {
                    message.uid.number()
                } else {
                    message.seq.number()
                });
            } else {
                if self.silent {
                    view.reckon(message.uid, &self.change);
                }
                self.write(view, *message, *enabled, out);
            }
        }
        let completion = Completion::ok("Store completed.");
        // RFC 7162 §3.1.3: resp-text-code =/ "MODIFIED" SP sequence-set
        if !passed_over.is_empty() {
            let code = format!("MODIFIED {}", NumberSet::from_numbers(passed_over));
            return Step::Done(
                Completion { text: "Conditional store failed for some messages.".into(), ..completion }.code(code),
            );
        }
        // RFC 2180 §4.2.1: flags of messages that others expunged cannot be changed, and the client should hear why.
        Step::Done(if missing { completion.code("EXPUNGEISSUED") } else { completion })
    }

    /// The FETCH of a message that was stored. Silence is broken for the mod-sequence of who stores on a condition, "even if the
    /// .SILENT suffix is specified".
    fn write(&self, view: &mut View, message: Numbered, enabled: Enabled, out: &mut Outbox) {
        if self.silent && self.unchanged_since.is_none() {
            return;
        }
        let uid = self.numbers == Numbers::Uid || enabled.condstore;
        let uid = if uid { format!("UID {} ", message.uid) } else { String::new() };
        out.push(format!("* {} FETCH ({uid}", message.seq).as_bytes());
        if !self.silent {
            view.tell_flags(message.uid, out);
            out.push(if enabled.condstore { b" " } else { b"" });
        }
        if enabled.condstore {
            view.tell_modseq(message.uid, out);
        }
        out.push(b")\r\n");
    }
}
