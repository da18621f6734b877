//! Owns [`Argument`], how one argument travels, and a call's arguments on their way: [`Outgoing`] and [`Incoming`].

use std::borrow::Cow;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::cow::{Lend, Lent};
use super::travel::{Value, View, encoded, limits};
use crate::call::{Code, Delivery, Load, MethodDescriptor, Payload, RpcError, take_buffer};
use crate::codec::{ArgumentsDecoder, ArgumentsEncoder, DecodeError, EncodeError};

/// How one argument travels.
pub trait Argument<'de> {
    /// What the client lends to be sent.
    type Sent: ?Sized;
    /// What the server reads.
    type Received;

    #[doc(hidden)]
    fn write<'a>(
        encoder: ArgumentsEncoder<'a>,
        value: &Self::Sent,
    ) -> Result<ArgumentsEncoder<'a>, EncodeError>;

    #[doc(hidden)]
    fn read(decoder: &mut ArgumentsDecoder<'de>, name: &'static str) -> Result<Self::Received, DecodeError>;
}

struct Required<S: ?Sized, R>(PhantomData<fn(&S) -> R>);

impl<'de, S: Serialize + ?Sized, R: Deserialize<'de>> Argument<'de> for Required<S, R> {
    type Sent = S;
    type Received = R;

    fn write<'a>(encoder: ArgumentsEncoder<'a>, value: &S) -> Result<ArgumentsEncoder<'a>, EncodeError> {
        encoder.argument(value)
    }

    fn read(decoder: &mut ArgumentsDecoder<'de>, name: &'static str) -> Result<R, DecodeError> {
        decoder.next(name)
    }
}

struct Defaulted<S: ?Sized, R>(PhantomData<fn(&S) -> R>);

impl<'de, S: Serialize + ?Sized, R: Deserialize<'de> + Default> Argument<'de> for Defaulted<S, R> {
    type Sent = S;
    type Received = R;

    fn write<'a>(encoder: ArgumentsEncoder<'a>, value: &S) -> Result<ArgumentsEncoder<'a>, EncodeError> {
        encoder.argument(value)
    }

    fn read(decoder: &mut ArgumentsDecoder<'de>, name: &'static str) -> Result<R, DecodeError> {
        decoder.next_or_default(name)
    }
}

struct Owned<T>(PhantomData<fn() -> T>);

impl<T: Value> Argument<'_> for Owned<T> {
    type Sent = T;
    type Received = T;

    fn write<'a>(encoder: ArgumentsEncoder<'a>, value: &T) -> Result<ArgumentsEncoder<'a>, EncodeError> {
        encoder.argument_owned(value)
    }

    fn read(decoder: &mut ArgumentsDecoder<'_>, name: &'static str) -> Result<T, DecodeError> {
        decoder.next_owned(name)
    }
}

/// An argument `T` or `&T`.
pub const fn owned<'de, T: Value>() -> impl Argument<'de, Sent = T, Received = T> {
    Owned(PhantomData)
}

/// The same with `#[rpc(default)]`.
pub const fn owned_or_default<'de, T: Value + Default>() -> impl Argument<'de, Sent = T, Received = T> {
    Defaulted(PhantomData)
}

/// An argument `&[T]`.
pub const fn slice<'de, T: Value>() -> impl Argument<'de, Sent = [T], Received = Vec<T>> {
    Required(PhantomData)
}

/// The same with `#[rpc(default)]`.
pub const fn slice_or_default<'de, T: Value>() -> impl Argument<'de, Sent = [T], Received = Vec<T>> {
    Defaulted(PhantomData)
}

/// An argument `&[T]` whose items borrow.
pub const fn slice_of_views<'de, T: View<'de>>() -> impl Argument<'de, Sent = [T], Received = Vec<T>> {
    Required(PhantomData)
}

/// The same with `#[rpc(default)]`.
pub const fn slice_of_views_or_default<'de, T: View<'de>>()
-> impl Argument<'de, Sent = [T], Received = Vec<T>> {
    Defaulted(PhantomData)
}

/// An argument that is or holds a reference: `&str`, `Option<&[u8]>`.
pub const fn view<'de, T: View<'de>>() -> impl Argument<'de, Sent = T, Received = T> {
    Required(PhantomData)
}

/// The same with `#[rpc(default)]`.
pub const fn view_or_default<'de, T: View<'de> + Default>() -> impl Argument<'de, Sent = T, Received = T> {
    Defaulted(PhantomData)
}

struct RequiredCow<B: ?Sized>(PhantomData<fn(&B)>);

impl<'de, B: Lend + Serialize + ?Sized> Argument<'de> for RequiredCow<B> {
    type Sent = Cow<'de, B>;
    type Received = Cow<'de, B>;

