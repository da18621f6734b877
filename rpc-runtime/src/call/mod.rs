//! What a call *is*: the words and values that every other room shares. Knows no byte, no socket, no task.
//!
//! # Glossary
//!
//! - A **service** is a trait on the wire; a **method** is one of its functions, named `"Service.method"`.
//! - A **call** is one use of a method: it starts once, ends once, and has one outcome.
//! - A **stream** is a sequence of **items** that a call has beside its arguments, in place of its reply, or both. It has
//!   **credit**: the bytes of items that may be sent before the reader has taken others.
//! - An **attempt** is one sending of a call. Most calls have one; a resent or retried call has more.
//! - A **request** is what the caller sends, a **reply** what the service answers, an **error** anything else.
//! - A **connection** carries many calls at a time, in both directions; the side that opens a call is its
//!   **caller**, the other one its **callee**, whoever opened the connection.
//! - A **deadline** is the instant after which nobody wants the answer. It travels as remaining time.
//! - **Delivery** is what is known of a failed call: was a handler started or not ([`Delivery`]).
//!
//! # One call's life
//!
//! The caller encodes the arguments, gives the call a deadline and hands it to a connection. There it waits
//! until the connection is ready and has room, gets an id, and its bytes are framed. The callee reads them,
//! waits for the rest of a large body, and starts the handler unless the call was cancelled, has expired or
//! is refused. The handler's outcome goes back as the callee's last frame for this id, which ends the call.

mod attempt;
mod batch;
mod buffers;
mod caller;
mod chance;
mod code;
mod context;
mod deadline;
mod delivery;
mod descriptor;
#[cfg_attr(not(feature = "testing"), allow(unreachable_pub, reason = "it is public for those who test"))]
mod dice;
mod draining;
mod error;
mod handler;
mod homes;
mod identity;
mod large;
mod load;
mod metadata;
mod options;
mod payload;
mod peer;
mod policy;
mod request;
mod response;
mod reused;
mod streaming;
mod token;
mod trail;

pub use attempt::Attempt;
pub use batch::Batch;
pub use caller::Caller;
pub use code::Code;
pub use context::{Context, Scope};
pub use deadline::Deadline;
pub use delivery::Delivery;
pub use descriptor::{ArgumentDescriptor, MethodDescriptor, ServiceDescriptor};
#[cfg(feature = "testing")]
pub use dice::Dice;
pub use error::{CallError, RpcError};
pub use handler::{Handler, HandlerFuture, Service};
pub use identity::Identity;
pub use load::Load;
pub use metadata::{Entry, Metadata, MetadataError, Value};
pub use options::CallOptions;
pub use payload::Payload;
pub use peer::Peer;
pub use policy::{Backoff, Hedge, Keep, Retry, Wanted};
pub use request::Request;
pub use response::{CallResult, Items, Response};
pub use streaming::{Progress, Streaming};
pub use token::{Token, TokenError, TokenSource};
pub use trail::{Candidate, Pick};

pub(crate) use buffers::{
    grow as grow_buffer, put as put_buffer, put_segment, take as take_buffer, take_segment,
};
#[cfg(feature = "testing")]
pub(crate) use chance::load;
pub(crate) use chance::{instance, roll};
pub(crate) use context::Origin;
#[cfg(not(feature = "testing"))]
pub(crate) use dice::Dice;
pub(crate) use dice::{SharedDice, Throw, split_mix};
pub(crate) use large::{clear as clear_large, keep as keep_large, sweep as sweep_large, take as take_large};

pub(crate) use load::Tail;
pub(crate) use metadata::{AUTHORIZATION, check_key};
pub(crate) use payload::{Caps, Reclaim};
pub(crate) use policy::{Asked, PushBack};
pub(crate) use response::ItemSource;
pub(crate) use reused::{Contents, List, Reused};
pub(crate) use trail::Trail;
