//! Owns [`Failover`]: the next caller when one fails. Does not decide what another attempt may mend: `retry` does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Caller, Delivery, Request, Response, RpcError};
use crate::policy::clock::now;
use crate::policy::cluster::{ClusterCall, Members, items_gone, nobody};
use crate::policy::retry::{Account, Budget, Failure, Purse};

/// Makes a call at the first of its callers, and at the next one if it fails in a way that another attempt may mend: what
/// [`retry`](crate::policy) would try again, at once and elsewhere. Each caller is asked once.
///
/// What was never sent costs nothing to try elsewhere; anything else is paid from a [`Budget`], so that callees that have too much
/// to do do not get the load of each other.
#[derive(Clone)]
pub struct Failover<C> {
    members: Members<C>,
    purse: Purse,
}

impl<C: Caller> Failover<C> {
    /// Among these, in their order.
    pub fn new(callers: impl IntoIterator<Item = C>) -> Self {
        let purse = Purse::new(Arc::new(Account::new(Budget::new())), None);
        Self { members: Members::new(callers), purse }
    }

    /// How many calls may be made elsewhere, that a callee may have seen.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.purse = Purse::new(Arc::new(Account::new(budget)), None);
        self
    }
}

impl<C: Caller> Caller for Failover<C> {
    type Error = C::Error;
    type Future = ClusterCall;

    fn call(&self, request: Request) -> ClusterCall {
        let Self { members, purse } = self.clone();
        Box::pin(async move { run(&members, &purse, request).await })
    }
}

async fn run<C: Caller>(
    members: &Members<C>,
    purse: &Purse,
    mut request: Request,
) -> Result<Response, RpcError> {
    let began = now();
    purse.call(began);
    // One time for all of them.
    request.set_begin_by(request.ends_by(began));
    let is_idempotent = request.descriptor().is_some_and(|method| method.idempotent);
    let (mut sent, mut delivery, mut history, mut last) = (0, Delivery::NotSent, Vec::new(), None);
    for caller in &*members.0 {
        if last.as_ref().is_some_and(|error: &RpcError| error.delivery() != Delivery::NotSent)
            && !purse.spend(now())
        {
            break;
        }
        let Some(mut attempt) = request.again() else { return Err(last.unwrap_or_else(items_gone)) };
        attempt.set_attempt(sent + 1);
        let since = now();
        let error = match caller.call(attempt).await {
            Ok(mut response) => {
                response.set_attempts(sent + response.attempts());
                return Ok(response);
            }
            Err(error) => error,
        };
        let took = now().saturating_duration_since(since);
        history.push(error.as_attempt(
            history.len() as u32 + 1,
            since.saturating_duration_since(began),
            took,
        ));
        sent += error.attempts();
        delivery = delivery.max(error.delivery());
        let is_final = !Failure::of(&error).may_be_mended(is_idempotent) || error.forbids_retry();
        last = Some(error);
        if is_final || !request.is_repeatable() || request.ends_by(began).remaining(now()) == Duration::ZERO {
            break;
        }
    }
    let error = last.unwrap_or_else(nobody).with_attempts(sent).with_delivery(delivery);
    Err(if history.len() > 1 { error.with_history(history) } else { error })
}

impl<C> fmt::Debug for Failover<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failover(among {})", self.members.0.len())
    }
}
