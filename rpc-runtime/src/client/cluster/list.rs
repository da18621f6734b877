//! Owns how a list of endpoints becomes the fleet of a [`Cluster`], and how many connections each of them has. Does not find endpoints
//! (`keeper` hears of them), nor pick among them.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::Cluster;
use crate::balance::{Fleet, Moment, Seat, Site, Word, hash, highest};
use crate::call::{Code, Delivery, RpcError};
use crate::client::bundle::{Bundle, Strand};
use crate::client::channel::Channel;
use crate::client::core::Endpoints;
use crate::client::member::Member;
use crate::client::presence::Presence;
use crate::discovery::{Endpoint, Known};
use crate::driver::now;
use crate::policy::breaker::Breaker;

impl Cluster {
    /// What is known of the endpoints is this.
    pub(in crate::client) fn know(self: &Arc<Self>, known: &Known) {
        let mut waiting = self.waiting.lock();
        if known.heard.is_some() || !known.endpoints.is_empty() {
            let is_first = !std::mem::replace(&mut waiting.has_begun, true);
            self.fleet.store(Arc::new(self.next_fleet(&known.endpoints, is_first)));
        }
        if let Some(problem) = &known.problem {
            let text = format!("no endpoints: {problem}");
            let error = RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text);
            waiting.why = Some(error.with_source(Arc::clone(problem)));
        } else if known.heard.is_some() {
            let what = if known.endpoints.is_empty() { "names none" } else { "names none that takes calls" };
            let text = format!("no endpoints: {} {what}", self.source.name());
            waiting.why = Some(RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text));
        }
    }

    /// The fleet of these endpoints, which takes over what the present one knows of them.
    fn next_fleet(self: &Arc<Self>, endpoints: &[Endpoint], is_first: bool) -> Fleet<Arc<Member>> {
        let (old, now) = (self.fleet(), self.now());
        let known: BTreeMap<_, _> = old
            .sites()
            .iter()
            .map(|site| ((site.of.endpoint.address(), site.of.endpoint.instance()), site))
            .collect();
        let usual = old.usual_time(now);
        let takes_calls = endpoints.iter().filter(|endpoint| endpoint.weight() > 0);
        let all: Vec<_> = takes_calls.map(|one| (hash(one.address().as_bytes()), one)).collect();
        let seed = self.balance.seed.unwrap_or_else(|| self.config.instance);
        let mine = highest(all, self.balance.subset.unwrap_or(usize::MAX), seed, |(id, _)| *id);
        let site = |(id, endpoint): (u64, &Endpoint)| {
            let have = known.get(&(endpoint.address(), endpoint.instance()));
            let (seat, of) = match have {
                Some(site) => (Arc::clone(&site.seat), Arc::clone(&site.of)),
                None => self.arrival(id, endpoint, (!is_first).then_some((now, usual)))?,
            };
            let is_near = self.balance.zone.as_deref().is_none_or(|zone| endpoint.zone() == Some(zone));
            Some(Site { seat, weight: endpoint.weight(), is_near, of })
        };
        let fleet =
            Fleet::new(mine.into_iter().filter_map(site).collect(), &self.balance, Arc::clone(&self.carried));
        fleet.recount(now, &self.balance);
        fleet
    }

    /// A new endpoint; one that comes later starts slowly, and as what is usual.
    fn arrival(
        self: &Arc<Self>,
        id: u64,
        endpoint: &Endpoint,
        later: Option<(Moment, f32)>,
    ) -> Option<(Arc<Seat>, Arc<Member>)> {
        let seat = Arc::new(Seat::new(id));
        if self.balance.health.is_some() {
            seat.say(Word::Awaited);
        }
        if let Some((now, usual)) = later {
            seat.warm_up(now);
            seat.load.presume(now, usual);
        }
        let channel = match self.channel_to(endpoint, &seat) {
            Ok(channel) => channel,
            Err(error) => {
                tracing::warn!(source = %self.source.name(), %error, "an endpoint is of no use");
                return None;
            }
        };
        let breaker =
            self.balance.breaker.clone().map(|config| {
                Breaker::with_observer(config.named(endpoint.address()), self.observer.clone())
            });
        let bundle = Bundle::default();
        Some((seat, Arc::new(Member { endpoint: endpoint.clone(), channel, bundle, breaker })))
    }

    /// A channel to this endpoint, which tells this seat how far it is.
    fn channel_to(self: &Arc<Self>, endpoint: &Endpoint, seat: &Arc<Seat>) -> Result<Channel, RpcError> {
        let presence = Presence::new(Arc::clone(seat), Arc::clone(&self.keeper), self.began);
        let cluster: Weak<Endpoints> = Arc::<Self>::downgrade(self);
        (self.make)(endpoint.address(), cluster, presence)
    }

    /// Lets the connections of each endpoint be as many as its calls need. Says when to look again.
    pub(in crate::client) fn look_at_bundles(self: &Arc<Self>) -> Option<Instant> {
        let (fleet, now) = (self.fleet.load(), now());
        let limits = (self.balance.connections, self.balance.connection_calls);
        let looks = fleet.sites().iter().filter_map(|site| {
            let make = || {
                let seat = Arc::new(Seat::new(site.seat.id));
                let channel = self.channel_to(&site.of.endpoint, &seat).ok()?;
                Some(Strand::new(channel, seat))
            };
            site.of.bundle.look((&site.seat, &site.of.channel), limits, now, make)
        });
        looks.min()
    }
}
