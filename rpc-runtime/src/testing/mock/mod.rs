//! Mocks: clients without a server, whose answers the test says beforehand. Owns [`Mock`], which takes the calls; what is
//! said of a method's calls is `when`'s.

mod script;
mod shown;
mod when;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::call::{CallResult, Caller, Code, Deadline, Delivery, Metadata, Request, RpcError};
use crate::client::Client;
use crate::driver::now;
use crate::limits;
use crate::testing::mock::script::{Expectation, Outcome};

pub use script::{Mocked, MockedOnce, MockedStream};
pub use when::{When, when};

/// What a mock's client makes its calls through: it records them, and answers as it was told.
///
/// `FooClient::mock()` makes a client and the hand that tells it what to answer. That hand has a method for each of the
/// trait's, and this type's own beside them.
///
/// ```
/// use std::time::Duration;
/// use traitwire::{CallError, Code, Delivery, RpcError, rpc_service};
///
/// #[rpc_service]
/// trait Store {
///     async fn get(&self, key: &str) -> Result<u64, Missing>;
///     async fn put(&self, key: &str, value: u64);
/// }
///
/// #[derive(Debug, serde::Serialize, serde::Deserialize)]
/// struct Missing;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let (store, mock) = StoreClient::mock();
/// mock.get().with("a").returns(7);                                    // typed, as the trait is
/// mock.get().answers(|key| if key == "b" { Ok(8) } else { Err(Missing) });
/// let lost = RpcError::new(Code::UNAVAILABLE, Delivery::Unknown, "the connection broke");
/// mock.put().once().after(Duration::from_millis(50)).rpc_error(lost);
/// mock.put().returns(());
///
/// assert_eq!(store.get("a").await.unwrap(), 7);
/// assert!(matches!(store.get("c").await, Err(CallError::App(Missing))));
/// assert_eq!(store.put("a", 9).await.unwrap_err().rpc().unwrap().delivery(), Delivery::Unknown);
/// store.put("a", 9).await.unwrap();
/// assert_eq!(mock.calls(), [r#"get("a")"#, r#"get("c")"#, r#"put("a", 9)"#, r#"put("a", 9)"#]);
/// # }
/// ```
///
/// A call that nothing was said about fails as `unimplemented`, with its method and its arguments in words; and when the
/// hand is dropped it panics if there was one, or if a call that was asked for [`times`](When::times) did not come.
#[derive(Clone, Default)]
pub struct Mock {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    expectations: Vec<Expectation>,
    calls: Vec<Recorded>,
    /// Calls that nothing was said about.
    unexpected: Vec<String>,
}

/// A call that a mock has taken. It is equal to its text: `add(2, 3)`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// The method's name.
    pub method: String,
    /// Its arguments, as their message holds them: text in quotes, structs as maps. Items of a stream are not among them.
    pub arguments: String,
    /// What the caller sent beside them.
    pub metadata: Metadata,
    /// How long the call may take, if its caller or its method says so.
    pub timeout: Option<Duration>,
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.method, self.arguments)
    }
}

impl PartialEq<&str> for Recorded {
    fn eq(&self, text: &&str) -> bool {
        let rest = text.strip_prefix(&*self.method).and_then(|rest| rest.strip_prefix('('));
        rest.and_then(|rest| rest.strip_suffix(')')) == Some(&*self.arguments)
    }
}

impl Mock {
    /// The calls that were made so far, in their order: those that failed as well.
    pub fn calls(&self) -> Vec<Recorded> {
        self.state.lock().calls.clone()
    }

    fn expect(&self, expectation: Expectation) {
        self.state.lock().expectations.push(expectation);
    }

    /// What is wrong so far.
    fn complaints(&self) -> Vec<String> {
        let state = self.state.lock();
        let mut complaints = state.unexpected.clone();
        complaints.extend(state.expectations.iter().filter_map(Expectation::complaint));
        complaints
    }

