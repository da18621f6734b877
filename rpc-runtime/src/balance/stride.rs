//! Owns [`Strides`]: weighted round robin without a heap or a lock. Does not know what the weights are of.

/// Turns of endpoints by their weights, evenly spread over time: the static stride scheduler of gRPC (gRFC A58).
///
/// The turns go round and round over all endpoints, and each takes part in so many rounds of 65,535 as its weight is of the
/// largest. Which rounds is a matter of arithmetic alone, and all that changes is a counter.
#[derive(Debug)]
pub(crate) struct Strides {
    /// Scaled so that the largest is [`ROUNDS`].
    weights: Box<[u16]>,
}

/// After so many rounds each has had its turns exactly.
const ROUNDS: u64 = u16::MAX as u64;
/// Begins each endpoint at another place of its pattern, so that those with the same weight do not sit out together.
const OFFSET: u64 = ROUNDS / 2;

impl Strides {
    pub(crate) fn new(weights: impl Iterator<Item = u32> + Clone) -> Self {
        let largest = weights.clone().max().unwrap_or(1).max(1);
        let scaled = |weight: u32| (u64::from(weight) * ROUNDS).div_ceil(u64::from(largest)) as u16;
        Self { weights: weights.map(scaled).collect() }
    }

    /// Whose turn it is among the first `count`, which is not 0; `turn` moves the counter. At most as many steps as an endpoint of
    /// the least weight sits out rounds, and `count` for the usual ones.
    pub(crate) fn next(&self, count: usize, mut turn: impl FnMut() -> u64) -> usize {
        let steps = count.saturating_mul(4);
        let mut index = 0;
        for _ in 0..steps {
            let turn = turn();
            let round = turn / count as u64;
            index = (turn % count as u64) as usize;
            let weight = u64::from(self.weights[index]);
            if (weight * round + index as u64 * OFFSET) % ROUNDS >= ROUNDS - weight {
                return index;
            }
        }
        // All weights of these are far below the largest, which is not among them: by turns, then.
        index
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(weights: &[u32], turns: u64) -> Vec<u64> {
        let strides = Strides::new(weights.iter().copied());
        let (mut counter, mut counts) = (0, vec![0; weights.len()]);
        while counter < turns {
            let mut next = || {
                counter += 1;
                counter - 1
            };
            counts[strides.next(weights.len(), &mut next)] += 1;
        }
        counts
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn everyone_has_its_turns(weights in prop::collection::vec(40_u32..100, 1..6)) {
            let found = counts(&weights, ROUNDS * weights.len() as u64);
            let largest = u64::from(*weights.iter().max().unwrap());
            for (weight, found) in weights.iter().zip(found) {
                let exact = (u64::from(*weight) * ROUNDS).div_ceil(largest);
                prop_assert!(found.abs_diff(exact) <= 1, "{found} instead of {exact}");
            }
        }
    }

    #[test]
    fn turns_are_spread() {
        let strides = Strides::new([1, 1, 2].into_iter());
        let mut counter = 0;
        let mut next = || {
            counter += 1;
            counter - 1
        };
        let turns: Vec<_> = (0..12).map(|_| strides.next(3, &mut next)).collect();
        assert_eq!(turns.iter().filter(|turn| **turn == 2).count(), 6, "{turns:?}");
        assert!(turns.windows(2).all(|two| two[0] != two[1] || two[0] != 2), "{turns:?}");
    }
}
