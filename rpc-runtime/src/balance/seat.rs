//! Owns [`Seat`]: one endpoint as a picker sees it, and whether it is fit for calls. Does not know its address or connection.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::balance::load::Load;
use crate::balance::moment::Moment;
use crate::limits;

/// How far the connection to an endpoint is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Reach {
    /// Nobody has tried.
    Untried,
    /// The first is being made.
    Trying,
    /// It is there.
    Up,
    /// It was there, and was lost.
    Lost,
    /// The last attempt has failed.
    Away,
}

/// What an endpoint says of its own health, if it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Word {
    /// It serves, or nobody asks.
    Serving,
    /// It is asked, and has not said anything yet.
    Awaited,
    /// It does not serve.
    NotServing,
}

/// How fit an endpoint is for a call: the lower the better.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Fitness {
    /// Connected, or never tried.
    Ready,
    /// Its first connection is being made, or it has not said yet how it is.
    Connecting,
    /// Its connection was lost, and is made again.
    Lost,
    /// Connected, but ejected, or its breaker is open.
    Doubted,
    /// It says itself that it does not serve.
    Unwell,
    /// It cannot be reached.
    Away,
}

/// One endpoint of a fleet. All of it is written and read without a lock.
#[derive(Debug)]
pub(crate) struct Seat {
    /// What hashes go by: the same for the same address in each process.
    pub(crate) id: u64,
    pub(crate) load: Load,
    reach: AtomicU8,
    word: AtomicU8,
    /// How much it takes, as it reports, the bits of an `f32`; and when it said so, in µs, 0 if it does not.
    capacity: AtomicU32,
    reported: AtomicU64,
    /// Until when its breaker is open, in µs.
    tripped_until: AtomicU64,
    /// Until when it is ejected, in µs.
    ejected_until: AtomicU64,
    /// How often in a row it was.
    pub(crate) times_ejected: AtomicU32,
    /// When its slow start began, in µs; 0 if it needs none.
    warming_since: AtomicU64,
}

