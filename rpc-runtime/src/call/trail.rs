//! Owns [`Trail`]: where the attempts of one call went, so that a further one goes elsewhere, and [`Pick`], why. Does not pick.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// Why an attempt went where it did: `tcp://b:1 by peak_ewma, of tcp://a:1 (2300.0) and tcp://b:1 (410.5)`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pick {
    /// The address of the endpoint.
    pub endpoint: Arc<str>,
    /// The algorithm that picked it, in snake case.
    pub algorithm: &'static str,
    /// The endpoints that it was compared with, itself included. With a hash, the key's own endpoint and the one that stands in for
    /// it.
    pub candidates: Vec<Candidate>,
    /// None that was drawn was ready, or all had been tried: it was the least unfit.
    pub last_resort: bool,
}

/// An endpoint that was looked at for a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Candidate {
    /// Its address.
    pub endpoint: Arc<str>,
    /// What the call would have cost there: with `peak_ewma` the response time in µs × calls under way × what is in doubt,
    /// otherwise the calls under way; both by its weight.
    pub cost: f32,
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.endpoint, self.algorithm)?;
        let mut between = ", of";
        for Candidate { endpoint, cost } in &self.candidates {
            write!(f, "{between} {endpoint} ({cost:.1})")?;
            between = " and";
        }
        if self.last_resort { f.write_str(", as a last resort") } else { Ok(()) }
    }
}

impl Pick {
    pub(crate) const fn new(
        endpoint: Arc<str>,
        algorithm: &'static str,
        candidates: Vec<Candidate>,
        last_resort: bool,
    ) -> Self {
        Self { endpoint, algorithm, candidates, last_resort }
    }
}

impl Candidate {
    pub(crate) const fn new(endpoint: Arc<str>, cost: f32) -> Self {
        Self { endpoint, cost }
    }
}

/// Where the attempts of one call went. All of them share it, so that a hedge knows of the attempt that it goes out beside.
#[derive(Debug)]
pub(crate) struct Trail {
    is_detailed: bool,
    steps: Mutex<Steps>,
}

#[derive(Debug, Default)]
struct Steps {
    tried: Vec<u64>,
    /// The first one that may have run it and remembers its answer.
    home: Option<u64>,
    picks: Vec<Pick>,
}

impl Trail {
    pub(crate) fn new(is_detailed: bool) -> Self {
        Self { is_detailed, steps: Mutex::default() }
    }

    /// Picks with the ids of those that were tried, and notes what comes of it: an id and, if anybody wants to know, why.
    pub(crate) fn step<T>(
        &self,
        pick: impl FnOnce(&[u64]) -> Option<(u64, T)>,
        why: impl Fn(&T) -> Pick,
    ) -> Option<T> {
        let mut steps = self.steps.lock();
        let (id, picked) = pick(&steps.tried)?;
        steps.tried.push(id);
        if self.is_detailed {
            steps.picks.push(why(&picked));
        }
        Some(picked)
    }

    /// It was tried by other means.
    pub(crate) fn note(&self, id: u64) {
        self.steps.lock().tried.push(id);
    }

    /// All were tried: the same ones may be tried again.
    pub(crate) fn forget_tried(&self) {
        self.steps.lock().tried.clear();
    }

    /// It may have run there, where its answer is remembered.
    pub(crate) fn may_have_run_at(&self, id: u64) {
        self.steps.lock().home.get_or_insert(id);
    }

    /// Where it may have run, and its answer is remembered.
    pub(crate) fn home(&self) -> Option<u64> {
        self.steps.lock().home
    }

    pub(crate) fn picks(&self) -> Vec<Pick> {
        self.steps.lock().picks.clone()
    }
}
