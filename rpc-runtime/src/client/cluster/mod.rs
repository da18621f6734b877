//! Owns [`Cluster`]: the endpoints of a balanced channel, what is known of them, and the picks among them. Does not make calls
//! (`balanced`), and does not keep connections (`keeper`).

mod list;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::balance::{Ask, Balance, Carried, Fleet, Moment, Picked, Reach, Seat, Site};
use crate::call::{Candidate, Pick, RpcError, SharedDice, Trail};
use crate::client::channel::Channel;
use crate::client::core::Endpoints;
use crate::client::line::{Line, Place, Who};
use crate::client::member::Member;
use crate::client::presence::Presence;
use crate::discovery::{DirectoryConfig, Discovery};
use crate::driver::now;
use crate::limits;
use crate::observe::Observer;
use crate::proto::Config;

/// Makes the channel of one endpoint.
pub(super) type Make =
    Box<dyn Fn(&str, Weak<Endpoints>, Presence) -> Result<Channel, RpcError> + Send + Sync>;

/// What all clones of a balanced channel share.
pub(super) struct Cluster {
    pub(super) source: Arc<dyn Discovery>,
    pub(super) directory: DirectoryConfig,
    pub(super) balance: Balance,
    /// What the channel of each endpoint is made of.
    make: Make,
    config: Config,
    observer: Option<Arc<dyn Observer>>,
    fleet: ArcSwap<Fleet<Arc<Member>>>,
    carried: Arc<Carried>,
    pub(super) began: Instant,
    dice: SharedDice,
    /// Wakes the keeper.
    pub(super) keeper: Arc<Notify>,
    is_kept: AtomicBool,
    is_at_rest: AtomicBool,
    /// When the statistics are looked at next, in µs.
    next_sweep: AtomicU64,
    /// When those who wait are to look again, in µs: the earliest end of a breaker's time of being open. `u64::MAX` if nobody was
    /// stopped by one.
    next_look: AtomicU64,
    /// How often something has changed for those who wait.
    changes: AtomicU64,
    waiting: Mutex<Waiting>,
}

/// What is to be known only while there is no endpoint to pick.
#[derive(Debug, Default)]
struct Waiting {
    line: Line,
    /// Why there is none; `None` as long as nobody has said anything.
    why: Option<RpcError>,
    /// There has been a list.
    has_begun: bool,
}

/// What comes of a look for an endpoint.
pub(super) enum Found {
    Member(Arc<Member>, Arc<Seat>),
    /// No list is known yet.
    NotYet,
    /// There is none.
    None(RpcError),
}

