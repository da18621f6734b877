//! Owns [`Options`], what the command line asks for. Does nothing of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::systems::{Failure, LIMIT, Listed, OURS, SYSTEMS};
use crate::workload::{WORKLOADS, Workload};

pub(crate) const HELP: &str = "\
cargo run --release -p traitwire-benches --bin peers -- [options]
  --quick            2 short rounds of W1 to W5 with raw, tarpc-bincode and traitwire: within 50 s
  --only W2,W3       these workloads
  --systems raw,...  these systems
  --runtime NAME     only current_thread, or only multi_thread
  --rounds N         so many rounds (5)
  --millis N         the time of one measurement (500)
  --json FILE        a line for each metric
  --svg DIR          a plot for each runtime";

/// The runtimes that both processes of a measurement have.
pub(crate) const RUNTIMES: [&str; 2] = ["current_thread", "multi_thread"];

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) systems: Vec<Listed>,
    pub(crate) runtimes: Vec<&'static str>,
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn read(words: &[String]) -> Result<Self, Failure> {
        let quick = words.iter().any(|word| word == "--quick");
        let mut options = if quick { Self::quick() } else { Self::full() };
        let mut words = words.iter().filter(|word| *word != "--quick");
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} wants a value\n{HELP}"))?;
            match word.as_str() {
                "--only" => options.workloads = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--systems" => options.systems = value.split(',').map(system).collect::<Result<_, _>>()?,
                "--runtime" => options.runtimes = vec![runtime(value)?],
                "--rounds" => options.rounds = value.parse().map_err(|_| "--rounds wants a number")?,
                "--millis" => {
                    let millis = value.parse().map_err(|_| "--millis wants a number")?;
                    options.time = Duration::from_millis(millis);
                }
                "--json" => options.json = Some(value.into()),
                "--svg" => options.svg = Some(value.into()),
                _ => return Err(format!("{word} is no option\n{HELP}").into()),
            }
        }
        if options.rounds == 0 || options.time.is_zero() {
            return Err("a measurement takes at least one round and a millisecond".into());
        }
        Ok(options)
    }

    fn full() -> Self {
        Self {
            workloads: WORKLOADS.to_vec(),
            systems: SYSTEMS.to_vec(),
            runtimes: RUNTIMES.to_vec(),
            rounds: 5,
            time: Duration::from_millis(500),
            json: None,
            svg: None,
        }
    }

    fn quick() -> Self {
        let is_quick = |system: &Listed| [LIMIT, OURS, "tarpc-bincode"].contains(&system.name);
        Self {
            workloads: WORKLOADS[..5].to_vec(),
            systems: SYSTEMS.iter().copied().filter(is_quick).collect(),
            rounds: 2,
            time: Duration::from_millis(250),
            ..Self::full()
        }
    }
}

fn system(name: &str) -> Result<Listed, Failure> {
    let found = SYSTEMS.iter().copied().find(|system| system.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = SYSTEMS.iter().map(|system| system.name).collect();
        format!("no system is called {name}: there are {}", names.join(", ")).into()
    })
}

fn runtime(name: &str) -> Result<&'static str, Failure> {
    let found = RUNTIMES.into_iter().find(|runtime| *runtime == name);
    found.ok_or_else(|| format!("no runtime is called {name}: {}", RUNTIMES.join(" or ")).into())
}
