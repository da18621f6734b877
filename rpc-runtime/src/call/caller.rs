//! Owns [`Caller`]: the one seam of the client side. A channel is one, and so is every layer, policy, balancer and
//! mock around it.

use crate::call::{CallResult, Request, RpcError};

/// Something that calls can be made through.
///
/// A layer is a `Caller` around another one: it may look at the request's method, metadata and time, change
/// them, answer by itself, or call the inner one as often as the method allows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something that calls can be made through",
    label = "not a `Caller`",
    note = "`traitwire::Channel` is one, and so is each layer around one"
)]
pub trait Caller: Clone + Send + Sync + Unpin + 'static {
    /// The error that a client over this caller gives to a trait whose methods return their own errors. It is
    /// [`RpcError`] for everything but the most special callers.
    type Error: From<RpcError>;

    /// The call under way. Dropping it cancels the call.
    type Future: Future<Output = CallResult> + Send + Unpin + 'static;

    /// Makes a call. Nothing is sent before the future is polled.
    fn call(&self, request: Request) -> Self::Future;

    /// The same by a caller that is of no further use: one that is counted need not be counted up and down.
    #[doc(hidden)]
    fn into_call(self, request: Request) -> Self::Future {
        self.call(request)
    }
}
