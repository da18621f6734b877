//! The only door for generated code: what `#[rpc_service]` writes names nothing of this crate but what is here. Not a
//! public interface: it changes with the macro, whose version is pinned to this one's.
//!
//! A type's bound is checked in one function for each of its roles ([`owned`], [`slice`], [`view`], [`answer()`]), which
//! returns an opaque codec. So a type that cannot travel is one error at the place where the user wrote it, however
//! often the generated code uses it: the compiler shows the same error at the same place once.

mod answer;
mod argument;
mod client;
mod cow;
#[cfg(feature = "testing")]
mod mocked;
mod retry;
mod server;
mod streams;
mod travel;

pub use std::primitive::{bool, str};
pub use std::result::Result;
pub use std::sync::Arc;
pub use std::vec::Vec;

pub use answer::{Answer, Form, Plain, Probe, Select, Shape, ShapedCall, answer, form};
pub use argument::{
    Argument, Incoming, Outgoing, Tail, buffer, cow, cow_or_default, owned, owned_or_default, receive, send,
    sent, slice, slice_of_views, slice_of_views_or_default, slice_or_default, view, view_or_default,
};
pub use client::{ErrorOf, call, returned};
pub use cow::Lend;
pub use retry::{RETRY_ALPHA, RETRY_T_MAX, retry_on};
pub use server::{index, method, respond, room, unimplemented};
pub use streams::{
    ResultStream, ShapedStream, Sink, call_open, call_sending, call_stream, items, returned_open,
    returned_stream, stream, streaming,
};
pub use travel::{Value, View};

pub use crate::call::{
    ArgumentDescriptor, Backoff, Batch, CallOptions, CallResult, Caller, Handler, HandlerFuture, Hedge,
    Items, Keep, Load, MethodDescriptor, Payload, Request, Retry, RpcError, Service, ServiceDescriptor,
    Streaming,
};
#[cfg(feature = "testing")]
pub use crate::testing::{
    InPlace, Mock, Mockable, Mocked, MockedOnce, MockedStream, Verified, When, mock, when,
};
#[cfg(feature = "testing")]
pub use mocked::{canned_app, canned_items, canned_value};

pub use crate::client::{
    Call, CallStream, Channel, Client, OpenCall, ResultCall, ResultType, connect, loopback, merge,
};

/// What is generated for tests alone: nothing without the feature `testing`, which the attribute cannot see.
#[cfg(feature = "testing")]
#[doc(hidden)]
#[macro_export]
macro_rules! __when_testing {
    ($($token:tt)*) => { $($token)* };
}

/// What is generated for tests alone: nothing without the feature `testing`, which the attribute cannot see.
#[cfg(not(feature = "testing"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __when_testing {
    ($($token:tt)*) => {};
}

pub use __when_testing as when_testing;

/// What a trait with `cache(…)` needs, told to whoever has not got it: silence would be a cache that keeps nothing.
#[cfg(feature = "cache")]
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_cache {
    () => {};
}

/// What a trait with `cache(…)` needs, told to whoever has not got it: silence would be a cache that keeps nothing.
#[cfg(not(feature = "cache"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_cache {
    () => {
        ::core::compile_error!(
            "`cache` is part of the feature `cache` of traitwire: add it in Cargo.toml, or remove `cache`"
        );
    };
}

pub use __needs_cache as needs_cache;
