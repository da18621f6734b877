//! `cargo run -p traitwire-clean-build -- [--rounds N]`: builds the same minimal client and server with us, with tarpc and on a
//! bare tokio socket, each from nothing with `cargo build --release` in a folder of its own, by turns; tells the time of each,
//! the crates that were built and the size of the program, and runs what was built.
//!
//! What has to be fetched is fetched first, and counts for nobody. A machine with other work tells little: look at the ratios.
#![expect(clippy::print_stdout, reason = "a program that reports")]
#![expect(clippy::disallowed_methods, reason = "it takes the time of other processes")]

mod project;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::project::{PROJECTS, Project};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rounds = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 1,
        ["--rounds", rounds] => rounds.parse()?,
        _ => return Err("cargo run -p traitwire-clean-build -- [--rounds N]".into()),
    };
    let scratch = Scratch::make()?;
    let projects: Vec<_> =
        PROJECTS.iter().map(|source| Project::write(source, &scratch.0)).collect::<Result<_, _>>()?;
    let mut times = vec![Vec::new(); projects.len()];
    for round in 0..rounds {
        for turn in 0..projects.len() {
            let at = (round + turn) % projects.len();
            let began = Instant::now();
            projects[at].build()?;
            times[at].push(began.elapsed());
        }
    }
    let raw = median(&mut times[0]);
    println!("{:<12}{:>10}{:>8}{:>8}{:>14}", "", "build", "by raw", "crates", "program");
    for (project, times) in projects.iter().zip(&mut times) {
        let (time, crates, bytes) = (median(times), project.crates()?, project.run()?);
        let by_raw = time.as_secs_f64() / raw.as_secs_f64();
        let (time, kilobytes) = (format!("{:.1} s", time.as_secs_f64()), format!("{} KB", bytes / 1000));
        println!("{:<12}{time:>10}{by_raw:>8.2}{crates:>8}{kilobytes:>14}", project.name);
    }
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The folder of all projects, which goes when the program does.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("traitwire-clean-build-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of it harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
