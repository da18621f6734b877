//! Owns [`Unsent`]: a call before its first poll, when it can still be told what to do. Does not know what its answer is.

use crate::call::{
    CallOptions, Caller, Code, Delivery, Items, Load, MetadataError, MethodDescriptor, Payload, Request,
    RpcError,
};

/// A call that has not been sent.
pub(super) struct Unsent<C> {
    caller: C,
    method: &'static MethodDescriptor,
    request: Request,
    /// Why it never will be.
    mistake: Option<RpcError>,
}

impl<C: Caller> Unsent<C> {
    /// A call with these arguments, or with the reason why they could not be encoded.
    pub(super) fn new(
        caller: C,
        options: &CallOptions,
        method: &'static MethodDescriptor,
        arguments: Result<Load, RpcError>,
    ) -> Self {
        let (arguments, mistake) = match arguments {
            Ok(load) => (Payload::leaving(load), None),
            Err(mistake) => (Payload::default(), Some(mistake)),
        };
        let mut unsent = Self { caller, method, request: Request::new(method, arguments), mistake };
        unsent.apply(options);
        unsent
    }

    /// Sends these items beside the arguments.
    pub(super) fn send(&mut self, items: Items) {
        self.request.set_items(items);
    }

    /// Wants to know of the endpoints that are picked for it.
    pub(super) fn tell_picks(&mut self) {
        self.request.set_detailed();
    }

    /// Applies what `options` say; what they leave open stays as it is.
    pub(super) fn apply(&mut self, options: &CallOptions) {
        self.request.apply(options);
        if let Some(error) = &options.mistake {
            self.mistake.get_or_insert_with(|| bad_metadata(self.method, error));
        }
    }

    /// Makes the call.
    pub(super) fn call(self) -> Result<C::Future, RpcError> {
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => Ok(self.caller.into_call(self.request)),
        }
    }
}

#[cold]
fn bad_metadata(method: &MethodDescriptor, error: &MetadataError) -> RpcError {
    let text = format!("{}: {error}", method.full_name);
    RpcError::new(Code::INVALID_ARGUMENT, Delivery::NotSent, text).with_source(error.clone())
}
