//! What every command of a session may see: the profile, the state, the output. And what a session is told at its start.

use std::sync::Arc;
use std::time::Duration;

use mail::namespace::{Namespaces, Separator};

use super::ask::Answer;
use super::commands::append::octets::LineWatch;
use super::commands::capability;
use super::view::{Telling, View};
use crate::Outbox;
use crate::sasl::{Channel, Offers};

/// What all IMAP sessions of a listener have in common.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The text of the greeting, as `mail.example.test Tepui ready.`
    pub greeting: String,
    /// What `ID` answers (RFC 2971), as `("name", "Tepui")`.
    pub id: Vec<(String, String)>,
    /// Whether the house can give special uses to mailboxes: offers CREATE-SPECIAL-USE (RFC 6154 §3).
    pub create_special_use: bool,
    /// Whether the house keeps quotas: offers QUOTA (RFC 9208).
    pub quota: bool,
    /// What clients call mailboxes. Where some are not their users' own, ACL (RFC 4314) is offered.
    pub namespaces: Namespaces,
    /// How one may log in.
    pub offers: Offers,
    pub limits: Limits,
}

/// Bounds. Beyond each there is a polite answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A line, in octets.
    pub line_max: usize,
    /// A command with its literals, but without APPEND's message, in octets.
    pub command_max: usize,
    /// APPEND's message, in octets.
    pub append_max: u64,
    /// Commands in a row that end in BAD, before login and after it. At that many the connection is closed.
    pub bad_commands_before_login_max: u32,
    pub bad_commands_max: u32,
    /// Failed logins of one connection.
    pub failed_logins_max: u32,
    /// How late a failed login is told.
    pub failed_login_pause: Duration,
    /// Silence that is borne before login.
    pub login_patience: Duration,
    /// Silence that is borne after it: at least 30 minutes (RFC 3501 §5.4).
    pub idle_patience: Duration,
    /// How often an IDLE hears that the connection still lives: a client that is gone is noticed by that.
    pub keepalive: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Limits {
            line_max: 64 * 1024,
            command_max: 256 * 1024,
            append_max: 50 * 1024 * 1024,
            bad_commands_before_login_max: 3,
            bad_commands_max: 21,
            failed_logins_max: 5,
            failed_login_pause: Duration::from_secs(2),
            login_patience: minutes(3),
            idle_patience: minutes(30),
            keepalive: minutes(29),
        }
    }
}

/// What TLS is to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsState {
    /// There is none.
    Off,
    /// STARTTLS is there for whom wants it.
    Offered,
    /// STARTTLS is there, and nobody logs in before it (LOGINDISABLED, RFC 3501 §6.2.3).
    Required,
    /// The connection is encrypted.
    On,
}

/// RFC 3501 §3, without the greeting's and the end's states, which the machine keeps.
#[derive(Debug)]
pub enum State {
    BeforeLogin,
    LoggedIn,
    Selected(Box<View>),
}

/// What the client said that it understands (RFC 5161, RFC 7162 §3.1). Until the connection ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Enabled {
    /// It hears mod-sequences, and UIDs with them.
    pub condstore: bool,
    /// It hears VANISHED instead of EXPUNGE.
    pub qresync: bool,
}

#[derive(Debug)]
pub struct Context {
    pub profile: Arc<Profile>,
    pub tls: TlsState,
    /// What TLS gives to logins.
    pub channel: Option<Arc<Channel>>,
    pub state: State,
    pub out: Outbox,
    pub enabled: Enabled,
    /// Of the command that is being carried out.
    pub tag: Vec<u8>,
    pub failed_logins: u32,
    /// COMPRESS was begun.
    pub compressed: bool,
    /// The house has begun a message for APPEND and must be told when it is given up.
    pub appending: bool,
    /// Watches a literal8 that is received.
    pub literal8: Option<LineWatch>,
    /// The view heard from the store during this command already.
    pub fresh: bool,
    /// This command named sequence numbers, though it is one of UID: expunges are kept back.
    pub named_numbers: bool,
}

impl Context {
    pub fn new(profile: Arc<Profile>, tls: TlsState) -> Context {
        Context {
            profile,
            tls,
            channel: None,
            state: State::BeforeLogin,
            out: Outbox::default(),
            enabled: Enabled::default(),
            tag: Vec::new(),
            failed_logins: 0,
            compressed: false,
            appending: false,
            literal8: None,
            fresh: false,
            named_numbers: false,
        }
    }

    /// Between levels in mailboxes' names.
    pub fn separator(&self) -> Separator {
        self.profile.namespaces.separator
    }

    pub fn limits(&self) -> &Limits {
        &self.profile.limits
    }

    pub fn view(&mut self) -> Option<&mut View> {
        match &mut self.state {
            State::Selected(view) => Some(view),
            _ => None,
        }
    }

    // RFC 7162 §3.1: "A first CONDSTORE enabling command executed in the session with a mailbox selected MUST cause the
    // server to return HIGHESTMODSEQ".
    pub fn enable_condstore(&mut self) {
        let before = std::mem::replace(&mut self.enabled.condstore, true);
        if let (false, State::Selected(view)) = (before, &self.state) {
            view.write_highest_modseq(&mut self.out);
        }
    }

    /// Tells the client what changed in the selected mailbox.
    pub fn catch_up(&mut self, expunges: bool, uids: bool) {
        if let State::Selected(view) = &mut self.state {
            view.catch_up(Telling { expunges, uids, enabled: self.enabled }, &mut self.out);
        }
    }

    pub fn is_logged_in(&self) -> bool {
        !matches!(self.state, State::BeforeLogin)
    }

    /// Passes a `Synced` to the view. False when the mailbox is no longer the one selected. An answer that is none leaves
    /// the view as it is: the client just learns nothing new.
    pub fn hear(&mut self, answer: Answer) -> bool {
        use super::ask::Refusal;
        match (answer, self.view()) {
            (Answer::Refused(Refusal::NoSuchMailbox), Some(_)) => false,
            (Answer::Synced { snapshot, .. }, Some(view)) if !view.is_same_mailbox(&snapshot) => false,
            (Answer::Synced { snapshot, recent }, Some(view)) => {
                view.hear(snapshot, recent);
                self.fresh = true;
                true
            }
            _ => true,
        }
    }

    /// The `CAPABILITY` response code.
    pub fn capability_code(&self) -> String {
        format!("CAPABILITY {}", capability::list(self))
    }
}
