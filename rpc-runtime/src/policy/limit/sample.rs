//! Owns [`Sample`]: what the end of a call tells an adaptive limit. Decides nothing.

use std::time::Duration;

use crate::call::{CallResult, Code};

/// The end of one call.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Sample {
    /// How long it took, its wait for a place not included.
    pub(in crate::policy) took: Duration,
    /// How many were at work when it ended, itself included.
    pub(in crate::policy) at_work: usize,
    pub(in crate::policy) said: Said,
}

/// What it says about the load of whoever answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::policy) enum Said {
    /// It was answered.
    Answer,
    /// There was too much: it was refused for that, or its time was over.
    Overload,
    /// Nothing: it was given up, or never came there.
    Nothing,
}

impl Said {
    /// What the end of a call says.
    pub(in crate::policy) fn of(result: &CallResult) -> Self {
        match result {
            Ok(_) => Self::Answer,
            Err(error) => match error.code() {
                Code::RESOURCE_EXHAUSTED | Code::DEADLINE_EXCEEDED => Self::Overload,
                // Whatever else ended it did not wait for the work to be done.
                _ => Self::Nothing,
            },
        }
    }
}

/// Between what an adaptive limit moves, and where it begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::policy) struct Bounds {
    /// `1 <= least <= first <= most`.
    pub(in crate::policy) least: usize,
    pub(in crate::policy) first: usize,
    pub(in crate::policy) most: usize,
}

impl Bounds {
    pub(in crate::policy) const fn clamp(self, limit: f64) -> f64 {
        limit.clamp(self.least as f64, self.most as f64)
    }
}
