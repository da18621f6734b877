//! Owns [`Child`], a client or a server in a process of its own, and what both say to each other in lines. Does not
//! know what is measured.
//!
//! A child ends when its standard input does, so none outlives the comparison, however that ends.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::pin;
use crate::systems::Failure;

/// How long a child may say nothing beyond the time that it was given.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a line of a child begins with when it gives up.
const FAILED: &str = "failed";

pub(crate) struct Child {
    process: std::process::Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) cpu_us: f64,
    pub(crate) allocations: f64,
}

impl Child {
    /// Starts a program with these words.
    pub(crate) fn start(program: &Path, words: &[String]) -> Result<Self, Failure> {
        let mut process =
            Command::new(program).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take().ok_or("no input")?;
        let output = BufReader::new(process.stdout.take().ok_or("no output")?);
        let (said, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Ok(Self { process, input, lines })
    }

    /// Tells it something.
    pub(crate) fn say(&mut self, word: &str) -> Result<(), Failure> {
        // If it has gone, `hear` says why.
        let _ = writeln!(self.input, "{word}");
        Ok(())
    }

    /// What it says after `word`, within this time and some patience.
    pub(crate) fn hear(&mut self, word: &str, time: Duration) -> Result<String, Failure> {
        let line = match self.lines.recv_timeout(time + PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("said nothing for {:?}", time + PATIENCE).into());
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(format!("died: {}", self.process.wait()?).into());
            }
        };
        match line.split_once(' ').unwrap_or((&line, "")) {
            (first, rest) if first == word => Ok(rest.to_owned()),
            (FAILED, cause) => Err(cause.into()),
            _ => Err(format!("said `{line}` instead of `{word}`").into()),
        }
    }

    /// How it ended, if it has.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// What it has used so far.
    pub(crate) fn used(&mut self) -> Result<Used, Failure> {
        self.say("used")?;
        let numbers = numbers(&self.hear("used", Duration::ZERO)?)?;
        let [cpu_us, allocations] = numbers[..] else { return Err("told too little".into()) };
        Ok(Used { cpu_us, allocations })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Used {
    /// What this process has used so far.
    pub(crate) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            cpu_us: cpu.tv_sec as f64 * 1e6 + cpu.tv_nsec as f64 / 1e3,
            allocations: traitwire_allocations::made() as f64,
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { cpu_us: self.cpu_us - before.cpu_us, allocations: self.allocations - before.allocations }
    }
}

/// The numbers of a line.
pub(crate) fn numbers(line: &str) -> Result<Vec<f64>, Failure> {
    Ok(line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// In a child: obeys what the parent says, in a thread that sleeps meanwhile, and ends the process when it is gone.
pub(crate) fn obey() {
    std::thread::spawn(|| {
        let pinned = |done: Result<(), Failure>| done.unwrap_or_else(|cause| give_up(&cause));
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match line.as_str() {
                "count" => traitwire_allocations::count(),
                "stop" => traitwire_allocations::stop(),
                "pin" => pinned(pin::to_one()),
                "unpin" => pinned(pin::to_all()),
                _ => {
                    let used = Used::now();
                    println!("used {} {}", used.cpu_us, used.allocations);
                }
            }
        }
        std::process::exit(1);
    });
}

/// In a child: ends with what was wrong, said to the parent.
pub(crate) fn give_up(cause: &Failure) -> ! {
    let mut words = cause.to_string();
    let mut next = cause.source();
    while let Some(deeper) = next {
        words = format!("{words}: {deeper}");
        next = deeper.source();
    }
    println!("{FAILED} {}", words.replace('\n', " "));
    std::process::exit(1);
}
