//! Owns [`Request`]: a call as it passes through callers, handlers and layers, encoded and opaque. Does not encode or
//! decode: that is generated code's work, with `codec`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use std::sync::Arc;

use crate::call::{
    Asked, CallOptions, Context, Deadline, Entry, Identity, Items, Metadata, MethodDescriptor, Payload, Peer,
    Value,
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
#[derive(Debug)]
pub struct Request {
    method: Cow<'static, str>,
    descriptor: Option<&'static MethodDescriptor>,
    arguments: Payload,
    metadata: Metadata,
    timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
    deadline: Option<Deadline>,
    /// When the answer, or the first movement of a stream, must be here: fixed when the call begins, for all of its attempts.
    begin_by: Option<Deadline>,
    items: Option<Items>,
    /// It is answered with a stream.
    takes: bool,
    wait_for_ready: bool,
    asked: Option<Arc<Asked>>,
    peer: Option<Peer>,
    identity: Option<Identity>,
    /// Somebody has decided that its caller may call it.
    is_authorized: bool,
    /// Which of a server's services has the method.
    service: u32,
}

impl Request {
    /// A request for a method that is known. It inherits from the [current context](Context::current): the
    /// deadline, which is absolute, and the propagating metadata.
    pub fn new(method: &'static MethodDescriptor, arguments: Payload) -> Self {
        let takes = method.takes;
        Self { descriptor: Some(method), takes, ..Self::by_name(method.full_name, arguments) }
    }

    /// A request for a method known by its name alone, `"Service.method"`.
    pub fn by_name(method: impl Into<Cow<'static, str>>, arguments: Payload) -> Self {
        let context = Context::current();
        let mut metadata = Metadata::new();
        metadata.inherit(context.metadata());
        Self {
            method: method.into(),
            descriptor: None,
            arguments,
            metadata,
            timeout: None,
            idle_timeout: None,
            total_timeout: None,
            deadline: context.deadline(),
            begin_by: None,
            items: None,
            takes: false,
            wait_for_ready: false,
            asked: None,
            peer: None,
            identity: None,
            is_authorized: false,
            service: 0,
        }
    }

    /// A request that a connection has received.
    pub(crate) fn received(
        method: Cow<'static, str>,
        arguments: Payload,
        metadata: Metadata,
        deadline: Option<Deadline>,
        peer: Peer,
    ) -> Self {
        Self {
            method,
            descriptor: None,
            arguments,
            metadata,
            timeout: None,
            idle_timeout: None,
            total_timeout: None,
            deadline,
            begin_by: None,
            items: None,
            takes: false,
            wait_for_ready: false,
            asked: None,
            peer: Some(peer),
            identity: None,
            is_authorized: false,
            service: 0,
        }
    }

    /// The request with what the caller says about it.
    #[must_use]
    pub fn with_options(mut self, options: &CallOptions) -> Self {
        self.apply(options);
        self
    }

    /// Applies what the caller said.
    pub(crate) fn apply(&mut self, options: &CallOptions) {
        self.timeout = options.timeout.or(self.timeout);
        self.idle_timeout = options.idle_timeout.or(self.idle_timeout);
        self.total_timeout = options.total_timeout.or(self.total_timeout);
        self.wait_for_ready |= options.wait_for_ready;
        if options.asked.is_some() {
            self.asked = Asked::merge(self.asked.as_ref(), options.asked.as_ref());
        }
        for entry in options.metadata.iter() {
            self.metadata.put(entry.clone());
        }
    }

    /// The method: `"Service.method"`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What is known of the method. On a server it is known once the call has been routed, so the outermost layers
    /// see `None` for methods that the server does not have.
    pub const fn descriptor(&self) -> Option<&'static MethodDescriptor> {
        self.descriptor
    }

    /// Says where the method was found.
    pub(crate) const fn set_route(&mut self, service: u32, descriptor: &'static MethodDescriptor) {
        self.service = service;
        self.descriptor = Some(descriptor);
    }

    pub(crate) const fn service(&self) -> u32 {
        self.service
    }

    /// The encoded arguments.
    pub const fn arguments(&self) -> &Payload {
        &self.arguments
    }

    /// What goes beside the arguments.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What goes beside the arguments, to be changed by a layer.
    pub const fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// How long the call may take, counted from when it is sent on, as its caller or its method says; `None` for the
    /// channel's default.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.or_else(|| self.descriptor?.timeout)
    }

    /// What the caller says of the times, whatever the method does: in all, idle, in all with a stream.
    pub(crate) const fn own_timeouts(&self) -> [Option<Duration>; 3] {
        [self.timeout, self.idle_timeout, self.total_timeout]
    }

    /// Sets how long the call may take.
    pub const fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = Some(timeout);
    }

    /// How long nothing may move on the call's streams once something has; `None` for the default.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout.or_else(|| self.descriptor?.idle_timeout)
    }

    /// Sets how long nothing may move on the call's streams.
    pub const fn set_idle_timeout(&mut self, timeout: Duration) {
        self.idle_timeout = Some(timeout);
    }

    /// How long a call with a stream may take in all; `None` without a limit.
    pub fn total_timeout(&self) -> Option<Duration> {
        self.total_timeout.or_else(|| self.descriptor?.total_timeout)
    }

    /// Sets how long a call with a stream may take in all.
    pub const fn set_total_timeout(&mut self, timeout: Duration) {
        self.total_timeout = Some(timeout);
    }

    /// The items that the caller sends.
    pub const fn items(&self) -> Option<&Items> {
        self.items.as_ref()
    }

    /// Sets the items that the caller sends.
    pub(crate) fn set_items(&mut self, items: Items) {
        self.items = Some(items);
    }

    /// Whether the caller takes items, so that the call is answered with a stream of them.
    pub const fn takes_items(&self) -> bool {
        self.takes
    }

    /// Says how the caller uses streams: whether it takes items, how long nothing may happen at first, and later on.
    pub(crate) const fn set_stream(&mut self, takes: bool, first: Option<Duration>, idle: Option<Duration>) {
        (self.takes, self.timeout, self.idle_timeout) = (takes, first, idle);
    }

    /// Takes the items that the caller sends.
    pub(crate) const fn take_items(&mut self) -> Option<Items> {
        self.items.take()
    }

    /// The instant after which nobody wants the answer: inherited on a client, the caller's on a server. Of a call with a
    /// stream it is the end of all its time, if there is one; how long it may take to begin is its [`timeout`](Self::timeout).
    pub const fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Makes the deadline this one, if it is earlier.
    pub fn limit_deadline(&mut self, deadline: Deadline) {
        self.deadline = Deadline::earlier(self.deadline, Some(deadline));
    }

    /// When the answer, or the first movement of a stream, must be here, once that has been fixed.
    pub(crate) const fn begin_by(&self) -> Option<Deadline> {
        self.begin_by
    }

    pub(crate) const fn set_begin_by(&mut self, deadline: Deadline) {
        self.begin_by = Some(deadline);
    }

    /// When nobody waits for the answer any more, or for the first movement of a stream, if it was asked for at `since` by a
    /// policy that holds it up.
    pub(crate) fn ends_by(&self, since: Instant) -> Deadline {
        let own = Deadline::after(since, self.timeout().unwrap_or(limits::TIMEOUT));
        let own = self.begin_by.unwrap_or(own);
        Deadline::earlier(self.deadline, Some(own)).unwrap_or(own)
    }

    /// Takes what a policy has held it up from its time, unless that is fixed already.
    pub(crate) fn shorten(&mut self, waited: Duration) {
        if self.begin_by.is_none() {
            let timeout = self.timeout().unwrap_or(limits::TIMEOUT);
            self.timeout = Some(timeout.saturating_sub(waited));
        }
    }

    /// The same call once more, with the same bytes, for another attempt; `None` once items of a stream that its caller
    /// sends have been taken, since they are gone.
    pub fn again(&mut self) -> Option<Self> {
        let items = match &mut self.items {
            Some(items) => Some(items.again()?),
            None => None,
        };
        Some(Self {
            method: self.method.clone(),
            descriptor: self.descriptor,
            arguments: self.arguments.clone(),
            metadata: self.metadata.clone(),
            timeout: self.timeout,
            idle_timeout: self.idle_timeout,
            total_timeout: self.total_timeout,
            deadline: self.deadline,
            begin_by: self.begin_by,
            items,
            takes: self.takes,
            wait_for_ready: self.wait_for_ready,
            asked: self.asked.clone(),
            peer: self.peer.clone(),
            identity: self.identity.clone(),
            is_authorized: self.is_authorized,
            service: self.service,
        })
    }

    /// Whether what [`again`](Self::again) once gave can be given once more.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.items.as_ref().is_none_or(Items::is_whole)
    }

    /// Says which attempt of the call this is, counted from 1.
    pub(crate) fn set_attempt(&mut self, number: u32) {
        if number > 1 {
            let (key, value) = (Cow::Borrowed(Context::ATTEMPT), Value::Text(number.to_string()));
            self.metadata.put(Entry { key, value, propagates: false, sensitive: false, confined: false });
        }
    }

    /// Which attempt of the call this is, counted from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.metadata.text(Context::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    /// What the caller wants beyond a single attempt.
    pub(crate) fn asked(&self) -> Option<&Asked> {
        self.asked.as_deref()
    }

    /// Whether the caller or the method asks for more than a single attempt.
    pub(crate) fn has_policy(&self) -> bool {
        self.asked.is_some() || self.descriptor.is_some_and(MethodDescriptor::has_policy)
    }

    /// Whether the call waits for a connection while there is none.
    pub const fn waits_for_ready(&self) -> bool {
        self.wait_for_ready
    }

    /// Who makes the call; `None` on the side that makes it.
    pub const fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Who makes the call, as far as that is proved: what a layer has [found out](Self::set_identity), or else what the
    /// [peer](Peer::identity) has proved on its connection.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref().or_else(|| self.peer.as_ref()?.identity())
    }

    /// Says who makes the call, for layers to which what came with the call has proved it. Handlers find it in
    /// [`Context::identity`], where the first word counts.
    pub fn set_identity(&mut self, identity: Identity) {
        Context::current().identify(identity.clone());
        self.identity = Some(identity);
    }

    /// Says that its caller may call it: a layer of one's own has decided so, in place of
    /// [`Authorize`](crate::policy::access::Authorize). A method whose trait names
    /// [roles](MethodDescriptor::allow) is reached in no other way.
    pub const fn set_authorized(&mut self) {
        self.is_authorized = true;
    }

    /// Whether somebody has [decided](Self::set_authorized) that its caller may call it.
    pub const fn is_authorized(&self) -> bool {
        self.is_authorized
    }

    /// The encoded arguments, taken out.
    pub fn into_arguments(self) -> Payload {
        self.arguments
    }

    pub(crate) fn into_parts(self) -> (Cow<'static, str>, Payload, Metadata) {
        (self.method, self.arguments, self.metadata)
    }
}
