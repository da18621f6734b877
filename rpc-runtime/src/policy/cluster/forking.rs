//! Owns [`Forking`]: several callers at once, of which the quickest answers. Does not count what that costs.

use std::fmt;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::call::{CallResult, Caller, Delivery, Request};
use crate::policy::cluster::{ClusterCall, Members, nobody};

/// Makes each call at several of its callers at once, and ends with the first answer; the others are cancelled.
///
/// Each call costs as many as there are forks, all the time: where answers are late only now and then, a
/// [`Hedge`](crate::Hedge) does the same for a twentieth. Methods that are not idempotent, and calls with items of their
/// caller, are made at the first one alone.
#[derive(Clone)]
pub struct Forking<C> {
    members: Members<C>,
    forks: usize,
}

impl<C: Caller> Forking<C> {
    /// At all of these.
    pub fn new(callers: impl IntoIterator<Item = C>) -> Self {
        Self { members: Members::new(callers), forks: usize::MAX }
    }

    /// At the first so many.
    #[must_use]
    pub const fn forks(mut self, forks: usize) -> Self {
        self.forks = forks;
        self
    }
}

impl<C: Caller> Caller for Forking<C> {
    type Error = C::Error;
    type Future = ClusterCall;

    fn call(&self, mut request: Request) -> ClusterCall {
        let is_idempotent = request.descriptor().is_some_and(|method| method.idempotent);
        let forks = if is_idempotent && request.items().is_none() { self.forks.max(1) } else { 1 };
        let members = &self.members.0[..self.members.0.len().min(forks)];
        let calls = members.iter().zip(1..).filter_map(|(caller, number)| {
            let mut fork = request.again()?;
            fork.set_attempt(number);
            Some(caller.call(fork))
        });
        let calls: FuturesUnordered<_> = calls.collect();
        Box::pin(first(calls))
    }
}

async fn first<F: Future<Output = CallResult>>(mut calls: FuturesUnordered<F>) -> CallResult {
    let (mut sent, mut delivery, mut last) = (0, Delivery::NotSent, None);
    while let Some(result) = calls.next().await {
        match result {
            Ok(mut response) => {
                // Whatever becomes of the others, they were made.
                response.set_attempts(response.attempts() + sent + calls.len() as u32);
                return Ok(response);
            }
            Err(error) => {
                sent += error.attempts();
                delivery = delivery.max(error.delivery());
                last = Some(error);
            }
        }
    }
    Err(last.unwrap_or_else(nobody).with_attempts(sent).with_delivery(delivery))
}

impl<C> fmt::Debug for Forking<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forking(among {})", self.members.0.len().min(self.forks))
    }
}
