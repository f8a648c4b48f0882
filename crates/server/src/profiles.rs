//! How each listener's sessions are set up: settings in, a session and its house out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use directory::passwd_file::Network;
use mail::Reply;
use proto::{imap, managesieve, pop3, smtp};

use crate::config::{AuthMode, Listener, Protocol, TlsMode};
use crate::filter;
use crate::house::Guest;
use crate::house::imap::ImapHouse;
use crate::house::managesieve::SieveHouse;
use crate::house::pop3::Pop3House;
use crate::house::smtp::SmtpHouse;
use crate::node::Live;

/// What we call ourselves in greetings.
const PRODUCT: &str = "Tepui";

/// What a session is set up from.
#[derive(Debug)]
pub struct Setup<'a> {
    pub live: &'a Live,
    pub listener: &'a Listener,
    /// The client finds no place, and why: it is told so instead of being greeted.
    pub away: Option<&'a str>,
}

pub fn smtp(guest: Guest, setup: &Setup<'_>) -> (smtp::Server, SmtpHouse) {
    let &Setup { live, listener, away } = setup;
    let dialect = match listener.protocol {
        Protocol::Submission => smtp::Dialect::Submission,
        Protocol::Lmtp => smtp::Dialect::Lmtp,
        _ => smtp::Dialect::Smtp,
    };
    let limits = &live.settings.limits;
    let hides = |keyword: &str| listener.hide.iter().any(|hidden| hidden == keyword);
    let errors = u32::try_from(limits.errors).unwrap_or(u32::MAX);
    let profile = smtp::Profile {
        tls: match listener.tls {
            TlsMode::Off => smtp::Tls::Off,
            TlsMode::StartTls => smtp::Tls::Offered,
            TlsMode::Required => smtp::Tls::Required,
            TlsMode::Implicit => smtp::Tls::On,
        },
        auth: match listener.auth {
            AuthMode::Off => smtp::Auth::Off,
            AuthMode::Offered => smtp::Auth::Offered,
            AuthMode::Required => smtp::Auth::Required,
        },
        auth_needs_tls: listener.tls != TlsMode::Off,
        offers: live.offers.clone(),
        banner: listener.banner.clone(),
        // LMTP's clients are layers of the platform, which report for themselves.
        dsn: dialect != smtp::Dialect::Lmtp && !hides("DSN"),
        smtputf8: !hides("SMTPUTF8"),
        chunking: !hides("CHUNKING"),
        vrfy: !hides("VRFY"),
        etrn: !hides("ETRN"),
        xclient: is_in(&live.settings.smtp.xclient, guest.peer.ip()),
        xforward: is_in(&live.settings.smtp.xforward, guest.peer.ip()),
        hidden: listener.hide.clone(),
        trace: dialect != smtp::Dialect::Submission && is_inside(guest.peer.ip()),
        limits: smtp::Limits {
            recipients_max: limits.recipients,
            message_size_max: limits.message_size,
            errors_max: errors,
            errors_slow_after: errors / 2,
            command_patience: limits.idle_smtp,
            content_patience: limits.idle_smtp,
            ..smtp::Limits::default()
        },
        ..smtp::Profile::new(dialect, &live.settings.name)
    };
    let machine = match away {
        // RFC 5321 §3.8: 421 for a service that must refuse for now.
        Some(why) => {
            let reply = Reply::new(421, (4, 7, 0), format!("{} Error: {why}", live.settings.name));
            smtp::Server::turned_away(profile, &reply)
        }
        None => smtp::Server::new(profile),
    };
    (machine, SmtpHouse::new(guest, dialect))
}

