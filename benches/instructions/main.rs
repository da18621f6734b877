//! `cargo run --release -p traitwire-instructions -- [--keep]`: the instructions that one call takes, and one item of a
//! stream, client and server together, counted by valgrind's callgrind; beside what [`KEPT`] says, and by how much they
//! differ. `--keep` writes what was found there. Unlike times, the counts repeat on a machine that others use too.
//!
//! `-- run <what> <times>` does the work itself, for `valgrind --tool=callgrind` and its annotations.
#![expect(clippy::print_stdout, reason = "a program that reports")]

mod work;

use std::collections::BTreeMap;
use std::process::Command;

type Failure = Box<dyn std::error::Error>;

/// The table that is kept, beside this file.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kept.txt");

/// How often the work is done: once to know what the rest of the program costs, and once more often.
const TIMES: [u64; 2] = [2_000, 6_000];

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", what, times] => work::run(what, times.parse()?),
        [] => compare().map(drop),
        ["--keep"] => keep(&compare()?),
        _ => Err("cargo run --release -p traitwire-instructions -- [--keep]".into()),
    }
}

/// Counts and prints everything.
fn compare() -> Result<Vec<(&'static str, u64)>, Failure> {
    let kept = kept()?;
    println!("{:<24}{:>12}{:>12}{:>12}", "instructions", "kept", "now", "difference");
    let mut found = Vec::new();
    for what in work::ALL {
        let [some, more] = [counted(what, TIMES[0])?, counted(what, TIMES[1])?];
        let now = (more - some) / (TIMES[1] - TIMES[0]);
        let before = kept.get(what).copied();
        let told = before.map_or_else(|| "-".to_owned(), |before| before.to_string());
        let difference = before.map_or_else(String::new, |before| {
            format!("{:+.1} %", (now as f64 / before as f64 - 1.0) * 100.0)
        });
        println!("{what:<24}{told:>12}{now:>12}{difference:>12}");
        found.push((what, now));
    }
    Ok(found)
}

/// The instructions of a process that does the work so often.
fn counted(what: &str, times: u64) -> Result<u64, Failure> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["run", what, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind, which counts, cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&run.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let count = collected.and_then(|(_, count)| count.trim().parse().ok());
    count.filter(|_| run.status.success()).ok_or_else(|| format!("{what}: {said}").into())
}

fn kept() -> Result<BTreeMap<String, u64>, Failure> {
    let text = std::fs::read_to_string(KEPT)?;
    let rows = text.lines().filter_map(|line| line.rsplit_once(' '));
    rows.map(|(what, count)| Ok((what.trim().to_owned(), count.parse()?))).collect()
}

fn keep(found: &[(&str, u64)]) -> Result<(), Failure> {
    let rows: String = found.iter().map(|(what, count)| format!("{what:<24}{count:>12}\n")).collect();
    Ok(std::fs::write(KEPT, rows)?)
}
