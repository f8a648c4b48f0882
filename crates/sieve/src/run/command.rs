//! Commands, one arm each, and what actions do to each other and to the implicit keep (RFC 5228 §2.10).

use mail::MailboxName;
use mail::envelope::Notify;

use crate::check::parse_mailbox;
use crate::program::{self, Block, Command, Step};

use super::{
    Action, Fault, FileInto, Flow, Notification, Ran, Reports, Run, Vacation, check_method, is_special_use, parse_ret,
};

impl Run<'_, '_> {
    pub(super) fn block(&mut self, block: &Block) -> Ran<Flow> {
        for step in block {
            let flow = self.command(step)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn command(&mut self, step: &Step) -> Ran<Flow> {
        self.line = step.line;
        self.step()?;
        match &step.command {
            Command::If(branches) => {
                for (test, block) in branches {
                    if self.test(test)? {
                        return self.block(block);
                    }
                }
            }
            Command::Stop => return Ok(Flow::Stop),
            Command::Return => return Ok(Flow::Return),
            Command::Discard => {
                self.implicit_keep = false;
                self.act(Action::Discard)?;
            }
            Command::Keep { flags } => {
                let flags = self.action_flags(flags.as_deref())?;
                self.implicit_keep = false;
                self.act(Action::Keep { flags })?;
            }
            Command::FileInto(fileinto) => self.file_into(fileinto)?,
            Command::Redirect(redirect) => self.redirect(redirect)?,
            Command::Reject { reason, extended } => {
                let reason = self.expand(reason)?.into_owned();
                self.implicit_keep = false;
                self.act(Action::Reject { reason, extended: *extended })?;
            }
            Command::Vacation(vacation) => self.vacation(vacation)?,
            Command::Notify(notify) => self.notify(notify)?,
            Command::Set { variable, modifiers, value } => self.set(variable, modifiers, value)?,
            Command::Flags { change, variable, flags } => self.change_flags(*change, variable.as_ref(), flags)?,
            Command::AddHeader { name, value, last } => self.add_header(name, value, *last)?,
            Command::DeleteHeader { name, index, matching } => self.delete_header(name, *index, matching.as_ref())?,
            Command::Include { location, name, once, optional } => {
                return self.include(*location, name, *once, *optional);
            }
            Command::Global(slots) => self.share(slots),
            Command::Error(text) => {
                let text = self.expand(text)?.into_owned();
                return self.fail(Fault::Stated(text));
            }
            Command::DebugLog(text) => {
                let text = self.expand(text)?.into_owned();
                self.world.log(self.line, &text);
            }
            Command::Mime(command) => return self.mime_command(command),
            Command::Suite(call) => return self.suite_command(call),
        }
        Ok(Flow::Next)
    }

    fn file_into(&mut self, fileinto: &program::FileInto) -> Ran<()> {
        let flags = self.action_flags(fileinto.flags.as_deref())?;
        let mailbox = self.expand(&fileinto.mailbox)?.into_owned();
        if !mailbox.is_empty() && MailboxName::parse(&mailbox).is_err() {
            return self
                .fail(Fault::Invalid(format!("fileinto action: specified mailbox name '{mailbox:.128}' is invalid")));
        }
        let special_use = self.expand_some(fileinto.special_use.as_ref())?;
        if special_use.as_deref().is_some_and(|name| !is_special_use(name)) {
            return self.fail(Fault::Invalid("fileinto action: invalid special-use flag".to_owned()));
        }
        self.implicit_keep &= fileinto.copy;
        let (copy, create) = (fileinto.copy, fileinto.create);
        self.act(Action::FileInto(FileInto { mailbox, flags, copy, create, special_use }))
    }

    fn redirect(&mut self, redirect: &program::Redirect) -> Ran<()> {
        let reports = self.reports(redirect)?;
        let copy = redirect.copy;
        let text = self.expand(&redirect.address)?;
        let Some(address) = parse_mailbox(&text) else {
            return self.fail(Fault::Invalid(format!("specified redirect address '{text:.128}' is invalid")));
        };
        let redirects = self.actions.iter().filter(|action| matches!(action, Action::Redirect { .. })).count();
        self.implicit_keep &= copy;
        self.act(Action::Redirect { address, copy, reports })?;
        let more = self.actions.iter().filter(|action| matches!(action, Action::Redirect { .. })).count() > redirects;
        // RFC 5228 §10: how many one message may become.
        if more && redirects >= self.limits.redirects_max { self.fail(Fault::TooMuch("redirect")) } else { Ok(()) }
    }

    // RFC 6009 §6
    fn reports(&mut self, redirect: &program::Redirect) -> Ran<Reports> {
        let wrong = |tag, value: String| Fault::Invalid(format!("redirect action: invalid {tag} value '{value:.64}'"));
        let mut reports = Reports::default();
        if let Some(value) = self.expand_some(redirect.notify.as_ref())? {
            reports.notify = Notify::parse(&value);
            if reports.notify.is_none() {
                return self.fail(wrong(":notify", value));
            }
        }
        if let Some(value) = self.expand_some(redirect.ret.as_ref())? {
            reports.headers_only = parse_ret(&value);
            if reports.headers_only.is_none() {
                return self.fail(wrong(":ret", value));
            }
        }
        Ok(reports)
    }

    fn vacation(&mut self, vacation: &program::Vacation) -> Ran<()> {
        let subject = self.expand_some(vacation.subject.as_ref())?;
        let from = self.expand_some(vacation.from.as_ref())?;
        if let Some(from) = from.as_ref().filter(|from| parse_mailbox(from).is_none()) {
            return self
                .fail(Fault::Invalid(format!("specified :from address '{from:.128}' is invalid for vacation action")));
        }
        let reason = self.expand(&vacation.reason)?.into_owned();
        let addresses = self.expand_all(&vacation.addresses)?;
        // RFC 5230 §4.2: without a handle, what makes the answer another one.
        let handle = self.expand_some(vacation.handle.as_ref())?.unwrap_or_else(|| {
            let parts = [
                subject.as_deref().unwrap_or(""),
                from.as_deref().unwrap_or(""),
                if vacation.mime { "mime" } else { "" },
                &reason,
            ];
            parts.join("\u{1f}")
        });
        let action =
            Vacation { handle, seconds: vacation.seconds, subject, from, addresses, mime: vacation.mime, reason };
        self.act(Action::Vacation(Box::new(action)))
    }

    // RFC 5435 §3
    fn notify(&mut self, notify: &program::Notify) -> Ran<()> {
        let method = self.expand(&notify.method)?.into_owned();
        if let Err(reason) = check_method(&method) {
            return self.fail(Fault::Invalid(format!("notify action: {reason:.256}")));
        }
        let from = self.expand_some(notify.from.as_ref())?;
        if let Some(from) = from.as_ref().filter(|from| parse_mailbox(from).is_none()) {
            return self
                .fail(Fault::Invalid(format!("notify action: specified :from address '{from:.128}' is invalid")));
        }
        let message = self.expand_some(notify.message.as_ref())?;
        let importance = self.expand_some(notify.importance.as_ref())?.and_then(|value| value.parse().ok());
        let importance = importance.filter(|value| (1..=3).contains(value)).unwrap_or(2);
        let options = self.expand_all(&notify.options)?;
        self.act(Action::Notify(Box::new(Notification { method, from, importance, options, message })))
    }

    /// Adds an action, unless it is there already.
    fn act(&mut self, action: Action) -> Ran<()> {
        if self.merge(&action) {
            return Ok(());
        }
        if let Some(other) = self.actions.iter().find(|other| conflict(other, &action)) {
            let text = format!("{} action conflicts with other action: the {} action", action.name(), other.name());
            return self.fail(Fault::Conflict(text));
        }
        if self.actions.len() >= self.limits.actions_max {
            return self.fail(Fault::TooMuch("action"));
        }
        self.actions.push(action);
        Ok(())
    }

    /// RFC 5228 §2.10.3: what is done twice is done once. Of two deliveries into a mailbox the later one's flags count.
    fn merge(&mut self, new: &Action) -> bool {
        // One with a special use may come into another mailbox than it names (RFC 8579 §5).
        let is_inbox = |into: &FileInto| into.special_use.is_none() && into.mailbox.eq_ignore_ascii_case("inbox");
        let is_same = |a: &FileInto, b: &FileInto| a.mailbox == b.mailbox && a.special_use == b.special_use;
        self.actions.iter_mut().any(|old| match (old, new) {
            (Action::Keep { flags }, Action::FileInto(new)) if is_inbox(new) => {
                flags.clone_from(&new.flags);
                true
            }
            (Action::FileInto(old), Action::Keep { flags }) if is_inbox(old) => {
                old.flags.clone_from(flags);
                true
            }
            (Action::Keep { flags }, Action::Keep { flags: new }) => {
                flags.clone_from(new);
                true
            }
            (Action::FileInto(old), Action::FileInto(new)) if is_same(old, new) => {
                let (copy, create) = (old.copy && new.copy, old.create || new.create);
                *old = FileInto { copy, create, ..new.clone() };
                true
            }
            (
                Action::Redirect { address, copy, reports },
                Action::Redirect { address: new, copy: new_copy, reports: new_reports },
            ) if address.key() == new.key() => {
                *copy &= new_copy;
                *reports = *new_reports;
                true
            }
            (Action::Discard, Action::Discard) => true,
            _ => false,
        })
    }
}

/// RFC 5429 §2.4, RFC 5230 §4.7: a refused message is not delivered nor answered, and nothing is answered twice.
fn conflict(a: &Action, b: &Action) -> bool {
    let delivers =
        |action: &Action| matches!(action, Action::Keep { .. } | Action::FileInto(_) | Action::Redirect { .. });
    match (a, b) {
        (Action::Reject { .. }, Action::Reject { .. } | Action::Vacation(_)) => true,
        (Action::Vacation(_), Action::Reject { .. } | Action::Vacation(_)) => true,
        (Action::Reject { .. }, other) | (other, Action::Reject { .. }) => delivers(other),
        _ => false,
    }
}
