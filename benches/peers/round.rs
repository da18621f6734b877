//! The comparison: rounds in which every system has its turn at every workload. Does not judge what comes out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::child::{Child, Used, numbers};
use crate::options::Options;
use crate::progress::Progress;
use crate::results::{Measured, Results, Row, Sides};
use crate::scratch::Scratch;
use crate::systems::{Failure, Listed};
use crate::workload::Workload;

/// One server of each system is up through all rounds of a runtime, idle unless it is its turn. Within a round and a
/// workload the systems run one after the other; who begins moves on with each round, and every other round runs
/// backwards, so that no system always follows the same one. Allocations are counted in a pass of their own.
pub(crate) fn compare(options: &Options) -> Result<Results, Failure> {
    let mut results = Results::default();
    let turns = options.runtimes.len() * options.workloads.len() * options.systems.len();
    let suit = |workload: &Workload| {
        let mut systems = options.systems.iter();
        systems.any(|&system| options.runtimes.iter().any(|runtime| workload.suits(system, runtime)))
    };
    if !options.workloads.iter().any(suit) {
        return Err("none of these systems can do any of these workloads".into());
    }
    let scratch = Scratch::make()?;
    let (program, folder) = (std::env::current_exe()?, scratch.folder().display().to_string());
    let mut progress = Progress::new(turns * (options.rounds + 1));
    for &runtime in &options.runtimes {
        let start = |&system: &Listed| {
            let words = |side: &str| vec![side.into(), system.name.into(), runtime.into(), folder.clone()];
            Server::start(system, runtime, &program, &words("server"), words("client"))
        };
        let is_asked = |system: &&Listed| options.workloads.iter().any(|of| of.suits(**system, runtime));
        let mut servers =
            options.systems.iter().filter(is_asked).map(start).collect::<Result<Vec<_>, _>>()?;
        let first = results.rows.len();
        for &workload in &options.workloads {
            let rows = options.systems.iter().filter(|system| workload.suits(**system, runtime));
            results.rows.extend(rows.map(|&system| Row::new(workload, runtime, system)));
        }
        for round in 0..=options.rounds {
            // The last one counts.
            let counts = round == options.rounds;
            for &workload in &options.workloads {
                for at in order(servers.len(), round) {
                    let server = &mut servers[at];
                    progress.next(&format!("{runtime} {} {}", workload.name, server.system.name));
                    let mut rows = results.rows[first..].iter_mut();
                    let of =
                        |row: &&mut Row| row.workload == workload && row.system.name == server.system.name;
                    let Some(row) = rows.find(of) else { continue };
                    let measured = server.measure(workload, options.time, counts)?;
                    if counts {
                        row.allocations = workload.is_uniform().then_some(measured.allocations);
                    } else {
                        row.rounds.push(measured);
                    }
                }
            }
        }
    }
    progress.end();
    Ok(results)
}

/// The order of so many systems in a round.
fn order(systems: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..systems).map(|turn| (round / 2 + turn) % systems).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// A server that is up, and how clients of it are started.
pub(crate) struct Server {
    child: Child,
    system: Listed,
    runtime: &'static str,
    program: PathBuf,
    /// What a client is told before its task.
    client: Vec<String>,
    address: String,
}

impl Server {
    /// Starts the program with these words as the server.
    pub(crate) fn start(
        system: Listed,
        runtime: &'static str,
        program: &Path,
        server: &[String],
        client: Vec<String>,
    ) -> Result<Self, Failure> {
        let blame = |cause: Failure| -> Failure {
            format!("{} on {runtime}: the server: {cause}", system.name).into()
        };
        let mut child = Child::start(program, server).map_err(blame)?;
        let address = child.hear("listening", Duration::ZERO).map_err(blame)?;
        Ok(Self { child, system, runtime, program: program.to_owned(), client, address })
    }

    pub(crate) fn measure(
        &mut self,
        workload: Workload,
        time: Duration,
        counts: bool,
    ) -> Result<Measured, Failure> {
        let (system, runtime) = (self.system.name, self.runtime);
        let measured = self.attempt(workload, time, counts);
        measured.map_err(|cause| {
            // A client whose server is gone can only say that its connection is.
            let end = self.child.end();
            let end = end.map_or_else(String::new, |end| format!("; the server died: {end}"));
            format!("{system} on {runtime}, {}: {cause}{end}", workload.name).into()
        })
    }

    fn attempt(&mut self, workload: Workload, time: Duration, counts: bool) -> Result<Measured, Failure> {
        // Counts settle sooner than times.
        let time = if counts { time / 2 } else { time * workload.length() };
        let warm_up = time * 2 / 5;
        let numbers = [warm_up.as_millis(), time.as_millis(), u128::from(counts)];
        let task = [workload.name, &self.address].map(str::to_owned).into_iter();
        let task = task.chain(numbers.map(|number| number.to_string()));
        let words: Vec<_> = self.client.iter().cloned().chain(task).collect();
        if counts {
            self.child.say("count")?;
        }
        if workload.pinned {
            self.child.say("pin")?;
        }
        let mut client = Child::start(&self.program, &words).map_err(from("client"))?;
        client.hear("begin", warm_up).map_err(from("client"))?;
        let before = self.child.used().map_err(from("server"))?;
        client.hear("end", time).map_err(from("client"))?;
        let served = self.child.used().map_err(from("server"))?.since(before);
        let result = client.hear("result", Duration::ZERO).map_err(from("client"))?;
        if counts {
            self.child.say("stop")?;
        }
        if workload.pinned {
            self.child.say("unpin")?;
        }
        measured(&result, served)
    }
}

fn from(side: &'static str) -> impl Fn(Failure) -> Failure {
    move |cause| format!("the {side}: {cause}").into()
}

/// What the client said, and the server's part.
fn measured(result: &str, served: Used) -> Result<Measured, Failure> {
    let numbers = numbers(result)?;
    let [operations, cpu_us, allocations, metrics @ ..] = &numbers[..] else {
        return Err("the client told too little".into());
    };
    let each = |client: f64, server: f64| Sides { client: client / operations, server: server / operations };
    Ok(Measured {
        metrics: metrics.to_vec(),
        cpu_us: each(*cpu_us, served.cpu_us),
        allocations: each(*allocations, served.allocations),
    })
}
