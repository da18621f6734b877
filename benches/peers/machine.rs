//! What the figures were measured on and with. Measures nothing itself.

use std::fs::read_to_string;
use std::process::Command;

use crate::systems::Listed;

const LOCK: &str = include_str!("../../Cargo.lock");

/// A line about the machine, and one about the versions.
pub(crate) fn describe(systems: &[Listed]) -> [String; 2] {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let machine = format!(
        "{}, {cores} cores (allowed: {}), Linux {}, TCP {}, {}",
        field("/proc/cpuinfo", "model name"),
        field("/proc/self/status", "Cpus_allowed_list"),
        line("/proc/sys/kernel/osrelease"),
        line("/proc/sys/net/ipv4/tcp_congestion_control"),
        said("rustc", &["--version"]),
    );
    let mut versions: Vec<_> =
        systems.iter().map(|system| format!("{} {}", system.package, version(system.package))).collect();
    if cfg!(not(capnp)) {
        versions.push(
            "capnp skipped (it needs `--features capnp`, and its compiler `capnp` on the path)".to_owned(),
        );
    }
    versions.sort_unstable();
    versions.dedup();
    (machine, format!("{} (commit {})", versions.join(", "), said("git", &["rev-parse", "--short", "HEAD"])))
        .into()
}

/// The version of a package, as the lock file says.
fn version(package: &str) -> &'static str {
    let named = format!("name = \"{package}\"\nversion = \"");
    let found = LOCK.split_once(&named).and_then(|(_, rest)| rest.split('"').next());
    found.unwrap_or("?")
}

fn field(path: &str, name: &str) -> String {
    let text = read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or_else(|| "?".to_owned(), |line| line.trim_start_matches([' ', '\t', ':']).to_owned())
}

fn line(path: &str) -> String {
    read_to_string(path).map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
}

fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map_or_else(|_| "?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
