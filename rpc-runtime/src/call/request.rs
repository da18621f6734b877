//! Owns [`Request`]: a call as it passes through callers, handlers and layers, encoded and opaque. Does not encode or
//! decode: that is generated code's work, with `codec`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread::LocalKey;
use std::time::{Duration, Instant};

use crate::call::reused::{Contents, List, Reused};
use crate::call::{
    Asked, CallOptions, Context, Deadline, Entry, Identity, Items, Metadata, MethodDescriptor, Payload, Peer,
    Trail, Value,
};
use crate::limits;

/// A call on its way: from the client through its layers to a connection, and on the other side from the
/// connection through the server's layers to the service.
///
/// One that has come in may be given to a [`Caller`](crate::Caller) as it is, and what comes back may be answered as it is,
/// streams included: so a layer sends calls on to another server without knowing their services. Time, cancellation and
/// credit go through: a deadline goes on running, and a reader that stands still holds up the sender at the far end. A call
/// without streams is bound by the timeout of the channel that it goes on by, too.
///
/// ```
/// use std::sync::Arc;
/// use traitwire::{Caller, Channel, Handler, HandlerFuture, Request};
///
/// /// Sends on what this server does not serve itself.
/// struct Proxy {
///     inner: Arc<dyn Handler>,
///     upstream: Channel,
/// }
///
/// impl Handler for Proxy {
///     fn handle(&self, request: Request) -> HandlerFuture {
///         match request.descriptor() {
///             Some(_) => self.inner.handle(request),
///             None => HandlerFuture::new(self.upstream.call(request)),
///         }
///     }
/// }
/// ```
pub struct Request {
    inner: Reused<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    method: Cow<'static, str>,
    descriptor: Option<&'static MethodDescriptor>,
    arguments: Payload,
    metadata: Metadata,
    deadline: Option<Deadline>,
    items: Option<Items>,
    /// It is answered with a stream.
    takes: bool,
    /// Which of a server's services has the method.
    service: u32,
    peer: Option<Peer>,
    /// Something has been said in `extra`.
    has_extra: bool,
    extra: Extra,
}

/// What few requests say.
#[derive(Clone, Debug, Default)]
struct Extra {
    timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
    /// When the answer, or the first movement of a stream, must be here: fixed when the call begins, for all of its attempts.
    begin_by: Option<Deadline>,
    wait_for_ready: bool,
    asked: Option<Arc<Asked>>,
    /// It may have run where this memory of replies is, and is sent to no other.
    only_at: Option<NonZeroU64>,
    identity: Option<Identity>,
    /// Somebody has decided that its caller may call it.
    is_authorized: bool,
    /// Where the attempts of the call went, for those who choose the next one's endpoint.
    trail: Option<Arc<Trail>>,
    /// The caller wants to know why they went there.
    is_detailed: bool,
}

thread_local! {
    static EMPTY: List<Inner> = const { RefCell::new(Vec::new()) };
}

impl Contents for Inner {
    fn list() -> &'static LocalKey<List<Self>> {
        &EMPTY
    }

    fn clear(&mut self) {
        self.method = Cow::Borrowed("");
        self.descriptor = None;
        self.arguments = Payload::default();
        self.metadata = Metadata::new();
        self.deadline = None;
        self.items = None;
        self.takes = false;
        self.service = 0;
        self.peer = None;
        if std::mem::take(&mut self.has_extra) {
            self.extra = Extra::default();
        }
    }
}

impl Request {
    /// A request for a method that is known. It inherits from the [current context](Context::current): the
    /// deadline, which is absolute, the trace (`traceparent`, `tracestate`, `baggage`), and the propagating metadata.
    pub fn new(method: &'static MethodDescriptor, arguments: Payload) -> Self {
        let mut this = Self::by_name(method.full_name, arguments);
        (this.inner.descriptor, this.inner.takes) = (Some(method), method.takes);
        this
    }

    /// A request for a method known by its name alone, `"Service.method"`.
    pub fn by_name(method: impl Into<Cow<'static, str>>, arguments: Payload) -> Self {
        let mut inner = Reused::<Inner>::new();
        (inner.method, inner.arguments) = (method.into(), arguments);
        Context::inherited(|deadline, metadata| {
            inner.deadline = deadline;
            inner.metadata.inherit(metadata);
        });
        Self { inner }
    }

