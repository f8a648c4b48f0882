//! `[smtp]`: from its texts to settings.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use directory::passwd_file::Network;

use super::Mistake;
use super::policy::{self, PolicyService};
use super::sending::{self, SendingLimit};
use super::settle::networks;
use super::written::Written;

/// The manners of `smtp` and `submission`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpSettings {
    pub sender_login: SenderLogin,
    /// Whether a group's members may send as the group.
    pub members_send_for_groups: bool,
    /// Whether trace lines name who logged in.
    pub tell_login: bool,
    pub add_missing: AddMissing,
    /// Who may say for whom he speaks (XCLIENT), and whose word is logged (XFORWARD).
    pub xclient: Vec<Network>,
    pub xforward: Vec<Network>,
    pub limits: ClientLimits,
    pub policy_services: Vec<PolicyService>,
    pub sending_limits: Vec<SendingLimit>,
    /// Where what accounts have sent is counted.
    pub sending_folder: PathBuf,
}

/// What becomes of a sender that is not his who logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderLogin {
    Off,
    /// It is logged.
    Warn,
    Reject,
}

/// Which messages get the header fields that they lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddMissing {
    /// Those that begin their way here.
    Ours,
    Always,
}

/// What one client may do; nought is no bound. Each has its row, with its sentence, in the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    pub sessions: usize,
    pub connections: usize,
    pub connection_rate: usize,
    pub message_rate: usize,
    pub recipient_rate: usize,
    pub login_rate: usize,
    /// Whose clients are not counted.
    pub exempt: Vec<Network>,
}

impl ClientLimits {
    pub fn is_exempt(&self, client: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(client))
    }
}

pub fn settle(written: &Written, folder: &Path, mistakes: &mut Vec<Mistake>) -> SmtpSettings {
    let table = written.table("smtp").unwrap_or_else(|| panic!("the schema has no table `smtp`"));
    let relay = written.table("relay").unwrap_or_else(|| panic!("the schema has no table `relay`"));
    let state = written.table("node").and_then(|node| node.text("state"));
    let exempt = if table.value_is_written("exempt") {
        networks(table.texts("exempt"), mistakes)
    } else {
        // What is wrong with them is told elsewhere.
        networks(relay.texts("networks"), &mut Vec::new())
    };
    let limits = ClientLimits {
        sessions: table.number("sessions"),
        connections: table.number("connections"),
        connection_rate: table.number("connection_rate"),
        message_rate: table.number("message_rate"),
        recipient_rate: table.number("recipient_rate"),
        login_rate: table.number("login_rate"),
        exempt,
    };
    SmtpSettings {
        sender_login: match table.text("sender_login") {
            Some("warn") => SenderLogin::Warn,
            Some("reject") => SenderLogin::Reject,
            _ => SenderLogin::Off,
        },
        members_send_for_groups: table.text("group_senders") == Some("members"),
        tell_login: table.text("authenticated_header") == Some("yes"),
        xclient: networks(table.texts("xclient"), mistakes),
        xforward: networks(table.texts("xforward"), mistakes),
        add_missing: match table.text("add_missing_headers") {
            Some("always") => AddMissing::Always,
            _ => AddMissing::Ours,
        },
        limits,
        policy_services: policy::settle(written, mistakes),
        sending_limits: sending::settle(written),
        sending_folder: folder.join(match table.text("sending_folder") {
            Some(sending) => PathBuf::from(sending),
            None => Path::new(state.unwrap_or_default()).join("sending"),
        }),
    }
}
