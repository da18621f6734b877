//! Whether a call that has failed is tried again, when, and how many times all calls of a channel may be.
//!
//! - `decision`: by what happened, whether another attempt is made;
//! - `backoff`: how long to wait before it;
//! - `budget`: whether the channel has one left; `window` and `tokens` are its two forms;
//! - `caller`: the attempts of a call, one after the other.
//!
//! Does not send anything again that goes out beside another attempt: that is `hedge`.
//!
//! # What is tried again
//!
//! | what happened | tried again |
//! |---|---|
//! | marked `resend` (draining, a connection that died in time) | at once, not counted as an attempt; three times, then like `unavailable` |
//! | marked `resend`, `resource_exhausted`: overload | after a wait, not counted as an attempt, through the budget; three times, then counted |
//! | `NotSent`, `Refused`: `unavailable`, `aborted`, or any code with `retry_after` | after a wait, through the budget |
//! | `Unknown`: `unavailable`, `deadline_exceeded`, `cancelled`, `aborted`, or any code with `retry_after` | the same, idempotent methods only, and `dedup` ones whose server remembers ([`dedup`](crate::policy::dedup)) |
//! | `Executed` | never, unless it is the service's own error and the method's `retry_on` says so |
//! | anything else, such as `unimplemented`, `invalid_argument`, `permission_denied`, a size limit | never: it would fail anywhere |
//!
//! What the callee says wins: `retry_after` takes the place of the back-off, and `never` ends the attempts. A retry that
//! would begin when there is not the time left that the method's answers usually take is not made.

mod backoff;
mod budget;
mod caller;
mod decision;
mod tokens;
mod window;

pub use budget::Budget;

pub(crate) use budget::{Account, Purse};
pub(crate) use caller::Retried;
pub(crate) use decision::Failure;
