//! Our own registry: servers say where they are, clients are told. It is a service like any other, [`Registry`], built with this
//! crate's own macro; [`Node`] is what serves it.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use traitwire::Server;
//! use traitwire::registry::{Node, RegistryServer};
//! let node = Node::builder().snapshot("/var/lib/traitwire/registry").start().await?;
//! Server::builder().service(RegistryServer::new(node)).bind("tcp://0.0.0.0:7070").await?.serve().await?;
//! # Ok(()) }
//! ```
//!
//! The program `traitwire-registry` is the same in one command. Servers register with `register("registry://10.0.0.5:7070")`,
//! and clients connect to `registry://10.0.0.5:7070/Calculator`.
//!
//! An entry lives under a **lease**, which its server renews; one that is not renewed in time is gone with its entries. A
//! server that registers an address again takes it over from the lease before, so that a late word of a server that has been
//! replaced does no harm. Clients **watch**: they get the whole list, then what changes.
//!
//! One node is what it is: when it is gone, nothing new is known. Clients go on with what they knew. Leases are on disk within a
//! second, and come back after a crash with time to be renewed; until then the node says that it may not know all, and
//! clients forget nobody. For a registry that survives the loss of a machine there is etcd, behind the same addresses.

mod node;
mod registrar;
mod saved;
mod service;
mod source;
mod table;

pub use node::{Node, NodeBuilder};
pub use registrar::Registered;
pub use service::{Change, Granted, Registry, RegistryClient, RegistryError, RegistryServer};
pub use source::RegistryScheme;
