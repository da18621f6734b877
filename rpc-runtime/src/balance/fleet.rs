//! Owns [`Fleet`]: the endpoints of a channel at one time, and the picks among them. Does not know where they come from, and reads
//! no clock: time and chance are arguments.
//!
//! A fleet never changes. What is known of an endpoint is in its [`Seat`], which the next fleet takes over; so a pick takes no
//! lock and allocates nothing, and nobody waits for a list that is being made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::balance::config::{Algorithm, Balance};
use crate::balance::hash::score;
use crate::balance::moment::Moment;
use crate::balance::report::weights;
use crate::balance::ring::Ring;
use crate::balance::seat::{Fitness, Reach, Seat};
use crate::balance::stride::Strides;
use crate::call::Dice;
use crate::limits;

/// How much more there is near than is needed: as long as so many near ones are fit, nothing goes further. Envoy's.
const OVERPROVISIONING: f64 = 1.4;
/// How much dearer a near endpoint may be than one further away.
const FAR_PRICE: f32 = 1.5;

/// One endpoint of a fleet, and what its owner keeps with it.
#[derive(Clone, Debug)]
pub(crate) struct Site<T> {
    pub(crate) seat: Arc<Seat>,
    /// At least 1.
    pub(crate) weight: u32,
    pub(crate) is_near: bool,
    pub(crate) of: T,
}

/// What one fleet leaves to the next.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    turn: AtomicU64,
    /// Calls under way in all, where the algorithm asks for them.
    in_flight: AtomicU32,
}

impl Carried {
    /// Begins the turns somewhere, so that many clients do not march in step.
    pub(crate) fn turn_to(&self, turn: u64) {
        // Far from the end of the range, since turns are multiplied by weights.
        self.turn.store(turn >> 32, Ordering::Relaxed);
    }
}

/// The endpoints of a channel at one time.
#[derive(Debug)]
pub(crate) struct Fleet<T> {
    /// The near ones first.
    sites: Vec<Site<T>>,
    near: usize,
    plan: Plan,
    carried: Arc<Carried>,
    /// How many of 65,536 calls stay near.
    stay: AtomicU32,
    in_panic: AtomicBool,
}

/// What an algorithm prepares.
#[derive(Debug)]
enum Plan {
    PeakEwma,
    LeastLoaded,
    Random,
    RoundRobin,
    /// The sums of the weights up to each endpoint.
    WeightedRandom(Box<[u64]>),
    WeightedRoundRobin(Strides),
    /// Made anew with each [recount](Fleet::recount): the one who picks meanwhile has the one before.
    ReportedLoad(ArcSwap<Strides>),
    ConsistentHash(Ring, f64),
    Rendezvous,
}

/// One question for an endpoint.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) now: Moment,
    pub(crate) dice: Dice,
    /// The hash of the call's key.
    pub(crate) key: Option<u64>,
    /// The ids of endpoints that the call was made to before.
    pub(crate) tried: &'a [u64],
    pub(crate) slow_start: std::time::Duration,
}

/// The endpoint that was picked, and what it was compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Picked {
    pub(crate) index: usize,
    /// Those that were looked at, with what a call would cost there.
    pub(crate) candidates: [Option<(usize, f32)>; 2],
    /// None of the drawn ones was fit, or all had been tried.
    pub(crate) is_last_resort: bool,
}

