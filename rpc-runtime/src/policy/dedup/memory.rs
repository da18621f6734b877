//! Owns [`Memory`]: what is known of calls by their keys, within its bounds. Pure: time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::policy::dedup::key::ReplyKey;

/// What is known of calls: those that run, as `F`, and what came of those that have run, as `R`.
///
/// ```text
///   unknown ──begin──▶ Running ──keep──▶ Kept ──its time is over──▶ unknown
///      ▲                  │               └──there is no room──▶ unknown, and so is every key until then
///      └─────forget───────┘ it did not run after all
/// ```
///
/// `kept` are the entries that are kept, by when they are needed no more; `bytes` is what those take.
#[derive(Debug)]
pub(super) struct Memory<F, R> {
    bounds: Bounds,
    calls: BTreeMap<ReplyKey, Known<F, R>>,
    kept: BTreeMap<(Instant, u64), ReplyKey>,
    bytes: usize,
    next: u64,
    /// Until then a key that is not known may be one that has been forgotten.
    blurred_until: Option<Instant>,
}

/// How much is remembered, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) bytes: usize,
    pub(super) time: Duration,
}

#[derive(Debug)]
struct Known<F, R> {
    fingerprint: u64,
    state: State<F, R>,
}

#[derive(Debug)]
enum State<F, R> {
    Running(F),
    Kept { reply: R, bytes: usize },
}

/// What a call is that has come.
#[derive(Debug, PartialEq)]
pub(super) enum Begun<F, R> {
    /// The first one: it is to run, as this.
    First(F),
    /// Another one: the first still runs.
    Running(F),
    /// Another one: this is what came of the first.
    Kept(R),
    /// It has a known key and other arguments.
    Differs,
    /// It is not made for the first time, and may have been forgotten.
    Blurred,
    /// As many calls run as can be remembered.
    Full,
}

