//! DATA and BDAT: has this user sent enough?

use mail::{Address, Reply};
use proto::smtp::Transaction;

use super::{SmtpHouse, blocking};
use crate::config::limit_of;
use crate::sending::{Verdict, charge};

impl SmtpHouse {
    /// Books a message of whoever logged in.
    pub(super) async fn may_send(&self, transaction: &Transaction) -> Result<(), Reply> {
        let live = self.guest.node.live();
        let limits = &live.settings.smtp.sending_limits;
        let Some(login) = self.login.clone() else { return Ok(()) };
        let Some(limit) = limit_of(limits, &login, &self.groups).cloned() else { return Ok(()) };
        let recipients: Vec<Address> =
            transaction.recipients.iter().filter_map(|recipient| self.address(&recipient.path)).collect();
        let (node, name) = (self.guest.node.clone(), login.clone());
        let verdict = blocking(move || charge(&node, &name, &recipients, &limit)).await;
        let session = &*self.guest.session;
        match verdict {
            Ok(Verdict::Sent) => Ok(()),
            Ok(Verdict::TooMuch(what, _)) => {
                tracing::warn!(session, login, what, "an account sends too much");
                Err(Reply::new(450, (4, 7, 1), format!("Error: too many {what}")))
            }
            Ok(Verdict::Locked) => {
                tracing::warn!(session, login, "an account that is locked for sending wants to send");
                Err(Reply::new(550, (5, 7, 1), "Error: this account has sent too much and is locked"))
            }
            Err(error) => {
                tracing::error!(session, login, %error, "cannot count what an account sends");
                Err(Reply::new(451, (4, 3, 0), "Error: temporary failure, try again later"))
            }
        }
    }
}
