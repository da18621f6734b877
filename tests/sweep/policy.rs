//! Owns [`Rules`]: the policies of a world's channels, drawn by chance, and how many attempts they may add. Does not judge.

use std::time::Duration;

use traitwire::policy::breaker::BreakerConfig;
use traitwire::policy::limit::LimitConfig;
use traitwire::policy::{Budget, Policies, Policy};
use traitwire::testing::Dice;
use traitwire::{Backoff, Hedge, Retry};

/// What every channel of a world has.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) policies: Policies,
    /// Retries and hedges for each call, and beside them in ten seconds; none without policies.
    ratio: f64,
    floor: f64,
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
        Self { policies: Policies::new().everything(policy), ratio, floor }
    }

    /// How many attempts so many channels may have added to so many calls in this time, at most.
    pub(super) fn most_added(&self, channels: usize, calls: usize, time: Duration) -> usize {
        let windows = (time.as_secs_f64() / 10.0).ceil() + 1.0;
        self.ratio.mul_add(calls as f64, channels as f64 * windows * self.floor * 10.0) as usize
    }
}
