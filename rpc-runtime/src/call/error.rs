//! Owns [`RpcError`], the one error that crosses the wire, and [`CallError`], what a client method ends with.
//! Local errors of other rooms are mapped to an `RpcError` once, where they leave their room.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::call::{Code, Delivery, Metadata};

/// What happened to a call that did not get its answer.
///
/// It says *why* ([`code`](Self::code)), *what became of the call* ([`delivery`](Self::delivery)) and, in
/// words, what was met and what can be done about it ([`message`](Self::message)).
#[derive(Clone)]
pub struct RpcError {
    // Boxed, so that a `Result` on the hot path is one word larger than its value and not two hundred bytes.
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    code: Code,
    delivery: Delivery,
    resend: bool,
    message: Cow<'static, str>,
    metadata: Metadata,
    peer: Option<Arc<str>>,
    attempts: u32,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl RpcError {
    /// An error with this code and this knowledge of the call.
    pub fn new(code: Code, delivery: Delivery, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        let (metadata, peer, source) = (Metadata::new(), None, None);
        Self {
            inner: Box::new(Inner {
                code,
                delivery,
                resend: false,
                message,
                metadata,
                peer,
                attempts: 0,
                source,
            }),
        }
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.inner.source = Some(Arc::new(source));
        self
    }

    /// Adds metadata for the caller.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.inner.metadata = metadata;
        self
    }

    /// Marks a call that no handler saw as one that may succeed elsewhere with the same bytes.
    ///
    /// The mark is dropped where a handler may have seen the call.
    #[must_use]
    pub fn with_resend(mut self) -> Self {
        self.inner.resend = self.inner.delivery.is_harmless();
        self
    }

    /// Says whom the call was made to.
    #[must_use]
    pub(crate) fn with_peer(mut self, peer: &Arc<str>) -> Self {
        self.inner.peer = Some(Arc::clone(peer));
        self
    }

    /// Says how many times the call was sent.
    #[must_use]
    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.inner.attempts = attempts;
        self
    }

    /// The same error with other words.
    #[must_use]
    pub(crate) fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.inner.message = message.into();
        self
    }

    /// The error as it crosses the wire: what caused it stays here, and is dropped here.
    #[must_use]
    pub(crate) fn without_source(mut self) -> Self {
        self.inner.source = None;
        self
    }

    /// Why the call failed.
    pub fn code(&self) -> Code {
        self.inner.code
    }

    /// What is known of the call: may a handler have run?
    pub fn delivery(&self) -> Delivery {
        self.inner.delivery
    }

    /// What was met, in words.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Whether no handler saw the call and the same bytes may succeed elsewhere: such a call is sent again by
    /// the client itself, as long as its time allows.
    pub fn is_resend(&self) -> bool {
        self.inner.resend
    }

    /// The address that the call was made to, if it came that far: `tcp://127.0.0.1:7000`.
    pub fn peer(&self) -> Option<&str> {
        self.inner.peer.as_deref()
    }

    /// How many times the call was given to a connection; 0 if it never was.
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// What the callee sent beside the error.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, delivery, message, peer, .. } = &*self.inner;
        match peer {
            Some(peer) => write!(f, "{code} ({delivery}) at {peer}: {message}"),
            None => write!(f, "{code} ({delivery}): {message}"),
        }
    }
}

impl fmt::Debug for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, delivery, resend, message, metadata, peer, attempts: _, source } = &*self.inner;
        let mut shown = f.debug_struct("RpcError");
        shown.field("code", code).field("delivery", delivery).field("message", message);
        if let Some(peer) = peer {
            shown.field("peer", peer);
        }
        if *resend {
            shown.field("resend", resend);
        }
        if !metadata.is_empty() {
            shown.field("metadata", metadata);
        }
        if let Some(source) = source {
            shown.field("source", source);
        }
        shown.finish()
    }
}

impl Error for RpcError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.inner.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

impl From<CallError<Infallible>> for RpcError {
    fn from(error: CallError<Infallible>) -> Self {
        match error {
            CallError::App(never) => match never {},
            CallError::Rpc(error) => error,
        }
    }
}

// ===== impl CallError =====

/// What a client method ends with instead of a value: what the service said, or what happened to the call.
///
/// A method that returns a plain `T` has no error of its own: its `E` is [`Infallible`], and only
/// [`Rpc`](Self::Rpc) can come.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third case, and callers should match both")]
pub enum CallError<E = Infallible> {
    /// The service's own error: the method ran and answered this.
    App(E),
    /// The call did not get its answer.
    Rpc(RpcError),
}

impl<E> CallError<E> {
    /// What happened to the call, unless the service itself answered with an error.
    pub const fn rpc(&self) -> Option<&RpcError> {
        match self {
            Self::App(_) => None,
            Self::Rpc(error) => Some(error),
        }
    }

    /// The service's own error, if that is what came.
    pub const fn app(&self) -> Option<&E> {
        match self {
            Self::App(error) => Some(error),
            Self::Rpc(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(error) => error.fmt(f),
            Self::Rpc(error) => error.fmt(f),
        }
    }
}

impl<E: Error> Error for CallError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Transparent: `Display` already tells this error's own level.
        match self {
            Self::App(error) => error.source(),
            Self::Rpc(error) => error.source(),
        }
    }
}

impl<E> From<RpcError> for CallError<E> {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_tells_code_delivery_and_message() {
        let error = RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, "no connection to tcp://127.0.0.1:1");
        assert_eq!(error.to_string(), "unavailable (not_sent): no connection to tcp://127.0.0.1:1");
    }

    #[test]
    fn resend_is_only_for_calls_that_no_handler_saw() {
        for (delivery, expected) in [
            (Delivery::NotSent, true),
            (Delivery::Refused, true),
            (Delivery::Unknown, false),
            (Delivery::Executed, false),
        ] {
            let error = RpcError::new(Code::UNAVAILABLE, delivery, "x").with_resend();
            assert_eq!(error.is_resend(), expected, "{delivery}");
        }
    }

    #[test]
    fn question_mark_works_both_ways() {
        fn up(error: RpcError) -> Result<(), CallError<String>> {
            Err(error)?
        }
        fn down(error: CallError) -> Result<(), RpcError> {
            Err(error)?
        }
        let error = RpcError::new(Code::INTERNAL, Delivery::Executed, "x");
        assert!(up(error.clone()).unwrap_err().rpc().is_some());
        assert_eq!(down(CallError::Rpc(error)).unwrap_err().code(), Code::INTERNAL);
    }

    #[test]
    fn a_result_stays_small() {
        assert_eq!(size_of::<RpcError>(), size_of::<usize>());
    }
}