    /// Records a call, and finds what it is answered.
    fn take(&self, request: &Request) -> (Duration, Outcome) {
        let method = request.method();
        let name = method.split_once('.').map_or(method, |(_, name)| name);
        let recorded = Recorded {
            method: name.to_owned(),
            arguments: shown::arguments(request.arguments().bytes()),
            metadata: request.metadata().clone(),
            timeout: request.timeout(),
        };
        let mut state = self.state.lock();
        let text = recorded.to_string();
        state.calls.push(recorded);
        let found =
            state.expectations.iter_mut().find(|expected| expected.takes(method, request.arguments()));
        if let Some(expected) = found {
            return expected.take();
        }
        let mut told: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for expected in &state.expectations {
            told.entry(expected.method.name).or_default().push(expected.to_string());
        }
        let told = match told.get(name) {
            Some(same) => format!("of `{name}` it was told: {}", same.join("; ")),
            None if told.is_empty() => "it was told nothing".to_owned(),
            None => format!("it was told of: {}", told.into_keys().collect::<Vec<_>>().join(", ")),
        };
        let text = format!("unexpected call of a mock: {text}; {told}");
        state.unexpected.push(text.clone());
        let error = RpcError::new(Code::UNIMPLEMENTED, Delivery::NotSent, text);
        (Duration::ZERO, Outcome::Ends(Err(error)))
    }

    async fn answer(self, mut request: Request) -> CallResult {
        let limit = Deadline::after(now(), request.timeout().unwrap_or(limits::TIMEOUT));
        let limit = Deadline::earlier(request.deadline(), Some(limit)).unwrap_or(limit);
        let (after, outcome) = self.take(&request);
        let items = request.take_items();
        let answering = async {
            tokio::time::sleep(after).await;
            outcome.answer(request.arguments(), items).await
        };
        match tokio::time::timeout_at(limit.instant().into(), answering).await {
            Ok(result) => result,
            Err(_) => {
                let text = "its time ran out: the mock's answer comes later";
                Err(RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::Unknown, text))
            }
        }
    }
}

impl Caller for Mock {
    type Error = RpcError;
    type Future = Answering;

    fn call(&self, request: Request) -> Answering {
        Answering(Box::pin(self.clone().answer(request)))
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.state.lock().calls.iter().map(Recorded::to_string)).finish()
    }
}

/// A call of a [`Mock`] under way.
#[must_use = "futures do nothing unless polled"]
pub struct Answering(Pin<Box<dyn Future<Output = CallResult> + Send>>);

impl Future for Answering {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<CallResult> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answering")
    }
}

// ===== the hand =====

/// The hand on a mock: it judges the mock when it is dropped. Generated code puts a method for each of the trait's on it.
pub struct Verified {
    mock: Mock,
}

impl Deref for Verified {
    type Target = Mock;

    fn deref(&self) -> &Mock {
        &self.mock
    }
}

impl Drop for Verified {
    fn drop(&mut self) {
        let complaints = self.mock.complaints();
        if !complaints.is_empty() && !std::thread::panicking() {
            panic!("{}", complaints.join("\n"));
        }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mock.fmt(f)
    }
}

/// A generated client that can be mocked, which each is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be mocked",
    label = "not a client over a `Mock`",
    note = "`#[rpc_service]` on a trait `Foo` generates `FooClient`, and `FooClient<Mock>` is one"
)]
pub trait Mockable: Client<Caller = Mock> {
    /// The hand that says what the mock answers: a method for each of the trait's, and those of [`Mock`].
    type Hand: Deref<Target = Mock>;

    #[doc(hidden)]
    fn hand(verified: Verified) -> Self::Hand;
}

/// A client without a server, and the hand that says what it answers: `testing::mock::<FooClient<_>>()`. The short form
/// is `FooClient::mock()`, which gives way to a method of the same name.
pub fn mock<C: Mockable>() -> (C, C::Hand) {
    let mock = Mock::default();
    (C::from_caller(mock.clone()), C::hand(Verified { mock }))
}
