//! Owns the orderly end of a connection: when GOAWAY is said, which calls are made after it, and when nothing is left.
//! Does not own the ends that cut calls: those are the [module](super)'s.

use std::time::Instant;

use super::Connection;
use crate::proto::phase::Wanted;
use crate::proto::tools::Tools;
use crate::proto::{ConnectionError, Event, Side};
use crate::wire::Goaway;

impl Connection {
    /// Ends the connection when all that was begun is done, with [`Event::Closed`](super::Event::Closed). Handlers may
    /// go on to call the peer meanwhile ([`Farewells`](super::Farewells) says who may do what when); other calls are
    /// for another connection.
    pub fn drain(&mut self, reason: &'static str, now: Instant) {
        if self.phase.is_alive() && self.farewells.wanted.is_none() {
            self.farewells.wanted = Some(Wanted { reason, since: now });
            self.settle(now);
        }
    }

    // ----- inside -----

    pub(super) fn handle_goaway(&mut self, said: Goaway, now: Instant) -> Result<(), ConnectionError> {
        self.farewells.heard = Some(said.last);
        self.outbound.handle_goaway(&said, &mut tools!(self, now));
        match said.code {
            None => Ok(()),
            Some(code) => Err(ConnectionError::Told { code, text: said.text }),
        }
    }

    /// Says GOAWAY, and gives up making calls, when the time has come for it. Comes before whatever may frame a call:
    /// once the peer has read the last answer it may close, and would not read a call behind it.
    pub(super) fn wind_down(&mut self, now: Instant) {
        let Some(Wanted { reason, since }) = self.farewells.wanted.filter(|_| self.phase.is_alive()) else {
            return;
        };
        if self.farewells.said.is_none() {
            if self.side == Side::Client && self.outbound.awaits_up_to(since) {
                return;
            }
            let last = self.inbound.drain();
            self.farewells.said = Some(last);
            self.output.goaway(&Goaway { last, code: None, text: reason.to_owned() });
            self.events.push_back(Event::Leaving);
        }
        if self.inbound.open() == 0 {
            self.outbound.retire(&mut tools!(self, now));
        }
    }

    /// Whether no call is open or waits, of either side.
    pub(super) fn is_idle(&self) -> bool {
        self.outbound.is_empty() && self.inbound.open() == 0
    }

    /// Whether the end was announced, and nothing is left that it waits for.
    pub(super) fn is_drained(&self) -> bool {
        self.farewells.any() && self.is_idle() && self.output.is_empty()
    }
}
