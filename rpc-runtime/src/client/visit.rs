//! Owns [`Visit`]: waiting for a channel's first connection, without a call. Does not make it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::call::RpcError;
use crate::client::channel::Channel;
use crate::client::cluster::Cluster;
use crate::client::keeper;
use crate::client::line::{Place, Who};

impl Channel {
    /// Waits until calls can be made: until the first connection is there. A channel that is not told to make it
    /// beforehand makes it by its first call.
    ///
    /// # Errors
    ///
    /// `unavailable`, `NotSent`, with the cause: of many endpoints, when none can be reached or none is known.
    pub async fn ready(&self) -> Result<(), RpcError> {
        Visit::new(self).await
    }
}

/// Waits until calls can be made, and leaves the line whatever happens.
pub(super) struct Visit<'a> {
    channel: &'a Channel,
    place: Option<Place>,
}

impl<'a> Visit<'a> {
    pub(super) const fn new(channel: &'a Channel) -> Self {
        Self { channel, place: None }
    }

    fn poll_endpoints(&mut self, cluster: &Arc<Cluster>, cx: &Context<'_>) -> Poll<Result<(), RpcError>> {
        keeper::ensure(cluster)?;
        loop {
            let seen = cluster.changes();
            if let Some(ready) = cluster.is_ready() {
                return Poll::Ready(ready);
            }
            if cluster.wait(Who::Visitor, &mut self.place, seen, cx.waker())? {
                return Poll::Pending;
            }
        }
    }
}

impl Future for Visit<'_> {
    type Output = Result<(), RpcError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.channel.cluster() {
            Some(cluster) => this.poll_endpoints(&cluster, cx),
            None => {
                let polled = this.channel.poll_connection(Who::Visitor, &mut this.place, cx);
                polled.map(|connected| connected.map(drop).map_err(|failed| failed.error))
            }
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        match self.channel.cluster() {
            Some(cluster) => cluster.leave(&mut self.place),
            None => self.channel.leave_line(&mut self.place),
        }
    }
}
