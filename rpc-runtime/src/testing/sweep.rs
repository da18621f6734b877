//! Owns [`sweep`]: one test with many seeds. Does not know what the test does.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tokio::runtime::Builder;

use crate::testing::network::Network;

/// Runs a test once for each seed, each time in a network, a runtime and a time of its own.
///
/// The first seed that fails is printed, and ends it. To run one seed alone set `TRAITWIRE_SEED` to it.
///
/// ```
/// use traitwire::testing::{Network, sweep};
///
/// # #[allow(unused)]
/// // With #[test] on it:
/// fn it_holds_whatever_the_seed() {
///     sweep(0..200, async |network: Network| {
///         let mut dice = network.dice();
///         assert!(dice.below(6) < 6);
///     });
/// }
/// # it_holds_whatever_the_seed();
/// ```
///
/// # Panics
///
/// As the test does.
pub fn sweep(seeds: impl IntoIterator<Item = u64>, test: impl AsyncFn(Network)) {
    let only = std::env::var("TRAITWIRE_SEED").ok().and_then(|seed| seed.parse().ok());
    match only {
        Some(seed) => one(seed, &test),
        None => seeds.into_iter().for_each(|seed| one(seed, &test)),
    }
}

fn one(seed: u64, test: &impl AsyncFn(Network)) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("there is no runtime to be had: {error}"));
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { test(Network::seeded(seed)).await });
    }));
    if let Err(panic) = ended {
        #[expect(clippy::print_stderr, reason = "a seed that fails must be known")]
        {
            eprintln!("seed {seed} fails; to repeat it alone: TRAITWIRE_SEED={seed}");
        }
        resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn each_seed_runs_and_the_first_that_fails_ends_it() {
        let ran = AtomicU64::new(0);
        let failed = catch_unwind(AssertUnwindSafe(|| {
            sweep(0..10, async |network| {
                ran.fetch_add(1, Ordering::SeqCst);
                assert_ne!(network.report().seed, 6, "on purpose");
            });
        }));
        let message = failed.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("on purpose") && ran.load(Ordering::SeqCst) == 7, "{message}");
    }
}
