//! RCPT: may this client send there, and is there anybody?

use directory::Account;
use directory::chain::Recipient;
use mail::{Address, Domain, ForwardPath, Reply};
use proto::smtp::Dialect;

use super::{SmtpHouse, blocking};
use crate::config::{NextHop, Others, Role, Settings};
use crate::deliver::local;
use crate::quota;

/// Where a recipient's message goes from the session that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Into a mailbox of this node, before the answer.
    Here,
    Queue,
}

impl SmtpHouse {
    /// What RCPT is answered.
    pub(super) async fn forward_path(&self, path: &ForwardPath) -> Result<(), Reply> {
        let live = self.guest.node.live();
        let settings = &live.settings;
        let Some(address) = self.address(path) else { return Err(unknown(path)) };
        let domain = address.domain();
        self.may_send_to(settings, path, domain)?;
        if self.way(&address) == Way::Queue && settings.next_hop(domain) == NextHop::Unknown {
            return Err(Reply::new(550, (5, 1, 2), format!("<{path}>: no route to this domain")));
        }
        if !settings.is_checked(domain) {
            return Ok(());
        }
        match local::meant(&live, &address).await {
            Recipient::Account(account) if self.way(&address) == Way::Here => self.room_for(&address, account).await,
            Recipient::Account(_) | Recipient::Forward { .. } => Ok(()),
            Recipient::Unknown => Err(unknown(path)),
            Recipient::TooMany(why) => Err(local::too_many(&address, &why)),
            Recipient::Unavailable(why) => Err(local::unavailable(&address, &why)),
        }
    }

    /// The relay policy: everybody may send to our own domains and to those we relay for, others only whom it permits.
    fn may_send_to(&self, settings: &Settings, path: &ForwardPath, domain: &Domain) -> Result<(), Reply> {
        let is_for_everybody = settings.is_local(domain) || settings.relay.domains.contains(domain);
        // LMTP is for mailboxes (RFC 2033 §5).
        let is_permitted =
            self.dialect != Dialect::Lmtp && settings.relay.permits(self.guest.peer.ip(), self.login.is_some());
        if is_for_everybody || is_permitted {
            return Ok(());
        }
        Err(match settings.relay.others {
            Others::Defer if self.dialect != Dialect::Lmtp => {
                Reply::new(454, (4, 7, 1), format!("<{path}>: Relay access denied"))
            }
            _ => Reply::new(554, (5, 7, 1), format!("<{path}>: Relay access denied")),
        })
    }

    /// Where a recipient's message goes.
    pub(super) fn way(&self, address: &Address) -> Way {
        let live = self.guest.node.live();
        let settings = &live.settings;
        match self.dialect {
            Dialect::Submission => Way::Queue,
            Dialect::Lmtp => Way::Here,
            Dialect::Smtp if settings.has_role(Role::Mailbox) && settings.is_local(address.domain()) => Way::Here,
            Dialect::Smtp => Way::Queue,
        }
    }

    /// Whoever is full is refused before the content comes.
    async fn room_for(&self, address: &Address, account: Account) -> Result<(), Reply> {
        let node = self.guest.node.clone();
        // Most are not limited, and need no disk thread to tell.
        if !quota::is_limited(&node, &account) || !blocking(move || quota::is_full(&node, &account)).await {
            return Ok(());
        }
        Err(quota::refused(&self.guest.node, address).reply().clone())
    }

    /// The address behind a forward-path. `postmaster` without a domain is the one of our first domain (RFC 5321 §4.5.1).
    pub(super) fn address(&self, path: &ForwardPath) -> Option<Address> {
        match path {
            ForwardPath::Address(address) => Some(address.clone()),
            ForwardPath::Postmaster => {
                let domain = self.guest.node.live().settings.local_domains.first()?.to_string();
                Address::parse(&format!("postmaster@{domain}")).ok()
            }
        }
    }
}

pub(super) fn unknown(path: &ForwardPath) -> Reply {
    Reply::new(550, (5, 1, 1), format!("<{path}>: Recipient address rejected: User unknown"))
}
