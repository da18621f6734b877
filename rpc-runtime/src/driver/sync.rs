//! Names what threads share without a lock, so that `tests/models` can put loom's in its place. Defines nothing.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};

pub(super) use futures::task::AtomicWaker;
