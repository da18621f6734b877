//! Owns [`Tokens`]: gRPC's form of a budget, which pays retries with successes. Pure, and without a clock.

/// A budget that allows retries while more than half of its tokens are left: each failure takes one, each success brings a
/// part of one back. (gRFC A6, "Throttling retry attempts and hedged RPCs".)
#[derive(Debug)]
pub(super) struct Tokens {
    left: f64,
}

impl Tokens {
    pub(super) const fn new(most: f64) -> Self {
        Self { left: most }
    }

    /// A call has got its answer.
    pub(super) fn succeeded(&mut self, most: f64, ratio: f64) {
        self.left = (self.left + ratio).min(most);
    }

    /// An attempt has failed in a way that another one may mend.
    pub(super) fn failed(&mut self) {
        self.left = (self.left - 1.0).max(0.0);
    }

    /// Whether another attempt may be made.
    pub(super) fn allow(&self, most: f64) -> bool {
        self.left > most / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_tokens_are_there_to_be_failed_away() {
        let mut tokens = Tokens::new(10.0);
        for _ in 0..4 {
            tokens.failed();
            assert!(tokens.allow(10.0));
        }
        tokens.failed();
        assert!(!tokens.allow(10.0));
        for _ in 0..100 {
            tokens.failed();
        }
        for _ in 0..50 {
            assert!(!tokens.allow(10.0));
            tokens.succeeded(10.0, 0.1);
        }
        tokens.succeeded(10.0, 0.1);
        assert!(tokens.allow(10.0));
        for _ in 0..1_000 {
            tokens.succeeded(10.0, 0.1);
        }
        assert!((tokens.left - 10.0).abs() < f64::EPSILON);
    }
}
