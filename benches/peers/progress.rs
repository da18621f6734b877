//! Owns [`Progress`], a line on a terminal that says how far the comparison is. Elsewhere it says nothing.

use std::io::{IsTerminal, Write};
use std::time::Instant;

const WIDTH: usize = 30;

pub(crate) struct Progress {
    began: Instant,
    done: usize,
    all: usize,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        Self { began: Instant::now(), done: 0, all, shown: std::io::stderr().is_terminal() }
    }

    /// One more step begins.
    pub(crate) fn next(&mut self, what: &str) {
        let full = WIDTH * self.done / self.all;
        let left = match self.done {
            0 => String::new(),
            done => format!(
                "{:.0} s left",
                self.began.elapsed().as_secs_f64() * (self.all - done) as f64 / done as f64
            ),
        };
        self.show(&format!("[{}{}] {left:<12}{what}", "#".repeat(full), " ".repeat(WIDTH - full)));
        self.done = (self.done + 1).min(self.all);
    }

    /// Clears the line.
    pub(crate) fn end(&self) {
        self.show("");
    }

    fn show(&self, line: &str) {
        if self.shown {
            // A terminal that is gone needs no progress.
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}").and_then(|()| std::io::stderr().flush());
        }
    }
}
