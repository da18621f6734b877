//! Owns [`Options`], what the command line asks for. Does nothing of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::systems::{Failure, Listed, Over, SYSTEMS};
use crate::workload::{CURRENT_THREAD, MULTI_THREAD, WORKLOADS, Workload};

pub(crate) const HELP: &str = "\
cargo run --release -p traitwire-benches --bin peers -- [options]
  --quick            2 short rounds of W1 to W5 with raw, tarpc-bincode and traitwire: within 50 s
  --only W2,W3       these workloads
  --open-loop 10000  also so many adds a second, each timed from when it is due; several rates with commas between
  --over tls,unix    the systems over these (tcp), of tcp, tls, unix, memory; or all
  --systems raw,...  these systems
  --runtime NAME     only current_thread, or only multi_thread
  --rounds N         so many rounds (5)
  --millis N         the time of one measurement (500)
  --anchors PYTHON   also grpcio, thrift and Pyro5 at W1, W2 and W5, as far as this Python has them
  --floors           what is to be reached, and whether it was
  --readme           figures and plots into README.md and docs/PERFORMANCE.md of this checkout
  --json FILE        a line for each metric
  --svg DIR          a plot for each runtime";

/// Options without a value.
const FLAGS: [&str; 3] = ["--quick", "--floors", "--readme"];

/// The runtimes that both processes of a measurement have.
pub(crate) const RUNTIMES: [&str; 2] = [CURRENT_THREAD, MULTI_THREAD];

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) systems: Vec<Listed>,
    pub(crate) runtimes: Vec<&'static str>,
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    pub(crate) anchors: Option<PathBuf>,
    pub(crate) floors: bool,
    pub(crate) readme: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn read(words: &[String]) -> Result<Self, Failure> {
        let is_set = |flag: &str| words.iter().any(|word| word == flag);
        let mut options = if is_set("--quick") { Self::quick() } else { Self::full() };
        options.floors = is_set("--floors");
        options.readme = is_set("--readme");
        let mut rates = Vec::new();
        let mut words = words.iter().filter(|word| !FLAGS.contains(&word.as_str()));
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} wants a value\n{HELP}"))?;
            match word.as_str() {
                "--only" => options.workloads = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--systems" => {
                    options.systems = value.split(',').map(str::parse).collect::<Result<_, _>>()?
                }
                "--open-loop" => rates = value.split(',').map(rate).collect::<Result<_, _>>()?,
                "--over" => options.systems = over(value)?,
                "--runtime" => options.runtimes = vec![runtime(value)?],
                "--rounds" => options.rounds = value.parse().map_err(|_| "--rounds wants a number")?,
                "--millis" => {
                    let millis = value.parse().map_err(|_| "--millis wants a number")?;
                    options.time = Duration::from_millis(millis);
                }
                "--anchors" => options.anchors = Some(value.into()),
                "--json" => options.json = Some(value.into()),
                "--svg" => options.svg = Some(value.into()),
                _ => return Err(format!("{word} is no option\n{HELP}").into()),
            }
        }
        options.workloads.extend(rates);
        if options.rounds == 0 || options.time.is_zero() {
            return Err("a measurement takes at least one round and a millisecond".into());
        }
        Ok(options)
    }

    fn full() -> Self {
        Self {
            workloads: WORKLOADS.to_vec(),
            systems: between(&[Over::Tcp]),
            runtimes: RUNTIMES.to_vec(),
            rounds: 5,
            time: Duration::from_millis(500),
            anchors: None,
            floors: false,
            readme: false,
            json: None,
            svg: None,
        }
    }

    fn quick() -> Self {
        let is_quick = |system: &Listed| ["raw", "traitwire", "tarpc-bincode"].contains(&system.name);
        Self {
            workloads: WORKLOADS[..5].to_vec(),
            systems: SYSTEMS.iter().copied().filter(is_quick).collect(),
            rounds: 2,
            time: Duration::from_millis(250),
            ..Self::full()
        }
    }
}

fn rate(number: &str) -> Result<Workload, Failure> {
    let rate = number.parse().ok().filter(|rate| (1..=1_000_000).contains(rate));
    Ok(Workload::open_loop(rate.ok_or("--open-loop wants rates from 1 to 1000000 a second")?))
}

/// All systems with one of these between their sides.
fn between(overs: &[Over]) -> Vec<Listed> {
    SYSTEMS.iter().copied().filter(|system| overs.contains(&system.over)).collect()
}

fn over(names: &str) -> Result<Vec<Listed>, Failure> {
    if names == "all" {
        return Ok(SYSTEMS.to_vec());
    }
    let overs: Vec<Over> = names.split(',').map(str::parse).collect::<Result<_, _>>()?;
    Ok(between(&overs))
}

fn runtime(name: &str) -> Result<&'static str, Failure> {
    let found = RUNTIMES.into_iter().find(|runtime| *runtime == name);
    found.ok_or_else(|| format!("no runtime is called {name}: {}", RUNTIMES.join(" or ")).into())
}