    /// A request that a connection has received.
    pub(crate) fn received(
        method: Cow<'static, str>,
        arguments: Payload,
        metadata: Metadata,
        deadline: Option<Deadline>,
        peer: Peer,
    ) -> Self {
        let mut inner = Reused::<Inner>::new();
        (inner.method, inner.arguments, inner.metadata) = (method, arguments, metadata);
        (inner.deadline, inner.peer) = (deadline, Some(peer));
        Self { inner }
    }

    /// The request with what the caller says about it.
    #[must_use]
    pub fn with_options(mut self, options: &CallOptions) -> Self {
        self.apply(options);
        self
    }

    fn extra(&mut self) -> &mut Extra {
        self.inner.has_extra = true;
        &mut self.inner.extra
    }

    /// Applies what the caller said.
    pub(crate) fn apply(&mut self, options: &CallOptions) {
        if options.is_empty() {
            return;
        }
        let extra = self.extra();
        extra.timeout = options.timeout.or(extra.timeout);
        extra.idle_timeout = options.idle_timeout.or(extra.idle_timeout);
        extra.total_timeout = options.total_timeout.or(extra.total_timeout);
        extra.wait_for_ready |= options.wait_for_ready;
        if options.asked.is_some() {
            extra.asked = Asked::merge(extra.asked.as_ref(), options.asked.as_ref());
        }
        // An own trace is given nobody else's `tracestate`: the two are one.
        if options.metadata.get("traceparent").is_some() {
            self.inner.metadata.remove("tracestate");
        }
        for entry in options.metadata.iter() {
            self.inner.metadata.put(entry.clone());
        }
    }

    /// The method: `"Service.method"`.
    pub fn method(&self) -> &str {
        &self.inner.method
    }

