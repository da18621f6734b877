//! `cargo run -p traitwire-tests --bin balancing -- [--seed N] [--rate N] [--svg PATH]`: all algorithms under the same load, in the
//! simulated network: ten servers that are alike, one that becomes ten times as slow, one that fails at once. Prints the table of
//! docs/BALANCING.md, and draws its plot. An error if the default does not keep what is promised: a share of the slow one below 3 %
//! after two seconds, and a p99 of at most 1.5 times that without it.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use traitwire::balance::{Algorithm, Balance};
use traitwire_tests::fleet::{Called, Fleet, WorkClient, between, percentile, shares};

const SERVERS: u32 = 10;
const WARM_UP: Duration = Duration::from_secs(3);
const TIME: Duration = Duration::from_secs(20);
/// Which server something is wrong with.
const ODD: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum What {
    Alike,
    Slow,
    Broken,
}

struct Row {
    name: &'static str,
    alike: [Duration; 2],
    slow: [Duration; 2],
    slow_share: f64,
    failed: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).cloned()
    };
    let seed = after("--seed").map_or(Ok(1), |text| text.parse())?;
    let rate = after("--rate").map_or(Ok(500.0), |text| text.parse())?;
    println!(
        "| | alike: p50 | p99 | one slow: p50 | p99 | its share | one broken: failed |\n|---|---|---|---|---|---|---|"
    );
    let mut rows = Vec::new();
    for &algorithm in Algorithm::ALL {
        let [alike, slow, broken] =
            [What::Alike, What::Slow, What::Broken].map(|what| run(seed, rate, algorithm, what));
        let both = |calls: &[Called]| [0.5, 0.99].map(|part| percentile(calls, part));
        let later = between(&slow, Duration::from_secs(2), TIME);
        let failed = broken.iter().filter(|call| call.end.is_err()).count() as f64 / broken.len() as f64;
        let slow_share = shares(&later, SERVERS as usize)[ODD];
        let row = Row { name: algorithm.name(), alike: both(&alike), slow: both(&slow), slow_share, failed };
        let ([p50, p99], [slow_p50, slow_p99]) = (row.alike, row.slow);
        let (share, failed) = (100.0 * row.slow_share, 100.0 * row.failed);
        println!(
            "| `{}` | {p50:?} | {p99:?} | {slow_p50:?} | {slow_p99:?} | {share:.2} % | {failed:.2} % |",
            row.name
        );
        rows.push(row);
    }
    if let Some(path) = after("--svg") {
        std::fs::write(path, plot(&rows))?;
    }
    let usual = &rows[0];
    if usual.slow_share >= 0.03 || usual.slow[1].as_secs_f64() > 1.5 * usual.alike[1].as_secs_f64() {
        return Err("the default does not keep what is promised of a slow endpoint".into());
    }
    Ok(())
}

/// One load, in a runtime and a network of its own.
fn run(seed: u64, rate: f64, algorithm: Algorithm, what: What) -> Vec<Called> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(async {
        let fleet = Fleet::new(seed, SERVERS);
        // Without ejection, so that it is the algorithm that is seen.
        let client = WorkClient::new(fleet.channel(Balance::by(algorithm).no_ejection()));
        fleet.load(&client, rate, WARM_UP).await;
        match what {
            What::Alike => {}
            What::Slow => fleet.places[ODD].slowness.store(10, Ordering::SeqCst),
            What::Broken => fleet.places[ODD].is_broken.store(true, Ordering::SeqCst),
        }
        fleet.load(&client, rate, TIME).await
    })
}

/// Two bars for each algorithm: p99 where all are alike, and where one is slow.
fn plot(rows: &[Row]) -> String {
    let longest = rows.iter().flat_map(|row| [row.alike[1], row.slow[1]]).max().unwrap_or_default();
    let width = |time: Duration| 420.0 * time.as_secs_f64() / longest.as_secs_f64().max(1e-9);
    let height = 60 + rows.len() * 44;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"720\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"24\" font-weight=\"bold\">p99: ten alike (grey), one of them ten times as slow (blue)</text>\n"
    );
    for (nth, row) in rows.iter().enumerate() {
        let y = 44 + nth * 44;
        let bars = [(row.alike[1], "#b8b8b8", 0), (row.slow[1], "#3b6ea5", 17)];
        let _ = writeln!(svg, "<text x=\"16\" y=\"{}\">{}</text>", y + 21, row.name);
        for (time, colour, down) in bars {
            let (wide, top) = (width(time), y + down);
            let (end, middle) = (196.0 + wide, top + 12);
            let _ = writeln!(
                svg,
                "<rect x=\"190\" y=\"{top}\" width=\"{wide:.1}\" height=\"15\" fill=\"{colour}\"/>\
                 <text x=\"{end:.1}\" y=\"{middle}\" font-size=\"11\">{time:?}</text>"
            );
        }
    }
    svg + "</svg>\n"
}
