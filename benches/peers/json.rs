//! Results for machines: one line of JSON for each metric of a system at a workload. CPU time and allocations are those
//! of both sides together, of a call or an item; `null` where calls of two kinds share them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::results::{Results, Row, Sides, Spread};
use crate::systems::Failure;

#[derive(Serialize)]
struct Line {
    workload: &'static str,
    runtime: &'static str,
    system: &'static str,
    metric: &'static str,
    median: f64,
    min: f64,
    max: f64,
    unit: &'static str,
    cpu_us_per_call: Option<f64>,
    allocs_per_call: Option<f64>,
    by_raw: Option<Ratio>,
    by_best_peer: Option<Ratio>,
}

/// The median of the rounds' paired ratios, and the interval that holds it nine times of ten.
#[derive(Serialize)]
struct Ratio {
    /// To whom.
    system: &'static str,
    median: f64,
    low: f64,
    high: f64,
}

impl Ratio {
    fn of(row: &Row, to: Option<&Row>, nth: usize) -> Option<Self> {
        let to = to.filter(|to| to.system.name != row.system.name)?;
        let Spread { median, low, high } = row.ratio(to, nth);
        Some(Self { system: to.system.name, median, low, high })
    }
}

pub(crate) fn write(results: &Results, path: &Path) -> Result<(), Failure> {
    let mut file =
        BufWriter::new(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?);
    for row in &results.rows {
        for (nth, metric) in row.workload.metrics().iter().enumerate() {
            let spread = row.spread(nth);
            let line = Line {
                workload: row.workload.name,
                runtime: row.runtime,
                system: row.system.name,
                metric: metric.name(),
                median: spread.median,
                min: spread.low,
                max: spread.high,
                unit: metric.unit(),
                cpu_us_per_call: row.cpu_us().map(Sides::sum),
                allocs_per_call: row.allocations.map(Sides::sum),
                by_raw: Ratio::of(row, results.limit(row), nth),
                by_best_peer: Ratio::of(row, results.best_peer(row, nth), nth),
            };
            serde_json::to_writer(&mut file, &line)?;
            writeln!(file)?;
        }
    }
    file.flush()?;
    Ok(())
}
