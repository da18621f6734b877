//! The calling side, put together: channels, their connections, and the typed calls on top.

mod attended;
mod balanced;
mod builder;
mod bundle;
mod call;
mod channel;
mod checkup;
mod cluster;
mod core;
mod credentials;
mod endpoints;
#[cfg(feature = "etcd")]
mod etcd;
mod flow;
mod in_flight;
mod keeper;
mod key;
mod leg;
mod line;
mod member;
mod oneway;
mod peer;
mod presence;
mod race;
mod reconnect;
mod register;
mod sources;
mod stack;
mod story;
mod stream;
mod typed;
mod unsent;
mod visit;

pub use builder::ChannelBuilder;
pub use call::{Call, Detailed, Reply, ResultCall, ResultType};
pub use channel::Channel;
pub use stack::ChannelFuture;
pub use stream::{CallStream, OpenCall};
pub use typed::{Client, connect, loopback, merge, with};

pub(crate) use stream::Read;
