//! The attribute `#[rpc_service]` and its documentation. Owns no logic: `parse` reads a trait into the `model`,
//! `validate` looks at what needs two items, `expand` writes; what is wrong is collected on the way and told at once.

mod args;
mod body;
mod diagnostics;
mod expand;
mod model;
mod names;
mod parse;
mod paths;
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
/// Each method is an `async fn` with `&self`. In the trait it becomes
/// `fn add(&self, a: i64, b: i64) -> impl Future<Output = i64> + Send`, so that generic code can spawn it;
/// implementations write a plain `async fn`. Supertraits, documentation, `cfg`, `deprecated` and other attributes stay.
/// A default body stays too; as it lends `self` to a future that is `Send`, it needs `where Self: Sync` on the method.
///
/// # The client
///
/// `CalculatorClient` has a method for each of the trait's, which returns a `Call`: a future that ends with
/// `Result<T, CallError<E>>`, where a method that returns a plain `T` has no `E` of its own. An alias of `Result` is
/// seen through, whatever it is called.
///
/// `CalculatorClient::connect(uri)`, `new(caller)`, `loopback(service)` and `with(options)` are short forms, each of
/// which gives way to a method of the same name; `From<C>`, the trait `Client` and the functions `connect`, `loopback`
/// and `with` of the crate always work. A method called `into` or `try_into` is called on a reference,
/// `(&client).into()`, because Rust tries `Into` first.
///
/// Where every method returns a `Result` whose error is `From<RpcError>`, the client implements the trait as well.
///
/// # Arguments
///
/// They travel in their order. `&str` and `&[u8]` are sent without a copy and lent from the message; so is what is in
/// a type with a lifetime, such as `Option<&str>` or `Query<'_>` (write the `'_`). Any other `&T` is decoded as a `T` and
/// lent. A method can get more arguments later, as long as they may be absent: an `Option` is `None` then, one with
/// `#[rpc(default)]` its default.
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
/// - `timeout = "250ms"`: how long a call may take unless its caller says otherwise (`us`, `ms`, `s`, `m`, `h`);
/// - `elements = N`: how many elements its arguments and its answer may hold, if the default is too few;
/// - `oneway`: its caller waits until the call is written to the connection, and neither for it to be accepted nor for it
///   to run. One that a draining server refuses is sent again; other failures are counted by the channel
///   (`Channel::oneway_failures`);
/// - `blocking`: it may block its thread, and is polled where that hurts nobody.
///
/// On an argument: `#[rpc(default)]`.
#[proc_macro_attribute]
pub fn rpc_service(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::service(options.into(), item.into()).into()
}