impl<T> Fleet<T> {
    pub(crate) fn new(mut sites: Vec<Site<T>>, balance: &Balance, carried: Arc<Carried>) -> Self {
        sites.sort_by_key(|site| !site.is_near);
        let near = sites.iter().filter(|site| site.is_near).count();
        let weights = || sites.iter().map(|site| site.weight);
        let plan = match balance.algorithm {
            Algorithm::PeakEwma => Plan::PeakEwma,
            Algorithm::LeastLoaded => Plan::LeastLoaded,
            Algorithm::Random => Plan::Random,
            Algorithm::RoundRobin => Plan::RoundRobin,
            Algorithm::WeightedRandom => {
                let sum = |sum: &mut u64, weight| {
                    *sum += u64::from(weight);
                    Some(*sum)
                };
                Plan::WeightedRandom(weights().scan(0, sum).collect())
            }
            Algorithm::WeightedRoundRobin => Plan::WeightedRoundRobin(Strides::new(weights())),
            Algorithm::ReportedLoad => {
                Plan::ReportedLoad(ArcSwap::from_pointee(Strides::new(sites.iter().map(|_| limits::WEIGHT))))
            }
            Algorithm::ConsistentHash { bound } => {
                let ring = Ring::new(sites.iter().map(|site| (site.seat.id, site.weight)));
                Plan::ConsistentHash(ring, bound)
            }
            Algorithm::Rendezvous => Plan::Rendezvous,
        };
        let (stay, in_panic) = (AtomicU32::new(1 << 16), AtomicBool::new(false));
        Self { sites, near, plan, carried, stay, in_panic }
    }

    pub(crate) fn sites(&self) -> &[Site<T>] {
        &self.sites
    }

    pub(crate) fn seats(&self) -> Vec<&Seat> {
        self.sites.iter().map(|site| &*site.seat).collect()
    }

