//! What a generated descriptor knows of retries: whether the service's own error says that another attempt may succeed.

use super::answer::{Answer, Form, Shape};
use super::client::app_error;
use crate::call::{CallError, MethodDescriptor, Response};

pub use crate::limits::{RETRY_ALPHA, RETRY_T_MAX};

/// Whether the error that came back is worth another attempt. It is decoded here, and once more for the caller if it is
/// the last one: errors are few, and policies see no types.
pub fn retry_on<S, R, A>(
    method: &MethodDescriptor,
    answer: &Response,
    _: Form<S, R>,
    _: A,
    is_worth_it: fn(&S::Err) -> bool,
) -> bool
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
{
    matches!(app_error::<S, R, A>(method, answer), CallError::App(error) if is_worth_it(&error))
}
