//! Results for people: a table for each workload and runtime. Judges nothing: what is to be reached stands elsewhere.

use std::fmt::Write;

use crate::options::Options;
use crate::results::{Results, Row, Sides, Spread};
use crate::workload::Metric;

/// What columns mean, once.
const LEGEND: &str = "\
Each value: median (least - most) of the rounds. A ratio is the median of the rounds' ratios, with the interval that
holds it nine times of ten: all of them below 8 rounds, and less sure below 5. CPU time and allocations are those of
one call or item, client + server; allocations are counted in a pass of their own. MB/s weigh a body once for its way
there and back.";

pub(crate) fn text(results: &Results, options: &Options, about: &[String; 2]) -> String {
    let mut text = about.join("\n");
    let millis = options.time.as_millis();
    let _ = writeln!(text, "\n{} rounds of {millis} ms, the systems by turns\n{LEGEND}", options.rounds);
    for row in &results.rows {
        let is_first = results.beside(row).next().is_some_and(|first| first.system.name == row.system.name);
        for nth in (0..row.sorts()).filter(|_| is_first) {
            let metric = row.workload.metrics().get(nth).copied();
            let _ = writeln!(text, "\n{}", heading(row, metric));
            let unit = metric.map_or("us", Metric::unit);
            let (cpu, allocations) = if nth == 0 { ("CPU us", "allocations") } else { ("", "") };
            let (limit, peer) = ("by raw", "by the best peer");
            let head = format!("{unit:>45}{limit:>22}{peer:>32}{cpu:>18}{allocations:>17}");
            let _ = writeln!(text, "{}", head.trim_end());
            for system in results.beside(row) {
                let _ = writeln!(text, "{}", line(results, system, nth).trim_end());
            }
        }
    }
    text
}

fn heading(row: &Row, metric: Option<Metric>) -> String {
    let what = match metric {
        Some(Metric::Median) => ", median of the adds' times",
        Some(Metric::Tail) => ", 99th percentile of the adds' times",
        Some(Metric::FarTail) => ", 99.9th percentile of the adds' times",
        Some(Metric::Bytes) if !row.workload.is_uniform() => ", the bulk",
        Some(_) => "",
        None => ", CPU time of one on both sides",
    };
    let over = row.system.over.name();
    format!("{} ({}, {over}): {}{what}", row.workload.name, row.runtime, row.workload.what)
}

fn line(results: &Results, row: &Row, nth: usize) -> String {
    let value = row.spread(nth);
    let value = format!("{} ({} - {})", short(value.median), short(value.low), short(value.high));
    let other = |other: &&Row| other.system.name != row.system.name;
    let limit =
        results.limit(row).filter(other).map_or_else(String::new, |limit| ratio(row.ratio(limit, nth)));
    let peer = results.best_peer(row, nth).filter(other);
    let peer = peer.map_or_else(String::new, |peer| {
        let name = peer.system.name.split('-').next().unwrap_or_default();
        format!("{name} {}", ratio(row.ratio(peer, nth)))
    });
    // Once for each workload.
    let told = nth == 0;
    let cpu = sides(row.cpu_us().filter(|_| told));
    let allocations = sides(row.allocations.filter(|_| told));
    format!("{:<18}{value:>27}{limit:>22}{peer:>32}{cpu:>18}{allocations:>17}", row.system.name)
}

fn ratio(spread: Spread) -> String {
    // Far from one, hundredths say nothing.
    let digits = if spread.high < 10.0 { 2 } else { 0 };
    format!("{:.digits$} ({:.digits$} - {:.digits$})", spread.median, spread.low, spread.high)
}

fn sides(sides: Option<Sides>) -> String {
    let short = |value: f64| if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    sides.map_or_else(String::new, |sides| format!("{} + {}", short(sides.client), short(sides.server)))
}

/// Three digits.
pub(crate) fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 999_500.0 => (value / 1e6, "M"),
        value if value >= 9_995.0 => (value / 1e3, "k"),
        value => (value, ""),
    };
    match value {
        value if value >= 99.95 => format!("{value:.0}{unit}"),
        value if value >= 9.995 => format!("{value:.1}{unit}"),
        value => format!("{value:.2}{unit}"),
    }
}
