//! Owns [`Broadcast`]: a call at all callers, and how many of them may fail. Does not make up for those that did.

use std::fmt;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::runtime::Handle;

use crate::call::{CallResult, Caller, Code, Delivery, Request, Response, RpcError};
use crate::policy::cluster::{ClusterCall, Members, items_gone, nobody};

/// Makes each call at all of its callers: to fill caches, to tell all replicas, to ask all for their health.
///
/// It ends when all have ended, with the answer of the first one in their order that has any; as an error if more than
/// [`fail_limit`](Self::fail_limit) of them failed. The service's own errors are answers. A [quorum](Self::quorum) ends as
/// soon as enough have answered, or too many failed; those that are under way then go on in a task.
///
/// Each callee runs the call once, whatever the method promises.
#[derive(Clone)]
pub struct Broadcast<C> {
    members: Members<C>,
    fail_limit: usize,
    is_early: bool,
}

impl<C: Caller> Broadcast<C> {
    /// At all of these, none of which may fail.
    pub fn new(callers: impl IntoIterator<Item = C>) -> Self {
        Self { members: Members::new(callers), fail_limit: 0, is_early: false }
    }

    /// Most of these must answer: three of five, three of four.
    pub fn quorum(callers: impl IntoIterator<Item = C>) -> Self {
        let members = Members::new(callers);
        let fail_limit = members.0.len().saturating_sub(1) / 2;
        Self { members, fail_limit, is_early: true }
    }

    /// How many of them may fail without the call failing.
    #[must_use]
    pub const fn fail_limit(mut self, callers: usize) -> Self {
        self.fail_limit = callers;
        self
    }
}

impl<C: Caller> Caller for Broadcast<C> {
    type Error = C::Error;
    type Future = ClusterCall;

    fn call(&self, mut request: Request) -> ClusterCall {
        let count = self.members.0.len();
        if request.items().is_some() && count > 1 {
            return Box::pin(std::future::ready(Err(items_gone())));
        }
        let calls = self.members.0.iter().enumerate().filter_map(|(at, caller)| {
            let call = caller.call(request.again()?);
            Some(async move { (at, call.await) })
        });
        let calls: FuturesUnordered<_> = calls.collect();
        let votes =
            Votes { count, fail_limit: self.fail_limit, best: None, answered: 0, failures: Vec::new() };
        Box::pin(ballot(calls, votes, self.is_early))
    }
}

async fn ballot<F>(mut calls: FuturesUnordered<F>, mut votes: Votes, is_early: bool) -> CallResult
where
    F: Future<Output = (usize, CallResult)> + Send + 'static,
{
    while let Some((at, result)) = calls.next().await {
        votes.take(at, result);
        if is_early && votes.is_decided() {
            break;
        }
    }
    // Without a runtime they are dropped, and so cancelled.
    if !calls.is_empty()
        && let Ok(runtime) = Handle::try_current()
    {
        runtime.spawn(async move { while calls.next().await.is_some() {} });
    }
    votes.result()
}

/// What has become of the calls so far; `answered + failures.len() <= count`.
struct Votes {
    count: usize,
    fail_limit: usize,
    /// The answer of the first in order that has one.
    best: Option<(usize, Response)>,
    answered: usize,
    failures: Vec<(usize, RpcError)>,
}

impl Votes {
    fn take(&mut self, at: usize, result: CallResult) {
        match result {
            Ok(response) => {
                self.answered += 1;
                if self.best.as_ref().is_none_or(|(before, _)| at < *before) {
                    self.best = Some((at, response));
                }
            }
            Err(error) => self.failures.push((at, error)),
        }
    }

    /// Whether what is still under way cannot change it.
    fn is_decided(&self) -> bool {
        self.failures.len() > self.fail_limit || self.answered + self.fail_limit >= self.count
    }

    fn result(mut self) -> CallResult {
        if self.failures.len() <= self.fail_limit
            && let Some((_, response)) = self.best
        {
            return Ok(response);
        }
        self.failures.sort_by_key(|(at, _)| *at);
        let Some((_, first)) = self.failures.first() else { return Err(nobody()) };
        let each: Vec<_> = self.failures.iter().map(|(at, error)| format!("{}: {error}", at + 1)).collect();
        let (failed, count, limit) = (self.failures.len(), self.count, self.fail_limit);
        let text = format!("{failed} of {count} failed, and {limit} may (`fail_limit`): {}", each.join("; "));
        // Where one has answered the call has run, whatever became of it elsewhere, and where one is under way it may.
        let run = match self.answered {
            0 if failed < count => Delivery::Unknown,
            0 => Delivery::NotSent,
            _ => Delivery::Executed,
        };
        let delivery = self.failures.iter().map(|(_, error)| error.delivery()).fold(run, Delivery::max);
        let code = if self.failures.iter().all(|(_, error)| error.code() == first.code()) {
            first.code()
        } else {
            Code::ABORTED
        };
        Err(RpcError::new(code, delivery, text).without_retry())
    }
}

impl<C> fmt::Debug for Broadcast<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broadcast(to {}, of which {} may fail)", self.members.0.len(), self.fail_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_one_is_under_way_nobody_knows_whether_the_call_has_run() {
        let votes = |failures| Votes { count: 3, fail_limit: 1, best: None, answered: 0, failures };
        let failed = |at| (at, RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, "away"));
        let early = votes(vec![failed(0), failed(2)]).result().unwrap_err();
        assert_eq!((early.code(), early.delivery()), (Code::UNAVAILABLE, Delivery::Unknown));
        let all = votes(vec![failed(0), failed(1), failed(2)]).result().unwrap_err();
        assert_eq!(all.delivery(), Delivery::NotSent);
    }
}
