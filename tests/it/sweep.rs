//! The sweep of the simulated network, two hundred seeds of it: see `sweep/` for what must hold.

use std::collections::BTreeMap;

use traitwire_tests::sweep::{Tally, run};

#[test]
fn whatever_happens_the_promises_hold() {
    let (mut tally, mut hits) = (Tally::default(), BTreeMap::<_, u64>::new());
    for seed in 0..200 {
        let run = run(seed).unwrap_or_else(|panic| panic!("seed {seed}: {panic}"));
        assert!(
            run.violations.is_empty(),
            "seed {seed}: {:#?}\n`cargo run --release -p traitwire-tests --bin sweep -- --seed {seed}` shows what happened",
            run.violations
        );
        tally.add(&run.tally);
        for (name, count) in &run.report.faults {
            *hits.entry(*name).or_default() += count.hits;
        }
    }
    // A sweep in which nothing happens shows nothing.
    assert!(hits.len() == 13 && hits.values().all(|&hits| hits >= 3), "{hits:?}");
    assert!(tally.started > 10_000 && tally.finished < tally.started, "{tally:#?}");
    assert!(tally.repeated > 100, "retries and hedges: {tally:#?}");
    assert!(tally.kept > 50 && tally.stale > 5, "answers that were kept: {tally:#?}");
    let ends = ["answered", "own error", "given up", "unavailable, unknown", "unavailable, not_sent"];
    assert!(ends.iter().all(|end| tally.ends.get(*end).is_some_and(|&count| count > 100)), "{tally:#?}");
}

#[test]
fn a_seed_repeats() {
    let told = |seed| {
        let run = run(seed).unwrap();
        format!("{}\n{:#?}", run.report, run.tally)
    };
    for seed in [3, 4, 5] {
        assert_eq!(told(seed), told(seed), "seed {seed}");
    }
}
