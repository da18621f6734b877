//! What a generated server does: finds a call's method, and writes its answer.

use super::answer::{Answer, Form, Shape};
use crate::call::{
    CallResult, Code, Context, Delivery, HandlerFuture, Load, MethodDescriptor, Payload, Request, Response,
    RpcError, ServiceDescriptor, take_buffer,
};
use crate::codec::EncodeError;

/// The method's place in the trait, if it is one of this service's.
pub fn index(service: &'static ServiceDescriptor, request: &Request) -> Option<u32> {
    match request.descriptor() {
        // The descriptors of a service lie side by side, so that one comparison tells its own from others'.
        Some(method) if service.methods.as_ptr_range().contains(&std::ptr::from_ref(method)) => {
            Some(method.index)
        }
        _ => {
            let mut methods = service.methods.iter();
            methods.find(|method| method.full_name == request.method()).map(|method| method.index)
        }
    }
}

/// The descriptor of the method at `index`, which is one of this service's.
pub const fn method(service: &'static ServiceDescriptor, index: u32) -> &'static MethodDescriptor {
    let mut at = 0;
    while service.methods[at].index != index {
        at += 1;
    }
    &service.methods[at]
}

/// The answer to a call of a method that the service does not have.
#[cold]
pub fn unimplemented(service: &'static ServiceDescriptor, request: &Request) -> HandlerFuture {
    let text = format!("the service `{}` has no method `{}`", service.name, request.method());
    HandlerFuture::ready(Err(RpcError::new(Code::UNIMPLEMENTED, Delivery::Refused, text)))
}

/// Waits until the call's connection has room for another answer.
pub async fn room() {
    Context::room_for_answer().await;
}

/// The answer that a handler has returned, encoded.
pub fn respond<S, R, A>(method: &'static MethodDescriptor, returned: R, _: Form<S, R>, _: A) -> CallResult
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
{
    let answer = S::split(returned);
    let (mut load, is_value) = (Load::from(take_buffer()), answer.is_ok());
    match A::write_owned(answer, &mut load) {
        Ok(()) if is_value => Ok(Response::value(Payload::leaving(load))),
        Ok(()) => Ok(Response::app_error(Payload::leaving(load))),
        Err(error) => Err(not_answerable(method, error)),
    }
}

#[cold]
pub(super) fn not_answerable(method: &MethodDescriptor, error: EncodeError) -> RpcError {
    let text = format!("{}: the answer cannot be encoded: {error}", method.full_name);
    RpcError::new(Code::INTERNAL, Delivery::Executed, text).with_source(error)
}
