//! Answers a ManageSieve session out of the directory and the store; the language is `filter`'s.

use std::path::PathBuf;
use std::sync::Arc;

use directory::chain::LogIn;
use mail::ScriptName;
use proto::managesieve::{Answer, Ask, Refusal, Script};
use store::{ScriptError, Scripts};

use super::{Guest, blocking};
use crate::config::SieveSettings;
use crate::driver::House;
use crate::filter::{self, Verdict};

/// The house of one ManageSieve session.
#[derive(Debug)]
pub struct SieveHouse {
    guest: Guest,
    user: Option<Arc<User>>,
}

#[derive(Debug)]
struct User {
    name: String,
    scripts: Scripts,
}

impl SieveHouse {
    pub fn new(guest: Guest) -> SieveHouse {
        SieveHouse { guest, user: None }
    }

    async fn log_in(&mut self, credentials: proto::sasl::Credentials) -> Answer {
        let account = match self.guest.log_in(credentials).await {
            LogIn::Welcome { account, .. } => account,
            LogIn::Refused(_) => return Answer::Refused(Refusal::Authentication),
            LogIn::Unavailable(_) => return Answer::Refused(Refusal::Temporary),
        };
        let scripts = self.guest.node.store().scripts(&PathBuf::from(&account.home));
        self.user = Some(Arc::new(User { name: account.name.clone(), scripts }));
        Answer::Welcome(account.name)
    }

    /// Works on the user's scripts on a blocking thread.
    async fn with_scripts(
        &self,
        work: impl FnOnce(&Scripts, &SieveSettings) -> Result<Answer, ScriptError> + Send + 'static,
    ) -> Answer {
        let Some(user) = self.user.clone() else { return Answer::Refused(Refusal::Permanent) };
        let live = self.guest.node.live();
        let worker = Arc::clone(&user);
        let answer = blocking(move || work(&worker.scripts, &live.settings.sieve)).await;
        answer.unwrap_or_else(|error| Answer::Refused(self.refusal(&user.name, error)))
    }

    fn refusal(&self, user: &str, error: ScriptError) -> Refusal {
        match error {
            ScriptError::NotFound => Refusal::NotFound,
            ScriptError::Exists => Refusal::Exists,
            ScriptError::Active => Refusal::Active,
            ScriptError::Reserved => Refusal::Reserved,
            ScriptError::TooLarge { max } => Refusal::TooLarge(max),
            ScriptError::TooMany { max } => Refusal::TooMany(max),
            ScriptError::NoStorage { max } => Refusal::NoStorage(max),
            ScriptError::Store(error) => {
                tracing::error!(session = &*self.guest.session, user, %error, "script trouble");
                if matches!(error, store::Error::Damaged { .. }) { Refusal::Permanent } else { Refusal::Temporary }
            }
        }
    }
}

impl House<proto::managesieve::Server> for SieveHouse {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(ask) => {
                let answer = self.guest.sasl(ask).await;
                answer.map_or(Answer::Refused(Refusal::Temporary), Answer::Sasl)
            }
            Ask::LogIn(credentials) => self.log_in(credentials).await,
            Ask::LogOut => {
                self.user = None;
                Answer::Done
            }
            Ask::HaveSpace { name, size } => {
                self.with_scripts(move |scripts, settings| {
                    scripts.has_space(&name, size, &settings.bounds)?;
                    Ok(Answer::Done)
                })
                .await
            }
            Ask::Put { name, content } => {
                self.with_scripts(move |scripts, settings| put(scripts, settings, &name, &content)).await
            }
            Ask::Check(content) => {
                self.with_scripts(move |_, settings| Ok(told(filter::check(settings, None, &content)))).await
            }
            Ask::List => self.with_scripts(|scripts, _| list(scripts)).await,
            Ask::Activate(name) => {
                self.with_scripts(move |scripts, _| scripts.activate(name.as_ref()).map(|()| Answer::Done)).await
            }
            Ask::Get(name) => self.with_scripts(move |scripts, _| scripts.read(&name).map(Answer::Content)).await,
            Ask::Delete(name) => {
                self.with_scripts(move |scripts, _| scripts.delete(&name).map(|()| Answer::Done)).await
            }
            Ask::Rename { from, to } => {
                self.with_scripts(move |scripts, _| scripts.rename(&from, &to).map(|()| Answer::Done)).await
            }
        }
    }
}

/// RFC 5804 §2.6: a script that is not good is not kept.
fn put(scripts: &Scripts, settings: &SieveSettings, name: &ScriptName, content: &[u8]) -> Result<Answer, ScriptError> {
    let verdict = filter::check(settings, Some(name), content);
    if !matches!(verdict, Verdict::Faulty(_)) {
        scripts.put(name, content, &settings.bounds)?;
    }
    Ok(told(verdict))
}

fn told(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Good => Answer::Done,
        Verdict::Warned(warnings) => Answer::Warned(warnings),
        Verdict::Faulty(errors) => Answer::Refused(Refusal::Faulty(errors)),
    }
}

fn list(scripts: &Scripts) -> Result<Answer, ScriptError> {
    let script = |listing: store::ScriptListing| Script { name: listing.name, is_active: listing.is_active };
    Ok(Answer::Scripts(scripts.list()?.into_iter().map(script).collect()))
}
