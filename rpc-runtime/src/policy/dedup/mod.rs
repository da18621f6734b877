//! Deduplication on the serving side: a method that is not idempotent, but marked `dedup`, runs once however often its call
//! is sent.
//!
//! A caller that does not know whether its call ran cannot try again without the danger that it runs twice. With
//! `#[rpc(dedup, retry)]` it sends a key that no other call has; the server remembers by that key what it has answered, and
//! answers the same to the same key. While the first one still runs, the next ones wait for it; if the connection of the
//! first one is lost it runs on, until its deadline, because its caller will ask again.
//!
//! Whose memory it is, HELLO says. A retry goes nowhere else: at another instance the call would run once more.
//!
//! ```
//! # use traitwire::{Server, rpc_service};
//! # #[rpc_service] trait Bank { #[rpc(dedup, retry)] async fn pay(&self, amount: u32) -> u32; }
//! # async fn example(bank: impl Bank + Send + Sync + 'static) -> Result<(), traitwire::BindError> {
//! use traitwire::policy::dedup::DedupConfig;
//! // All of it is the default.
//! let config = DedupConfig::new().entries(16_384).bytes(16 * 1024 * 1024);
//! let server = Server::builder().service(BankServer::new(bank)).dedup(config).bind("tcp://127.0.0.1:7000").await?;
//! # Ok(()) }
//! ```
//!
//! `key` says which calls are the same, `memory` what is known of them and when it is forgotten, `reply` is what is
//! remembered, `flight` a call that runs, `handler` the wrapper, `once_only` what keeps other wrappers from running calls again, and `store` how instances share what they know.

mod config;
mod flight;
mod handler;
mod key;
mod memory;
mod once_only;
mod reply;
mod store;

pub use config::DedupConfig;
pub use key::ReplyKey;
pub use store::{Claim, ReplyStore, StoreError};

pub(crate) use handler::Dedup;
pub(crate) use key::attach;
pub(crate) use once_only::OnceOnly;
