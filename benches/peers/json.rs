//! Results for machines: one line of JSON for each metric of a system at a workload. CPU time and allocations are those
//! of both sides together, of a call or an item; `null` where calls of two kinds share them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::results::{Results, Sides};
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
            };
            serde_json::to_writer(&mut file, &line)?;
            writeln!(file)?;
        }
    }
    file.flush()?;
    Ok(())
}
