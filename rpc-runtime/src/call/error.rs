//! Owns [`RpcError`], the one error that crosses the wire, and [`CallError`], what a client method ends with.
//! Local errors of other rooms are mapped to an `RpcError` once, where they leave their room.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Attempt, Code, Delivery, Entry, Metadata, PushBack, Value};

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
    /// A policy has ended it, and would end another attempt too.
    held: bool,
    /// The memory of replies that knows what became of the call.
    replies_at: Option<NonZeroU64>,
    message: Cow<'static, str>,
    metadata: Metadata,
    peer: Option<Arc<str>>,
    attempts: u32,
    /// How its attempts ended, if there was more than one.
    history: Vec<Attempt>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl RpcError {
    /// The [detail](Self::detail) of a call or a stream that its callee cut, because it goes away and the grace for calls
    /// under way is over.
    pub const GOING_AWAY: &'static str = "going_away";

    /// How the detail travels.
    const DETAIL: &'static str = "rpc-detail";

    /// An error with this code and this knowledge of the call.
    pub fn new(code: Code, delivery: Delivery, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        let (metadata, peer, source) = (Metadata::new(), None, None);
        Self {
            inner: Box::new(Inner {
                code,
                delivery,
                resend: false,
                held: false,
                replies_at: None,
                message,
                metadata,
                peer,
                attempts: 0,
                history: Vec::new(),
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
        if self.inner.metadata.is_empty() {
            self.inner.metadata = metadata;
            return self;
        }
        for entry in metadata.iter() {
            self.inner.metadata.put(entry.clone());
        }
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

    /// Says that a policy of this side has stopped the call, and would stop the next attempt too.
    #[must_use]
    pub(crate) fn with_hold(mut self) -> Self {
        self.inner.held = true;
        self
    }

    /// Whether a policy of this side has stopped the call, and would stop the next attempt too.
    pub(crate) fn is_held(&self) -> bool {
        self.inner.held
    }

    /// Says which memory of replies knows what became of the call.
    #[must_use]
    pub(crate) fn with_replies_at(mut self, number: Option<NonZeroU64>) -> Self {
        self.inner.replies_at = number;
        self
    }

    /// Which memory of replies knows what became of the call, if one does.
    pub(crate) fn replies_at(&self) -> Option<NonZeroU64> {
        self.inner.replies_at
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

    /// The same error, where more is known of the call than what its last attempt tells.
    #[must_use]
    pub(crate) fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.inner.delivery = delivery;
        self.inner.resend &= delivery.is_harmless();
        self
    }

    /// Says how the attempts ended.
    #[must_use]
    pub(crate) fn with_history(mut self, history: Vec<Attempt>) -> Self {
        self.inner.history = history;
        self
    }

    /// Says when the caller may try again, for an error that a server answers with: a caller that retries waits so long
    /// instead of its own back-off. It travels in whole milliseconds, rounded up.
    #[must_use]
    pub fn with_retry_after(self, time: Duration) -> Self {
        self.with_push_back(PushBack::After(time))
    }

    /// Says that the caller is not to try again, whatever its policy is.
    #[must_use]
    pub fn without_retry(self) -> Self {
        self.with_push_back(PushBack::Never)
    }

    fn with_push_back(mut self, push_back: PushBack) -> Self {
        push_back.put(&mut self.inner.metadata);
        self
    }

    /// The error as a handler's answer crosses the wire: what caused it stays here, and is dropped here; so are the attempts
    /// that led to it, and what the runtime of a further callee said of itself.
    #[must_use]
    pub(crate) fn without_source(mut self) -> Self {
        self.inner.source = None;
        self.inner.metadata.remove(Self::DETAIL);
        self.inner.history = Vec::new();
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

    /// The error as the end of one attempt among others.
    pub(crate) fn as_attempt(&self, number: u32, began: Duration, took: Duration) -> Attempt {
        Attempt {
            number,
            hedge: false,
            began,
            took,
            peer: self.inner.peer.clone(),
            code: self.inner.code,
            delivery: self.inner.delivery,
            message: Arc::from(self.message()),
        }
    }

    /// How many times the call was given to a connection, by whatever policy; 0 if it never was.
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// How each attempt ended, if a policy was there to make more than one: when, where, why and how long it took. The
    /// error itself is that of the last one, and its delivery what is known of all of them together.
    pub fn history(&self) -> &[Attempt] {
        &self.inner.history
    }

    /// When the callee wants the call again, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match PushBack::of(&self.inner.metadata) {
            PushBack::After(time) => Some(time),
            PushBack::None | PushBack::Never => None,
        }
    }

    /// What the runtime of the callee says beyond the code, for programs: [`GOING_AWAY`](Self::GOING_AWAY), or a word that this
    /// version does not know.
    pub fn detail(&self) -> Option<&str> {
        self.inner.metadata.text(Self::DETAIL)
    }

    /// Says beyond the code what it is.
    #[must_use]
    pub(crate) fn with_detail(mut self, detail: &'static str) -> Self {
        let (key, value) = (Cow::Borrowed(Self::DETAIL), Value::Text(detail.to_owned()));
        self.inner.metadata.put(Entry { key, value, propagates: false, sensitive: false, confined: false });
        self
    }

    /// Whether the callee does not want the call again.
    pub fn forbids_retry(&self) -> bool {
        PushBack::of(&self.inner.metadata) == PushBack::Never
    }

    /// What the callee sent beside the error.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, delivery, message, peer, history, .. } = &*self.inner;
        match peer {
            Some(peer) => write!(f, "{code} ({delivery}) at {peer}: {message}")?,
            None => write!(f, "{code} ({delivery}): {message}")?,
        }
        let mut between = " [";
        for attempt in history {
            write!(f, "{between}{attempt}")?;
            between = "; ";
        }
        if history.is_empty() { Ok(()) } else { f.write_str("]") }
    }
}

impl fmt::Debug for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            code,
            delivery,
            resend,
            held: _,
            replies_at: _,
            message,
            metadata,
            peer,
            attempts: _,
            history,
            source,
        } = &*self.inner;
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
        if !history.is_empty() {
            shown.field("history", history);
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
    fn it_says_when_it_wants_the_call_again() {
        let error = RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, "full");
        assert_eq!((error.retry_after(), error.forbids_retry()), (None, false));
        let mut tenant = Metadata::new();
        tenant.set("tenant", "blue").unwrap();
        let later = error.clone().with_retry_after(Duration::from_micros(1_500)).with_metadata(tenant);
        assert_eq!(later.retry_after(), Some(Duration::from_millis(2)));
        assert_eq!(later.metadata().text("tenant"), Some("blue"));
        let never = later.without_retry();
        assert_eq!((never.retry_after(), never.forbids_retry()), (None, true));
        assert_eq!(
            error.with_retry_after(Duration::MAX).retry_after(),
            None,
            "beyond what milliseconds can say"
        );
    }

    #[test]
    fn a_result_stays_small() {
        assert_eq!(size_of::<RpcError>(), size_of::<usize>());
    }
}
