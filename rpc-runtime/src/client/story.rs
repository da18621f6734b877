//! Owns [`Story`]: what has been done for a connection, and since when. Pure: the caller brings the time.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::limits;

/// What is done for a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Asking which addresses a name stands for.
    Resolving(String),
    /// Connecting to one of them: which, and how many there are.
    Connecting { address: String, nth: usize, of: usize },
    /// Making the handshake that a link to this address needs.
    Opening(String),
    /// Waiting after a failed attempt.
    BackingOff,
}

/// The last steps on the way to a connection, so that a call whose time runs out meanwhile can say what it went into.
#[derive(Debug, Default)]
pub(super) struct Story(VecDeque<(Step, Instant)>);

impl Story {
    /// This is what is done from now on.
    pub(super) fn note(&mut self, step: Step, now: Instant) {
        if self.0.len() >= limits::STEPS {
            self.0.pop_front();
        }
        self.0.push_back((step, now));
    }

    /// There is a connection.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What the time between the two instants went into; steps that took no time are left out, except the present one.
    pub(super) fn tell(&self, since: Instant, now: Instant) -> String {
        let ends = self.0.iter().skip(1).map(|(_, began)| *began).chain([now]);
        let last = self.0.len().saturating_sub(1);
        let mut told = Vec::new();
        for (at, ((step, began), end)) in self.0.iter().zip(ends).enumerate() {
            let took = end.saturating_duration_since(since.max(*began));
            if at == last || took >= Duration::from_millis(1) {
                told.push(format!("{took:.1?} {step}"));
            }
        }
        if told.is_empty() {
            told.push(format!("{:.1?} waiting for a connection", now.saturating_duration_since(since)));
        }
        told.join(", ")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolving(name) => write!(f, "resolving `{}`", name.escape_debug()),
            Self::Connecting { address, of: 1, .. } => write!(f, "connecting to {}", address.escape_debug()),
            Self::Connecting { address, nth, of } => {
                write!(f, "connecting to {} ({nth} of {of})", address.escape_debug())
            }
            Self::Opening(address) => write!(f, "shaking hands with {}", address.escape_debug()),
            Self::BackingOff => f.write_str("waiting out the back-off"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_of_its_own_time_alone() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        let mut story = Story::default();
        assert_eq!(story.tell(at(0), at(500)), "500.0ms waiting for a connection");
        story.note(Step::Resolving("host:1".into()), at(0));
        story.note(Step::Connecting { address: "10.0.0.1:1".into(), nth: 1, of: 2 }, at(1_200));
        story.note(Step::Connecting { address: "10.0.0.2:1".into(), nth: 2, of: 2 }, at(1_200));
        assert_eq!(
            story.tell(at(0), at(1_500)),
            "1.2s resolving `host:1`, 300.0ms connecting to 10.0.0.2:1 (2 of 2)"
        );
        story.note(Step::BackingOff, at(2_000));
        assert_eq!(
            story.tell(at(1_900), at(2_500)),
            "100.0ms connecting to 10.0.0.2:1 (2 of 2), 500.0ms waiting out the back-off"
        );
        for _ in 0..100 {
            story.note(Step::BackingOff, at(3_000));
        }
        assert_eq!(story.0.len(), limits::STEPS);
    }
}
