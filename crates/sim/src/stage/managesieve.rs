//! ManageSieve servers on stage. Settings: `starttls`, `bad=N`. They ask nothing.

use std::convert::Infallible;

use proto::managesieve::{Profile, Server};

use super::words::{number, settings};
use crate::transcript::{Peer, Stage};

/// A ManageSieve server.
#[derive(Debug)]
pub struct ManageSieve;

impl Stage for ManageSieve {
    type Session = Server;
    const PEER: Peer = Peer::Client;

    fn open(&self, line: &str) -> Result<Server, String> {
        let mut profile = Profile::default();
        for (key, value) in settings(line) {
            match (key, value) {
                ("starttls", _) => profile.starttls = true,
                ("bad", _) => profile.limits.bad_commands_max = number(key, value)?,
                _ => return Err(format!("unknown setting {key}={value}")),
            }
        }
        Ok(Server::new(profile))
    }

    fn show(&self, ask: &Infallible) -> String {
        match *ask {}
    }

    fn parse(&self, _: &str) -> Option<Infallible> {
        None
    }

    fn otherwise(&self, ask: &Infallible) -> Infallible {
        match *ask {}
    }
}
