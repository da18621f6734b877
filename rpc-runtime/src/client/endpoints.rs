//! Owns what a channel does to all of its endpoints, and what it tells of them. Does not measure: `balance` does.

use std::sync::Arc;
use std::time::Duration;

use crate::balance::{Moment, Reach, Site, Word};
use crate::client::channel::Channel;
use crate::client::cluster::Cluster;
use crate::client::core::Target;
use crate::client::member::Member;
use crate::observe::{EndpointSnapshot, EndpointState, FleetSnapshot};
use crate::policy::breaker::Breaker;

impl Channel {
    /// Makes no further calls on the present connection, lets those under way finish and closes it. A later call makes
    /// a new one.
    ///
    /// While calls that were made before are under way the server may go on to call this client, because it may have to
    /// for their sake; then it finishes those that it has begun.
    pub fn close(&self) {
        if let Some(cluster) = self.cluster() {
            cluster.rest(true);
            for site in cluster.fleet().sites() {
                site.of.bundle.clear();
                site.of.channel.close();
            }
        }
        let current = self.inner.reconnect.lock().take();
        if let Some(shared) = current {
            shared.drain("the client closes the connection");
        }
    }

    /// The endpoints that its calls go to, if it balances.
    pub(super) fn cluster(&self) -> Option<Arc<Cluster>> {
        match &self.inner.target {
            Target::Many(endpoints) => Arc::clone(endpoints).downcast().ok(),
            _ => None,
        }
    }

    /// The circuit breaker of an endpoint of a channel that balances, by its address, if [`Balance`](crate::balance::Balance::breaker)
    /// has one for each: to see what it knows, or to hold it open or closed.
    pub fn endpoint_breaker(&self, address: &str) -> Option<Breaker> {
        let fleet = self.cluster()?.fleet();
        let site = fleet.sites().iter().find(|site| site.of.endpoint.address() == address)?;
        site.of.breaker.clone()
    }

    /// What is known of the endpoints of a channel that [balances](crate::balance); `None` of one with a single address.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), traitwire::RpcError> {
    /// let channel = traitwire::Channel::connect("static://10.0.0.7:7000,10.0.0.8:7000").await?;
    /// for endpoint in channel.fleet().into_iter().flat_map(|fleet| fleet.endpoints) {
    ///     println!("{} is {}: {} under way", endpoint.address, endpoint.state, endpoint.in_flight);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn fleet(&self) -> Option<FleetSnapshot> {
        let cluster = self.cluster()?;
        let (fleet, now) = (cluster.fleet(), cluster.now());
        let endpoints = fleet.sites().iter().map(|site| snapshot(site, now)).collect();
        Some(FleetSnapshot { endpoints, in_panic: fleet.is_in_panic() })
    }
}

fn snapshot(site: &Site<Arc<Member>>, now: Moment) -> EndpointSnapshot {
    let (seat, endpoint) = (&*site.seat, &site.of.endpoint);
    let state = match seat.reach() {
        Reach::Away => EndpointState::Away,
        _ if seat.word() == Word::NotServing => EndpointState::NotServing,
        _ if seat.is_tripped(now) => EndpointState::Tripped,
        _ if seat.is_ejected(now) => EndpointState::Ejected,
        Reach::Up => EndpointState::Ready,
        Reach::Untried => EndpointState::Idle,
        Reach::Trying | Reach::Lost => EndpointState::Connecting,
    };
    EndpointSnapshot {
        address: endpoint.address().into(),
        weight: site.weight,
        zone: endpoint.zone().map(Arc::from),
        state,
        connections: if seat.reach() == Reach::Up { site.of.bundle.len() } else { 0 },
        in_flight: seat.load.in_flight(),
        response_time: Duration::from_micros(seat.load.response_time(now) as u64),
        error_rate: 1.0 - seat.load.success_rate(now),
        cost: seat.load.cost(now),
    }
}
