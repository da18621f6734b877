//! What a generated client does: makes calls, and reads their answers.

use super::answer::{Answer, Form, Shape};
use super::travel::{encoded, limits};
use crate::call::{
    CallError, CallOptions, Caller, Code, Delivery, Load, MethodDescriptor, Response, RpcError,
};
use crate::client::Call;
use crate::codec::{DecodeError, Encoded};

/// One call of a generated client.
pub fn call<S, R, A, C>(
    caller: &C,
    options: &CallOptions,
    method: &'static MethodDescriptor,
    arguments: Result<Load, RpcError>,
    _: Form<S, R>,
    _: A,
) -> Call<C, S::Ok, S::Err>
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
    C: Caller,
{
    Call::new(caller.clone(), options, method, arguments, read::<S, R, A>)
}

fn read<S, R, A>(method: &MethodDescriptor, response: &Response) -> Result<S::Ok, CallError<S::Err>>
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
{
    // A oneway method is answered before it has run, with nothing; its type is `()`, which is nil.
    let encoded = match response.body().bytes() {
        [] if method.oneway => Encoded::from(&[0xc0][..]),
        _ => encoded(response.body()),
    };
    let limits = limits(method, response.body());
    if !response.is_app_error() {
        return A::read_shared(encoded, &limits).map_err(|error| not_readable(method, "value", error).into());
    }
    Err(app_error::<S, R, A>(method, response))
}

/// The service's own error, as a response brings it.
pub(super) fn app_error<S, R, A>(method: &MethodDescriptor, response: &Response) -> CallError<S::Err>
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
{
    let limits = limits(method, response.body());
    match A::read_detail(response.body().bytes(), &limits).map(S::error) {
        Ok(Some(error)) => CallError::App(error),
        Ok(None) => unexpected_error(method).into(),
        Err(error) => not_readable(method, "error", error).into(),
    }
}

#[cold]
pub(super) fn not_readable(method: &MethodDescriptor, what: &str, error: DecodeError) -> RpcError {
    let text = format!("{}: the {what} that came back does not decode: {error}", method.full_name);
    RpcError::new(Code::INTERNAL, Delivery::Executed, text).with_source(error)
}

#[cold]
fn unexpected_error(method: &MethodDescriptor) -> RpcError {
    let text = format!("{}: an application error came back, but the method has none", method.full_name);
    RpcError::new(Code::INTERNAL, Delivery::Executed, text)
}

/// Makes a call as the trait itself says: what happened to the call becomes the trait's own error.
pub async fn returned<S, R, C>(call: Call<C, S::Ok, S::Err>) -> R
where
    S: Shape<R>,
    S::Err: From<C::Error>,
    C: Caller,
{
    S::join(call.await.map_err(|error| match error {
        CallError::App(error) => error,
        CallError::Rpc(error) => C::Error::from(error).into(),
    }))
}

/// The error of a method that may not be there.
pub trait ErrorOf<C: Caller> {
    /// Its own, or that of the caller where it is not there.
    type Error;
}
