//! Owns [`Rules`]: the policies of a world's channels, drawn by chance, and how many attempts they may add. Does not judge.

use std::time::Duration;

use traitwire::policy::breaker::BreakerConfig;
use traitwire::policy::cache::{CacheConfig, CachePolicy};
use traitwire::policy::limit::LimitConfig;
use traitwire::policy::{Budget, Policies, Policy};
use traitwire::testing::Dice;
use traitwire::{Backoff, Hedge, Retry};

use super::service::CALLER;

/// What every channel of a world has.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) policies: Policies,
    /// How long answers are kept, if they are.
    pub(super) kept: Option<Kept>,
    /// Retries and hedges for each call, and beside them in ten seconds; none without policies.
    ratio: f64,
    floor: f64,
}

/// How long answers are kept: those of the service's own errors, and how long either stands in afterwards.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) ttl: Duration,
    pub(super) errors: Option<Duration>,
    pub(super) stale: Duration,
}

impl Kept {
    /// Times, and the cache that has them.
    fn draw(dice: &mut Dice) -> (Self, CacheConfig) {
        let some = |dice: &mut Dice, most| dice.chance(0.5).then(|| Duration::from_millis(dice.below(most)));
        let ttl = Duration::from_millis(1 + dice.below(3_000));
        let kept = Self { ttl, errors: some(dice, 2_000), stale: some(dice, 8_000).unwrap_or_default() };
        let mut config = CacheConfig::new(kept.ttl).stale_if_error(kept.stale);
        if let Some(errors) = kept.errors {
            config = config.errors(errors);
        }
        // Whoever calls is told apart by a secret that nobody has named, or by what is named.
        config = match dice.below(3) {
            0 => config,
            1 => config.vary_on([CALLER]),
            _ => config.vary_on(["nothing that anybody sends"]),
        };
        let policy = dice.pick(&CachePolicy::ALL).copied().unwrap_or_default();
        // The admission of W-TinyLFU hashes by chance, which would not repeat where there is too little room.
        let is_small = policy != CachePolicy::WTinyLfu && dice.chance(0.5);
        config = config.policy(policy).bytes(if is_small { 2_000 } else { 1 << 20 });
        (kept, config)
    }
}

impl Rules {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        if dice.chance(0.4) {
            return Self::default();
        }
        let (ratio, floor) = (0.05 * (1 + dice.below(4)) as f64, 0.1 * (1 + dice.below(5)) as f64);
        let mut policy = Policy::new().budget(Budget::Window { ratio, floor_min: floor, floor_max: floor });
        let millis = |dice: &mut Dice, most| Duration::from_millis(1 + dice.below(most));
        if dice.chance(0.8) {
            let backoff = *dice
                .pick(&[Backoff::FullJitter, Backoff::EqualJitter, Backoff::Decorrelated])
                .unwrap_or(&Backoff::Grpc);
            let retry =
                Retry::new().attempts(2 + dice.below(4) as u32).base(millis(dice, 100)).backoff(backoff);
            policy = policy.retry(retry);
        }
        if dice.chance(0.5) {
            policy = policy.hedge(Hedge::after(millis(dice, 100)));
        }
        if dice.chance(0.4) {
            let (open, calls) = (millis(dice, 1_000), 2 + dice.below(10));
            policy = policy.breaker(BreakerConfig::new().min_calls(calls).open(open, 2 * open));
        }
        if dice.chance(0.4) {
            let few = LimitConfig::concurrency(1 + dice.below(4) as usize).queue(dice.below(10) as usize);
            let paced = LimitConfig::rate(5.0 + dice.below(100) as f64, 1 + dice.below(5) as u32);
            policy = policy.limit(if dice.chance(0.5) { few } else { paced });
        }
        let mut kept = None;
        if dice.chance(0.6) {
            let (times, config) = Kept::draw(dice);
            policy = policy.cache(config);
            kept = Some(times);
        }
        Self { policies: Policies::new().everything(policy), kept, ratio, floor }
    }

    /// How many attempts so many channels may have added to so many calls in this time, at most.
    pub(super) fn most_added(&self, channels: usize, calls: usize, time: Duration) -> usize {
        let windows = (time.as_secs_f64() / 10.0).ceil() + 1.0;
        self.ratio.mul_add(calls as f64, channels as f64 * windows * self.floor * 10.0) as usize
    }
}
