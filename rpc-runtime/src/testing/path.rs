//! Owns [`Path`] and [`Latency`]: what a way between two hosts is like. Does not hold any bytes.

use std::fmt;
use std::time::Duration;

use crate::call::Dice;

/// What one direction between two hosts is like: its latency, bandwidth and loss.
///
/// By default a byte takes one millisecond, any number go at once, and none is lost.
///
/// ```
/// use std::time::Duration;
/// use traitwire::testing::{Latency, Path};
/// let millis = Duration::from_millis;
/// let mobile = Path::new().latency(Latency::long_tailed(millis(60), millis(900))).bandwidth(1_000_000).loss(0.01);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Path {
    latency: Latency,
    /// Bytes a second.
    bandwidth: Option<u64>,
    /// The probability that a packet is lost.
    loss: f64,
}

/// The payload of a packet, in bytes: Ethernet's, less the heads of IP and TCP. What is lost is lost in packets.
const PACKET: usize = 1_460;

/// The first wait before a lost packet is sent again, which doubles each time: the least that Linux waits.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// How often a packet is lost in a row at most: after 50 s a sender would give its connection up.
const LOSSES: u32 = 8;

impl Default for Path {
    fn default() -> Self {
        Self { latency: Latency::fixed(Duration::from_millis(1)), bandwidth: None, loss: 0.0 }
    }
}

impl Path {
    /// A millisecond's latency, and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long bytes are under way, one way. Bytes never overtake those before them on their connection.
    pub const fn latency(mut self, latency: Latency) -> Self {
        self.latency = latency;
        self
    }

    /// How many bytes a second go through, at least 1; each connection has that much for itself.
    pub const fn bandwidth(mut self, bytes: u64) -> Self {
        self.bandwidth = Some(if bytes == 0 { 1 } else { bytes });
        self
    }

    /// The probability that a packet of 1,460 bytes is lost, at most 0.9. As under TCP a lost packet comes late, after
    /// 200 ms, 400 ms and so on, and what is behind it waits.
    pub const fn loss(mut self, probability: f64) -> Self {
        self.loss = probability.clamp(0.0, 0.9);
        self
    }

    /// How long so many bytes take to leave.
    pub(super) fn leaving(&self, bytes: usize) -> Duration {
        self.bandwidth.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate as f64))
    }

    /// How long so many bytes that leave together are under way, and how many packets of them are lost.
    pub(super) fn under_way(&self, bytes: usize, dice: &mut Dice) -> (Duration, u64) {
        let (mut late, mut lost) = (Duration::ZERO, 0);
        for _ in 0..bytes.div_ceil(PACKET) {
            let mut losses = 0;
            while self.loss > 0.0 && losses < LOSSES && dice.chance(self.loss) {
                losses += 1;
            }
            lost += u64::from(losses);
            // All are sent at once, so the last one decides: 1 + 2 + 4 … waits.
            late = late.max(RETRANSMISSION * ((1 << losses) - 1));
        }
        (self.latency.sample(dice) + late, lost)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "latency {}", self.latency)?;
        if let Some(bandwidth) = self.bandwidth {
            write!(f, ", {bandwidth} bytes/s")?;
        }
        if self.loss > 0.0 { write!(f, ", loss {}", self.loss) } else { Ok(()) }
    }
}

/// How a path's latency is distributed.
///
/// The clock of a simulation ticks in milliseconds, as tokio's timers do: what is shorter is rounded up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency(Distribution);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Distribution {
    Fixed(Duration),
    Uniform(Duration, Duration),
    Exponential { least: Duration, mean: Duration },
    LogNormal { median: Duration, p99: Duration },
}

/// How many standard deviations of a normal distribution its 99th percentile is above its mean.
const P99: f64 = 2.326_347_874;

impl Latency {
    /// Always the same.
    pub const fn fixed(latency: Duration) -> Self {
        Self(Distribution::Fixed(latency))
    }

