//! Owns [`Shape`], how what a method returns comes apart into a value and an error, and [`Answer`], how the two travel.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::travel::Value;
use crate::call::Load;
use crate::client::{Call, ResultType};
use crate::codec::{
    DecodeError, EncodeError, Encoded, ScanLimits, decode, decode_owned, encode, encode_owned,
};

/// Whether a type is a `Result`, whatever it is called: the constant of its own wins over [`Plain`]'s.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<R>);

impl<T, E> Probe<Result<T, E>> {
    /// It is.
    pub const IS_RESULT: bool = true;
}

/// What a [`Probe`] says of every other type.
pub trait Plain {
    /// It is not.
    const IS_RESULT: bool = false;
}

impl<R> Plain for Probe<R> {}

/// Chooses the [`Shape`] of what a method returns.
#[derive(Debug)]
pub struct Select<const IS_RESULT: bool>;

/// How what a method returns comes apart into a value and the service's own error.
pub trait Shape<R> {
    /// The value.
    type Ok;
    /// The error, as the client's caller sees it.
    type Err;
    /// The error, as it travels: nothing where there is none, which need not be serializable.
    type Detail;

    #[doc(hidden)]
    fn split(returned: R) -> Result<Self::Ok, Self::Detail>;

    /// `None` where the method has no error of its own.
    #[doc(hidden)]
    fn error(detail: Self::Detail) -> Option<Self::Err>;

    #[doc(hidden)]
    fn join(result: Result<Self::Ok, Self::Err>) -> R;
}

impl<R> Shape<R> for Select<false> {
    type Ok = R;
    type Err = Infallible;
    type Detail = ();

    fn split(returned: R) -> Result<R, ()> {
        Ok(returned)
    }

    fn error((): ()) -> Option<Infallible> {
        None
    }

    fn join(result: Result<R, Infallible>) -> R {
        match result {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }
}

impl<R: ResultType> Shape<R> for Select<true> {
    type Ok = R::Ok;
    type Err = R::Err;
    type Detail = R::Err;

    fn split(returned: R) -> Result<R::Ok, R::Err> {
        returned.into_result()
    }

    fn error(detail: R::Err) -> Option<R::Err> {
        Some(detail)
    }

    fn join(result: Result<R::Ok, R::Err>) -> R {
        R::from_result(result)
    }
}

/// The shape and the type of what a method returns, said without a value.
#[derive(Debug)]
pub struct Form<S, R>(PhantomData<fn() -> (S, R)>);

/// The form of a method that returns an `R` of shape `S`.
pub const fn form<S: Shape<R>, R>() -> Form<S, R> {
    Form(PhantomData)
}

/// The call of a method whose answer has this shape.
pub type ShapedCall<C, R, const IS_RESULT: bool> =
    Call<C, <Select<IS_RESULT> as Shape<R>>::Ok, <Select<IS_RESULT> as Shape<R>>::Err>;

/// How an answer travels.
pub trait Answer {
    /// The value.
    type Ok;
    /// The error.
    type Detail;

    #[doc(hidden)]
    fn write(answer: &Result<Self::Ok, Self::Detail>, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// The same of one that is given away: long bytes in it need not be copied.
    #[doc(hidden)]
    fn write_owned(answer: Result<Self::Ok, Self::Detail>, out: &mut Load) -> Result<(), EncodeError> {
        Self::write(&answer, out.head_mut())
    }

    #[doc(hidden)]
    fn read_value(bytes: &[u8], limits: &ScanLimits) -> Result<Self::Ok, DecodeError>;

    /// The same of bytes that it may share.
    #[doc(hidden)]
    fn read_shared(encoded: Encoded<'_>, limits: &ScanLimits) -> Result<Self::Ok, DecodeError> {
        Self::read_value(encoded.bytes(), limits)
    }

    #[doc(hidden)]
    fn read_detail(bytes: &[u8], limits: &ScanLimits) -> Result<Self::Detail, DecodeError>;
}

struct Values<T, D>(PhantomData<fn() -> (T, D)>);

impl<T: Value, D: Value> Answer for Values<T, D> {
    type Ok = T;
    type Detail = D;

    fn write(answer: &Result<T, D>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match answer {
            Ok(value) => encode(value, out),
            Err(detail) => encode(detail, out),
        }
    }

    fn write_owned(answer: Result<T, D>, out: &mut Load) -> Result<(), EncodeError> {
        match answer {
            Ok(value) => encode_owned(value, out),
            Err(detail) => encode_owned(detail, out),
        }
    }

    fn read_value(bytes: &[u8], limits: &ScanLimits) -> Result<T, DecodeError> {
        decode_owned(bytes.into(), limits)
    }

    fn read_shared(encoded: Encoded<'_>, limits: &ScanLimits) -> Result<T, DecodeError> {
        decode_owned(encoded, limits)
    }

    fn read_detail(bytes: &[u8], limits: &ScanLimits) -> Result<D, DecodeError> {
        decode(bytes, limits)
    }
}

/// The answer of a method that returns a `T`, or fails with a `D`.
pub const fn answer<T: Value, D: Value>() -> impl Answer<Ok = T, Detail = D> {
    Values(PhantomData)
}
