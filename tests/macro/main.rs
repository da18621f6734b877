//! What `#[rpc_service]` generates, executed: client → request → handler → response → client, in process.

mod arguments;
mod caller;
mod client;
mod contract;
mod names;
mod outcomes;
mod policies;
mod scopes;
mod streams;
mod threads;
