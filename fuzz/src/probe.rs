//! What the model looks at inside a machine, as far as it can be seen from outside of the crate.

use std::time::Instant;

use traitwire::proto::{Body, Config, Connection};

/// Whether the connection has neither failed nor closed; one that is draining may be taken for one that has.
pub(crate) fn is_alive(machine: &Connection) -> bool {
    machine.takes_calls() && !machine.is_closed()
}

/// What a body holds of the budget: not to be seen.
pub(crate) fn reserved(_: &Body) -> usize {
    0
}

/// The tables keep to their limits.
pub(crate) fn adds_up(machine: &mut Connection, _lent: usize, config: &Config) {
    assert!(machine.inbound_calls() <= config.in_flight as usize);
    assert!(machine.outbound_calls().1 <= config.queue);
}

/// Credit for items is where both sides say that it is: not to be seen.
pub(crate) fn conserves_credit(_: [&mut Connection; 2], _quiet: bool) {}

/// Nothing waits for a reason that is gone: not to be seen.
pub(crate) fn is_settled(_: &mut Connection, _now: Instant) {}

/// What is over has been ended: not to be seen.
pub(crate) fn is_timely(_: &mut Connection, _now: Instant) {}

/// Nothing is open or waiting.
pub(crate) fn is_idle(machine: &mut Connection) {
    assert_eq!((machine.outbound_calls(), machine.inbound_calls()), ((0, 0), 0));
    assert!(!machine.can_start());
}