impl Cluster {
    pub(super) fn new(
        source: Arc<dyn Discovery>,
        directory: DirectoryConfig,
        balance: Balance,
        (make, config): (Make, Config),
        (seed, observer): (u64, Option<Arc<dyn Observer>>),
    ) -> Self {
        let carried = Arc::<Carried>::default();
        let fleet = ArcSwap::from_pointee(Fleet::new(Vec::new(), &balance, Arc::clone(&carried)));
        carried.turn_to(seed);
        Self {
            source,
            directory,
            balance,
            make,
            config,
            observer,
            fleet,
            carried,
            began: now(),
            dice: SharedDice::new(seed),
            keeper: Arc::default(),
            is_kept: AtomicBool::new(false),
            is_at_rest: AtomicBool::new(false),
            next_sweep: AtomicU64::new(0),
            next_look: AtomicU64::new(u64::MAX),
            changes: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment::after(now().saturating_duration_since(self.began))
    }

    pub(super) fn fleet(&self) -> Arc<Fleet<Arc<Member>>> {
        self.fleet.load_full()
    }

    // ----- picks -----

    /// An endpoint for a call, which is under way there from now on. One that `goes_home` goes to where it may have run, as long as
    /// that can be reached: nobody else has its answer.
    pub(super) fn pick(self: &Arc<Self>, key: Option<u64>, trail: Option<&Trail>, goes_home: bool) -> Found {
        let fleet = self.fleet.load();
        let now = self.now();
        let home = trail.filter(|_| goes_home).and_then(Trail::home);
        let pick = |tried: &[u64]| {
            if let Some(picked) = home.and_then(|id| fleet.at(id, now)) {
                return Some(picked);
            }
            let (dice, slow_start) = (self.dice.fork(), self.balance.slow_start);
            fleet.pick(Ask { now, dice, key, tried, slow_start })
        };
        let picked = match trail {
            None => pick(&[]),
            Some(trail) => trail.step(
                |tried| pick(tried).map(|picked| (fleet.sites()[picked.index].seat.id, picked)),
                |picked| self.why(&fleet, picked),
            ),
        };
        let Some(picked) = picked else { return self.nobody() };
        let site = &fleet.sites()[picked.index];
        if site.seat.reach() == Reach::Away {
            self.last_hope(&fleet, &site.of);
        }
        fleet.begin(&site.seat);
        if site.of.bundle.is_short(site.seat.load.in_flight()) {
            self.keeper.notify_one();
        }
        Found::Member(Arc::clone(&site.of), Arc::clone(&site.seat))
    }

    fn why(&self, fleet: &Fleet<Arc<Member>>, picked: &Picked) -> Pick {
        let address = |index: usize| Arc::from(fleet.sites()[index].of.endpoint.address());
        let candidates = picked.candidates.iter().flatten();
        let candidates = candidates.map(|(index, cost)| Candidate::new(address(*index), *cost)).collect();
        Pick::new(address(picked.index), self.balance.algorithm.name(), candidates, picked.is_last_resort)
    }

    #[cold]
    fn nobody(&self) -> Found {
        self.why_nobody().map_or(Found::NotYet, Found::None)
    }

    /// Why there is no endpoint, if somebody has said so. A list may have come since the fleet was seen empty: what is said of that one
    /// is not why, and whoever looks again finds it.
    fn why_nobody(&self) -> Option<RpcError> {
        let waiting = self.waiting.lock();
        waiting.why.clone().filter(|_| self.fleet.load().sites().is_empty())
    }

    /// An endpoint that could not be reached is picked. Where none is connected it is tried at once: servers that are restarted one
    /// after another are away for a moment only, and the last of them must not leave before its clients have found the first.
    #[cold]
    fn last_hope(&self, fleet: &Fleet<Arc<Member>>, member: &Member) {
        if fleet.sites().iter().all(|site| site.seat.reach() != Reach::Up) {
            member.channel.hurry();
        }
    }

    /// A call that was under way at an endpoint has ended, and so many have failed there in a row.
    pub(super) fn ended(&self, seat: &Seat, streak: u32, now: Moment) {
        let fleet = self.fleet.load();
        fleet.end();
        let ejection = self.balance.ejection.as_ref();
        if let Some(ejection) = ejection
            && streak >= ejection.consecutive
            && let Some(time) = ejection.streak(&fleet.seats(), seat, now)
        {
            self.say_ejected(&fleet, seat, time, "failures in a row");
            fleet.recount(now, &self.balance);
        }
        let due = self.next_sweep.load(Ordering::Relaxed);
        if now.micros() >= due {
            let interval = ejection.map_or(limits::EJECT_INTERVAL, |ejection| ejection.interval);
            let next = now.plus(interval).micros();
            let order = Ordering::Relaxed;
            if self.next_sweep.compare_exchange(due, next, order, order).is_ok() && due > 0 {
                self.sweep(&fleet, now);
            }
        }
    }

    /// Looks at what became of the calls, and at who is fit: breakers make endpoints unfit where nothing ejects them, too.
    #[cold]
    fn sweep(&self, fleet: &Fleet<Arc<Member>>, now: Moment) {
        let ejected = self.balance.ejection.as_ref().map(|ejection| ejection.sweep(&fleet.seats(), now));
        for (index, time) in ejected.into_iter().flatten() {
            self.say_ejected(fleet, &fleet.sites()[index].seat, time, "statistics");
        }
        fleet.recount(now, &self.balance);
    }

    fn say_ejected(&self, fleet: &Fleet<Arc<Member>>, seat: &Seat, time: Duration, why: &str) {
        let endpoint = fleet.sites().iter().find(|site| site.seat.id == seat.id);
        let endpoint = endpoint.map_or("", |site| site.of.endpoint.address());
        tracing::warn!(source = %self.source.name(), endpoint, ?time, why, "an endpoint is ejected");
    }

    // ----- the list -----

    /// Says that it is kept from now on, and whether it was.
    pub(super) fn begin_keeping(&self) -> bool {
        self.is_kept.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Relaxed) && !self.is_at_rest()
    }

