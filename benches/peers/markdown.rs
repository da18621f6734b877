//! Results for documents: tables in Markdown, and the places in README.md and docs/PERFORMANCE.md where they stand. Draws
//! nothing (`svg`), and judges nothing (`floors`).

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::floors::{self, ELSEWHERE};
use crate::options::{Options, RUNTIMES};
use crate::report::short;
use crate::results::{Results, Row};
use crate::svg;
use crate::systems::{Failure, Listed, Over, Role};
use crate::workload::{Metric, PYTHON, Work};

/// Between these two lines a document's figures stand; what was there goes.
const BEGIN: &str = "<!-- figures: written by `peers -- --readme` -->";
const END: &str = "<!-- end of figures -->";

/// The plot that the README shows, and what it shows.
const SUMMARY: &str = "small_calls.svg";
const SMALL_CALLS: [&str; 4] = ["W2", "W3", "W4", "W5"];

/// Writes figures and plots into the documents of this checkout.
pub(crate) fn write(results: &Results, options: &Options, about: &[String; 2]) -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let plots = root.join("docs/plots");
    svg::write(results, &plots)?;
    let runtime = options.runtimes[0];
    svg::write_some(results, &plots.join(SUMMARY), runtime, &SMALL_CALLS)?;
    replace(&root.join("README.md"), &summary(results, options))?;
    replace(&root.join("docs/PERFORMANCE.md"), &full(results, options, about))
}

/// Puts figures between the two lines of a document.
fn replace(path: &Path, figures: &str) -> Result<(), Failure> {
    let named = |error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(named)?;
    let text = between(&text, figures)
        .ok_or_else(|| format!("{} has no line `{BEGIN}` with `{END}` after it", path.display()))?;
    Ok(fs::write(path, text).map_err(named)?)
}

fn between(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", figures.trim()))
}

/// The README's: one table and one plot, of the first runtime over TCP.
fn summary(results: &Results, options: &Options) -> String {
    let runtime = options.runtimes[0];
    let mut text = format!("![calls a second](docs/plots/{SUMMARY})\n\n");
    let _ = writeln!(
        text,
        "| | bare socket | traitwire | best peer | ÷ bare socket | ÷ best peer |\n|---|---|---|---|---|---|"
    );
    let is_ours = |row: &&Row| (row.runtime, row.system.over) == (runtime, Over::Tcp) && is_ours(row.system);
    for row in
        results.rows.iter().filter(is_ours).filter(|row| !matches!(row.workload.work, Work::OpenLoop(_)))
    {
        let raw = results.limit(row).map_or_else(|| "–".to_owned(), |raw| value(raw, 0));
        let peer = results.best_peer(row, 0);
        let peer =
            peer.map_or_else(|| "–".to_owned(), |peer| format!("{} ({})", value(peer, 0), peer.system.name));
        let what = format!("{}, {}", row.workload.what, unit(row, 0));
        let _ = writeln!(text, "| {what} | {raw} | {} | {peer} |{}", value(row, 0), ratios(results, row, 0));
    }
    text
}

/// Everything, for docs/PERFORMANCE.md.
fn full(results: &Results, options: &Options, about: &[String; 2]) -> String {
    let [machine, versions] = about;
    let millis = options.time.as_millis();
    let mut text = format!(
        "{machine}. {versions}. {} rounds of {millis} ms; medians, and ratios as medians of the rounds' ratios with the interval \
         that holds them nine times of ten.\n",
        options.rounds
    );
    for runtime in RUNTIMES.into_iter().chain([PYTHON]) {
        for over in Over::ALL {
            table(&mut text, results, runtime, over);
        }
    }
    costs(&mut text, results);
    judged(&mut text, results);
    text
}

/// A column for each system and a row for each metric that stands for something.
fn table(text: &mut String, results: &Results, runtime: &str, over: Over) {
    let rows: Vec<_> =
        results.rows.iter().filter(|row| (row.runtime, row.system.over) == (runtime, over)).collect();
    let mut systems: Vec<Listed> = Vec::new();
    for row in &rows {
        if !systems.iter().any(|system| system.name == row.system.name) {
            systems.push(row.system);
        }
    }
    let Some(first) = systems.first() else { return };
    let names: Vec<_> = systems.iter().map(|system| system.name).collect();
    let _ = writeln!(text, "\n### Both processes on `{runtime}`, over {}\n", over.name());
    let _ = writeln!(text, "| | {} | ÷ raw | ÷ best peer |", names.join(" | "));
    let _ = writeln!(text, "|---|{}---|---|", "---|".repeat(names.len()));
    let mut workloads: Vec<_> = rows.iter().map(|row| row.workload).collect();
    workloads.dedup();
    for workload in workloads {
        let of = |system: &Listed| {
            rows.iter().find(|row| row.workload == workload && row.system.name == system.name).copied()
        };
        let some = of(first).or_else(|| systems.iter().find_map(of));
        for nth in some.map(told).unwrap_or_default() {
            let cells: Vec<_> = systems
                .iter()
                .map(|system| of(system).map_or_else(|| "–".to_owned(), |row| value(row, nth)))
                .collect();
            let ours = systems.iter().filter(|system| is_ours(**system)).find_map(of);
            let ratios = ours.map_or_else(|| " – | – |".to_owned(), |row| ratios(results, row, nth));
            let what = some.map_or_else(String::new, |row| format!("{}, {}", workload.name, unit(row, nth)));
            let _ = writeln!(text, "| {what} | {} |{ratios}", cells.join(" | "));
        }
    }
}

