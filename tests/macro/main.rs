//! What `#[rpc_service]` generates, executed: client → request → handler → response → client, in process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod arguments;
mod caller;
mod client;
mod contract;
mod in_place;
mod mocks;
mod names;
mod outcomes;
mod policies;
mod scopes;
mod streams;
mod threads;
