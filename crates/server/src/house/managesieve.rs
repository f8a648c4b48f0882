//! Answers a ManageSieve session: it has nothing to ask before there are scripts.

use std::convert::Infallible;

use crate::driver::House;

/// The house of one ManageSieve session.
#[derive(Debug)]
pub struct SieveHouse;

impl House<proto::managesieve::Server> for SieveHouse {
    async fn answer(&mut self, ask: Infallible) -> Infallible {
        match ask {}
    }
}