    /// A call is sent to an endpoint.
    pub(crate) fn begin(&self, seat: &Seat) {
        seat.load.begin();
        if matches!(self.plan, Plan::ConsistentHash(..)) {
            self.carried.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A call that was sent in this fleet, or in an earlier one of the same algorithm, has ended.
    pub(crate) fn end(&self) {
        if matches!(self.plan, Plan::ConsistentHash(..)) {
            self.carried.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Looks at who is fit, for what does not have to be found out at each pick: whether to doubt anybody, how much stays near, and
    /// what servers have reported.
    pub(crate) fn recount(&self, now: Moment, balance: &Balance) {
        let fit = |sites: &[Site<T>], at_most| {
            sites.iter().filter(|site| site.seat.fitness(now, false) <= at_most).count()
        };
        let (connected, sound) = (fit(&self.sites, Fitness::Doubted), fit(&self.sites, Fitness::Lost));
        let in_panic = (sound as f64) < connected as f64 * balance.panic;
        self.in_panic.store(in_panic, Ordering::Relaxed);
        let ready =
            self.sites[..self.near].iter().filter(|site| site.seat.fitness(now, in_panic) == Fitness::Ready);
        let stay = ready.count() as f64 * OVERPROVISIONING / self.near.max(1) as f64;
        self.stay.store((stay.min(1.0) * 65_536.0) as u32, Ordering::Relaxed);
        if let Plan::ReportedLoad(strides) = &self.plan {
            let capacities: Vec<_> = self.sites.iter().map(|site| site.seat.capacity(now)).collect();
            strides.store(Arc::new(Strides::new(weights(&capacities).into_iter())));
        }
    }

    pub(crate) fn is_in_panic(&self) -> bool {
        self.in_panic.load(Ordering::Relaxed)
    }

    /// An endpoint for a call; `None` only if there is none at all.
    pub(crate) fn pick(&self, mut ask: Ask<'_>) -> Option<Picked> {
        if self.sites.is_empty() {
            return None;
        }
        let picked = match (&self.plan, ask.key) {
            (Plan::PeakEwma | Plan::LeastLoaded, _) => self.better_of_two(&mut ask),
            (Plan::ConsistentHash(ring, bound), Some(key)) => self.around(ring, *bound, key, &ask),
            (Plan::Rendezvous, Some(key)) => self.most_wanting(key, &ask),
            _ => self.first_fit(&mut ask),
        };
        picked.or_else(|| self.last_resort(&mut ask))
    }

    /// This endpoint, if it is here and nothing says that it cannot be reached.
    pub(crate) fn at(&self, id: u64, now: Moment) -> Option<Picked> {
        let is_it = |site: &Site<T>| site.seat.id == id && site.seat.reach() != Reach::Away;
        self.sites.iter().position(is_it).map(|index| self.one(index, now))
    }

    /// How many from the first on this pick is among: the near ones, or all.
    fn domain(&self, dice: &mut Dice) -> usize {
        if self.near == 0 || self.near == self.sites.len() {
            return self.sites.len();
        }
        let stay = u64::from(self.stay.load(Ordering::Relaxed));
        if stay > dice.below(1 << 16) { self.near } else { self.sites.len() }
    }

    fn better_of_two(&self, ask: &mut Ask<'_>) -> Option<Picked> {
        let count = self.domain(&mut ask.dice);
        let (mut first, mut other) = (None, None);
        for _ in 0..limits::PICK_DRAWS {
            let left = count - usize::from(first.is_some());
            if left == 0 {
                break;
            }
            let drawn = ask.dice.below(left as u64) as usize;
            let drawn = if first.is_some_and(|first| drawn >= first) { drawn + 1 } else { drawn };
            if !self.is_fit(drawn, ask) {
                continue;
            }
            if first.is_none() {
                first = Some(drawn);
            } else {
                other = Some(drawn);
                break;
            }
        }
        let picked = self.picked(first?, other, ask.now);
        Some(if count < self.sites.len() { self.or_far(picked, count, ask) } else { picked })
    }

    /// The cheaper one of these.
    fn picked(&self, first: usize, other: Option<usize>, now: Moment) -> Picked {
        let cost = |index: usize| self.cost(&self.sites[index], now);
        let first = (first, cost(first));
        let Some(other) = other.map(|other| (other, cost(other))) else {
            return Picked { index: first.0, candidates: [Some(first), None], is_last_resort: false };
        };
        let index = if other.1 < first.1 { other.0 } else { first.0 };
        Picked { index, candidates: [Some(first), Some(other)], is_last_resort: false }
    }

    /// A near one that costs far more than one that is drawn from further away gives way to that.
    fn or_far(&self, near: Picked, count: usize, ask: &mut Ask<'_>) -> Picked {
        let far = count + ask.dice.below((self.sites.len() - count) as u64) as usize;
        let cost = |index: usize| self.cost(&self.sites[index], ask.now);
        let (near_cost, far_cost) = (cost(near.index), cost(far));
        if near_cost <= far_cost * FAR_PRICE || !self.is_fit(far, ask) {
            return near;
        }
        let candidates = [Some((near.index, near_cost)), Some((far, far_cost))];
        Picked { index: far, candidates, is_last_resort: false }
    }

    fn cost(&self, site: &Site<T>, now: Moment) -> f32 {
        let cost = match self.plan {
            Plan::PeakEwma => site.seat.load.cost(now),
            _ => (site.seat.load.in_flight() + 1) as f32,
        };
        cost * limits::WEIGHT as f32 / site.weight as f32
    }

    /// Whether a call may go there in this draw: one in its slow start is passed over as often as it is short of its share.
    fn is_fit(&self, index: usize, ask: &mut Ask<'_>) -> bool {
        let seat = &*self.sites[index].seat;
        let share = seat.share(ask.now, ask.slow_start);
        self.is_ready(seat, ask) && (share >= 1.0 || ask.dice.unit() < f64::from(share))
    }

    /// Whether a key may go there. While its own endpoint is being connected it waits: elsewhere nobody knows it.
    fn has_key(&self, seat: &Seat, ask: &Ask<'_>) -> bool {
        seat.fitness(ask.now, self.is_in_panic()) <= Fitness::Connecting && !ask.tried.contains(&seat.id)
    }

    fn is_ready(&self, seat: &Seat, ask: &Ask<'_>) -> bool {
        seat.fitness(ask.now, self.is_in_panic()) == Fitness::Ready && !ask.tried.contains(&seat.id)
    }

    /// The first one that is drawn and fit.
    fn first_fit(&self, ask: &mut Ask<'_>) -> Option<Picked> {
        let count = self.domain(&mut ask.dice);
        for _ in 0..limits::PICK_DRAWS {
            let index = match &self.plan {
                Plan::RoundRobin => (self.turn() % count as u64) as usize,
                Plan::WeightedRandom(sums) => {
                    let at = ask.dice.below(sums[count - 1]);
                    sums[..count].partition_point(|sum| *sum <= at)
                }
                Plan::WeightedRoundRobin(strides) => strides.next(count, || self.turn()),
                Plan::ReportedLoad(strides) => strides.load().next(count, || self.turn()),
                _ => ask.dice.below(count as u64) as usize,
            };
            if self.is_fit(index, ask) {
                return Some(self.one(index, ask.now));
            }
        }
        None
    }

    fn turn(&self) -> u64 {
        self.carried.turn.fetch_add(1, Ordering::Relaxed)
    }

    fn one(&self, index: usize, now: Moment) -> Picked {
        let candidates = [Some((index, self.cost(&self.sites[index], now))), None];
        Picked { index, candidates, is_last_resort: false }
    }

    /// The first one on the ring that is fit, and not loaded beyond its bound.
    fn around(&self, ring: &Ring, bound: f64, key: u64, ask: &Ask<'_>) -> Option<Picked> {
        let in_flight = f64::from(self.carried.in_flight.load(Ordering::Relaxed) + 1);
        let most = (bound * in_flight / self.sites.len() as f64).ceil().max(limits::RING_LEAST);
        let is_free = |seat: &Seat| f64::from(seat.load.in_flight()) < most;
        let is_fit = |seat: &Seat| self.has_key(seat, ask) && is_free(seat);
        let own = ring.from(key).next()?;
        let index = ring.from(key).find(|index| is_fit(&self.sites[*index].seat))?;
        let mut picked = self.one(index, ask.now);
        if own != index {
            picked.candidates = [Some((own, self.cost(&self.sites[own], ask.now))), picked.candidates[0]];
        }
        Some(picked)
    }

    /// The one that wants the key most, of those that are fit.
    fn most_wanting(&self, key: u64, ask: &Ask<'_>) -> Option<Picked> {
        let wants = |site: &Site<T>| score(site.seat.id, key, site.weight);
        let ready = self.sites.iter().enumerate().filter(|(_, site)| self.has_key(&site.seat, ask));
        let (index, _) = ready.max_by(|one, other| wants(one.1).total_cmp(&wants(other.1)))?;
        Some(self.one(index, ask.now))
    }

    /// No draw has found one: any that is ready, from a random one on, or else the one that is least unfit. It is looked for among
    /// all, and so never in vain.
    fn last_resort(&self, ask: &mut Ask<'_>) -> Option<Picked> {
        let count = self.sites.len();
        let start = ask.dice.below(count as u64) as usize;
        let from_start = || (0..count).map(|step| (start + step) % count);
        let in_panic = self.is_in_panic();
        let index = from_start().find(|index| self.is_ready(&self.sites[*index].seat, ask));
        let index = index.or_else(|| {
            from_start().min_by(|one, other| {
                let rank = |index: usize| {
                    let site = &self.sites[index];
                    let was_tried = ask.tried.contains(&site.seat.id);
                    (was_tried, site.seat.fitness(ask.now, in_panic), self.cost(site, ask.now))
                };
                let (one, other) = (rank(*one), rank(*other));
                (one.0, one.1).cmp(&(other.0, other.1)).then(one.2.total_cmp(&other.2))
            })
        })?;
        Some(Picked { is_last_resort: true, ..self.one(index, ask.now) })
    }

    /// What answers take on average, in µs; 0 if nothing is known.
    pub(crate) fn usual_time(&self, now: Moment) -> f32 {
        let times =
            || self.sites.iter().map(|site| site.seat.load.response_time(now)).filter(|time| *time > 0.0);
        times().sum::<f32>() / times().count().max(1) as f32
    }
}
