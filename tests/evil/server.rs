//! Owns [`Program`]: a process under attack, its memory and what it says of itself; and [`Server`], the one that listens.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A process under attack.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) child: Child,
    said: PathBuf,
}

impl Program {
    /// Starts it; `shell` is what a shell does first.
    pub(crate) fn start(name: &str, shell: &str, options: &[&str]) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let said = std::env::temp_dir().join(format!("traitwire-evil-{}-{number}", std::process::id()));
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{shell} exec \"$0\" \"$@\"")).arg(path(name)).args(options);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        Self { child, said }
    }

    /// A line of `/proc/PID/status` in KiB.
    fn status(&self, key: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What it holds now, in KiB.
    pub(crate) fn resident(&self) -> usize {
        self.status("VmRSS:")
    }

    /// The most that it has held since this was [forgotten](Self::forget_peak), in KiB.
    pub(crate) fn peak(&self) -> usize {
        self.status("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The processor time that it has used, in hundredths of a second.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let behind_name = stat.rsplit_once(')').unwrap().1;
        behind_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// What it has said on its standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.said);
    }
}

/// Where a program of this package is.
fn path(name: &str) -> PathBuf {
    match std::env::var_os("TRAITWIRE_EVIL_BIN") {
        Some(folder) => {
            // Tests run in the folder of their package.
            let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
            root.join(folder).join(name)
        }
        None if name == "conformance-server" => env!("CARGO_BIN_EXE_conformance-server").into(),
        None => env!("CARGO_BIN_EXE_conformance-client").into(),
    }
}

/// A `conformance-server` at work.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) program: Program,
    /// `host:port`.
    pub(crate) address: String,
}

impl Server {
    /// With these limits, each `KEY=VALUE`.
    pub(crate) fn start(limits: &[&str]) -> Self {
        Self::start_after("", limits)
    }

    /// The same when a shell has done this.
    pub(crate) fn start_after(shell: &str, limits: &[&str]) -> Self {
        let mut options = vec!["--listen", "tcp://127.0.0.1:0"];
        options.extend(limits.iter().flat_map(|limit| ["--limit", limit]));
        let mut program = Program::start("conformance-server", shell, &options);
        let mut line = String::new();
        BufReader::new(program.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening tcp://").expect("it listens").to_owned();
        Self { program, address }
    }

    /// It drains when it is asked to, and has never panicked.
    pub(crate) fn finish(mut self) {
        self.program.signal("-TERM");
        let status = self.program.wait();
        let said = self.program.said();
        assert!(status.success(), "{status}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
