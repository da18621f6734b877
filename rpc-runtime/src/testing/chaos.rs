//! Owns [`Chaos`]: a schedule of faults, drawn by chance. Does not inject them.

use std::time::Duration;

use crate::call::Dice;
use crate::testing::fault::Fault;
use crate::testing::path::{Latency, Path};

/// Faults at random times, among all hosts of a network: what nobody has thought of. To be unleashed by
/// [`Network::chaos`](super::Network::chaos).
///
/// Each heals by itself, the last one when the time is over, so that a test can see what has recovered.
///
/// ```
/// # use std::time::Duration;
/// # use traitwire::testing::{Chaos, Network};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// # let network = Network::seeded(1);
/// # network.host("client");
/// # network.host("server");
/// let chaos = Chaos::over(Duration::from_secs(30)).every(Duration::from_secs(2)).without("crash");
/// for (at, fault) in network.chaos(&chaos) {
///     println!("{at:?} {fault}");
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Chaos {
    over: Duration,
    every: Duration,
    without: Vec<String>,
}

impl Chaos {
    /// Faults for so long: one a second on average, of every kind.
    pub const fn over(time: Duration) -> Self {
        Self { over: time, every: Duration::from_secs(1), without: Vec::new() }
    }

    /// How long it is from one fault to the next, on average. Several may last at a time.
    pub const fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// Leaves the faults of this [name](Fault::name) out.
    pub fn without(mut self, name: &str) -> Self {
        self.without.push(name.to_owned());
        self
    }

    /// The schedule for these hosts.
    pub(super) fn draw(&self, hosts: &[&str], dice: &mut Dice) -> Vec<(Duration, Fault)> {
        let (mut schedule, mut at) = (Vec::new(), Duration::ZERO);
        if hosts.len() < 2 {
            return schedule;
        }
        loop {
            at += millis(self.every.mul_f64(-(1.0 - dice.unit()).ln()));
            if at >= self.over {
                return schedule;
            }
            let fault = draw(hosts, dice);
            // A third of a second to some seconds: shorter and longer than timeouts and keepalives.
            let lasting = millis(self.every.mul_f64(-(1.0 - dice.unit()).ln())).min(self.over - at);
            if !self.without.iter().any(|name| name == fault.name()) {
                schedule.push((at, fault.lasting(lasting)));
            }
        }
    }
}

fn draw(hosts: &[&str], dice: &mut Dice) -> Fault {
    let one = dice.below(hosts.len() as u64) as usize;
    let other = (one + 1 + dice.below(hosts.len() as u64 - 1) as usize) % hosts.len();
    let (one, other) = (hosts[one], hosts[other]);
    match dice.below(13) {
        0 => Fault::partition(one, other),
        1 => Fault::one_way(one, other),
        2 => Fault::isolate(one),
        3 => Fault::reset(one, other),
        4 => Fault::cut_after_bytes(one, other, dice.below(2_000)),
        5 => Fault::cut_after_frames(one, other, dice.below(20)),
        6 => Fault::drop_reply(one, other),
        7 => Fault::crash(one),
        8 => Fault::vanish(one),
        9 => Fault::refuse(one),
        10 => Fault::hang(one),
        11 => Fault::slow_reader(one, dice.below(20_000)),
        _ => {
            let latency = Duration::from_millis(10 + dice.below(1_000));
            Fault::worse(one, other, Path::new().latency(Latency::fixed(latency)).loss(0.05))
        }
    }
}

/// Whole milliseconds, at least one: the clock has no others.
fn millis(time: Duration) -> Duration {
    Duration::from_millis((time.as_millis() as u64).max(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_draws_its_schedule_and_chance_reaches_every_fault() {
        let chaos = Chaos::over(Duration::from_secs(600)).without("vanish");
        let draw = |seed| chaos.draw(&["a", "b", "c"], &mut Dice::new(seed));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let schedule = draw(3);
        assert!((400..650).contains(&schedule.len()), "{}", schedule.len());
        let names: BTreeSet<_> = schedule.iter().map(|(_, fault)| fault.name()).collect();
        assert!(names.len() == 12 && !names.contains("vanish"), "{names:?}");
        for (at, fault) in &schedule {
            let until = *at + fault.lasting.unwrap();
            assert!(until <= chaos.over + Duration::from_millis(1), "{fault} is over in time");
        }
        assert!(chaos.draw(&["alone"], &mut Dice::new(1)).is_empty());
    }
}
