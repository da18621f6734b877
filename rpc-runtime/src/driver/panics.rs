//! Owns [`discard`]: what is left of a panic of somebody else's code. Does not catch any.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops what a panic carries, which may panic as well; what that one carries is leaked rather than tried again.
pub(crate) fn discard(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}
