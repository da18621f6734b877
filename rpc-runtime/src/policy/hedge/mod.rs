//! Whether a call that has no answer yet goes out once more, beside the first attempt, and when.
//!
//! - `latency`: how long answers take lately, and so when one is late;
//! - `caller`: the two attempts of a call.
//!
//! Only idempotent methods are hedged, and only calls without items of their caller. A hedge is taken from the channel's
//! budget of retries, so hedges cannot double the load of a callee that has become slow. The attempt that loses is cancelled
//! on the wire, and counts neither as a success nor as a failure. There is one hedge a call: a second one would wait for the
//! slowest of the slowest. (Dean and Barroso, "The Tail at Scale", 2013.)
//!
//! ```text
//!  First ── answer ──▶ Over
//!    │ late, and the budget has one
//!    ▼
//!  Both ── the earlier answer ──▶ Over (the other is cancelled)
//!    │ one fails in a way that another attempt may mend
//!    ▼
//!  Last ── whatever it ends with ──▶ Over
//! ```
//!
//! An attempt that fails before it is late is not hedged: `retry` sees to that.

mod caller;
mod latency;

pub(crate) use caller::Hedged;
pub(super) use latency::Latency;
