//! Owns how names are written in TOML: [`Key`] and [`Quoted`]. Does not read it.

use std::fmt;

/// A key: quoted where it must be.
pub(super) struct Key<'a>(pub(super) &'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_bare = |letter: char| letter.is_ascii_alphanumeric() || ['_', '-'].contains(&letter);
        let is_plain = !self.0.is_empty() && self.0.chars().all(is_bare);
        if is_plain { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

/// A text in quotes: a basic string.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                letter if letter.is_control() => write!(f, "\\u{:04x}", u32::from(letter))?,
                letter => write!(f, "{letter}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_text_is_escaped() {
        assert_eq!(Key("a-b_9").to_string(), "a-b_9");
        assert_eq!(Key("a.b").to_string(), "\"a.b\"");
        assert_eq!(Key("").to_string(), "\"\"");
        assert_eq!(Quoted("a\"\\\n\u{7f}ü").to_string(), "\"a\\\"\\\\\\u000a\\u007fü\"");
    }
}
