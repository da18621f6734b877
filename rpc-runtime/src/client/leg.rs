//! Owns [`Leg`]: one call at one endpoint, and what its end says of that: to the balance, to the endpoint's breaker, and to those who
//! wait for what becomes of a probe. Does not make the call.

use std::sync::Arc;

use crate::balance::{Moment, Outcome, Seat};
use crate::call::{CallResult, Code, Delivery, RpcError};
use crate::client::bundle::Strand;
use crate::client::channel::Channel;
use crate::client::cluster::Cluster;
use crate::client::member::Member;
use crate::policy::breaker::{Admitted, Verdict};

/// A call at one endpoint, under way there until this is dropped.
pub(super) struct Leg {
    cluster: Arc<Cluster>,
    pub(super) member: Arc<Member>,
    pub(super) seat: Arc<Seat>,
    /// The endpoint's further connection that it goes by, if it is not the first.
    strand: Option<Arc<Strand>>,
    pub(super) sent: Option<Moment>,
    admitted: Option<Box<Admitted>>,
    outcome: Outcome,
}

impl Leg {
    pub(super) fn new(cluster: &Arc<Cluster>, member: Arc<Member>, seat: Arc<Seat>) -> Self {
        let cluster = Arc::clone(cluster);
        let strand = member.bundle.choose(seat.load.in_flight());
        Self { cluster, member, seat, strand, sent: None, admitted: None, outcome: Outcome::GivenUp }
    }

    /// What the call is made through.
    pub(super) fn channel(&self) -> &Channel {
        self.strand.as_ref().map_or(&self.member.channel, |strand| &strand.channel)
    }

    /// Whether that is a further connection of the endpoint.
    pub(super) const fn is_by_strand(&self) -> bool {
        self.strand.is_some()
    }

    /// Passes the endpoint's breaker, if it has one.
    pub(super) fn enter(mut self, method: &str) -> Result<Self, (u64, RpcError)> {
        let Some(breaker) = &self.member.breaker else { return Ok(self) };
        match breaker.admit(method) {
            Ok(admitted) => {
                self.admitted = Some(Box::new(admitted));
                Ok(self)
            }
            Err(error) => {
                self.outcome = Outcome::Ignored;
                self.look_at_breaker();
                let of_method = breaker.snapshot_of(method).and_then(|snapshot| snapshot.open_for);
                if let Some(time) = of_method {
                    self.cluster.look_again(self.cluster.now().plus(time));
                }
                Err((self.seat.id, error.with_peer(&self.member.channel.inner.address)))
            }
        }
    }

    pub(super) fn end(&mut self, result: &CallResult, is_oneway: bool) {
        // That it was written says nothing of what becomes of it.
        if is_oneway && result.is_ok() {
            self.outcome = Outcome::Ignored;
            return self.give_back();
        }
        self.outcome = outcome(result);
        if let Some(admitted) = self.admitted.take() {
            let is_probe = admitted.is_probe();
            admitted.end(result);
            self.look_at_breaker();
            if is_probe {
                self.cluster.keeper.notify_one();
            }
        }
    }

    /// Its breaker learns nothing from it. Whoever waits for the end of a probe looks again.
    fn give_back(&mut self) {
        let Some(admitted) = self.admitted.take() else { return };
        let is_probe = admitted.is_probe();
        drop(admitted);
        if is_probe {
            self.cluster.keeper.notify_one();
        }
    }

    /// While its breaker is open an endpoint is not picked, and the keeper counts anew who is fit.
    fn look_at_breaker(&self) {
        let open_for = self.member.breaker.as_ref().and_then(|breaker| breaker.snapshot().open_for);
        if let Some(time) = open_for.filter(|time| !time.is_zero()) {
            let now = self.cluster.now();
            if self.seat.trip(now, time) {
                self.cluster.keeper.notify_one();
            }
            self.cluster.look_again(now.plus(time));
        }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.give_back();
        let now = self.cluster.now();
        // What was never sent took no time of the endpoint's.
        let (took, outcome) = match self.sent {
            Some(sent) => (now.since(sent), self.outcome),
            None => (0, Outcome::Ignored),
        };
        if let Some(strand) = &self.strand {
            strand.end(now);
        }
        let streak = self.seat.load.end(now, took, outcome);
        self.cluster.ended(&self.seat, streak, now);
    }
}

/// What a call's end says of the endpoint. A connection that cannot be made, or is lost, says so itself, and once for all its
/// calls.
fn outcome(result: &CallResult) -> Outcome {
    let Err(error) = result else { return Outcome::Passed };
    let is_lost = error.code() == Code::UNAVAILABLE && error.delivery() == Delivery::Unknown;
    if is_lost || error.delivery() == Delivery::NotSent {
        return Outcome::Ignored;
    }
    match Verdict::of(result) {
        Verdict::Passed => Outcome::Passed,
        Verdict::Failed => Outcome::Failed,
        Verdict::Ignored => Outcome::Ignored,
    }
}
