//! XCLIENT and XFORWARD: a trusted peer says who the client is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use directory::chain::Lookup;
use mail::Reply;
use proto::smtp::{Answer, ClientAttributes};

use super::{SmtpHouse, cannot_say};

impl SmtpHouse {
    /// From now on the session is this client's: in every limit, in the relay policy and in the log.
    pub(super) async fn speaks_for(&mut self, client: ClientAttributes) -> Answer {
        let account = match &client.login {
            None => None,
            Some(login) => match self.guest.node.live().directory.account(login).await {
                Lookup::Account(account) => Some(account),
                Lookup::Unknown => {
                    return Answer::Refused(Reply::new(550, (5, 7, 8), "Error: there is no such account"));
                }
                Lookup::Unavailable(_) => return Answer::Refused(cannot_say()),
            },
        };
        // An address that nobody knows is in no network of ours.
        let address = client.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let from = self.guest.peer;
        self.guest.peer = SocketAddr::new(address, client.port.unwrap_or_default());
        let login = account.as_ref().map(|account| account.name.clone());
        let (session, peer) = (&*self.guest.session, self.guest.peer);
        tracing::info!(session, %peer, login, %from, "a trusted peer speaks for this client");
        self.groups = account.map(|account| account.groups()).unwrap_or_default();
        self.login = login.clone();
        login.map_or(Answer::Go, |account| Answer::LoggedIn { account })
    }

    /// Whom the peer has the next message from, for the log.
    pub(super) fn forwarded_for(&self, client: &ClientAttributes) -> Answer {
        let ClientAttributes { address, port, helo, login, ident, .. } = client;
        let session = &*self.guest.session;
        tracing::info!(session, ?address, port, helo, login, ident, "the peer has the next message from this client");
        Answer::Go
    }
}
