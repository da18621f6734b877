//! Owns [`CallOptions`]: what a caller may say about a call beside its arguments. Does not apply it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Asked, Hedge, Metadata, MetadataError, Retry, Token, Value, Wanted};

/// What a caller says about its calls beside their arguments. What it leaves open, the method's attributes or the
/// channel decide.
///
/// ```
/// use std::time::Duration;
/// use traitwire::CallOptions;
/// let options = CallOptions::new().timeout(Duration::from_millis(250)).metadata("tenant", "blue");
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) total_timeout: Option<Duration>,
    pub(crate) wait_for_ready: bool,
    pub(crate) metadata: Metadata,
    /// Shared, since a client with options has them for all of its calls.
    pub(crate) asked: Option<Arc<Asked>>,
    /// A key that was refused: the call ends with it, so that a chain of options needs no `?`.
    pub(crate) mistake: Option<MetadataError>,
}

impl CallOptions {
    /// Options that say nothing.
    pub const fn new() -> Self {
        Self {
            timeout: None,
            idle_timeout: None,
            total_timeout: None,
            wait_for_ready: false,
            metadata: Metadata::new(),
            asked: None,
            mistake: None,
        }
    }

    /// Whether they say nothing that a request would have to hear.
    pub(crate) fn is_empty(&self) -> bool {
        let times = [self.timeout, self.idle_timeout, self.total_timeout];
        times.iter().all(Option::is_none)
            && !self.wait_for_ready
            && self.asked.is_none()
            && self.metadata.is_empty()
    }

    /// How long a call may take in all, counted from its first poll; with a stream, until something first moves on it.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long nothing may move on a call's streams in either direction, once something has. Calls without a stream take
    /// no notice of it.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// How long a call with a stream may take in all; by default as long as it moves. Calls without a stream take no
    /// notice of it.
    #[must_use]
    pub const fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    /// While there is no connection, calls wait for one until their deadline instead of ending at once.
    #[must_use]
    pub const fn wait_for_ready(mut self) -> Self {
        self.wait_for_ready = true;
        self
    }

    /// Tries calls again that have failed. Which failures that is for, and which never: see the module
    /// [`policy`](crate::policy); a method that is not idempotent is tried again only where no handler can have seen the
    /// call.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.asked_mut().retry = Some(Wanted::On(retry));
        self
    }

    /// Makes one attempt of each call, whatever its method and the channel say. A call that no handler saw is still sent
    /// again where the connection says that it may be.
    #[must_use]
    pub fn no_retry(mut self) -> Self {
        self.asked_mut().retry = Some(Wanted::Off);
        self
    }

    /// Sends idempotent calls once more that take long. Methods that are not idempotent take no notice of it.
    #[must_use]
    pub fn hedge(mut self, hedge: Hedge) -> Self {
        self.asked_mut().hedge = Some(Wanted::On(hedge));
        self
    }

    /// Sends no call once more that only takes long, whatever its method and the channel say.
    #[must_use]
    pub fn no_hedge(mut self) -> Self {
        self.asked_mut().hedge = Some(Wanted::Off);
        self
    }

    /// Makes each call, even if an answer to it is kept; what it brings is kept in its place. For reading one's own writes.
    #[cfg(feature = "cache")]
    #[must_use]
    pub fn anew(mut self) -> Self {
        self.asked_mut().anew = true;
        self
    }

    fn asked_mut(&mut self) -> &mut Asked {
        Arc::make_mut(self.asked.get_or_insert_default())
    }

    /// Sends a value beside the arguments. A call with a key that is not well formed ends with `invalid_argument`.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        if let Err(mistake) = self.metadata.set(key, value) {
            self.mistake.get_or_insert(mistake);
        }
        self
    }

    /// Sends this token beside the arguments, in place of the channel's. It leaves only over links that nobody can read along
    /// on.
    #[must_use]
    pub fn token(mut self, token: &Token) -> Self {
        token.attach(&mut self.metadata);
        self
    }

    /// Sends all of these values beside the arguments.
    #[must_use]
    pub fn with_metadata(mut self, metadata: &Metadata) -> Self {
        for entry in metadata.iter() {
            self.metadata.put(entry.clone());
        }
        self
    }
}