    /// Anything between the two, each as likely as another.
    pub const fn uniform(from: Duration, to: Duration) -> Self {
        Self(Distribution::Uniform(from, to))
    }

    /// At least `least`, and beyond it exponential, so that the mean is `mean`: queues that are mostly empty.
    pub const fn exponential(least: Duration, mean: Duration) -> Self {
        Self(Distribution::Exponential { least, mean })
    }

    /// Half of them up to `median`, one in a hundred beyond `p99`: a log-normal distribution, which measured round trips
    /// are close to.
    pub const fn long_tailed(median: Duration, p99: Duration) -> Self {
        Self(Distribution::LogNormal { median, p99 })
    }

    fn sample(self, dice: &mut Dice) -> Duration {
        match self.0 {
            Distribution::Fixed(latency) => latency,
            Distribution::Uniform(from, to) => from + to.saturating_sub(from).mul_f64(dice.unit()),
            Distribution::Exponential { least, mean } => {
                least + mean.saturating_sub(least).mul_f64(-(1.0 - dice.unit()).ln())
            }
            Distribution::LogNormal { median, p99 } => {
                let spread = (p99.as_secs_f64() / median.as_secs_f64().max(1e-9)).max(1.0).ln() / P99;
                // Box and Muller's way to a normal distribution.
                let (radius, angle) = (1.0 - dice.unit(), dice.unit());
                let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
                median.mul_f64((spread * normal).exp())
            }
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Distribution::Fixed(latency) => write!(f, "{latency:?}"),
            Distribution::Uniform(from, to) => write!(f, "{from:?} to {to:?}"),
            Distribution::Exponential { least, mean } => write!(f, "{mean:?} on average, from {least:?}"),
            Distribution::LogNormal { median, p99 } => write!(f, "{median:?} at p50, {p99:?} at p99"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn samples(latency: Latency) -> Vec<f64> {
        let mut dice = Dice::new(3);
        let mut samples: Vec<_> =
            (0..20_000).map(|_| latency.sample(&mut dice).as_secs_f64() * 1e3).collect();
        samples.sort_by(f64::total_cmp);
        samples
    }

    #[test]
    fn distributions_are_what_they_say() {
        let mean = |samples: &[f64]| samples.iter().sum::<f64>() / samples.len() as f64;
        assert!(samples(Latency::fixed(3 * MILLI)).iter().all(|&sample| (sample - 3.0).abs() < 1e-9));
        let uniform = samples(Latency::uniform(2 * MILLI, 6 * MILLI));
        assert!(uniform[0] >= 2.0 && uniform[19_999] <= 6.0 && (mean(&uniform) - 4.0).abs() < 0.05);
        let exponential = samples(Latency::exponential(MILLI, 5 * MILLI));
        assert!(exponential[0] >= 1.0 && (mean(&exponential) - 5.0).abs() < 0.15, "{}", mean(&exponential));
        let long = samples(Latency::long_tailed(10 * MILLI, 200 * MILLI));
        assert!((long[10_000] - 10.0).abs() < 0.5 && (long[19_800] - 200.0).abs() < 25.0, "{}", long[19_800]);
    }

    #[test]
    fn losses_make_bytes_late_and_bandwidth_spreads_them() {
        let mut dice = Dice::new(5);
        let path = Path::new().loss(0.5).bandwidth(1_000);
        let lost = (0..1_000).map(|_| path.under_way(100, &mut dice)).filter(|sent| sent.1 > 0);
        let lost: Vec<_> = lost.collect();
        assert!((450..550).contains(&lost.len()), "{}", lost.len());
        for (late, losses) in lost {
            assert_eq!(late, MILLI + RETRANSMISSION * ((1 << losses) - 1));
        }
        assert_eq!(path.leaving(500), 500 * MILLI);
        assert_eq!(Path::new().under_way(100_000, &mut dice), (MILLI, 0));
    }
}