/// CPU time and allocations of a call over TCP, where they can be said of one.
fn costs(text: &mut String, results: &Results) {
    let head =
        "| runtime | workload | system | CPU of a call, client + server, us | allocations, client + server |";
    let _ = writeln!(text, "\n### What a call costs\n\n{head}\n|---|---|---|---|---|");
    let small = |row: &&Row| ["W1-pinned", "W2", "W3", "W5"].contains(&row.workload.name);
    for row in results.rows.iter().filter(small).filter(|row| row.system.over == Over::Tcp) {
        let Some(cpu) = row.cpu_us() else { continue };
        let made = row
            .allocations
            .map_or_else(|| "–".to_owned(), |made| format!("{:.1} + {:.1}", made.client, made.server));
        let (runtime, workload, system) = (row.runtime, row.workload.name, row.system.name);
        let _ = writeln!(
            text,
            "| {runtime} | {workload} | {system} | {:.2} + {:.2} | {made} |",
            cpu.client, cpu.server
        );
    }
}

fn judged(text: &mut String, results: &Results) {
    let _ = writeln!(
        text,
        "\n### What is to be reached\n\nMissed, when the whole interval is on the wrong side; open, when it holds the floor.\n\n\
         | workload | runtime | what | floor | found | |\n|---|---|---|---|---|---|"
    );
    for one in floors::judge(results) {
        let found = format!("{:.2} ({:.2} – {:.2})", one.found.median, one.found.low, one.found.high);
        let (floor, verdict) = (one.floor.replace(">=", "≥").replace("<=", "≤"), one.verdict.to_lowercase());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {floor} | {found} | {verdict} |",
            one.workload, one.runtime, one.what
        );
    }
    for (what, floor, command) in ELSEWHERE {
        let _ = writeln!(text, "| – | – | {what} | {} | `{command}` | |", floor.replace("<=", "≤"));
    }
}

const fn is_ours(system: Listed) -> bool {
    matches!(system.role, Role::Ours) && !system.sharded
}

/// Which of a row's metrics a table tells.
fn told(row: &Row) -> Vec<usize> {
    let all = 0..row.workload.metrics().len();
    match row.workload.work {
        Work::OpenLoop(_) | Work::Beside(_) => all.collect(),
        _ => all.take(1).collect(),
    }
}

fn unit(row: &Row, nth: usize) -> String {
    match row.workload.metrics().get(nth) {
        Some(Metric::Median) => "p50, µs".to_owned(),
        Some(Metric::Tail) => "p99, µs".to_owned(),
        Some(Metric::FarTail) => "p99.9, µs".to_owned(),
        Some(metric) => metric.unit().to_owned(),
        None => String::new(),
    }
}

fn value(row: &Row, nth: usize) -> String {
    let median = row.spread(nth).median;
    if median.is_finite() { short(median) } else { "–".to_owned() }
}

/// The last two columns.
fn ratios(results: &Results, row: &Row, nth: usize) -> String {
    let by = |other: Option<&Row>| {
        let other = other?;
        let ratio = row.ratio(other, nth);
        ratio.median.is_finite().then_some((ratio, other.system.name))
    };
    let raw =
        by(results.limit(row)).map_or_else(|| "–".to_owned(), |(ratio, _)| format!("{:.2}", ratio.median));
    let peer = by(results.best_peer(row, nth)).map_or_else(
        || "–".to_owned(),
        |(ratio, name)| format!("{:.2} ({:.2}–{:.2}, {name})", ratio.median, ratio.low, ratio.high),
    );
    format!(" {raw} | {peer} |")
}

#[test]
fn figures_take_the_place_of_those_before() {
    let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
    let replaced = between(&text, "\nnew\n").expect("both lines are there");
    assert_eq!(replaced, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
    assert_eq!(between(&replaced, "new"), Some(replaced));
    assert_eq!(between("a\n", "new"), None);
}

#[test]
fn both_documents_have_a_place_for_figures() {
    for name in ["README.md", "docs/PERFORMANCE.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        let text = fs::read_to_string(&path).expect("it is in the checkout");
        assert!(between(&text, "").is_some(), "{name}");
    }
}
