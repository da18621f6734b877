//! Owns [`Earliest`]: when the next open call may expire. Does not know the calls.

use std::time::Instant;

use crate::call::Deadline;

/// A lower bound for the deadlines in a table.
///
/// Nearly every call ends long before its deadline, so nothing is done when one ends. The bound is then too
/// early, and the timeout it causes walks the table once to find what is due and the true next one. A table
/// is walked at most once for each deadline that was its earliest: with equal timeouts about once a timeout,
/// at a few nanoseconds an entry. A call pays one comparison; a heap or a wheel would pay more for each.
///
/// Invariant: `self.0 <=` the deadline of each call in the table.
#[derive(Debug, Default)]
pub(super) struct Earliest(Option<Deadline>);

impl Earliest {
    pub(super) fn note(&mut self, deadline: Option<Deadline>) {
        self.0 = Deadline::earlier(self.0, deadline);
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.0.map(Deadline::instant)
    }

    /// Whether the table is to be walked now; the walk notes the deadlines that stay.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.0.take_if(|deadline| deadline.has_passed(now)).is_some()
    }
}
