//! Owns [`Ring`]: consistent hashing, where a key goes to the same endpoint for as long as that is there. Does not know whether an
//! endpoint is fit, nor how loaded it is.

use crate::balance::hash::join;
use crate::limits;

/// By how much a weight may multiply that: beyond it one endpoint would be most of the ring's memory.
const RING_MOST: u64 = 32;

/// How many points a look for an endpoint that is fit passes, for each endpoint there is.
const RING_WALK: usize = 4;

/// The endpoints of a fleet on a ring, each at many points: a key belongs to the first point after its own. (Karger and others,
/// *Consistent Hashing and Random Trees*, 1997.)
///
/// The points of an endpoint depend on its address and weight alone, so where one comes or goes exactly its own keys move.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Where, and which endpoint, in order.
    points: Box<[(u64, u32)]>,
    endpoints: usize,
}

impl Ring {
    /// The ring of endpoints with these ids and weights.
    pub(crate) fn new(endpoints: impl Iterator<Item = (u64, u32)> + Clone) -> Self {
        let mut points = Vec::new();
        for (index, (id, weight)) in endpoints.clone().enumerate() {
            let all = u64::from(limits::RING_POINTS) * u64::from(weight) / u64::from(limits::WEIGHT);
            let all = all.clamp(1, u64::from(limits::RING_POINTS) * RING_MOST);
            points.extend((0..all).map(|nth| (join(id, nth), index as u32)));
        }
        points.sort_unstable();
        Self { points: points.into_boxed_slice(), endpoints: endpoints.count() }
    }

    /// The endpoints from a key's own on, in the order in which they stand in for each other; each one is named once or more often.
    pub(crate) fn from(&self, key: u64) -> impl Iterator<Item = usize> + '_ {
        let start = self.points.partition_point(|(point, _)| *point < key);
        let (before, after) = self.points.split_at(start);
        let around = after.iter().chain(before).map(|(_, index)| *index as usize);
        // Of so many points in a row some belong to each endpoint, or nearly: who is left out is found by other means.
        around.take(self.endpoints.saturating_mul(RING_WALK))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::hash::hash;

    fn ids(count: u64) -> Vec<(u64, u32)> {
        (0..count).map(|one| (hash(&one.to_be_bytes()), 100)).collect()
    }

    fn owner(ring: &Ring, key: u64) -> usize {
        ring.from(hash(&key.to_le_bytes())).next().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn only_the_keys_of_one_that_goes_move(count in 2_u64..40, gone in 0_usize..40, salt: u64) {
            let mut with = ids(count);
            with.iter_mut().for_each(|(id, _)| *id = join(*id, salt));
            let gone = gone % with.len();
            let mut without = with.clone();
            without.remove(gone);
            let (before, after) = (Ring::new(with.iter().copied()), Ring::new(without.iter().copied()));
            let mut moved = 0;
            for key in 0..4_000 {
                let (was, is) = (with[owner(&before, key)].0, without[owner(&after, key)].0);
                prop_assert!(was == is || was == with[gone].0);
                moved += u32::from(was != is);
            }
            // What one endpoint has of the keys spreads by 1 ÷ √points around its part: 9 %, here four times as much.
            let part = 4_000.0 / count as f64;
            prop_assert!(f64::from(moved) < part * 1.36 + 4.0 * part.sqrt(), "{moved} of 4,000 for {count}");
        }
    }

    #[test]
    fn a_change_moves_no_more_than_a_quarter_above_its_part() {
        // The mean over all endpoints, each of which goes once and comes back.
        for count in [3_u64, 10, 50] {
            let with = ids(count);
            let before = Ring::new(with.iter().copied());
            let moved: usize = (0..with.len())
                .map(|gone| {
                    let mut without = with.clone();
                    without.remove(gone);
                    let after = Ring::new(without.iter().copied());
                    (0..2_000)
                        .filter(|key| with[owner(&before, *key)].0 != without[owner(&after, *key)].0)
                        .count()
                })
                .sum();
            let mean = moved as f64 / with.len() as f64 / 2_000.0;
            assert!(mean <= 1.25 / count as f64, "{mean} for {count}");
        }
    }

    #[test]
    fn weights_are_parts_and_the_next_ones_are_others() {
        let mut endpoints = ids(5);
        endpoints[2].1 = 300;
        let ring = Ring::new(endpoints.iter().copied());
        let share = (0..20_000).filter(|key| owner(&ring, *key) == 2).count() as f64 / 20_000.0;
        assert!((0.35..0.52).contains(&share), "{share} instead of 3 ÷ 7");
        for key in 0..100 {
            let mut seen = [false; 5];
            ring.from(hash(&u64::to_le_bytes(key))).for_each(|index| seen[index] = true);
            assert!(seen.iter().filter(|seen| **seen).count() >= 4);
        }
        assert_eq!(Ring::new([].into_iter()).from(7).next(), None);
    }
}
