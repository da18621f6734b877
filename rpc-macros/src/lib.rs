//! The attribute `#[rpc_service]` and its documentation. Owns no logic: `parse` reads a trait into the `model`,
//! `validate` looks at what needs two items, `expand` writes; what is wrong is collected on the way and told at once.

mod allow;
mod args;
mod attempts;
mod body;
mod diagnostics;
mod expand;
mod model;
mod names;
mod parse;
mod paths;
mod setting;
mod stream;
#[cfg(test)]
mod tests;
mod types;
mod validate;

use proc_macro::TokenStream;

/// Turns a trait into a service: the trait itself, a typed client and a server.
///
/// ```ignore
/// #[rpc_service]
/// pub trait Calculator {
///     /// The sum of `a` and `b`.
///     #[rpc(idempotent)]
///     async fn add(&self, a: i64, b: i64) -> i64;
///
///     #[rpc(idempotent, timeout = "250ms")]
///     async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
/// }
/// ```
///
/// stays the trait that it is, and adds `CalculatorClient<C = Channel>` and `CalculatorServer<T>` with its visibility.
///
/// # The trait
///
/// Each method takes `&self` and is an `async fn`, or a `fn` that returns a stream. In the trait an `async fn` becomes
/// `fn add(&self, a: i64, b: i64) -> impl Future<Output = i64> + Send`, so that generic code can spawn it;
/// implementations write a plain `async fn`. Supertraits, documentation, `cfg`, `deprecated` and other attributes stay.
/// A default body stays too; that of an `async fn` lends `self` to a future that is `Send`, and needs
/// `where Self: Sync` on the method.
///
/// # The client
///
/// `CalculatorClient` has a method for each of the trait's, which returns a `Call`: a future that ends with
/// `Result<T, CallError<E>>`, where a method that returns a plain `T` has no `E` of its own. An alias of `Result` is
/// seen through, whatever it is called; one around a stream is not, because an attribute sees names and no types.
///
/// `CalculatorClient::connect(uri)`, `new(caller)`, `loopback(service)` and `with(options)` are short forms, each of
/// which gives way to a method of the same name; `From<C>`, the trait `Client` and the functions `connect`, `loopback`
/// and `with` of the crate always work. A method called `into` or `try_into` is called on a reference,
/// `(&client).into()`, because Rust tries `Into` first. With the crate's feature `testing` there are `mock()`, a client
/// without a server, and `from_impl(service)`, one whose service is called in place.
///
/// Where every method returns a `Result` whose error is `From<RpcError>`, the client implements the trait as well; of a
/// stream, every item and the opening must be one.
///
/// # Arguments
///
/// They travel in their order. `&str` and `&[u8]` are sent without a copy and lent from the message; so is what is in
/// a type with a lifetime, such as `Option<&str>` or `Query<'_>` (write the `'_`). Any other `&T` is decoded as a `T` and
/// lent. A method can get more arguments later, as long as they may be absent: an `Option` is `None` then, one with
/// `#[rpc(default)]` its default.
///
/// # Streams
///
/// ```ignore
/// #[rpc_service]
/// pub trait Journal {
///     /// Items from the start: no `async`.
///     fn lines(&self, from: u64) -> impl Stream<Item = String>;
///
///     /// May fail before the first item; and here each item may fail too, which ends the stream.
///     async fn follow(&self, name: &str) -> Result<impl Stream<Item = Result<String, ReadError>>, OpenError>;
///
///     /// Items of the caller's, beside any other arguments.
///     async fn append(&self, name: &str, lines: Streaming<String>) -> Result<u64, OpenError>;
///
///     /// Both ways.
///     #[rpc(idle_timeout = "5m")]
///     async fn filter(&self, lines: Streaming<String>, pattern: &str) -> impl Stream<Item = String>;
/// }
/// ```
///
/// A method returns `impl Stream<Item = T>` itself, or within a `Result` with its error that is written as such, not as an
/// alias; an item may be an alias of `Result`. The trait adds `+ Send` to it. Implementations write the same, and their
/// streams may borrow from `&self` and from what is lent.
///
/// A method takes at most one `Streaming<T>`, anywhere among its arguments. The client's method takes any
/// `impl Stream<Item = T> + Send + 'static` for it.
///
/// The client's methods return a `CallStream<C, T, E>`, a stream of `Result<T, CallError<E>>`, where the trait's is no
/// `async fn`; else an `OpenCall<C, T, E, O>`, a future of `Result<CallStream<C, T, E>, CallError<O>>`. A method that takes
/// a stream and returns none is a `Call`, as ever.
///
/// # Options
///
/// On the trait, `#[rpc_service(…)]`:
/// - `name = "…"`: the service's name on the wire, in place of the trait's;
/// - `crate = "…"`: where the crate is found, if not at `::traitwire`.
///
/// On a method, `#[rpc(…)]`:
/// - `name = "…"`: its name on the wire;
/// - `idempotent`: twice does no more than once, so it may be sent again;
/// - `dedup`: twice does more than once, so its server remembers which calls have run and what came of them, and runs each once,
///   however often it is sent: then it may be tried again too, at the same server;
/// - `timeout = "250ms"`: how long a call may take unless its caller says otherwise (`us`, `ms`, `s`, `m`, `h`);
/// - `idle_timeout = "60s"`: with a stream, how long nothing may move on it;
/// - `total_timeout = "10m"`: with a stream, how long the call may take in all: without it, as long as items move. Its
///   `timeout` is then the time until something comes back;
/// - `elements = N`: how many elements its arguments and its answer may hold, if the default is too few;
/// - `oneway`: its caller waits until the call is written to the connection, and neither for it to be accepted nor for it
///   to run. One that a draining server refuses is sent again; other failures are counted by the channel
///   (`Channel::oneway_failures`);
/// - `blocking`: it may block its thread, and is polled where that hurts nobody;
/// - `allow = "clerk"`, or `allow("clerk", "manager")`: only callers with one of these roles may call it. Who has a role is said
///   where the server is put together (the module `policy::access` of the crate); where nobody decides that, calls are denied.
///
/// What is done about a call that fails or takes long, unless its caller says otherwise (the module `policy` of the crate
/// has the rules):
/// - `retry`, or `retry(attempts = 3, base = "50ms", cap = "2s", backoff = "full")`: it is tried again, three times in all.
///   `backoff` is `"full"` (jitter over all of the wait), `"equal"` (over half of it), `"decorrelated"`, `"grpc"`, or
///   `"proportional"` with `alpha = 1.0` and `t_max = "10s"`. The method must be `idempotent`, or `dedup`;
/// - `retry_on = MyError::is_temporary`: which of the method's own errors are worth another attempt, a function or a closure
///   from `&MyError` to `bool`. An error that says so has done nothing, so the method need not be idempotent. It needs a
///   `retry` as well, here or of the caller;
/// - `hedge`, or `hedge(after = "20ms")`, `hedge(percentile = 95)`: it is sent once more, beside the first attempt, after
///   this time or after the time within which so many per cent of its answers came lately; with both, after `after` as long
///   as little is known. The method must be `idempotent`;
/// - `cache(ttl = "5s")`, with `errors = "1s"` and `stale_if_error = "60s"` if wanted: callers keep its answers so long, and
///   the same call is not made meanwhile; `errors` is for its own errors, and for so long after `ttl` an answer may stand in
///   where the callee fails. `cache` alone leaves it to callers whether and how long, by what they say of the service or of
///   everything. The method must be `idempotent`, and should only read. It needs the crate's feature `cache`.
///
/// On an argument: `#[rpc(default)]`; and `#[rpc(key)]`, where a channel that balances by consistent hashing sends calls with the
/// same value to the same server.
#[proc_macro_attribute]
pub fn rpc_service(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::service(options.into(), item.into()).into()
}
