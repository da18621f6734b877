//! `cargo run --release -p traitwire-benches --bin peers -- --help`: traitwire beside its peers and beside the limit,
//! client and server in processes of their own over loopback TCP, or over what `--over` says, the systems by turns. Prints
//! tables; `--json` and `--svg` write files.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "it measures and tells"
)]

mod anchors;
mod child;
mod count;
mod floors;
mod json;
mod load;
mod machine;
mod markdown;
mod options;
mod pace;
mod pin;
mod progress;
mod report;
mod results;
mod round;
mod scratch;
mod svg;
mod systems;
mod workload;

use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::load::Task;
use crate::options::Options;
use crate::systems::{Failure, Listed, Over, Place, SHARDS, System, with_system};
use crate::workload::CURRENT_THREAD;

#[global_allocator]
static ALLOCATOR: traitwire_allocations::Counting = traitwire_allocations::Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["server", system, runtime, folder] => {
            child::obey();
            serve(system, runtime, folder).unwrap_or_else(|cause| child::give_up(&cause));
            Ok(())
        }
        ["client", system, runtime, folder, task @ ..] => {
            child::obey();
            load(system, runtime, folder, task).unwrap_or_else(|cause| child::give_up(&cause));
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
    let mut results = round::compare(&options)?;
    let [machine, mut versions] = machine::describe(&options.systems);
    if let Some(python) = &options.anchors {
        let told = anchors::measure(python, &options, &mut results)?;
        versions = format!("{versions}\n{told}");
    }
    let about = [machine, versions];
    println!("{}", report::text(&results, &options, &about));
    if options.floors {
        println!("{}", floors::text(&results));
    }
    if let Some(path) = &options.json {
        json::write(&results, path)?;
    }
    if options.readme {
        markdown::write(&results, &options, &about)?;
    }
    if let Some(folder) = &options.svg {
        svg::write(&results, folder)?;
    }
    Ok(())
}

fn runtime(name: &str, sharded: bool) -> std::io::Result<Runtime> {
    // Where there are shards, the rest is no work for more than one thread.
    if sharded || name == CURRENT_THREAD {
        return Builder::new_current_thread().enable_all().build();
    }
    Builder::new_multi_thread().worker_threads(SHARDS).enable_all().build()
}

fn place(system: Listed, folder: &str) -> Place {
    Place { over: system.over, folder: folder.into(), sharded: system.sharded }
}

fn serve(system: &str, name: &str, folder: &str) -> Result<(), Failure> {
    let system: Listed = system.parse()?;
    let place = place(system, folder);
    let listening = |address: &str| println!("listening {address}");
    // Spawned, so that it runs on the runtime's threads.
    let runtime = runtime(name, system.sharded)?;
    if place.over == Over::Memory {
        // The server is where the client is.
        listening("-");
        runtime.block_on(std::future::pending::<()>());
    }
    with_system!(system.framework, S => {
        runtime.block_on(runtime.spawn(async move { S::serve(&place, listening).await }))?
    })
}

fn load(system: &str, name: &str, folder: &str, task: &[&str]) -> Result<(), Failure> {
    let [workload, address, warm_up, time, counts] = task else {
        return Err("a client wants workload, address, warm-up, time and whether it counts".into());
    };
    let system: Listed = system.parse()?;
    let task = Task {
        workload: workload.parse()?,
        place: place(system, folder),
        address: (*address).to_owned(),
        warm_up: Duration::from_millis(warm_up.parse()?),
        time: Duration::from_millis(time.parse()?),
        counts: *counts == "1",
    };
    if task.workload.pinned {
        // Before the runtime has threads: they inherit it.
        pin::to_one()?;
    }
    let runtime = runtime(name, system.sharded)?;
    with_system!(system.framework, S => runtime.block_on(runtime.spawn(load::run::<S>(task)))?)
}
