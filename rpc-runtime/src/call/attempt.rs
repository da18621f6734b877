//! Owns [`Attempt`]: how one attempt of a call ended, for those who ask after a failure. Does not make attempts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Code, Delivery};

/// One attempt of a call that was made more than once: when, where, how it ended and how long it took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Counted from 1, in the order in which they began; one that found no connection counts as well.
    pub number: u32,
    /// It went out beside an earlier one that had no answer yet.
    pub hedge: bool,
    /// When it began, counted from the beginning of the call.
    pub began: Duration,
    /// How long it took until it had failed.
    pub took: Duration,
    /// The address that it was made to, if it came that far.
    pub peer: Option<Arc<str>>,
    /// Why it failed.
    pub code: Code,
    /// What is known of it.
    pub delivery: Delivery,
    /// What was met, in words.
    pub message: Arc<str>,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, hedge, began, took, peer, code, delivery, message } = self;
        let kind = if *hedge { "hedge" } else { "attempt" };
        write!(f, "{kind} {number} at {began:.1?}")?;
        if let Some(peer) = peer {
            write!(f, " to {peer}")?;
        }
        write!(f, ", {took:.1?}: {code} ({delivery}): {message}")
    }
}