pub fn imap(guest: Guest, setup: &Setup<'_>) -> (imap::Server, ImapHouse) {
    let &Setup { live, listener, away } = setup;
    let limits = &live.settings.limits;
    let profile = imap::Profile {
        greeting: format!("{PRODUCT} ready."),
        id: vec![("name".to_owned(), PRODUCT.to_owned())],
        create_special_use: true,
        quota: live.settings.quota.storage != store::QuotaFile::Off,
        namespaces: live.settings.namespaces.clone(),
        offers: live.offers.clone(),
        limits: imap::Limits {
            line_max: limits.line,
            command_max: limits.line + limits.literal,
            append_max: limits.message_size,
            bad_commands_max: u32::try_from(limits.errors).unwrap_or(u32::MAX),
            // The house makes a wrong password wait, the same in every protocol.
            failed_login_pause: Duration::ZERO,
            login_patience: limits.login_time,
            idle_patience: limits.idle_imap,
            ..imap::Limits::default()
        },
    };
    let tls = match listener.tls {
        TlsMode::Off => imap::TlsState::Off,
        TlsMode::StartTls | TlsMode::Required => imap::TlsState::Required,
        TlsMode::Implicit => imap::TlsState::On,
    };
    let profile = Arc::new(profile);
    let machine = match away {
        Some(why) => imap::Server::turned_away(profile, tls, why),
        None => imap::Server::new(profile, tls),
    };
    (machine, ImapHouse::new(guest))
}

pub fn pop3(guest: Guest, setup: &Setup<'_>) -> (pop3::Server, Pop3House) {
    let &Setup { live, listener, away } = setup;
    let limits = &live.settings.limits;
    let profile = pop3::Profile {
        banner: format!("{PRODUCT} ready."),
        tls: offered(listener.tls),
        login_needs_tls: listener.tls != TlsMode::Off,
        offers: live.offers.clone(),
        last: live.settings.pop3.enable_last,
        limits: pop3::Limits {
            bad_commands_max: u32::try_from(limits.errors).unwrap_or(u32::MAX),
            // The house makes a wrong password wait, the same in every protocol.
            login_failure_pause: Duration::ZERO,
            patience: limits.idle_pop3,
            ..pop3::Limits::default()
        },
    };
    let machine = match away {
        Some(why) => pop3::Server::turned_away(profile, why),
        None => pop3::Server::new(profile),
    };
    (machine, Pop3House::new(guest))
}

pub fn managesieve(guest: Guest, setup: &Setup<'_>) -> (managesieve::Server, SieveHouse) {
    let &Setup { live, listener, away } = setup;
    let limits = &live.settings.limits;
    let sieve = &live.settings.sieve;
    let profile = managesieve::Profile {
        banner: format!("{PRODUCT} ready."),
        tls: offered(listener.tls),
        login_needs_tls: listener.tls != TlsMode::Off,
        offers: live.offers.clone(),
        language: filter::language(sieve),
        limits: managesieve::Limits {
            script_size_max: kept_max(sieve.bounds.size_max),
            bad_commands_max: u32::try_from(limits.errors).unwrap_or(u32::MAX),
            // The house makes a wrong password wait, the same in every protocol.
            login_failure_pause: Duration::ZERO,
            patience: limits.idle_pop3,
            ..managesieve::Limits::default()
        },
    };
    let machine = match away {
        Some(why) => managesieve::Server::turned_away(profile, why),
        None => managesieve::Server::new(profile),
    };
    (machine, SieveHouse::new(guest))
}

/// To protocols in which all of worth comes after a login, offered is required.
fn offered(mode: TlsMode) -> pop3::Tls {
    match mode {
        TlsMode::Off => pop3::Tls::Off,
        TlsMode::StartTls | TlsMode::Required => pop3::Tls::Offered,
        TlsMode::Implicit => pop3::Tls::On,
    }
}

/// Octets of a script that a session takes into memory; nought is no setting's bound, but it is the protocol's.
fn kept_max(size_max: u64) -> usize {
    let literal_max = managesieve::reader::LITERAL_LENGTH_MAX;
    let size_max = if size_max == 0 { literal_max } else { size_max.min(literal_max) };
    usize::try_from(size_max).unwrap_or(usize::MAX)
}

fn is_in(networks: &[Network], peer: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(peer))
}

/// Whether a peer is on this machine or in a private network, as the nodes of a platform are to each other.
fn is_inside(peer: IpAddr) -> bool {
    match peer.to_canonical() {
        IpAddr::V4(four) => four.is_loopback() || four.is_private(),
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local(),
    }
}
