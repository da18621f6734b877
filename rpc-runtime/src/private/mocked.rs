//! What generated code encodes for a mock: values, errors and items that are said beforehand.

use super::answer::{Answer, Form, Shape};
use super::server::respond;
use crate::call::{Batch, CallResult, Code, Delivery, MethodDescriptor, Payload, Response, RpcError};

/// A value, encoded.
pub fn canned_value<S, R, A>(
    method: &'static MethodDescriptor,
    value: S::Ok,
    form: Form<S, R>,
    codec: A,
) -> CallResult
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
{
    respond(method, S::join(Ok(value)), form, codec)
}

/// The service's own error, encoded.
pub fn canned_app<S, R, A>(
    method: &'static MethodDescriptor,
    error: S::Err,
    form: Form<S, R>,
    codec: A,
) -> CallResult
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
{
    respond(method, S::join(Err(error)), form, codec)
}

/// Items, encoded, and how their stream ends: with the first that is an error, or in order.
pub fn canned_items<S, R, A>(
    method: &'static MethodDescriptor,
    items: &mut dyn Iterator<Item = R>,
    _: Form<S, R>,
    _: A,
) -> (Batch, CallResult)
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
{
    let mut batch = Batch::new();
    for item in items {
        let item = S::split(item);
        let mut bytes = Vec::new();
        if let Err(error) = A::write(&item, &mut bytes) {
            let text = format!("{}: an item of the mock cannot be encoded: {error}", method.full_name);
            return (batch, Err(RpcError::new(Code::INTERNAL, Delivery::Executed, text)));
        }
        match item {
            Ok(_) => batch.push(&bytes),
            Err(_) => return (batch, Ok(Response::app_error(Payload::new(bytes)))),
        }
    }
    (batch, Ok(Response::value(Payload::default())))
}
