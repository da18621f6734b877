//! Owns [`Bundle`]: the connections to one endpoint beyond its first, made while its calls are too many for those there are and given up
//! when they are not. Does not say when that is looked at (`keeper`), nor to which endpoint a call goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::balance::{Moment, Outcome, Reach, Seat};
use crate::client::channel::Channel;
use crate::limits;

/// The further connections to one endpoint.
///
/// One connection is one task, and so one core at most at either end, and its peer takes so many calls of it at a time. Either shows in the
/// same way: calls that are under way become more. So that is what is looked at, and nothing else has to be measured.
pub(super) struct Bundle {
    /// Copied when it changes: it is read by each call.
    more: ArcSwap<Vec<Arc<Strand>>>,
    /// More calls than this under way want a further connection; the most there is while nobody is to ask for one.
    room: AtomicU32,
    /// The keeper's alone.
    growth: Mutex<Growth>,
}

#[derive(Default)]
struct Growth {
    /// How many calls the peer takes of one connection, once it has said so.
    taken: Option<u32>,
    /// Since when one connection less would do.
    quiet_since: Option<Instant>,
}

/// One further connection: a channel of its own.
pub(super) struct Strand {
    pub(super) channel: Channel,
    seat: Arc<Seat>,
}

impl Strand {
    pub(super) const fn new(channel: Channel, seat: Arc<Seat>) -> Self {
        Self { channel, seat }
    }

    /// Whether its peer has said what it takes: one that has only accepted may never say it, or turn the connection away.
    fn takes_calls(&self) -> bool {
        self.seat.reach() == Reach::Up
            && self.channel.connection().is_some_and(|connection| connection.taken().is_some())
    }

    /// A call that went there is over.
    pub(super) fn end(&self, now: Moment) {
        self.seat.load.end(now, 0, Outcome::Ignored);
    }
}

impl Default for Bundle {
    fn default() -> Self {
        Self { more: ArcSwap::default(), room: AtomicU32::new(u32::MAX), growth: Mutex::default() }
    }
}

impl Bundle {
    /// The connection for a call that is the last of so many under way, if it is not the first one: that with the fewest.
    pub(super) fn choose(&self, under_way: u32) -> Option<Arc<Strand>> {
        let more = self.more.load();
        let least = more.iter().filter(|strand| strand.takes_calls());
        let least = least.min_by_key(|strand| strand.seat.load.in_flight())?;
        let elsewhere: u32 = more.iter().map(|strand| strand.seat.load.in_flight()).sum();
        if least.seat.load.in_flight() >= under_way.saturating_sub(elsewhere + 1) {
            return None;
        }
        least.seat.load.begin();
        Some(Arc::clone(least))
    }

    /// Whether so many calls under way want the keeper to look here, which is said once.
    pub(super) fn is_short(&self, under_way: u32) -> bool {
        under_way > self.room.load(Ordering::Relaxed)
            && self.room.swap(u32::MAX, Ordering::Relaxed) != u32::MAX
    }

    pub(super) fn len(&self) -> usize {
        1 + self.more.load().len()
    }

    /// Gives all of them up; calls that they have are finished.
    pub(super) fn clear(&self) {
        if !self.more.load().is_empty() {
            self.more.store(Arc::default());
        }
        self.room.store(u32::MAX, Ordering::Relaxed);
        *self.growth.lock() = Growth::default();
    }

    /// Grows or shrinks by one, if that is due, and says when to look again. `first` is the endpoint's own channel, and `each` how many
    /// calls a connection is to have.
    pub(super) fn look(
        &self,
        (seat, first): (&Seat, &Channel),
        (most, each): (usize, u32),
        now: Instant,
        make: impl FnOnce() -> Option<Strand>,
    ) -> Option<Instant> {
        if most < 2 {
            return None;
        }
        if seat.reach() != Reach::Up {
            self.clear();
            return None;
        }
        let mut growth = self.growth.lock();
        // Asked again each time: another process may be there by now.
        if let Some(taken) = first.connection().and_then(|connection| connection.taken()) {
            growth.taken = Some(taken);
        }
        let each = growth.taken.map_or(each, |taken| each.min(taken)).max(1);
        let (under_way, more) = (seat.load.in_flight(), self.more.load_full());
        let enough = |connections: usize| u32::try_from(connections).unwrap_or(u32::MAX).saturating_mul(each);
        let mut next = more.to_vec();
        if under_way > enough(1 + next.len()) && 1 + next.len() < most {
            next.extend(make().map(Arc::new));
        }
        let is_quiet = !next.is_empty() && under_way <= enough(next.len()) / 2;
        let quiet_since = is_quiet.then(|| *growth.quiet_since.get_or_insert(now));
        growth.quiet_since = quiet_since;
        if quiet_since.is_some_and(|since| now.duration_since(since) >= limits::CONNECTION_IDLE) {
            next.pop();
            // The next one takes as long again.
            growth.quiet_since = None;
        }
        for strand in &next {
            strand.channel.warm_up();
        }
        let room = if 1 + next.len() < most { enough(1 + next.len()) } else { u32::MAX };
        self.room.store(room, Ordering::Relaxed);
        let is_alone = next.is_empty();
        if next.len() != more.len() {
            self.more.store(Arc::new(next));
        }
        // One that is given up says goodbye when `more` is dropped, and not under this lock.
        drop(growth);
        (!is_alone).then(|| now + limits::CONNECTION_LOOK)
    }
}
