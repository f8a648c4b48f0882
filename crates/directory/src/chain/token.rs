//! Logins by an access token: the issuer says whose it is, the sources whether that account is there and open.

use proto::sasl::{Evidence, Secret};

use super::known::Found;
use super::{Inner, LogIn, Peer, Steps};
use crate::account::Account;
use crate::oauth::Verdict;

impl Inner {
    /// `login` is the name that the client gave beside its token, if it did: it must mean the same account.
    pub(super) async fn log_in_by_token(
        &self,
        login: &str,
        token: &Secret,
        evidence: &Evidence,
        peer: Peer<'_>,
    ) -> LogIn {
        let Some(bearer) = &self.bearer else { return LogIn::Refused("tokens are not taken".to_owned()) };
        let user = match bearer.verify(token).await {
            Verdict::User(user) => user.to_lowercase(),
            Verdict::Refused(why) => return LogIn::Refused(why),
            Verdict::Unavailable(why) => return LogIn::Unavailable(why),
        };
        match self.log_in(&user, evidence, peer, &mut Steps::silent()).await {
            LogIn::Welcome { account, .. } if !self.means(&login.to_lowercase(), &user, &account).await => {
                LogIn::Refused(format!("the token is {user}'s"))
            }
            LogIn::Refused(why) => LogIn::Refused(format!("token of {user}: {why}")),
            verdict => verdict,
        }
    }

    async fn means(&self, login: &str, user: &str, account: &Account) -> bool {
        if login.is_empty() || login == user {
            return true;
        }
        matches!(self.find(login).await, Found::Person(person) if person.account.name == account.name)
    }
}