    fn write<'a>(
        encoder: ArgumentsEncoder<'a>,
        value: &Cow<'de, B>,
    ) -> Result<ArgumentsEncoder<'a>, EncodeError> {
        encoder.argument(&**value)
    }

    fn read(decoder: &mut ArgumentsDecoder<'de>, name: &'static str) -> Result<Cow<'de, B>, DecodeError> {
        decoder.next(name).map(|Lent(lent)| lent)
    }
}

struct DefaultedCow<B: ?Sized>(PhantomData<fn(&B)>);

impl<'de, B: Lend + Serialize + ?Sized> Argument<'de> for DefaultedCow<B>
where
    B::Owned: Default,
{
    type Sent = Cow<'de, B>;
    type Received = Cow<'de, B>;

    fn write<'a>(
        encoder: ArgumentsEncoder<'a>,
        value: &Cow<'de, B>,
    ) -> Result<ArgumentsEncoder<'a>, EncodeError> {
        encoder.argument(&**value)
    }

    fn read(decoder: &mut ArgumentsDecoder<'de>, name: &'static str) -> Result<Cow<'de, B>, DecodeError> {
        decoder.next_or_default(name).map(|Lent(lent)| lent)
    }
}

/// An argument `Cow<'_, str>` or `Cow<'_, [u8]>`.
pub const fn cow<'de, B: Lend + Serialize + ?Sized>()
-> impl Argument<'de, Sent = Cow<'de, B>, Received = Cow<'de, B>> {
    RequiredCow(PhantomData)
}

/// The same with `#[rpc(default)]`.
pub const fn cow_or_default<'de, B>() -> impl Argument<'de, Sent = Cow<'de, B>, Received = Cow<'de, B>>
where
    B: Lend + Serialize + ?Sized,
    B::Owned: Default,
{
    DefaultedCow(PhantomData)
}

/// Arguments on their way out. The first that cannot be encoded ends it.
#[derive(Debug)]
pub struct Outgoing<'a> {
    method: &'static MethodDescriptor,
    encoder: Result<ArgumentsEncoder<'a>, RpcError>,
}

/// A place for a call's arguments.
pub fn buffer() -> Vec<u8> {
    take_buffer()
}

impl<'a> Outgoing<'a> {
    /// Begins `count` arguments.
    pub fn new(bytes: &'a mut Vec<u8>, method: &'static MethodDescriptor, count: u32) -> Self {
        Self { method, encoder: Ok(ArgumentsEncoder::new(bytes, count)) }
    }

    /// Ends the arguments; what comes back belongs behind what was written.
    pub fn finish(self) -> Result<Tail, RpcError> {
        self.encoder.map(|encoder| Tail(encoder.finish()))
    }
}

/// What follows the arguments that were written: the last one, if it stays where it is.
#[derive(Debug)]
pub struct Tail(Option<Bytes>);

/// The arguments, of which these bytes were written and the rest follows.
pub fn sent(tail: Result<Tail, RpcError>, bytes: Vec<u8>) -> Result<Load, RpcError> {
    let mut load = Load::from(bytes);
    if let Tail(Some(tail)) = tail? {
        load.end_with(tail);
    }
    Ok(load)
}

/// Writes the next argument.
pub fn send<'a, 'de, A>(outgoing: Outgoing<'a>, _: A, name: &'static str, value: &A::Sent) -> Outgoing<'a>
where
    A: Argument<'de>,
{
    let Outgoing { method, encoder } = outgoing;
    let encoder = encoder
        .and_then(|encoder| A::write(encoder, value).map_err(|error| not_encodable(method, name, error)));
    Outgoing { method, encoder }
}

#[cold]
fn not_encodable(method: &MethodDescriptor, argument: &str, error: EncodeError) -> RpcError {
    let text = format!("{}: argument `{argument}` cannot be encoded: {error}", method.full_name);
    RpcError::new(Code::INVALID_ARGUMENT, Delivery::NotSent, text).with_source(error)
}

/// Arguments that have come.
#[derive(Debug)]
pub struct Incoming<'de> {
    method: &'static MethodDescriptor,
    decoder: ArgumentsDecoder<'de>,
}

impl<'de> Incoming<'de> {
    /// Scans them.
    pub fn new(method: &'static MethodDescriptor, payload: &'de Payload) -> Result<Self, RpcError> {
        match ArgumentsDecoder::within(encoded(payload), &limits(method, payload)) {
            Ok(decoder) => Ok(Self { method, decoder }),
            Err(error) => Err(not_decodable(method, error)),
        }
    }
}

/// Reads the next argument.
pub fn receive<'de, A>(
    incoming: &mut Incoming<'de>,
    _: A,
    name: &'static str,
) -> Result<A::Received, RpcError>
where
    A: Argument<'de>,
{
    A::read(&mut incoming.decoder, name).map_err(|error| not_decodable(incoming.method, error))
}

#[cold]
fn not_decodable(method: &MethodDescriptor, error: DecodeError) -> RpcError {
    let text = format!("{}: {error}", method.full_name);
    RpcError::new(Code::INVALID_ARGUMENT, Delivery::Refused, text).with_source(error)
}
