//! The slow lane: frameworks of Python, client and server in processes of their own as everybody's, at W1, W2 and W5. Their
//! scripts are in `benches/anchors`. They are nobody's best peer; they tell how far away the others are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options::Options;
use crate::results::{Results, Row};
use crate::round::Server;
use crate::systems::{Failure, Listed, Over, Role};
use crate::workload::{PYTHON, Workload};

/// A framework, its script, and the package that it comes in.
struct Anchor {
    name: &'static str,
    script: &'static str,
    package: &'static str,
}

const ANCHORS: [Anchor; 3] = [
    Anchor { name: "grpcio", script: "grpc_anchor.py", package: "grpcio" },
    Anchor { name: "thrift", script: "thrift_anchor.py", package: "thrift" },
    Anchor { name: "pyro5", script: "pyro_anchor.py", package: "Pyro5" },
];

const WORKLOADS: [&str; 3] = ["W1", "W2", "W5"];

/// Measures all that are installed, and adds them to the results; says which are, and which are skipped and why.
pub(crate) fn measure(python: &Path, options: &Options, results: &mut Results) -> Result<String, Failure> {
    let mut told = Vec::new();
    let mut servers = Vec::new();
    for anchor in &ANCHORS {
        match anchor.version(python) {
            Ok(version) => {
                told.push(format!("{} {version}", anchor.name));
                servers.push(anchor.start(python)?);
            }
            Err(cause) => told.push(format!("{}: skipped: {cause}", anchor.name)),
        }
    }
    let mut rows = Vec::new();
    for name in WORKLOADS {
        let workload: Workload = name.parse()?;
        if !options.workloads.contains(&workload) {
            continue;
        }
        let first = rows.len();
        rows.extend(servers.iter().map(|(system, _)| Row::new(workload, PYTHON, *system)));
        for round in 0..options.rounds {
            for turn in 0..servers.len() {
                let at = (round + turn) % servers.len();
                let measured = servers[at].1.measure(workload, options.time, false)?;
                rows[first + at].rounds.push(measured);
            }
        }
    }
    results.rows.extend(rows);
    let note = "of these only grpcio shares a connection: the others have one for each caller";
    Ok(format!("anchors, by {}: {} ({note})", python.display(), told.join(", ")))
}

impl Anchor {
    /// The version that is installed.
    fn version(&self, python: &Path) -> Result<String, String> {
        let package = self.package;
        let ask = format!("import importlib.metadata as found; print(found.version('{package}'))");
        let output = Command::new(python).args(["-c", &ask]).output();
        let output = output.map_err(|error| format!("{}: {error}", python.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(format!("this Python has no {package}: make one that has (docs/PERFORMANCE.md)"))
    }

    fn start(&self, python: &Path) -> Result<(Listed, Server), Failure> {
        let system = Listed {
            name: self.name,
            framework: self.name,
            package: self.package,
            over: Over::Tcp,
            role: Role::Peer,
            streams: false,
            sharded: false,
            one_thread: false,
        };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("anchors").join(self.script);
        let words = |side: &str| vec![script.display().to_string(), side.to_owned()];
        let server = Server::start(system, PYTHON, python, &words("server"), words("client"))?;
        Ok((system, server))
    }
}