impl Seat {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            load: Load::default(),
            reach: AtomicU8::new(Reach::Untried as u8),
            word: AtomicU8::new(Word::Serving as u8),
            capacity: AtomicU32::new(0),
            reported: AtomicU64::new(0),
            tripped_until: AtomicU64::new(0),
            ejected_until: AtomicU64::new(0),
            times_ejected: AtomicU32::new(0),
            warming_since: AtomicU64::new(0),
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        let reach = self.reach.load(Ordering::Relaxed);
        let all = [Reach::Untried, Reach::Trying, Reach::Up, Reach::Lost, Reach::Away];
        all.into_iter().find(|one| *one as u8 == reach).unwrap_or(Reach::Untried)
    }

    /// Says how far the connection is. One that is back after it was lost starts slowly.
    pub(crate) fn set_reach(&self, now: Moment, reach: Reach) {
        let before = self.reach();
        if (before, reach) == (Reach::Lost, Reach::Trying) {
            return;
        }
        self.reach.store(reach as u8, Ordering::Relaxed);
        if reach == Reach::Up && matches!(before, Reach::Lost | Reach::Away) {
            self.warm_up(now);
        }
    }

    /// It says that it is so.
    pub(crate) fn say(&self, word: Word) {
        self.word.store(word as u8, Ordering::Relaxed);
    }

    pub(crate) fn word(&self) -> Word {
        let word = self.word.load(Ordering::Relaxed);
        let all = [Word::Serving, Word::Awaited, Word::NotServing];
        all.into_iter().find(|one| *one as u8 == word).unwrap_or(Word::Serving)
    }

    /// It reports that it takes so much.
    pub(crate) fn report(&self, now: Moment, capacity: Option<f32>) {
        let Some(capacity) = capacity else { return };
        self.capacity.store(capacity.to_bits(), Ordering::Relaxed);
        self.reported.store(now.micros().max(1), Ordering::Relaxed);
    }

    /// How much it takes, if it has said so lately.
    pub(crate) fn capacity(&self, now: Moment) -> Option<f32> {
        let reported = self.reported.load(Ordering::Relaxed);
        let is_new =
            reported > 0 && now.since(Moment::from_micros(reported)) <= limits::LOAD_VALID.as_micros() as u64;
        is_new.then(|| f32::from_bits(self.capacity.load(Ordering::Relaxed)))
    }

    /// Its breaker is open for this time. Says whether that is new.
    pub(crate) fn trip(&self, now: Moment, time: Duration) -> bool {
        self.tripped_until.swap(now.plus(time).micros(), Ordering::Relaxed) <= now.micros()
    }

    pub(crate) fn is_tripped(&self, now: Moment) -> bool {
        self.tripped_until.load(Ordering::Relaxed) > now.micros()
    }

    pub(crate) fn is_ejected(&self, now: Moment) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > now.micros()
    }

    /// Takes it out of the picks for this time. After that it starts slowly.
    pub(crate) fn eject(&self, now: Moment, time: Duration) {
        let until = now.plus(time);
        self.ejected_until.store(until.micros(), Ordering::Relaxed);
        self.warm_up(until);
        self.load.end_streak();
    }

    /// Its slow start begins then.
    pub(crate) fn warm_up(&self, since: Moment) {
        self.warming_since.store(since.micros().max(1), Ordering::Relaxed);
    }

    /// What part of its share it takes: less than 1 in its slow start, where it grows from a tenth with the time.
    pub(crate) fn share(&self, now: Moment, slow_start: Duration) -> f32 {
        let since = self.warming_since.load(Ordering::Relaxed);
        if since == 0 || slow_start.is_zero() {
            return 1.0;
        }
        let passed = now.since(Moment::from_micros(since)) as f32;
        let share = passed / slow_start.as_micros() as f32;
        if share >= 1.0 {
            // Most picks are to read one word. An ejection that comes just now is over before its own slow start matters.
            let _ = self.warming_since.compare_exchange(since, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
        share.clamp(limits::SLOW_START_LEAST, 1.0)
    }

    /// How fit it is. Where too many are doubted the doubt is more likely to be wrong than they are: `in_panic` nobody is.
    pub(crate) fn fitness(&self, now: Moment, in_panic: bool) -> Fitness {
        match self.reach() {
            Reach::Away => Fitness::Away,
            _ if self.word() == Word::NotServing => Fitness::Unwell,
            _ if !in_panic && (self.is_tripped(now) || self.is_ejected(now)) => Fitness::Doubted,
            Reach::Up if self.word() == Word::Awaited => Fitness::Connecting,
            Reach::Untried | Reach::Up => Fitness::Ready,
            Reach::Trying => Fitness::Connecting,
            Reach::Lost => Fitness::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_an_endpoint_ranks_it() {
        let (seat, now) = (Seat::new(1), Moment::from_micros(5));
        assert_eq!(seat.fitness(now, false), Fitness::Ready);
        for (reach, fitness) in [
            (Reach::Trying, Fitness::Connecting),
            (Reach::Up, Fitness::Ready),
            (Reach::Lost, Fitness::Lost),
            (Reach::Away, Fitness::Away),
        ] {
            seat.set_reach(now, reach);
            assert_eq!((seat.reach(), seat.fitness(now, false)), (reach, fitness));
        }
        seat.set_reach(now, Reach::Lost);
        seat.set_reach(now, Reach::Trying);
        assert_eq!(seat.reach(), Reach::Lost, "another attempt changes nothing yet");
        seat.set_reach(now, Reach::Up);
        assert!(seat.trip(now, Duration::from_secs(1)) && !seat.trip(now, Duration::from_secs(1)));
        assert_eq!(seat.fitness(now, false), Fitness::Doubted);
        assert_eq!(seat.fitness(now, true), Fitness::Ready);
        assert_eq!(seat.fitness(now.plus(Duration::from_secs(1)), false), Fitness::Ready, "for a probe");
        seat.say(Word::Awaited);
        assert_eq!(seat.fitness(now.plus(Duration::from_secs(1)), false), Fitness::Connecting);
        seat.say(Word::NotServing);
        assert_eq!(seat.fitness(now, true), Fitness::Unwell, "it knows better than anybody, in a panic too");
        seat.say(Word::Serving);
        seat.eject(now, Duration::from_secs(30));
        assert_eq!(seat.fitness(now, false), Fitness::Doubted);
        assert_eq!(seat.fitness(now.plus(Duration::from_secs(30)), false), Fitness::Ready);
    }

    #[test]
    fn a_report_counts_while_it_is_new() {
        let (seat, at) = (Seat::new(1), |secs| Moment::after(Duration::from_secs(secs)));
        assert_eq!(seat.capacity(at(0)), None);
        seat.report(at(5), Some(70.0));
        seat.report(at(6), None);
        assert_eq!([5, 15, 16].map(|secs| seat.capacity(at(secs))), [Some(70.0), Some(70.0), None]);
    }

    #[test]
    fn a_slow_start_grows_with_time_and_ends() {
        let (seat, ten) = (Seat::new(1), Duration::from_secs(10));
        let at = |secs| Moment::after(Duration::from_secs(secs));
        assert_eq!(seat.share(at(0), ten), 1.0);
        seat.warm_up(at(100));
        let shares = [100, 105, 109, 110].map(|secs| seat.share(at(secs), ten));
        assert_eq!(shares, [0.1, 0.5, 0.9, 1.0]);
        assert_eq!(seat.share(at(100), ten), 1.0, "it was over");
        // One that was lost or ejected comes back slowly too.
        seat.set_reach(at(130), Reach::Up);
        assert_eq!(seat.share(at(130), ten), 1.0);
        seat.set_reach(at(131), Reach::Lost);
        seat.set_reach(at(140), Reach::Up);
        assert_eq!([140, 145, 150].map(|secs| seat.share(at(secs), ten)), [0.1, 0.5, 1.0]);
        seat.eject(at(200), Duration::from_secs(30));
        assert_eq!([230, 235].map(|secs| seat.share(at(secs), ten)), [0.1, 0.5]);
    }
}
