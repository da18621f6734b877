//! `cargo run --release -p traitwire-tests --bin sweep -- [--seeds N] [--from N] | --seed N`: simulated networks with random
//! topologies, calls and faults, each from a seed, and what must hold whatever happens (`sweep/`). With `--seed` one of
//! them, and all that happened in it.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::collections::BTreeMap;

use traitwire_tests::sweep::{Tally, run};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| -> Option<u64> {
        arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)?.parse().ok())
    };
    if let Some(seed) = option("--seed") {
        let run = run(seed)?;
        println!("{}\n{:#?}", run.report, run.tally);
        return verdict(seed, &run.violations);
    }
    let (from, seeds) = (option("--from").unwrap_or(0), option("--seeds").unwrap_or(1_000));
    let (mut tally, mut hits, mut seconds) = (Tally::default(), BTreeMap::<_, u64>::new(), 0.0);
    for seed in from..from + seeds {
        let run = run(seed).map_err(|panic| format!("seed {seed} panicked: {panic}"))?;
        verdict(seed, &run.violations)?;
        tally.add(&run.tally);
        seconds += run.report.elapsed.as_secs_f64();
        for (name, count) in &run.report.faults {
            *hits.entry(*name).or_default() += count.hits;
        }
    }
    println!("{seeds} seeds from {from}, {:.1} simulated hours", seconds / 3_600.0);
    println!("faults that hit: {hits:?}\n{tally:#?}\neverything held");
    Ok(())
}

fn verdict(seed: u64, violations: &[String]) -> Result<(), String> {
    if violations.is_empty() {
        return Ok(());
    }
    violations.iter().take(20).for_each(|violation| println!("{violation}"));
    Err(format!("seed {seed}: {} violations; `--seed {seed}` shows what happened", violations.len()))
}
