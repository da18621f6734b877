//! Owns [`Member`]: one endpoint of a balanced channel, with a channel of its own. Does not choose among members.

use std::fmt;

use crate::client::bundle::Bundle;
use crate::client::channel::Channel;
use crate::discovery::Endpoint;
use crate::policy::breaker::Breaker;

/// One endpoint. The last call that it has drops it: then its channel closes its connection in good order.
pub(super) struct Member {
    pub(super) endpoint: Endpoint,
    /// A channel to this endpoint alone, which connects and backs off as any other, and says how far the endpoint is.
    pub(super) channel: Channel,
    /// Its further connections.
    pub(super) bundle: Bundle,
    pub(super) breaker: Option<Breaker>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({})", self.endpoint.address())
    }
}
