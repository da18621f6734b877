//! Owns [`now`]: the one place where the runtime reads a clock, tokio's, so that paused time works in tests.

use std::time::Instant;

/// The time, monotonic; it stands still where tokio's clock is paused.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