    /// What is known of the method. On a server it is known once the call has been routed, so the outermost layers
    /// see `None` for methods that the server does not have.
    pub fn descriptor(&self) -> Option<&'static MethodDescriptor> {
        self.inner.descriptor
    }

    /// Says where the method was found.
    pub(crate) fn set_route(&mut self, service: u32, descriptor: &'static MethodDescriptor) {
        self.inner.service = service;
        self.inner.descriptor = Some(descriptor);
    }

    pub(crate) fn service(&self) -> u32 {
        self.inner.service
    }

    /// The encoded arguments.
    pub fn arguments(&self) -> &Payload {
        &self.inner.arguments
    }

    /// What goes beside the arguments.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// What goes beside the arguments, to be changed by a layer.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.inner.metadata
    }

    /// How long the call may take, counted from when it is sent on, as its caller or its method says; `None` for the
    /// channel's default.
    pub fn timeout(&self) -> Option<Duration> {
        self.inner.extra.timeout.or_else(|| self.inner.descriptor?.timeout)
    }

    /// What the caller says of the times, whatever the method does: in all, idle, in all with a stream.
    pub(crate) fn own_timeouts(&self) -> [Option<Duration>; 3] {
        [self.inner.extra.timeout, self.inner.extra.idle_timeout, self.inner.extra.total_timeout]
    }

    /// Sets how long the call may take.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.extra().timeout = Some(timeout);
    }

    /// How long nothing may move on the call's streams once something has; `None` for the default.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.inner.extra.idle_timeout.or_else(|| self.inner.descriptor?.idle_timeout)
    }

    /// Sets how long nothing may move on the call's streams.
    pub fn set_idle_timeout(&mut self, timeout: Duration) {
        self.extra().idle_timeout = Some(timeout);
    }

    /// How long a call with a stream may take in all; `None` without a limit.
    pub fn total_timeout(&self) -> Option<Duration> {
        self.inner.extra.total_timeout.or_else(|| self.inner.descriptor?.total_timeout)
    }

    /// Sets how long a call with a stream may take in all.
    pub fn set_total_timeout(&mut self, timeout: Duration) {
        self.extra().total_timeout = Some(timeout);
    }

    /// The items that the caller sends.
    pub fn items(&self) -> Option<&Items> {
        self.inner.items.as_ref()
    }

    /// Sets the items that the caller sends.
    pub(crate) fn set_items(&mut self, items: Items) {
        self.inner.items = Some(items);
    }

    /// Whether the caller takes items, so that the call is answered with a stream of them.
    pub fn takes_items(&self) -> bool {
        self.inner.takes
    }

    /// Says how the caller uses streams: whether it takes items, how long nothing may happen at first, and later on.
    pub(crate) fn set_stream(&mut self, takes: bool, first: Option<Duration>, idle: Option<Duration>) {
        self.inner.takes = takes;
        (self.extra().timeout, self.extra().idle_timeout) = (first, idle);
    }

    /// Takes the items that the caller sends.
    pub(crate) fn take_items(&mut self) -> Option<Items> {
        self.inner.items.take()
    }

    /// The instant after which nobody wants the answer: inherited on a client, the caller's on a server. Of a call with a
    /// stream it is the end of all its time, if there is one; how long it may take to begin is its [`timeout`](Self::timeout).
    pub fn deadline(&self) -> Option<Deadline> {
        self.inner.deadline
    }

    /// Makes the deadline this one, if it is earlier.
    pub fn limit_deadline(&mut self, deadline: Deadline) {
        self.inner.deadline = Deadline::earlier(self.inner.deadline, Some(deadline));
    }

    /// When the answer, or the first movement of a stream, must be here, once that has been fixed.
    pub(crate) fn begin_by(&self) -> Option<Deadline> {
        self.inner.extra.begin_by
    }

    pub(crate) fn set_begin_by(&mut self, deadline: Deadline) {
        self.extra().begin_by = Some(deadline);
    }

    /// When nobody waits for the answer any more, or for the first movement of a stream, if it was asked for at `since` by a
    /// policy that holds it up.
    pub(crate) fn ends_by(&self, since: Instant) -> Deadline {
        let own = Deadline::after(since, self.timeout().unwrap_or(limits::TIMEOUT));
        let own = self.begin_by().unwrap_or(own);
        Deadline::earlier(self.deadline(), Some(own)).unwrap_or(own)
    }

    /// Takes what a policy has held it up from its time, unless that is fixed already.
    pub(crate) fn shorten(&mut self, waited: Duration) {
        if self.begin_by().is_none() {
            let timeout = self.timeout().unwrap_or(limits::TIMEOUT);
            self.set_timeout(timeout.saturating_sub(waited));
        }
    }

    /// The same call once more, with the same bytes, for another attempt; `None` once items of a stream that its caller
    /// sends have been taken, since they are gone.
    pub fn again(&mut self) -> Option<Self> {
        let items = match &mut self.inner.items {
            Some(items) => Some(items.again()?),
            None => None,
        };
        let mut inner = Reused::<Inner>::new();
        let this = &*self.inner;
        *inner = Inner {
            method: this.method.clone(),
            descriptor: this.descriptor,
            arguments: this.arguments.clone(),
            metadata: this.metadata.clone(),
            deadline: this.deadline,
            items,
            takes: this.takes,
            service: this.service,
            peer: this.peer.clone(),
            has_extra: this.has_extra,
            extra: this.extra.clone(),
        };
        Some(Self { inner })
    }

    /// Whether what [`again`](Self::again) once gave can be given once more.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.inner.items.as_ref().is_none_or(Items::is_whole)
    }

    /// Says which memory of replies knows of an earlier attempt.
    pub(crate) fn set_only_at(&mut self, number: NonZeroU64) {
        self.extra().only_at = Some(number);
    }

    /// Which memory of replies knows of an earlier attempt; the call goes to no other.
    pub(crate) fn only_at(&self) -> Option<NonZeroU64> {
        self.inner.extra.only_at
    }

    /// Says which attempt of the call this is, counted from 1.
    pub(crate) fn set_attempt(&mut self, number: u32) {
        if number > 1 {
            let (key, value) = (Cow::Borrowed(Context::ATTEMPT), Value::Text(number.to_string()));
            self.inner.metadata.put(Entry {
                key,
                value,
                propagates: false,
                sensitive: false,
                confined: false,
            });
        }
    }

    /// Which attempt of the call this is, counted from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.inner.metadata.text(Context::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    /// Where the attempts of the call went, if anybody keeps it.
    pub(crate) fn trail(&self) -> Option<&Arc<Trail>> {
        self.inner.extra.trail.as_ref()
    }

    /// Keeps where the attempts of the call go: what is made of this by [`again`](Self::again) goes on with it.
    pub(crate) fn keep_trail(&mut self) {
        let extra = self.extra();
        let is_detailed = extra.is_detailed;
        extra.trail.get_or_insert_with(|| Arc::new(Trail::new(is_detailed)));
    }

    /// The caller wants to know why the attempts go where they go.
    pub(crate) fn set_detailed(&mut self) {
        self.extra().is_detailed = true;
    }

    pub(crate) fn is_detailed(&self) -> bool {
        self.inner.extra.is_detailed
    }

    /// What the caller wants beyond a single attempt.
    pub(crate) fn asked(&self) -> Option<&Asked> {
        self.inner.extra.asked.as_deref()
    }

    /// Whether the caller or the method asks for more than a single attempt.
    pub(crate) fn has_policy(&self) -> bool {
        self.inner.extra.asked.is_some() || self.inner.descriptor.is_some_and(MethodDescriptor::has_policy)
    }

    /// Whether the call waits for a connection while there is none.
    pub fn waits_for_ready(&self) -> bool {
        self.inner.extra.wait_for_ready
    }

    /// Who makes the call; `None` on the side that makes it.
    pub fn peer(&self) -> Option<&Peer> {
        self.inner.peer.as_ref()
    }

    /// Who makes the call, as far as that is proved: what a layer has [found out](Self::set_identity), or else what the
    /// [peer](Peer::identity) has proved on its connection.
    pub fn identity(&self) -> Option<&Identity> {
        self.inner.extra.identity.as_ref().or_else(|| self.inner.peer.as_ref()?.identity())
    }

    /// Says who makes the call, for layers to which what came with the call has proved it. Handlers find it in
    /// [`Context::identity`], where the first word counts.
    pub fn set_identity(&mut self, identity: Identity) {
        Context::current().identify(identity.clone());
        self.extra().identity = Some(identity);
    }

    /// Says that its caller may call it: a layer of one's own has decided so, in place of
    /// [`Authorize`](crate::policy::access::Authorize). A method whose trait names
    /// [roles](MethodDescriptor::allow) is reached in no other way.
    pub fn set_authorized(&mut self) {
        self.extra().is_authorized = true;
    }

    /// Whether somebody has [decided](Self::set_authorized) that its caller may call it.
    pub fn is_authorized(&self) -> bool {
        self.inner.extra.is_authorized
    }

    /// The encoded arguments, taken out.
    pub fn into_arguments(mut self) -> Payload {
        std::mem::take(&mut self.inner.arguments)
    }

    pub(crate) fn into_parts(mut self) -> (Cow<'static, str>, Payload, Metadata) {
        let inner = &mut *self.inner;
        let method = std::mem::replace(&mut inner.method, Cow::Borrowed(""));
        let parts = (method, std::mem::take(&mut inner.arguments), std::mem::take(&mut inner.metadata));
        if inner.items.is_none() && inner.peer.is_none() && !inner.has_extra {
            (inner.descriptor, inner.deadline, inner.takes, inner.service) = (None, None, false, 0);
            self.inner.give_back();
        }
        parts
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use std::time::Instant;

    use super::*;

    static METHOD: MethodDescriptor = MethodDescriptor::new("m", "S.m", 0);

    #[test]
    fn an_own_trace_does_not_go_on_with_the_state_of_another() {
        let with = |options: &CallOptions| {
            let mut request = Request::by_name("S.m", Payload::default());
            for (key, value) in [("traceparent", "00-1-2-01"), ("tracestate", "vendor=1"), ("baggage", "a=b")]
            {
                request.metadata_mut().set(key, value).unwrap();
            }
            request.apply(options);
            ["traceparent", "tracestate", "baggage"]
                .map(|key| request.metadata().text(key).map(str::to_owned))
        };
        let inherited = with(&CallOptions::new().metadata("k", "v"));
        assert!(inherited.iter().all(Option::is_some));
        let [parent, state, baggage] = with(&CallOptions::new().metadata("traceparent", "00-3-4-01"));
        assert_eq!((parent.as_deref(), state, baggage.as_deref()), (Some("00-3-4-01"), None, Some("a=b")));
    }

    #[test]
    fn nothing_of_a_request_is_left_in_its_box_for_the_next() {
        let mut first = Request::by_name("S.m", Payload::new(vec![1]));
        let place = std::ptr::from_ref(&*first.inner);
        first.apply(&CallOptions::new().timeout(Duration::from_secs(1)).metadata("k", "v").wait_for_ready());
        first.set_identity(Identity::new(["user:ada"]));
        first.set_authorized();
        first.set_route(7, &METHOD);
        first.limit_deadline(Deadline::at(Instant::now()));
        drop(first);
        let next =
            Request::received("S.n".into(), Payload::default(), Metadata::new(), None, Peer::default());
        assert_eq!(std::ptr::from_ref(&*next.inner), place, "it is the same box");
        assert!(!next.is_authorized() && next.identity().is_none() && !next.waits_for_ready());
        assert!(next.metadata().is_empty() && next.arguments().bytes().is_empty());
        assert_eq!((next.service(), next.descriptor().is_none()), (0, true));
        assert_eq!((next.timeout(), next.deadline()), (None, None));
    }
}
