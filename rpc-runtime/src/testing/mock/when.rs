//! Owns [`When`]: what a test says of a method's calls, typed as the method is. Does not answer any.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::call::RpcError;
use crate::testing::mock::Mock;
use crate::testing::mock::script::{Canned, Expectation, Mocked, MockedOnce, MockedStream, Outcome};

/// The beginning of what a mock is told of one method: which calls, how often and how late; then, at last, how they end.
///
/// What was told first wins, as long as it is about the call and has not come [so often](Self::times) yet. So a sequence is
/// told in its order: `mock.add().once().rpc_error(…); mock.add().returns(5);`.
#[must_use = "say how the calls end: `returns`, `answers`, `app_error`, `rpc_error` or `streams`"]
pub struct When<'m, M> {
    mock: &'m Mock,
    arguments: Option<Vec<u8>>,
    times: Option<u32>,
    after: Duration,
    method: PhantomData<fn() -> M>,
}

/// What a mock is told of a method. For generated code.
pub const fn when<M: Mocked>(mock: &Mock) -> When<'_, M> {
    When { mock, arguments: None, times: None, after: Duration::ZERO, method: PhantomData }
}

impl<M: Mocked> When<'_, M> {
    /// Only calls with these arguments: the one there is, or a tuple. They are compared as they travel. What is passed by
    /// reference is given by value, except `&str` and `&[u8]`.
    ///
    /// # Panics
    ///
    /// When they cannot be encoded.
    pub fn with(mut self, arguments: M::Arguments<'_>) -> Self {
        match M::write(arguments) {
            Ok(load) => self.arguments = Some(load.bytes().to_vec()),
            Err(error) => panic!("{error}"),
        }
        self
    }

    /// So many calls, and no more; fewer are an error when the hand is dropped.
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// One call.
    pub const fn once(self) -> Self {
        self.times(1)
    }

    /// They end after this time. A call whose own time is shorter ends as `deadline_exceeded`, `Unknown`.
    pub const fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }

    /// They end with what happened to them, whatever that is to be.
    pub fn rpc_error(self, error: RpcError) {
        self.tell(Outcome::Ends(Err(error)));
    }

    /// They end with the service's own error; of a method with a stream, before it.
    pub fn app_error(self, error: M::Error) {
        self.tell(Outcome::Ends(Canned::of(M::app(error))));
    }

    fn tell(self, outcome: Outcome) {
        let Self { arguments, times, after, .. } = self;
        self.mock.expect(Expectation { method: M::METHOD, arguments, times, taken: 0, after, outcome });
    }
}

// The bound stands at each method, so that the compiler tells it in our words.
impl<M: Mocked> When<'_, M> {
    /// They end with this value.
    pub fn returns(self, value: M::Value)
    where
        M: MockedOnce,
    {
        self.tell(Outcome::Ends(Canned::of(M::value(value))));
    }

    /// They end with what this makes of their arguments, which is what the method returns. Several arguments come as a
    /// tuple: `mock.add().answers(|(a, b)| a + b)`. It is not to call the mock.
    pub fn answers<F>(self, answer: F)
    where
        M: MockedOnce,
        F: for<'a> Fn(M::Arguments<'a>) -> M::Returns + Send + Sync + 'static,
    {
        self.tell(Outcome::Computed(Arc::new(move |payload| M::returned(answer(M::read(payload)?)))));
    }

    /// They are answered with a stream of these items; one that is an error ends it.
    pub fn streams(self, items: impl IntoIterator<Item = M::Item>)
    where
        M: MockedStream,
    {
        let (batch, end) = M::items(&mut items.into_iter());
        self.tell(Outcome::Streams(batch, Canned::of(end)));
    }

    /// They are answered with a stream of these items, which breaks off behind the last one.
    pub fn breaks_off(self, items: impl IntoIterator<Item = M::Item>, error: RpcError)
    where
        M: MockedStream,
    {
        let (batch, _) = M::items(&mut items.into_iter());
        self.tell(Outcome::Streams(batch, Err(error)));
    }
}

impl<M: Mocked> fmt::Debug for When<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "When({})", M::METHOD.full_name)
    }
}
