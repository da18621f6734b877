//! Owns [`now`]: where policies and discovery read the clock, tokio's, so that paused time works. Of policies only their
//! `caller` files do; what decides is told.

use std::time::Instant;

/// The time, monotonic; it stands still where tokio's clock is paused.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
