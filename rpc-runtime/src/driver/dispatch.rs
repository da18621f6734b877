//! Owns [`Dispatch`]: what the driver needs to know of a server, and nothing else of it.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Code, HandlerFuture, MethodDescriptor, Request};
use crate::driver::stop::StopSignal;
use crate::proto::Refusal;

/// Where calls go that the peer makes.
pub(crate) trait Dispatch: Send + Sync + 'static {
    /// The method of this name, if there is one.
    fn route(&self, method: &str) -> Option<Route>;

    /// Answers a call, through all layers.
    fn handle(&self, request: Request) -> HandlerFuture;

    /// A call is handed to the handler; it ends with one [`finished`](Self::finished).
    fn started(&self);

    /// Whether somebody wants to know how long calls take.
    fn wants_times(&self) -> bool;

    /// A call of this method has ended after so long; [`finished`](Self::finished) follows.
    fn took(&self, method: &str, time: Duration);

    /// A call that was started has ended.
    fn finished(&self, how: Finish);

    /// A oneway call was accepted: its handler outlives the call, and perhaps the connection. A shutdown waits for it
    /// and then stops it by this signal. The number that comes back is for [`oneway_ended`](Self::oneway_ended).
    fn oneway_began(&self, stop: Arc<StopSignal>) -> usize;

    /// The handler of a oneway call has ended.
    fn oneway_ended(&self, number: usize);

    /// The machine refused a call.
    fn refused(&self, why: Refusal);

    /// So many bytes were read and written.
    fn moved(&self, read: u64, written: u64);
}

/// A method that was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// Which of the server's services has it.
    pub(crate) service: u32,
    /// What is known of it.
    pub(crate) method: &'static MethodDescriptor,
}

/// How a handler ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish {
    /// With a value or the service's own error.
    Answered,
    /// With an error, after it was started.
    Failed(Code),
    /// Before the service's own code ran: a layer or an argument that does not decode refused the call.
    Refused(Code),
    /// It panicked.
    Panicked,
    /// It was dropped before its end.
    Stopped,
}

/// The dispatch of a side that serves nothing is `None`.
pub(crate) type Serving = Option<Arc<dyn Dispatch>>;
