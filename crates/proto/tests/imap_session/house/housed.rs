//! A session that has its questions answered at once, by the small house: to others it asks nothing.

use std::convert::Infallible;

use proto::imap::Server;
use proto::session::{Next, Session};

use super::House;

#[derive(Debug)]
pub struct Housed {
    session: Server,
    pub house: House,
}

impl Housed {
    pub fn new(session: Server, house: House) -> Housed {
        Housed { session, house }
    }
}

impl Session for Housed {
    type Ask = Infallible;
    type Answer = ();

    fn receive(&mut self, bytes: &[u8]) {
        self.session.receive(bytes);
    }

    fn next(&mut self) -> Next<Infallible> {
        loop {
            match self.session.next() {
                Next::Ask(ask) => {
                    let answer = self.house.answer(ask);
                    self.session.answer(answer);
                }
                Next::Content(bytes) => self.house.content(&bytes),
                Next::NeedInput { patience, watch } => return Next::NeedInput { patience, watch },
                Next::Send(bytes) => return Next::Send(bytes),
                Next::StartTls => return Next::StartTls,
                Next::Pause(time) => return Next::Pause(time),
                Next::Close => return Next::Close,
            }
        }
    }

    fn answer(&mut self, (): ()) {}

    fn tls_started(&mut self) {
        self.session.tls_started();
    }

    fn timed_out(&mut self) {
        self.session.timed_out();
    }

    fn shut_down(&mut self) {
        self.session.shut_down();
    }

    fn closed(&mut self) {
        self.session.closed();
    }

    fn changed(&mut self) {
        self.session.changed();
    }
}
