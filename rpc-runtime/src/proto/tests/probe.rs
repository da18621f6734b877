//! What the model looks at inside a machine: sums that must agree, and which no application sees.

use std::time::Instant;

use crate::proto::{Body, Config, Connection};

/// Whether the connection has neither failed nor closed.
pub(super) fn is_alive(machine: &Connection) -> bool {
    machine.is_alive()
}

/// What a body holds of the budget.
pub(super) fn reserved(body: &Body) -> usize {
    body.reserved()
}

/// The tables agree with their sums. `lent` is what bodies that are out have reserved.
pub(super) fn adds_up(machine: &mut Connection, lent: usize, config: &Config) {
    machine.assert_adds_up(lent, config);
}

/// Credit for items is where both sides say that it is; if nothing is under way, none of it is either.
pub(super) fn conserves_credit([a, b]: [&mut Connection; 2], quiet: bool) {
    for (sender, receiver) in [(a.unspent(), b.ungiven()), (b.unspent(), a.ungiven())] {
        for (id, unspent) in sender {
            let Some(granted) = receiver.get(&id) else { continue };
            assert!(unspent <= *granted, "call {id}: {unspent} may be sent, {granted} may come");
            assert!(!quiet || unspent == *granted, "call {id}: {unspent} may be sent, {granted} may come");
        }
    }
}

/// Nothing waits for a reason that is gone.
pub(super) fn is_settled(machine: &mut Connection, now: Instant) {
    machine.assert_settled(now);
}

/// What is over has been ended.
pub(super) fn is_timely(machine: &mut Connection, now: Instant) {
    machine.assert_timely(now);
}

/// Nothing is open, held or waiting.
pub(super) fn is_idle(machine: &mut Connection) {
    machine.assert_empty();
}
