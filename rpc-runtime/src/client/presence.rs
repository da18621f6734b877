//! Owns [`Presence`]: where the channel of one endpoint says how far its connection is. Does not make the connection.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use crate::balance::{Moment, Outcome, Reach, Seat};
use crate::driver::now;

/// Where an endpoint's own channel says how far its connection is, for those who pick and for the keeper.
#[derive(Debug)]
pub(super) struct Presence {
    seat: Arc<Seat>,
    keeper: Arc<Notify>,
    began: Instant,
}

impl Presence {
    pub(super) const fn new(seat: Arc<Seat>, keeper: Arc<Notify>, began: Instant) -> Self {
        Self { seat, keeper, began }
    }

    /// The connection is so far.
    pub(super) fn note(&self, reach: Reach) {
        self.seat.set_reach(self.now(), reach);
        self.keeper.notify_one();
    }

    /// The endpoint has said how many calls it takes.
    pub(super) fn introduced(&self) {
        self.keeper.notify_one();
    }

    /// The connection was made, and broke. The calls that were on it say nothing more: so one that kills its server counts once.
    pub(super) fn broke(&self) {
        self.seat.load.begin();
        self.seat.load.end(self.now(), 0, Outcome::Failed);
    }

    fn now(&self) -> Moment {
        Moment::after(now().saturating_duration_since(self.began))
    }
}
