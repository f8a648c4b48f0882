//! What follows the items of a FETCH: of which messages they are wanted (RFC 7162 §3.1.4.1, RFC 9394 §3.4), and what is told of those that are
//! gone (§3.2.6).

use mail::ModSeq;

use super::Item;
use crate::imap::ask::{Answer, Ask};
use crate::imap::command::Step;
use crate::imap::commands::resync::{Question, write_vanished};
use crate::imap::context::{Context, State};
use crate::imap::page::Page;
use crate::imap::parse::{MessageSet, Parsed, Parser, syntax, syntax_at};
use crate::imap::response::Completion;
use crate::imap::view::{Numbered, Numbers, View};

#[derive(Debug, Default)]
pub struct Modifiers {
    changed_since: Option<ModSeq>,
    vanished: bool,
    /// RFC 9394 §3.4
    page: Option<Page>,
}

// fetch-modifiers = SP "(" fetch-modifier *(SP fetch-modifier) ")"
// fetch-modifier =/ "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" / "PARTIAL" SP partial-range
pub fn parse(args: &mut Parser<'_>, numbers: Numbers, context: &Context) -> Parsed<Modifiers> {
    let mut modifiers = Modifiers::default();
    if !args.take_if(b' ') {
        return Ok(modifiers);
    }
    args.list(1, |args| {
        let name = args.atom()?.to_ascii_uppercase();
        match name.as_str() {
            "CHANGEDSINCE" => {
                args.space()?;
                modifiers.changed_since = Some(args.mod_sequence()?);
            }
            "VANISHED" => modifiers.vanished = true,
            "PARTIAL" if numbers == Numbers::Seq => return syntax("PARTIAL is for UID FETCH"),
            "PARTIAL" if modifiers.page.is_some() => return syntax("PARTIAL is there twice"),
            "PARTIAL" => modifiers.page = Some(Page::parse(args)?),
            _ => return syntax_at("Unknown FETCH modifier", name.as_bytes()),
        }
        Ok(())
    })?;
    if !modifiers.vanished {
        return Ok(modifiers);
    }
    // RFC 7162 §3.2.6: each of these is a BAD.
    match (numbers, context.enabled.qresync, modifiers.changed_since) {
        (Numbers::Seq, ..) => syntax("VANISHED is for UID FETCH"),
        (_, false, _) => syntax("QRESYNC is not enabled"),
        (.., None) => syntax("VANISHED needs CHANGEDSINCE"),
        (.., Some(_)) => Ok(modifiers),
    }
}

impl Modifiers {
    /// §3.1.4.1: CHANGEDSINCE "implicitly adds the MODSEQ FETCH message data item".
    pub fn add_items(&self, items: &mut Vec<Item>) {
        if self.changed_since.is_some() && !items.contains(&Item::ModSeq) {
            items.push(Item::ModSeq);
        }
    }

    pub fn choose(&self, messages: &mut Vec<Numbered>, view: &View) {
        if let Some(since) = self.changed_since {
            messages.retain(|message| view.modseq(message.uid) > since);
        }
        // A page of what is left.
        if let Some(page) = self.page {
            *messages = page.cut(messages).to_vec();
        }
    }

    /// Since when vanished messages are to be told.
    pub fn vanished(&self) -> Option<ModSeq> {
        self.changed_since.filter(|_| self.vanished)
    }
}

/// "Any VANISHED (EARLIER) responses MUST be returned before any FETCH responses".
pub fn tell_vanished(since: ModSeq, set: MessageSet, then: impl FnOnce(&mut Context) -> Step + Send + 'static) -> Step {
    Step::ask(Ask::Vanished { since }, move |context, answer| match answer {
        Answer::Vanished(vanished) => {
            let Context { state: State::Selected(view), out, .. } = context else {
                return Step::Done(Completion::misunderstood());
            };
            write_vanished(view, &Question { uids: Some(view.uids(&set)), agreed: None }, vanished, out);
            then(context)
        }
        other => Step::failed(other),
    })
}
