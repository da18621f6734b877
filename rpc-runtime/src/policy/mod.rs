//! Policies: what is done about a call beyond sending it. Each is one folder of the same rooms: pure files that decide,
//! with time and randomness as arguments, and `caller` or `handler`, the thin wrapper around what is inside.
//!
//! Every wrapper on the calling side is a [`Caller`](crate::Caller) around a `Caller`, and on the serving side a
//! [`Handler`](crate::Handler) around a `Handler`: each can be used by itself. docs/POLICIES.md says what each decides, and
//! in which order they stand.

pub mod breaker;
mod clock;
mod dice;
pub mod limit;
#[cfg(test)]
mod scripted;
pub mod shed;
