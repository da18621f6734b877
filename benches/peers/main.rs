//! `cargo run --release -p traitwire-benches --bin peers -- --help`: traitwire beside its peers and beside the limit,
//! client and server in processes of their own over loopback TCP, the systems by turns. Prints tables; `--json` and
//! `--svg` write files.
//!
//! `taskset -c 0 cargo run …` pins all processes to one core: there a call that is alone costs what the framework costs,
//! not what waking another core does.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "it measures and tells"
)]

mod child;
mod count;
mod json;
mod load;
mod machine;
mod options;
mod progress;
mod report;
mod results;
mod round;
mod svg;
mod systems;
mod workload;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::load::Task;
use crate::options::Options;
use crate::systems::{Failure, System, with_system};

#[global_allocator]
static ALLOCATOR: traitwire_allocations::Counting = traitwire_allocations::Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["server", system, runtime] => {
            child::obey();
            serve(system, runtime).unwrap_or_else(|cause| child::give_up(&cause));
            Ok(())
        }
        ["client", system, runtime, task @ ..] => {
            child::obey();
            load(system, runtime, task).unwrap_or_else(|cause| child::give_up(&cause));
            Ok(())
        }
        words if words.contains(&"--help") => {
            println!("{}", options::HELP);
            Ok(())
        }
        _ => compare(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("{cause}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &[String]) -> Result<(), Failure> {
    let options = Options::read(arguments)?;
    let results = round::compare(&options)?;
    println!("{}", report::text(&results, &options, &machine::describe(&options.systems)));
    if let Some(path) = &options.json {
        json::write(&results, path)?;
    }
    if let Some(folder) = &options.svg {
        svg::write(&results, folder)?;
    }
    Ok(())
}

fn runtime(name: &str) -> std::io::Result<Runtime> {
    match name {
        "current_thread" => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    }
}

fn serve(system: &str, name: &str) -> Result<(), Failure> {
    let listening = |address: SocketAddr| println!("listening {address}");
    // Spawned, so that it runs on the runtime's threads.
    let runtime = runtime(name)?;
    with_system!(system, S => runtime.block_on(runtime.spawn(S::serve(listening)))?)
}

fn load(system: &str, name: &str, task: &[&str]) -> Result<(), Failure> {
    let [workload, address, warm_up, time, counts] = task else {
        return Err("a client wants workload, address, warm-up, time and whether it counts".into());
    };
    let task = Task {
        workload: workload.parse()?,
        address: address.parse()?,
        warm_up: Duration::from_millis(warm_up.parse()?),
        time: Duration::from_millis(time.parse()?),
        counts: *counts == "1",
    };
    let runtime = runtime(name)?;
    with_system!(system, S => runtime.block_on(runtime.spawn(load::run::<S>(task)))?)
}
