//! Owns [`ServiceDescriptor`] and [`MethodDescriptor`]: what is known of a trait without calling it. The attribute
//! writes them; policies, reflection and tools read them.

use std::time::Duration;

use crate::call::{Hedge, Keep, Response, Retry};

/// A service: the trait's name, its documentation and its methods.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServiceDescriptor {
    /// The service's name on the wire: the trait's, unless `name = "…"` says otherwise.
    pub name: &'static str,
    /// The trait's doc comment.
    pub docs: &'static str,
    /// Its methods, in the order of the trait.
    pub methods: &'static [MethodDescriptor],
}

impl ServiceDescriptor {
    /// A service with these methods.
    pub const fn new(name: &'static str, docs: &'static str, methods: &'static [MethodDescriptor]) -> Self {
        Self { name, docs, methods }
    }
}

/// A method: its names, arguments and what its attributes promise.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MethodDescriptor {
    /// The method's name on the wire.
    pub name: &'static str,
    /// Its identity: `"Service.method"`.
    pub full_name: &'static str,
    /// Its place in the trait as written, counted from 0; a method that `cfg` took out leaves its number unused.
    pub index: u32,
    /// Its doc comment.
    pub docs: &'static str,
    /// Its arguments, without `self`.
    pub arguments: &'static [ArgumentDescriptor],
    /// The type that it returns, as written.
    pub returns: &'static str,
    /// Calling it twice does no more than calling it once: it may be retried and hedged.
    pub idempotent: bool,
    /// It is not, but its server runs each call once, however often that is sent: it may be retried.
    pub dedup: bool,
    /// The caller does not wait for it to run.
    pub oneway: bool,
    /// It may block its thread, and runs on a pool of its own.
    pub blocking: bool,
    /// The trait marks it as deprecated.
    pub deprecated: bool,
    /// How long a call may take unless the caller says otherwise.
    pub timeout: Option<Duration>,
    /// Its caller sends a stream of items.
    pub sends: bool,
    /// Its answer is a stream of items.
    pub takes: bool,
    /// How long nothing may move on its streams, unless the caller says otherwise.
    pub idle_timeout: Option<Duration>,
    /// How long a call with a stream may take in all, unless the caller says otherwise.
    pub total_timeout: Option<Duration>,
    /// How many elements its arguments and its reply may have, if more than the default.
    pub elements: Option<u32>,
    /// How calls that have failed are tried again, unless the caller says otherwise.
    pub retry: Option<Retry>,
    /// When calls that take long are sent once more, unless the caller says otherwise.
    pub hedge: Option<Hedge>,
    /// Which roles may call it, by the trait's word (`#[rpc(allow = "…")]`): a caller needs one of them. Empty if the trait
    /// does not say.
    pub allow: &'static [&'static str],
    /// How long its callers keep its answers, unless they say otherwise.
    pub cache: Option<Keep>,
    /// Which of the arguments that travel in the array is the key that says where a call belongs: `#[rpc(key)]`.
    pub key: Option<u32>,
    /// Which of the service's own errors, encoded, are worth another attempt.
    pub(crate) retry_on: Option<RetryOn>,
}

/// Whether an answer that is the service's own error says that another attempt may succeed.
pub(crate) type RetryOn = fn(&MethodDescriptor, &Response) -> bool;

impl MethodDescriptor {
    /// A method without arguments that promises nothing.
    pub const fn new(name: &'static str, full_name: &'static str, index: u32) -> Self {
        Self {
            name,
            full_name,
            index,
            docs: "",
            arguments: &[],
            returns: "()",
            idempotent: false,
            dedup: false,
            oneway: false,
            blocking: false,
            deprecated: false,
            timeout: None,
            sends: false,
            takes: false,
            idle_timeout: None,
            total_timeout: None,
            elements: None,
            retry: None,
            hedge: None,
            allow: &[],
            cache: None,
            key: None,
            retry_on: None,
        }
    }

