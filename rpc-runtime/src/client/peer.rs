//! Owns how a handler calls back: clients of its caller, on the connection that the call came by. Does not serve such
//! calls: [`ChannelBuilder::service`] does.

use std::sync::Arc;

use crate::call::{Context, Peer};
use crate::client::builder::ChannelBuilder;
use crate::client::channel::Channel;
use crate::client::typed::Client;
use crate::driver::Shared;

impl Context {
    /// A client of a service that the caller serves on the same connection ([`ChannelBuilder::service`]): so a server calls
    /// its clients, wherever they are. `None` outside of a call that came by a connection.
    ///
    /// The client may be kept beyond the call, for as long as the connection lives; then its calls end as `unavailable`,
    /// `NotSent`. Deadlines, cancellation and limits are as the other way round, and as in any call that a handler
    /// makes: what it calls within this context inherits the deadline.
    ///
    /// While a server drains, its handlers go on calling back until the last call of that client is answered. Two calls may
    /// not get through: one that the client's own handler makes in turn, because a server that drains takes no further
    /// calls, and one of a oneway handler, whose call is over on the connection before it begins.
    ///
    /// ```
    /// use traitwire::{Channel, Context, rpc_service};
    ///
    /// #[rpc_service]
    /// trait Progress {
    ///     async fn report(&self, percent: u8);
    /// }
    ///
    /// #[rpc_service]
    /// trait Jobs {
    ///     async fn run(&self, name: String) -> u32;
    /// }
    ///
    /// struct Printer;
    /// impl Progress for Printer {
    ///     async fn report(&self, percent: u8) {
    ///         println!("{percent} %");
    ///     }
    /// }
    ///
    /// struct Worker;
    /// impl Jobs for Worker {
    ///     async fn run(&self, name: String) -> u32 {
    ///         let progress = Context::current().peer_client::<ProgressClient>();
    ///         if let Some(progress) = progress {
    ///             let _ = progress.report(50).await;
    ///         }
    ///         name.len() as u32
    ///     }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let channel = Channel::builder().service(ProgressServer::new(Printer)).loopback(JobsServer::new(Worker));
    /// assert_eq!(JobsClient::new(channel).run("build".to_owned()).await.unwrap(), 5);
    /// # });
    /// ```
    pub fn peer_client<T: Client<Caller = Channel>>(&self) -> Option<T> {
        self.peer_channel().map(T::from_caller)
    }

    /// What calls to the caller's services are made through; `None` outside of a call that came by a connection.
    pub fn peer_channel(&self) -> Option<Channel> {
        let shared = self.origin()?.downcast::<Shared>().ok()?;
        let address = Arc::from(self.peer().map_or("", Peer::address));
        Some(ChannelBuilder::default().peer(shared, address))
    }
}
