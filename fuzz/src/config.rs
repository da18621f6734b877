//! Configuration files: any text, read as policies and as rules.

use traitwire::policy::Policies;
use traitwire::policy::access::Rules;

pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = Policies::from_toml(text) {
        judge(&error.to_string());
    }
    if let Err(error) = Rules::from_toml(text) {
        judge(&error.to_string());
    }
}

/// What is wrong is told, in words that can be printed: keys and values are quoted, whatever is in them.
fn judge(words: &str) {
    let prints = |character: char| character == '\n' || !character.is_control();
    assert!(!words.is_empty() && words.chars().all(prints), "{words:?}");
}
