//! Owns [`ConfigError`]: what is wrong with a text, line by line, and what was probably meant. Does not read it.

use std::fmt;
use std::io;
use std::path::Path;

/// A text that could not be read, policies or a list of endpoints: all that is wrong, in the order of the text.
#[derive(Clone, Debug)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Mistake {
    /// Where it stands, counted from 1; 0 if nothing could be read at all.
    pub line: usize,
    /// The key, with those that it stands below: `service.Calculator.retyr`; empty for what is no TOML.
    pub key: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Mistake {
    /// The line of what stands at this byte, counted from 1.
    pub(crate) fn line_of(text: &str, offset: usize) -> usize {
        let before = text.get(..offset).unwrap_or(text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }
}

impl ConfigError {
    /// What is wrong, in the order of the lines; at least one.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    pub(crate) fn new(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.line);
        Self { mistakes }
    }

    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let reason = format!("{} cannot be read: {error}", path.display());
        Self { mistakes: vec![Mistake { line: 0, key: String::new(), reason }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for Mistake { line, key, reason } in &self.mistakes {
            f.write_str(between)?;
            match (line, key.as_str()) {
                (0, _) => f.write_str(reason)?,
                (_, "") => write!(f, "line {line}: {reason}")?,
                _ => write!(f, "line {line}: `{key}`: {reason}")?,
            }
            between = "\n";
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// What is said of a key that is not known: the nearest one that is, or all of them.
pub(crate) fn unknown(key: &str, valid: &[&str]) -> String {
    let nearest = valid.iter().map(|name| (distance(key, name), *name)).min();
    match nearest {
        // At most half of its letters are wrong.
        Some((distance, name)) if distance * 2 <= name.len().max(2) => {
            format!("there is no such key: did you mean `{name}`?")
        }
        _ => format!("there is no such key: there are `{}`", valid.join("`, `")),
    }
}

/// How many letters must be put in, left out or changed; two that changed places count as two.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
