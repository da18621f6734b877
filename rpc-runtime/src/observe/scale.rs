//! Owns the scale of times: buckets from a microsecond to more than an hour, each known to one part in eight. Does not count.
//!
//! Eight buckets for each power of two, as in HDR histograms (Gil Tene): log-linear, so that a microsecond and a minute are
//! known equally well, in 240 numbers.

use std::time::Duration;

/// Buckets of one power of two.
const FINE: u64 = 8;

/// Times below eight microseconds have a bucket each; from 2³² microseconds on they share the last one.
pub(crate) const BUCKETS: usize = (FINE * (32 - 3 + 1)) as usize;

/// The bucket of a time.
pub(crate) fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(u64::from(u32::MAX));
    if micros < FINE {
        return micros as usize;
    }
    let power = micros.ilog2();
    let part = (micros >> (power - 3)) - FINE;
    (u64::from(power - 2) * FINE + part) as usize
}

/// The end of a bucket: no time in it is longer.
pub(crate) fn upper(bucket: usize) -> Duration {
    let bucket = bucket as u64 + 1;
    if bucket <= FINE {
        return Duration::from_micros(bucket);
    }
    let (power, part) = (bucket / FINE + 2, bucket % FINE);
    Duration::from_micros((FINE + part) << (power - 3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_is_within_an_eighth_of_its_buckets_end(micros in 0..u64::from(u32::MAX)) {
            let time = Duration::from_micros(micros);
            let at = bucket(time);
            prop_assert!(at < BUCKETS);
            let end = upper(at);
            prop_assert!(time < end && end <= time + time / 8 + Duration::from_micros(1), "{time:?} {end:?}");
            prop_assert!(at == 0 || upper(at - 1) <= time);
        }
    }
}
