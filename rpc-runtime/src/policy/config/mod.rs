//! Policies from TOML (feature `config`): `reader` finds what is said and where, `values` and `guards` what the values mean, `mistake`
//! tells what is wrong; `rules` reads those of [`access`](crate::policy::access) in the same way. Does not watch files, and does
//! not decide what holds.
//!
//! ```toml
//! [default]                       # for methods of which nobody says anything
//! timeout = "2s"
//! budget = { ratio = 0.2, floor_min = 1, floor_max = 10 }
//!
//! [service.Calculator]            # for all methods of a service
//! retry = { attempts = 3, base = "50ms", cap = "2s", backoff = "full" }
//!
//! [service.Calculator.add]        # for one
//! timeout = "250ms"
//! hedge = { after = "20ms", percentile = 95 }
//!
//! [service.Calculator.store]
//! retry = false                   # off, whatever others say
//! ```
//!
//! | key | value |
//! |---|---|
//! | `timeout` | a time: `"250ms"`, with `us`, `ms`, `s`, `m` or `h` |
//! | `idle_timeout`, `total_timeout` | the same, or `false` for none |
//! | `retry` | `true`, `false`, or `attempts`, `base`, `cap`, `backoff` (`full`, `equal`, `decorrelated`, `grpc`, `proportional`), and with `proportional` also `alpha`, `t_max`, `jitter` |
//! | `hedge` | `true`, `false`, or `after`, `percentile` |
//! | `budget` | `false` for none, or `ratio`, `floor_min`, `floor_max`; or `tokens`, `ratio` for gRPC's form |
//! | `breaker` | `true`, `false`, or `window`, `buckets`, `last_calls`, `min_calls`, `ratio`, `slow`, `slow_ratio`, `open`, `open_most`, `probes`, `per_method` |
//! | `limit` | `false`, or `concurrency`, `adaptive` (`least`, `most`), `rate`, `burst`, `queue` |
//! | `cache` | `false`, or `ttl`, `errors`, `stale_if_error`, `vary_on`, `bytes`, `policy` (feature `cache`) |
//!
//! What is left out of a table has its default. A method whose name is one of these keys is out of reach of its service's
//! section; say it in code.

mod guards;
mod mistake;
mod reader;
mod rules;
mod values;

use std::path::Path;

pub(crate) use mistake::unknown;
pub use mistake::{ConfigError, Mistake};

use crate::policy::config::reader::Reader;
use crate::policy::settings::Policies;

impl Policies {
    /// Policies as TOML: the module [`policy`](crate::policy) says what holds, and docs/POLICIES.md has all keys.
    ///
    /// Policies that are in force are not touched by text that cannot be read:
    ///
    /// ```
    /// use traitwire::Channel;
    /// use traitwire::policy::{ConfigError, Policies};
    ///
    /// fn reload(channel: &Channel, text: &str) -> Result<(), ConfigError> {
    ///     channel.set_policies(Policies::from_toml(text)?);
    ///     Ok(())
    /// }
    /// # let channel = Channel::builder().lazy("tcp://127.0.0.1:7000").unwrap();
    /// let error = reload(&channel, "[default]\nretyr = false").unwrap_err();
    /// assert_eq!(error.to_string(), "line 2: `default.retyr`: there is no such key: did you mean `retry`?");
    /// ```
    ///
    /// # Errors
    ///
    /// All that is wrong with the text, each with its line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Reader::read(text, Reader::policies)
    }

    /// Policies from a file in TOML.
    ///
    /// # Errors
    ///
    /// As [`from_toml`](Self::from_toml), and if the file cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::from_toml(&text(path.as_ref())?)
    }
}

/// What stands in a file.
fn text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))
}

#[cfg(test)]
mod tests;