    /// Connections are not kept until the next call.
    pub(super) fn rest(&self, is_at_rest: bool) {
        self.is_at_rest.store(is_at_rest, Ordering::Relaxed);
        self.keeper.notify_one();
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.is_at_rest.load(Ordering::Relaxed)
    }

    /// The runtime that kept it has ended: the next call begins anew.
    pub(super) fn is_left(&self) {
        self.is_kept.store(false, Ordering::Relaxed);
    }

    // ----- those who wait -----

    /// Takes a place among those who wait for an endpoint, or gives its waker anew.
    /// Says whether it waits; it does not if something has changed since `seen`.
    pub(super) fn wait(
        &self,
        who: Who,
        place: &mut Option<Place>,
        seen: u64,
        waker: &Waker,
    ) -> Result<bool, RpcError> {
        // Wakers are code of somebody else, which must not run under the lock.
        let clone = waker.clone();
        let mut waiting = self.waiting.lock();
        let place = match place {
            Some(place) => place,
            None => place.insert(waiting.line.enter(who, &self.config)?),
        };
        let (replaced, waits) = (waiting.line.wait(place, clone), self.changes() == seen);
        drop(waiting);
        drop(replaced);
        Ok(waits)
    }

    /// How often something has changed for those who wait.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn leave(&self, place: &mut Option<Place>) {
        if let Some(place) = place.take() {
            let waker = self.waiting.lock().line.leave(place);
            drop(waker);
        }
    }

    /// A breaker has stopped a call, and will until then.
    pub(super) fn look_again(&self, at: Moment) {
        let at = at.micros();
        // Two looks at one breaker differ by what the clock moved meanwhile, which is no news.
        let earlier = |known: u64| (at.saturating_add(1_000) < known).then_some(at);
        if self.next_look.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier).is_ok() {
            self.keeper.notify_one();
        }
    }

    /// When those who wait are to look again; asked when they are about to, so that what is over by now is done with.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let (at, order) = (self.next_look.load(Ordering::Relaxed), Ordering::Relaxed);
        if at <= self.now().micros() {
            let _ = self.next_look.compare_exchange(at, u64::MAX, order, order);
            return None;
        }
        self.began.checked_add(Duration::from_micros(at)).filter(|_| at < u64::MAX)
    }

    /// Something has changed: whoever waits looks again.
    pub(super) fn call_up(&self) {
        let wakers = {
            let mut waiting = self.waiting.lock();
            self.changes.fetch_add(1, Ordering::Release);
            waiting.line.call_up()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether calls can be made now: `None` as long as that is not known.
    pub(super) fn is_ready(&self) -> Option<Result<(), RpcError>> {
        let fleet = self.fleet.load();
        if fleet.sites().is_empty() {
            return self.why_nobody().map(Err);
        }
        if fleet.sites().iter().any(|site| site.seat.reach() == Reach::Up) {
            return Some(Ok(()));
        }
        let error = |site: &Site<Arc<Member>>| site.of.channel.why_away();
        let is_over = fleet.sites().iter().all(|site| site.seat.reach() == Reach::Away);
        let error = fleet.sites().iter().find_map(error).filter(|_| is_over);
        error.map(Err)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.keeper.notify_one();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("source", &self.source.name()).finish_non_exhaustive()
    }
}
