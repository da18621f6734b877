//! Owns [`Client`]: what every generated client is, under names that no method of a trait can take away. Does not
//! make connections.

use crate::call::{Asked, CallOptions, Caller, RpcError, Service, ServiceDescriptor};
use crate::client::Channel;

/// A generated client: what can be said of it whatever its trait's methods are called.
///
/// `FooClient::connect`, `new`, `loopback` and `with` are the short forms, and with the feature `testing` `mock` and
/// `from_impl`. Each of them gives way to a method of the same name; this trait and the free functions [`connect`],
/// [`loopback`] and [`with`] do not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a generated client",
    label = "not a client",
    note = "`#[rpc_service]` on a trait `Foo` generates `FooClient`, which is one"
)]
pub trait Client: Clone + Send + Sync + 'static {
    /// What the calls are made through.
    type Caller: Caller;

    /// The service's name and methods.
    const DESCRIPTOR: &'static ServiceDescriptor;

    /// A client that makes its calls through `caller`.
    fn from_caller(caller: Self::Caller) -> Self;

    /// What the calls are made through.
    fn caller(&self) -> &Self::Caller;

    /// The same client with other defaults: what `options` say wins over what this one has.
    #[must_use]
    fn with_options(&self, options: CallOptions) -> Self;
}

/// A client of the service at `uri`: `traitwire::connect::<FooClient>("tcp://127.0.0.1:7000")`.
///
/// # Errors
///
/// `invalid_argument` if no transport takes the address, `unavailable` if nobody answers there; both `NotSent`.
pub async fn connect<T: Client<Caller = Channel>>(uri: &str) -> Result<T, RpcError> {
    Channel::connect(uri).await.map(T::from_caller)
}

/// A client of `service`, served in this process through the whole stack but the socket:
/// `traitwire::loopback::<FooClient>(FooServer::new(foo))`.
pub fn loopback<T: Client<Caller = Channel>>(service: impl Service) -> T {
    T::from_caller(Channel::loopback(service))
}

/// The same client with other defaults: what `options` say wins over what `client` has.
#[must_use]
pub fn with<T: Client>(client: &T, options: CallOptions) -> T {
    client.with_options(options)
}

/// What `over` says, and what `under` says where it leaves something open. For generated code.
pub fn merge(under: &CallOptions, over: CallOptions) -> CallOptions {
    let asked = Asked::merge(under.asked.as_ref(), over.asked.as_ref());
    let mut merged = under.clone().with_metadata(&over.metadata);
    merged.timeout = over.timeout.or(merged.timeout);
    merged.idle_timeout = over.idle_timeout.or(merged.idle_timeout);
    merged.total_timeout = over.total_timeout.or(merged.total_timeout);
    merged.wait_for_ready |= over.wait_for_ready;
    merged.asked = asked;
    merged.mistake = merged.mistake.or(over.mistake);
    merged
}
