//! MAIL: may this user send as this address?
//!
//! An address is his when the directory says that its mail is his, or, if the settings say so, when it is a group's of which
//! he is a member. So there is no second list to keep: `mail`, `proxyAddresses` and aliases count as the filters of the
//! directory find them.

use directory::chain::Recipient;
use mail::{Address, Reply, ReversePath};

use super::SmtpHouse;
use crate::config::SenderLogin;
use crate::deliver::local;
use crate::node::Live;

/// Whether an address is a user's.
enum Owned {
    Yes,
    No,
    Unknown(String),
}

impl SmtpHouse {
    /// What MAIL is answered to whoever logged in. Who did not is bound by the relay policy alone.
    pub(super) async fn may_send_as(&self, path: &ReversePath) -> Result<(), Reply> {
        let live = self.guest.node.live();
        let policy = live.settings.smtp.sender_login;
        // RFC 6409 §3.2, RFC 8098 §3: reports of users' mail programs have nobody to be returned to.
        let (Some(login), Some(sender)) = (&self.login, path.address()) else { return Ok(()) };
        if policy == SenderLogin::Off {
            return Ok(());
        }
        let (session, reject) = (&*self.guest.session, policy == SenderLogin::Reject);
        match owned(&live, login, sender).await {
            Owned::Yes => Ok(()),
            Owned::No => {
                tracing::warn!(session, login, %sender, refused = reject, "the sender's address is not his who logged in");
                let text = format!("<{sender}>: Sender address rejected: not owned by user {login}");
                if reject { Err(Reply::new(553, (5, 7, 1), text)) } else { Ok(()) }
            }
            Owned::Unknown(why) => {
                tracing::error!(session, login, %sender, reason = why, "nobody can say whose the sender's address is");
                let text = format!("<{sender}>: Temporary lookup failure");
                if reject { Err(Reply::new(451, (4, 3, 0), text)) } else { Ok(()) }
            }
        }
    }
}

async fn owned(live: &Live, login: &str, sender: &Address) -> Owned {
    let members = match live.directory.recipient(sender).await {
        Recipient::Account(account) if account.name == login => return Owned::Yes,
        Recipient::Forward { to, .. } if live.settings.smtp.members_send_for_groups => to,
        Recipient::Account(_) | Recipient::Forward { .. } | Recipient::Unknown | Recipient::TooMany(_) => {
            return Owned::No;
        }
        Recipient::Unavailable(why) => return Owned::Unknown(why),
    };
    for member in members.iter().filter(|member| live.settings.is_local(member.domain())) {
        match local::meant(live, member).await {
            Recipient::Account(account) if account.name == login => return Owned::Yes,
            Recipient::Unavailable(why) => return Owned::Unknown(why),
            _ => {}
        }
    }
    Owned::No
}