    /// Sets the doc comment.
    #[must_use]
    pub const fn with_docs(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// Sets the arguments and the returned type.
    #[must_use]
    pub const fn with_signature(
        mut self,
        arguments: &'static [ArgumentDescriptor],
        returns: &'static str,
    ) -> Self {
        self.arguments = arguments;
        self.returns = returns;
        self
    }

    /// Marks it as idempotent.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Marks it as one whose server runs each call once.
    #[must_use]
    pub const fn dedup(mut self) -> Self {
        self.dedup = true;
        self
    }

    /// Marks it as oneway.
    #[must_use]
    pub const fn oneway(mut self) -> Self {
        self.oneway = true;
        self
    }

    /// Marks it as blocking.
    #[must_use]
    pub const fn blocking(mut self) -> Self {
        self.blocking = true;
        self
    }

    /// Says whether it is deprecated.
    #[must_use]
    pub const fn deprecated(mut self, deprecated: bool) -> Self {
        self.deprecated = deprecated;
        self
    }

    /// Sets the timeout, in microseconds.
    #[must_use]
    pub const fn with_timeout_micros(mut self, micros: u64) -> Self {
        self.timeout = Some(Duration::from_micros(micros));
        self
    }

    /// Its caller sends a stream of items.
    #[must_use]
    pub const fn sends(mut self) -> Self {
        self.sends = true;
        self
    }

    /// Its answer is a stream of items.
    #[must_use]
    pub const fn takes(mut self) -> Self {
        self.takes = true;
        self
    }

    /// Sets how long nothing may move on its streams, in microseconds.
    #[must_use]
    pub const fn with_idle_timeout_micros(mut self, micros: u64) -> Self {
        self.idle_timeout = Some(Duration::from_micros(micros));
        self
    }

    /// Sets how long a call with a stream may take in all, in microseconds.
    #[must_use]
    pub const fn with_total_timeout_micros(mut self, micros: u64) -> Self {
        self.total_timeout = Some(Duration::from_micros(micros));
        self
    }

    /// Sets how many elements its messages may have.
    #[must_use]
    pub const fn with_elements(mut self, elements: u32) -> Self {
        self.elements = Some(elements);
        self
    }

    /// Sets how calls that have failed are tried again.
    #[must_use]
    pub const fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Sets when calls that take long are sent once more.
    #[must_use]
    pub const fn with_hedge(mut self, hedge: Hedge) -> Self {
        self.hedge = Some(hedge);
        self
    }

    /// Sets which roles may call it.
    #[must_use]
    pub const fn with_allow(mut self, roles: &'static [&'static str]) -> Self {
        self.allow = roles;
        self
    }

    /// Sets whether its callers may keep its answers, and how long.
    #[must_use]
    pub const fn with_cache(mut self, keep: Keep) -> Self {
        self.cache = Some(keep);
        self
    }

    /// Whether it asks for more than a single attempt of each call.
    pub(crate) const fn has_policy(&self) -> bool {
        let keeps = matches!(self.cache, Some(Keep { ttl: Some(_), .. }));
        self.retry.is_some() || self.hedge.is_some() || keeps
    }

    /// Sets which argument is the key that says where a call belongs, counted from 0 without those that stream.
    #[must_use]
    pub const fn with_key(mut self, nth: u32) -> Self {
        self.key = Some(nth);
        self
    }

    /// Sets which of the service's own errors are worth another attempt. An error is still encoded here: generated code
    /// decodes it.
    #[must_use]
    pub const fn with_retry_on(mut self, retry_on: fn(&Self, &Response) -> bool) -> Self {
        self.retry_on = Some(retry_on);
        self
    }
}

/// An argument of a method.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ArgumentDescriptor {
    /// Its name in the trait.
    pub name: &'static str,
    /// Its type, as written.
    pub ty: &'static str,
    /// Whether `#[rpc(default)]` lets it be absent. An `Option` may be absent as well.
    pub default: bool,
}

impl ArgumentDescriptor {
    /// An argument.
    pub const fn new(name: &'static str, ty: &'static str, default: bool) -> Self {
        Self { name, ty, default }
    }
}
