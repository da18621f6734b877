//! Owns [`Keepalive`]: whether the peer is alive. Does not own whether it moves (`progress`).
//!
//! ```text
//!             silence ≥ interval                  timeout, and nothing came or moved
//!   Listening ───────────────────▶ Asked (PING) ───────────────────────────────────▶ dead
//!       ▲                             │  ▲ │
//!       └──────── bytes came ─────────┘  └─┘ a blocked write moved: wait anew
//! ```

use std::time::{Duration, Instant};

/// What keepalive wants done at its timeout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Send a PING with this number.
    Ping(u64),
    /// The peer is dead.
    Dead,
}

#[derive(Debug)]
enum State {
    Listening { heard: Instant },
    Asked { since: Instant },
}

#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Option<Duration>,
    timeout: Duration,
    state: State,
    pings: u64,
}

impl Keepalive {
    pub(super) const fn new(interval: Option<Duration>, timeout: Duration, now: Instant) -> Self {
        Self { interval, timeout, state: State::Listening { heard: now }, pings: 0 }
    }

    /// Bytes came, whatever they say.
    pub(super) fn heard(&mut self, now: Instant) {
        self.state = State::Listening { heard: now };
    }

    /// A write that was blocked moved: somebody takes the bytes.
    pub(super) fn moved(&mut self, now: Instant) {
        if let State::Asked { since } = &mut self.state {
            *since = now;
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        let interval = self.interval?;
        // A time beyond what the clock can hold never comes.
        match self.state {
            State::Listening { heard } => heard.checked_add(interval),
            State::Asked { since } => since.checked_add(self.timeout),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Verdict {
        match self.state {
            // ## Listening => Asked: the silence is long enough to ask.
            State::Listening { .. } => {
                self.state = State::Asked { since: now };
                self.pings += 1;
                Verdict::Ping(self.pings)
            }
            // ## Asked => dead: an honest peer answers a ping before anything else it has to say.
            State::Asked { .. } => Verdict::Dead,
        }
    }
}
