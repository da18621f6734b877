//! Results as plots: a file for each runtime and each way between both sides, in it a block for each workload and a bar for each system. Shows what
//! stands for a workload only; the rest is in the tables.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::report::short;
use crate::results::{Results, Row};
use crate::systems::{Failure, Over, Role};
use crate::workload::Metric;

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 120.0;
const LONGEST: f64 = 470.0;
const LINE: f64 = 17.0;
const TITLE: f64 = 30.0;

/// The limit is grey, ours stands out, peers are alike.
const fn colour(role: Role) -> &'static str {
    match role {
        Role::Limit => "#9a9a9a",
        Role::Ours => "#d9480f",
        Role::Peer => "#4a7ab5",
    }
}

pub(crate) fn write(results: &Results, folder: &Path) -> Result<(), Failure> {
    let named = |error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(named)?;
    let mut plots: Vec<_> = results.rows.iter().map(|row| (row.runtime, row.system.over)).collect();
    plots.sort_by_key(|&(runtime, over)| (runtime, over.name()));
    plots.dedup();
    for (runtime, over) in plots {
        let over_what = if over == Over::Tcp { String::new() } else { format!("-{}", over.name()) };
        let path = folder.join(format!("{runtime}{over_what}.svg"));
        let of = |row: &&Row| (row.runtime, row.system.over) == (runtime, over);
        fs::write(path, plot(results, results.rows.iter().filter(of))).map_err(named)?;
    }
    Ok(())
}

/// One plot of these workloads, over TCP.
pub(crate) fn write_some(
    results: &Results,
    path: &Path,
    runtime: &str,
    workloads: &[&str],
) -> Result<(), Failure> {
    let of = |row: &&Row| {
        let is_there = (row.runtime, row.system.over) == (runtime, Over::Tcp);
        is_there && workloads.contains(&row.workload.name)
    };
    let drawn = plot(results, results.rows.iter().filter(of));
    Ok(fs::write(path, drawn).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn plot<'r>(results: &'r Results, rows: impl Iterator<Item = &'r Row>) -> String {
    let mut bars = String::new();
    let mut y = 0.0;
    let mut workload = "";
    for row in rows {
        if row.workload.name != workload {
            workload = row.workload.name;
            y += TITLE;
            let title = title(row);
            let _ = writeln!(bars, r#"<text x="8" y="{}" font-weight="bold">{title}</text>"#, y - 6.0);
        }
        bar(&mut bars, results, row, y);
        y += LINE;
    }
    let height = y + 8.0;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" fill="#222">
<rect width="100%" height="100%" fill="#fff"/>
{bars}</svg>
"##
    )
}

fn title(row: &Row) -> String {
    let metric = match row.workload.metrics() {
        [Metric::Tail, ..] => "p99 of the adds in us, less is better",
        [first, ..] => first.unit(),
        [] => "",
    };
    format!("{}: {} ({metric})", row.workload.name, row.workload.what)
}

/// One bar with its name, its value, and a line from the least to the most.
fn bar(bars: &mut String, results: &Results, row: &Row, y: f64) {
    let most = results.beside(row).map(|row| row.spread(0).high).fold(0.0, f64::max);
    let spread = row.spread(0);
    if !spread.median.is_finite() || most <= 0.0 {
        return;
    }
    let x = |value: f64| LEFT + LONGEST * value / most;
    let name = row.system.name;
    let colour = colour(row.system.role);
    let (middle, text) = (y + LINE / 2.0, y + LINE - 5.0);
    let _ = writeln!(bars, r#"<text x="{}" y="{text}" text-anchor="end">{name}</text>"#, LEFT - 6.0);
    let (length, thick) = (x(spread.median) - LEFT, LINE - 4.0);
    let _ = writeln!(
        bars,
        r#"<rect x="{LEFT}" y="{}" width="{length:.1}" height="{thick}" fill="{colour}"/>"#,
        y + 2.0
    );
    let (low, high) = (x(spread.low), x(spread.high));
    let _ = writeln!(bars, r##"<path d="M{low:.1} {middle}H{high:.1}" stroke="#222"/>"##);
    let _ = writeln!(bars, r#"<text x="{:.1}" y="{text}">{}</text>"#, high + 6.0, short(spread.median));
}
