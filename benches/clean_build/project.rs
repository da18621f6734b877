//! Owns [`Project`]: a package in a folder of its own, and what cargo makes of it. Takes no times.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// A package to be written: its name, its dependencies, its program.
pub(crate) struct Source {
    name: &'static str,
    dependencies: &'static str,
    program: &'static str,
}

/// The runtime that all of them need.
const TOKIO: &str =
    r#"tokio = { version = "1", features = ["io-util", "macros", "net", "rt-multi-thread"] }"#;

/// The same service, `add`, called once over TCP by a client in the same program; raw is the first.
pub(crate) const PROJECTS: &[Source] = &[
    Source { name: "raw", dependencies: "", program: include_str!("raw.rs.txt") },
    Source {
        name: "traitwire",
        // The path of this checkout stands for the braces.
        dependencies: r#"serde = { version = "1", features = ["derive"] }
traitwire = { path = "{}" }"#,
        program: include_str!("traitwire.rs.txt"),
    },
    Source {
        name: "tarpc",
        dependencies: r#"futures = "0.3"
serde = { version = "1", features = ["derive"] }
tarpc = { version = "=0.38.0", features = ["serde-transport", "serde-transport-bincode", "tcp", "tokio1"] }"#,
        program: include_str!("tarpc.rs.txt"),
    },
];

pub(crate) struct Project {
    pub(crate) name: &'static str,
    folder: PathBuf,
}

impl Project {
    /// Writes the package, and fetches what it depends on.
    pub(crate) fn write(source: &Source, scratch: &Path) -> Result<Self, Failure> {
        let Source { name, dependencies, program } = source;
        let folder = scratch.join(name);
        fs::create_dir_all(folder.join("src"))?;
        let runtime = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rpc-runtime");
        let dependencies = dependencies.replace("{}", runtime);
        let manifest = format!(
            "[package]\nname = \"minimal\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{TOKIO}\n{dependencies}\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/main.rs"), program)?;
        // The versions that this checkout is tested with, where it has them; cargo drops the rest.
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"), folder.join("Cargo.lock"))?;
        let this = Self { name, folder };
        this.cargo(&["fetch"])?;
        Ok(this)
    }

    /// Builds it from nothing.
    pub(crate) fn build(&self) -> Result<(), Failure> {
        let target = self.target();
        if target.exists() {
            fs::remove_dir_all(target)?;
        }
        self.cargo(&["build", "--release", "--offline"]).map(drop)
    }

    /// The crates that it is made of, itself and those that only its build needs included.
    pub(crate) fn crates(&self) -> Result<usize, Failure> {
        let tree =
            self.cargo(&["tree", "--offline", "--prefix", "none", "--no-dedupe", "--edges", "normal,build"])?;
        let mut crates: Vec<&str> = tree.lines().map(|line| line.trim_end_matches(" (proc-macro)")).collect();
        crates.sort_unstable();
        crates.dedup();
        Ok(crates.len())
    }

    /// Runs what was built, which ends well if its call does; says how large the program is.
    pub(crate) fn run(&self) -> Result<u64, Failure> {
        let program = self.target().join("release").join("minimal");
        let ended = Command::new(&program).status()?;
        if !ended.success() {
            return Err(format!("{}: its call failed: {ended}", self.name).into());
        }
        Ok(fs::metadata(program)?.len())
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn cargo(&self, words: &[&str]) -> Result<String, Failure> {
        let output = Command::new(env!("CARGO"))
            .args(words)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.target())
            .output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        Err(format!("{}: cargo {}: {}", self.name, words[0], String::from_utf8_lossy(&output.stderr)).into())
    }
}
