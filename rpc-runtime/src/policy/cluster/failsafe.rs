//! Owns [`Failsafe`]: an answer that stands in where the callee fails. Does not know what is a good one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::call::{Caller, Payload, Request, Response};
use crate::codec::{EncodeError, encode};
use crate::policy::cluster::ClusterCall;

/// Answers calls that fail with what was said beforehand for their methods: for what is nice to have, such as recommendations
/// beside an order.
///
/// Only for calls whose callee is in trouble: `unavailable`, `deadline_exceeded`, `resource_exhausted`, `internal`, `unknown` or
/// `data_loss`. Errors that are the call's own fault are told, and so are the service's own. Each answer that stands in is logged
/// at `warn`.
#[derive(Clone)]
pub struct Failsafe<C> {
    inner: C,
    /// By the full names of methods: encoded.
    answers: Arc<BTreeMap<String, Vec<u8>>>,
}

impl<C: Caller> Failsafe<C> {
    /// Around a caller; methods without an answer go through as they are.
    pub fn around(caller: C) -> Self {
        Self { inner: caller, answers: Arc::default() }
    }

    /// What calls of this method, `"Service.method"`, are answered with if they fail: a value of the type that it returns, or of
    /// `T` where it returns a `Result<T, E>`. One of another type does not decode, and fails as `internal`.
    ///
    /// # Errors
    ///
    /// When the value cannot be encoded.
    pub fn answer<T: Serialize + ?Sized>(
        mut self,
        method: impl Into<String>,
        value: &T,
    ) -> Result<Self, EncodeError> {
        let mut bytes = Vec::new();
        encode(value, &mut bytes)?;
        Arc::make_mut(&mut self.answers).insert(method.into(), bytes);
        Ok(self)
    }
}

impl<C: Caller> Caller for Failsafe<C> {
    type Error = C::Error;
    type Future = ClusterCall;

    fn call(&self, request: Request) -> ClusterCall {
        let (method, answers) = (request.method().to_owned(), Arc::clone(&self.answers));
        let call = self.inner.call(request);
        Box::pin(async move {
            let error = match call.await {
                Err(error) if error.code().is_trouble() => error,
                told => return told,
            };
            let Some(answer) = answers.get(&method) else { return Err(error) };
            tracing::warn!(method, %error, "an answer said beforehand stands in");
            let mut response = Response::value(Payload::new(answer.clone()));
            response.set_attempts(error.attempts());
            Ok(response)
        })
    }
}

impl<C> fmt::Debug for Failsafe<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failsafe").field("answers", &self.answers.keys()).finish_non_exhaustive()
    }
}
