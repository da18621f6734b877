//! Owns [`Expectation`], one thing that a mock was told, and [`Mocked`], what generated code says of a method for it.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::call::{
    Batch, CallResult, ItemSource, Items, Load, Metadata, MethodDescriptor, Payload, Response, RpcError,
};
use crate::testing::mock::shown;

/// A method that can be mocked. Generated code implements it.
pub trait Mocked: 'static {
    /// The arguments, as they are decoded: nothing, the one there is, or a tuple.
    type Arguments<'a>;
    /// The service's own error.
    type Error;

    #[doc(hidden)]
    const METHOD: &'static MethodDescriptor;

    #[doc(hidden)]
    fn read(payload: &Payload) -> Result<Self::Arguments<'_>, RpcError>;

    #[doc(hidden)]
    fn write(arguments: Self::Arguments<'_>) -> Result<Load, RpcError>;

    #[doc(hidden)]
    fn app(error: Self::Error) -> CallResult;
}

/// One that answers once.
#[diagnostic::on_unimplemented(
    message = "this method answers with a stream, not with a value",
    label = "answers with a stream",
    note = "say its items: `.streams([…])`, or `.breaks_off([…], error)`"
)]
pub trait MockedOnce: Mocked {
    /// What it returns when nothing goes wrong.
    type Value;
    /// What it returns, as the trait says.
    type Returns;

    #[doc(hidden)]
    fn value(value: Self::Value) -> CallResult;

    #[doc(hidden)]
    fn returned(returned: Self::Returns) -> CallResult;
}

/// One that answers with a stream.
#[diagnostic::on_unimplemented(
    message = "this method answers with a value, not with a stream",
    label = "answers with a value",
    note = "say the value: `.returns(…)`, or `.answers(|arguments| …)`"
)]
pub trait MockedStream: Mocked {
    /// An item, as the trait says.
    type Item;

    #[doc(hidden)]
    fn items(items: &mut dyn Iterator<Item = Self::Item>) -> (Batch, CallResult);
}

// ===== impl Expectation =====

/// One thing that a mock was told.
pub(super) struct Expectation {
    pub(super) method: &'static MethodDescriptor,
    /// The arguments that it is about; `None` for any.
    pub(super) arguments: Option<Vec<u8>>,
    /// How many calls it is about; `None` for any number.
    pub(super) times: Option<u32>,
    pub(super) taken: u32,
    pub(super) after: Duration,
    pub(super) outcome: Outcome,
}

impl Expectation {
    pub(super) fn takes(&self, method: &str, arguments: &Payload) -> bool {
        let is_left = self.times.is_none_or(|times| self.taken < times);
        let is_meant = self.arguments.as_ref().is_none_or(|expected| expected == arguments.bytes());
        is_left && is_meant && self.method.full_name == method
    }

    pub(super) fn take(&mut self) -> (Duration, Outcome) {
        self.taken += 1;
        (self.after, self.outcome.clone())
    }

    /// What is wrong if no further call comes.
    pub(super) fn complaint(&self) -> Option<String> {
        let times = self.times.filter(|times| self.taken < *times)?;
        Some(format!("a mock expected {times} calls of {self}, and {} came", self.taken))
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments =
            self.arguments.as_ref().map_or_else(|| "…".to_owned(), |bytes| shown::arguments(bytes));
        write!(f, "{}({arguments})", self.method.name)?;
        match self.times {
            Some(times) if self.taken == times => f.write_str(", all of which came"),
            _ => Ok(()),
        }
    }
}

// ===== impl Outcome =====

type Compute = std::sync::Arc<dyn Fn(&Payload) -> CallResult + Send + Sync>;

/// How a call of a mock ends.
#[derive(Clone)]
pub(super) enum Outcome {
    Ends(Result<Canned, RpcError>),
    Computed(Compute),
    Streams(Batch, Result<Canned, RpcError>),
}

/// An encoded answer, to be given again and again.
#[derive(Clone)]
pub(super) struct Canned {
    bytes: Vec<u8>,
    is_app_error: bool,
    metadata: Metadata,
}

impl Canned {
    pub(super) fn of(result: CallResult) -> Result<Self, RpcError> {
        let (body, is_app_error, metadata) = result?.into_parts();
        Ok(Self { bytes: body.bytes().to_vec(), is_app_error, metadata })
    }

    fn into_response(self) -> Response {
        let body = Payload::new(self.bytes);
        let mut response = if self.is_app_error { Response::app_error(body) } else { Response::value(body) };
        *response.metadata_mut() = self.metadata;
        response
    }
}

impl Outcome {
    /// Ends a call. What its caller sends is taken first, except where the answer is a stream as well.
    pub(super) async fn answer(self, arguments: &Payload, sent: Option<Items>) -> CallResult {
        match self {
            Self::Streams(batch, end) => {
                let end = Some(end.map(Canned::into_response));
                Ok(Response::stream(Items::new(CannedItems { batch, end, sent })))
            }
            Self::Ends(result) => {
                drain(sent).await?;
                result.map(Canned::into_response)
            }
            Self::Computed(compute) => {
                drain(sent).await?;
                compute(arguments)
            }
        }
    }
}

async fn drain(sent: Option<Items>) -> Result<(), RpcError> {
    let Some(mut sent) = sent else { return Ok(()) };
    let end = std::future::poll_fn(|cx| poll_drain(&mut sent, cx)).await;
    end.map(drop)
}

fn poll_drain(sent: &mut Items, cx: &mut Context<'_>) -> Poll<CallResult> {
    loop {
        match std::task::ready!(sent.poll(cx, &mut Batch::new())) {
            ControlFlow::Continue(()) => {}
            ControlFlow::Break(end) => return Poll::Ready(end),
        }
    }
}

/// Items that are there beforehand, and those that the caller sends meanwhile.
struct CannedItems {
    batch: Batch,
    end: Option<CallResult>,
    sent: Option<Items>,
}

impl ItemSource for CannedItems {
    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        let this = &mut *self;
        if this.sent.as_mut().is_some_and(|sent| poll_drain(sent, cx).is_ready()) {
            this.sent = None;
        }
        if !this.batch.is_empty() {
            std::mem::swap(items, &mut this.batch);
            return Poll::Ready(ControlFlow::Continue(()));
        }
        match this.end.take() {
            Some(end) => Poll::Ready(ControlFlow::Break(end)),
            None => Poll::Pending,
        }
    }
}