impl<F: Clone, R: Clone> Memory<F, R> {
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self { bounds, calls: BTreeMap::new(), kept: BTreeMap::new(), bytes: 0, next: 0, blurred_until: None }
    }

    /// A call has come; if it is the first, it runs from here on, as what `flight` makes.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        key: &ReplyKey,
        fingerprint: u64,
        is_retry: bool,
        flight: impl FnOnce() -> F,
    ) -> Begun<F, R> {
        self.expire(now);
        if let Some(known) = self.calls.get(key) {
            return match &known.state {
                _ if known.fingerprint != fingerprint => Begun::Differs,
                State::Running(flight) => Begun::Running(flight.clone()),
                State::Kept { reply, .. } => Begun::Kept(reply.clone()),
            };
        }
        if is_retry && self.blurred_until.is_some_and(|until| now < until) {
            return Begun::Blurred;
        }
        while self.calls.len() >= self.bounds.entries {
            if !self.evict() {
                return Begun::Full;
            }
        }
        let flight = flight();
        self.calls.insert(key.clone(), Known { fingerprint, state: State::Running(flight.clone()) });
        Begun::First(flight)
    }

    /// A call has run, and this came of it, which takes so many bytes and is needed until then.
    pub(super) fn keep(&mut self, now: Instant, key: &ReplyKey, reply: R, bytes: usize, until: Instant) {
        let latest = now.checked_add(self.bounds.time).unwrap_or(now);
        if until > latest {
            self.blur(until);
        }
        let until = until.min(latest);
        if until <= now || bytes > self.bounds.bytes {
            self.calls.remove(key);
            return self.blur(until);
        }
        let Some(known) = self.calls.get_mut(key) else { return };
        self.next += 1;
        known.state = State::Kept { reply, bytes };
        self.kept.insert((until, self.next), key.clone());
        self.bytes += bytes;
        while self.bytes > self.bounds.bytes && self.evict() {}
    }

    /// A call that was to run has not.
    pub(super) fn forget(&mut self, key: &ReplyKey) {
        self.calls.remove(key);
    }

    /// Forgets what nobody can ask for any more.
    fn expire(&mut self, now: Instant) {
        while let Some(entry) = self.kept.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            self.remove(&key);
        }
    }

    /// Forgets what is needed for the shortest time, though it is; none if all that there are run.
    fn evict(&mut self) -> bool {
        let Some(((until, _), key)) = self.kept.pop_first() else { return false };
        self.remove(&key);
        self.blur(until);
        true
    }

    fn remove(&mut self, key: &ReplyKey) {
        if let Some(Known { state: State::Kept { bytes, .. }, .. }) = self.calls.remove(key) {
            self.bytes -= bytes;
        }
    }

    fn blur(&mut self, until: Instant) {
        self.blurred_until = self.blurred_until.max(Some(until));
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use super::*;
    use crate::call::{Payload, Request};
    use crate::policy::dedup::key::attach;

    const SECOND: Duration = Duration::from_secs(1);
    const BOUNDS: Bounds = Bounds { entries: 3, bytes: 100, time: Duration::from_secs(60) };

    fn key() -> ReplyKey {
        let mut request = Request::by_name("Bank.pay", Payload::default());
        attach(request.metadata_mut());
        ReplyKey::of(&request).unwrap()
    }

    fn begin(memory: &mut Memory<u8, u8>, now: Instant, key: &ReplyKey, is_retry: bool) -> Begun<u8, u8> {
        memory.begin(now, key, 7, is_retry, || 1)
    }

    #[test]
    fn a_call_runs_once_and_what_came_of_it_is_known_until_its_time_is_over() {
        let (mut memory, now, key) = (Memory::new(BOUNDS), Instant::now(), key());
        assert_eq!(begin(&mut memory, now, &key, false), Begun::First(1));
        assert_eq!(begin(&mut memory, now, &key, true), Begun::Running(1));
        memory.keep(now, &key, 9, 10, now + SECOND);
        assert_eq!(begin(&mut memory, now + SECOND / 2, &key, true), Begun::Kept(9));
        assert_eq!(memory.begin(now, &key, 8, true, || 1), Begun::Differs);
        assert_eq!(begin(&mut memory, now + SECOND, &key, true), Begun::First(1));
        memory.forget(&key);
        assert_eq!(begin(&mut memory, now + SECOND, &key, true), Begun::First(1));
        assert_eq!(memory.bytes, 0);
    }

    #[test]
    fn what_had_to_be_forgotten_early_is_not_taken_for_new() {
        let (mut memory, now) = (Memory::new(BOUNDS), Instant::now());
        let keys: Vec<_> = (0..4).map(|_| key()).collect();
        for (at, key) in keys[..3].iter().enumerate() {
            assert_eq!(begin(&mut memory, now, key, false), Begun::First(1));
            memory.keep(now, key, at as u8, 10, now + SECOND * (3 - at as u32));
        }
        // The last of them is needed for the shortest time.
        assert_eq!(begin(&mut memory, now, &keys[3], false), Begun::First(1));
        assert_eq!(begin(&mut memory, now, &keys[2], true), Begun::Blurred);
        assert_eq!(begin(&mut memory, now, &keys[0], true), Begun::Kept(0));
        assert_eq!(begin(&mut memory, now + SECOND, &keys[2], true), Begun::First(1));
    }

    #[test]
    fn it_holds_no_more_than_its_bounds() {
        let (mut memory, now) = (Memory::new(BOUNDS), Instant::now());
        let keys: Vec<_> = (0..5).map(|_| key()).collect();
        for key in &keys[..3] {
            assert_eq!(begin(&mut memory, now, key, false), Begun::First(1));
        }
        assert_eq!(begin(&mut memory, now, &keys[3], false), Begun::Full, "all of them run");
        memory.keep(now, &keys[0], 0, 60, now + SECOND);
        memory.keep(now, &keys[1], 1, 60, now + 2 * SECOND);
        assert_eq!((memory.bytes, memory.calls.len()), (60, 2));
        memory.keep(now, &keys[2], 2, 101, now + 2 * SECOND);
        assert_eq!((memory.bytes, memory.calls.len()), (60, 1), "larger than all of it");
        assert_eq!(begin(&mut memory, now, &keys[2], true), Begun::Blurred);
        // What is needed for longer than anything is remembered.
        let mut memory = Memory::new(BOUNDS);
        assert_eq!(begin(&mut memory, now, &keys[0], false), Begun::First(1));
        memory.keep(now, &keys[0], 0, 1, now + 120 * SECOND);
        assert_eq!(begin(&mut memory, now + 59 * SECOND, &keys[0], true), Begun::Kept(0));
        assert_eq!(begin(&mut memory, now + 61 * SECOND, &keys[0], true), Begun::Blurred);
        assert_eq!(begin(&mut memory, now + 121 * SECOND, &keys[0], true), Begun::First(1));
    }
}
