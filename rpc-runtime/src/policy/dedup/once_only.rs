//! Owns [`OnceOnly`]: the outermost handler of a server with a memory of replies, which stops what that could not answer for. Does not
//! remember anything.

use std::fmt;
use std::sync::Arc;

use crate::call::{Code, Delivery, Handler, HandlerFuture, Request, RpcError};
use crate::policy::dedup::key::is_keyed;

/// Stops calls that may have run here before and are not remembered here: their method is not `dedup`, or is none of this
/// server's. It is around all layers, since one of them may send on what it does not know, to where the call would run again.
pub(crate) struct OnceOnly {
    handler: Arc<dyn Handler>,
}

impl OnceOnly {
    pub(crate) fn new(handler: Arc<dyn Handler>) -> Self {
        Self { handler }
    }
}

impl Handler for OnceOnly {
    fn handle(&self, request: Request) -> HandlerFuture {
        let is_remembered = request.descriptor().is_some_and(|method| method.dedup);
        if !is_remembered && request.attempt() > 1 && is_keyed(&request) {
            let text = format!("`{}` is not `dedup` here, so it could run twice", request.method());
            let error = RpcError::new(Code::FAILED_PRECONDITION, Delivery::Refused, text);
            return HandlerFuture::ready(Err(error));
        }
        self.handler.handle(request)
    }
}

impl fmt::Debug for OnceOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnceOnly")
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::call::{MethodDescriptor, Payload, Response};
    use crate::policy::dedup::attach;

    static PAY: MethodDescriptor = MethodDescriptor::new("pay", "Bank.pay", 1).dedup();

    struct SendsOn;

    impl Handler for SendsOn {
        fn handle(&self, _request: Request) -> HandlerFuture {
            HandlerFuture::ready(Ok(Response::value(Payload::default())))
        }
    }

    #[test]
    fn a_repeated_call_that_nobody_remembers_reaches_no_layer() {
        let guarded = OnceOnly::new(Arc::new(SendsOn));
        let end = |mut request: Request, attempt, has_key: bool| {
            request.set_attempt(attempt);
            if has_key {
                attach(request.metadata_mut());
            }
            guarded.handle(request).now_or_never().unwrap().map_err(|error| error.code())
        };
        let unknown = || Request::by_name("Bank.pay", Payload::default());
        assert_eq!(end(unknown(), 2, true).unwrap_err(), Code::FAILED_PRECONDITION);
        assert!(end(unknown(), 1, true).is_ok() && end(unknown(), 2, false).is_ok());
        assert!(end(Request::new(&PAY, Payload::default()), 2, true).is_ok());
    }
}
