//! Who calls, and may they: two layers of the serving side. [`Authenticate`] finds out by a token who calls; [`Authorize`]
//! holds the method and the caller against [`Rules`], which allow nothing that they do not name. Both decide before the
//! arguments are decoded, and their denials are `Refused`: no handler has run.
//!
//! ```
//! use std::sync::Arc;
//! use traitwire::policy::access::{Authenticate, Authorize, Rules, StaticTokens};
//! use traitwire::{Identity, Server, Token};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tokens = StaticTokens::new().with(&Token::new("k3WTpUQ0")?, Identity::new(["user:ada"]));
//! let rules = Rules::new()
//!     .allow("Till.*", ["user:*", "spiffe://shop/basket"])?
//!     .deny("Till.refund", ["user:*"])?
//!     .allow_anybody("Health.check")?;
//! let authorize = Authorize::new(rules);
//! let builder = Server::builder()
//!     .layer({ let authorize = authorize.clone(); move |inner| authorize.around(inner) })
//!     .layer(move |inner| Authenticate::by(tokens).or_nobody().around(inner)); // added last, asked first
//! # let _ = builder;
//! # Ok(()) }
//! ```
//!
//! The caller's [`Identity`](crate::Identity) is what the token says; without a token it is what the peer has proved on its
//! connection: the names of its certificate, its user on this machine. A call with neither is refused, before any rule, unless
//! [`Authenticate::or_nobody`] lets it go on to them, as `allow_anybody` needs. What a caller says of itself in other metadata
//! counts for nothing.
//!
//! # Roles
//!
//! A trait may say that a method is for some, by what they are and not by who they are:
//!
//! ```
//! # use traitwire::rpc_service;
//! #[rpc_service]
//! pub trait Till {
//!     async fn pay(&self, cents: u64);
//!     #[rpc(allow("clerk", "manager"))]
//!     async fn refund(&self, cents: u64);
//! }
//! ```
//!
//! Who is a clerk is said where the server is put together: by [`Rules::role`], or by whoever knows whose token it is
//! ([`Identity::with_roles`](crate::Identity::with_roles)). Such a method is reached through [`Authorize`] (or a layer of one's
//! own that calls [`Request::set_authorized`](crate::Request::set_authorized)) and in no other way: a server that has
//! forgotten the layer denies it to everybody. The one exception is `loopback`, where a program calls itself.
//!
//! # Audit
//!
//! [`Authenticate::audited`] and [`Authorize::audited`] tell a function of yours each [`Decision`]: the method, the caller,
//! the address, yes or no, and the [`Reason`]. No token is in it.
//!
//! The rules are for the calls of this server. What a handler calls on is somebody else's decision, and does not carry the
//! caller's token.

mod authenticate;
mod authorize;
#[cfg(feature = "jwt")]
mod jwt;
mod pattern;
mod reason;
mod rules;
mod text;
mod tokens;

pub use authenticate::{Authenticate, Authenticated};
pub use authorize::{Authorize, Authorized};
#[cfg(feature = "jwt")]
pub use jwt::{Jwt, JwtKeyError, JwtKeys};
pub use pattern::RuleError;
pub(in crate::policy) use pattern::Who;
pub use reason::{Decision, Reason};
#[cfg(feature = "config")]
pub(in crate::policy) use rules::ANYBODY;
pub use rules::Rules;
pub use tokens::{StaticTokens, TokenRejected, TokenVerifier};
