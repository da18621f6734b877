//! Owns how a handler hears that its server goes. Does not tell it: a connection does.

use std::future::pending;

use crate::call::Context;

impl Context {
    /// Whether the connection that the call came by is about to end in good order: this side has said GOAWAY there, because its
    /// server shuts down. Calls that were accepted may finish within the server's
    /// [grace](crate::ServerBuilder::grace), and are cut when it is over. Also true once the connection is over, which a oneway
    /// handler, or a task that the call has spawned, may see. False outside of a call.
    pub fn is_draining(&self) -> bool {
        self.connection().is_some_and(|origin| origin.is_leaving())
    }

    /// Waits until the connection that the call came by [is about to end](Self::is_draining): for handlers that would go on for long,
    /// to finish in good order what they are at. Never ready outside of a call.
    ///
    /// ```
    /// use std::time::Duration;
    /// use traitwire::{Context, Stream, rpc_service};
    ///
    /// #[rpc_service]
    /// trait Clock {
    ///     /// The seconds, until the server goes.
    ///     fn ticks(&self) -> impl Stream<Item = u64>;
    /// }
    ///
    /// struct Wall;
    /// impl Clock for Wall {
    ///     fn ticks(&self) -> impl Stream<Item = u64> {
    ///         futures::stream::unfold(0, |second| async move {
    ///             tokio::select! {
    ///                 // The stream ends here, in order: its client begins another one elsewhere.
    ///                 () = Context::current().draining() => None,
    ///                 () = tokio::time::sleep(Duration::from_secs(1)) => Some((second, second + 1)),
    ///             }
    ///         })
    ///     }
    /// }
    /// ```
    pub fn draining(&self) -> impl Future<Output = ()> + Send + use<> {
        let origin = self.connection().cloned();
        async move {
            match origin {
                Some(origin) => origin.left().await,
                None => pending().await,
            }
        }
    }
}
