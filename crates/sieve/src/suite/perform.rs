//! Carries actions out, in the memory of a suite.

use crate::notify;
use crate::vacation::{self, Stamp};
use crate::{Action, Notification, SuiteState};

use super::{NOW, Sent, Stage};

/// INBOX minds no case.
pub(super) fn mailbox_key(name: &str) -> String {
    if name.eq_ignore_ascii_case("inbox") || name.is_empty() { "INBOX".to_owned() } else { name.to_owned() }
}

impl Stage<'_> {
    /// Carries out the actions that were not yet, and the implicit keep. False if one failed; then the message is kept.
    pub(super) fn perform(&mut self, state: SuiteState<'_, '_>) -> bool {
        let plain = || [state.message.header(), state.message.body()].concat();
        let content = self.edited.clone().unwrap_or_else(plain);
        let actions: Vec<Action> = state.actions.iter().skip(self.performed).cloned().collect();
        self.performed = state.actions.len();
        let missing = actions.iter().find_map(|action| match action {
            Action::FileInto(into) if !into.create && !self.mailboxes.contains_key(&mailbox_key(&into.mailbox)) => {
                Some(into.mailbox.clone())
            }
            _ => None,
        });
        let good = missing.is_none();
        if let Some(mailbox) = missing {
            self.errors.push(format!("failed to store into mailbox '{mailbox}': it does not exist."));
        } else {
            for action in actions {
                self.carry_out(action, &content, &state);
            }
        }
        if (*state.implicit_keep || !good) && !self.implicit_done {
            self.implicit_done = true;
            self.store("INBOX", &content);
        }
        good
    }

    fn carry_out(&mut self, action: Action, content: &[u8], state: &SuiteState<'_, '_>) {
        let envelope = &*state.envelope;
        match action {
            Action::Keep { .. } => self.store("INBOX", content),
            Action::FileInto(into) => self.store(&into.mailbox, content),
            Action::Redirect { address, .. } => {
                let content = self.redirected.as_deref().unwrap_or(content).to_vec();
                self.outbox.push(Sent { content, from: envelope.from.clone(), to: address.to_string() });
            }
            Action::Reject { reason, .. } => {
                if !envelope.from.is_empty() {
                    let to = &envelope.from;
                    let report = format!(
                        "From: Mail Delivery Subsystem <postmaster@example.com>\r\nTo: <{to}>\r\nSubject: Rejected: your message\r\nAuto-Submitted: auto-replied (rejected)\r\n\r\n{reason}\r\n"
                    );
                    self.outbox.push(Sent { content: report.into_bytes(), from: String::new(), to: to.clone() });
                }
            }
            Action::Vacation(vacation) => {
                if vacation::judge(&vacation, state.message, envelope).is_ok() {
                    let stamp = Stamp { message_id: "<answer@suite.invalid>", date: NOW };
                    let answer = vacation::answer(&vacation, state.message, envelope, stamp);
                    self.outbox.push(Sent { content: answer.content, from: String::new(), to: answer.to });
                }
            }
            Action::Notify(notification) => self.notify(&notification, state),
            Action::Discard => {}
        }
    }

    fn notify(&mut self, notification: &Notification, state: &SuiteState<'_, '_>) {
        let stamp = Stamp { message_id: "<notice@suite.invalid>", date: NOW };
        let notice = notify::compose(notification, state.message, &*state.envelope, stamp, &mut self.told);
        let Some(notice) = notice else { return };
        for to in notice.recipients {
            let (content, from) = (notice.content.clone(), notice.sender.clone());
            self.outbox.push(Sent { content, from, to: to.to_string() });
        }
    }

    fn store(&mut self, mailbox: &str, content: &[u8]) {
        self.mailboxes.entry(mailbox_key(mailbox)).or_default().push(content.to_vec());
    }
}
