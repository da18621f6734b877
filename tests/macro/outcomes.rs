//! What a call ends with: values, the service's own errors, and every mistake with its code and delivery.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use traitwire::{CallError, CallOptions, Code, Delivery, RpcError, rpc_service};

use crate::caller::InProcess;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum DivideError {
    ByZero,
}

type Answer = Result<i64, DivideError>;
type Fallible<T> = Result<T, DivideError>;

mod io {
    pub(crate) type Result<T> = std::result::Result<T, super::DivideError>;
}

#[rpc_service]
pub(crate) trait Calculator {
    /// The sum.
    #[rpc(idempotent)]
    async fn add(&self, a: i64, b: i64) -> i64;
    #[rpc(timeout = "250ms")]
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
    async fn aliased(&self, a: i64, b: i64) -> Answer;
    async fn aliased_of(&self, a: i64, b: i64) -> Fallible<i64>;
    async fn aliased_result(&self, a: i64, b: i64) -> io::Result<i64>;
    async fn pair(&self) -> Pair;
    async fn nothing(&self);
    async fn unspeakable(&self) -> Unspeakable;
    async fn unsayable(&self, first: u8, value: Unspeakable) -> u8;
    #[rpc(oneway)]
    async fn tell(&self, text: String);
    #[rpc(elements = 100_000)]
    async fn many(&self) -> Vec<u8>;
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Pair {
    left: i64,
    right: String,
}

/// Decodes, but does not encode.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it cannot be said"))
    }
}

pub(crate) struct Basic;

impl Calculator for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError> {
        a.checked_div(b).ok_or(DivideError::ByZero)
    }
    async fn aliased(&self, a: i64, b: i64) -> Answer {
        self.divide(a, b).await
    }
    async fn aliased_of(&self, a: i64, b: i64) -> Fallible<i64> {
        self.divide(a, b).await
    }
    async fn aliased_result(&self, a: i64, b: i64) -> io::Result<i64> {
        self.divide(a, b).await
    }
    async fn pair(&self) -> Pair {
        Pair { left: 1, right: "r".into() }
    }
    async fn nothing(&self) {}
    async fn unspeakable(&self) -> Unspeakable {
        Unspeakable
    }
    async fn unsayable(&self, first: u8, _: Unspeakable) -> u8 {
        first
    }
    async fn tell(&self, _: String) {}
    async fn many(&self) -> Vec<u8> {
        vec![7; 100_000]
    }
}

fn client() -> CalculatorClient<InProcess> {
    CalculatorClient::new(InProcess::new(CalculatorServer::new(Basic)))
}

#[track_caller]
fn check(error: &RpcError, code: Code, delivery: Delivery, words: &[&str]) {
    assert_eq!((error.code(), error.delivery()), (code, delivery), "{error}");
    for word in words {
        assert!(error.message().contains(word), "`{word}` is not in: {error}");
    }
}

#[tokio::test]
async fn values_and_errors_come_back_flat() {
    let calculator = client();
    assert_eq!(calculator.add(2, 3).await.unwrap(), 5);
    let quotient: Result<i64, CallError<DivideError>> = calculator.divide(6, 3).await;
    assert_eq!(quotient.unwrap(), 2);
    for error in [
        calculator.divide(1, 0).await.unwrap_err(),
        calculator.aliased(1, 0).await.unwrap_err(),
        calculator.aliased_of(1, 0).await.unwrap_err(),
        calculator.aliased_result(1, 0).await.unwrap_err(),
    ] {
        assert!(matches!(error, CallError::App(DivideError::ByZero)), "{error:?}");
    }
    assert_eq!(calculator.aliased(7, 2).await.unwrap(), 3);
    let plain: Result<Pair, CallError> = calculator.pair().await;
    assert_eq!(plain.unwrap(), Pair { left: 1, right: "r".into() });
    calculator.nothing().await.unwrap();
    calculator.tell("hello".to_owned()).await.unwrap();
    assert_eq!(calculator.many().await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn question_mark_turns_a_call_error_into_an_rpc_error() {
    async fn sum() -> Result<i64, RpcError> {
        Ok(client().add(1, 2).await?)
    }
    assert_eq!(sum().await.unwrap(), 3);
}

#[tokio::test]
async fn an_answer_that_cannot_be_encoded_has_been_executed() {
    let error = client().unspeakable().await.unwrap_err();
    let words = ["Calculator.unspeakable", "cannot be encoded", "it cannot be said"];
    check(error.rpc().unwrap(), Code::INTERNAL, Delivery::Executed, &words);
}

#[tokio::test]
async fn an_argument_that_cannot_be_encoded_is_not_sent() {
    let calculator = client();
    let error = calculator.unsayable(1, Unspeakable).await.unwrap_err();
    let words = ["Calculator.unsayable", "argument `value`", "it cannot be said"];
    check(error.rpc().unwrap(), Code::INVALID_ARGUMENT, Delivery::NotSent, &words);
    assert!(traitwire::Client::caller(&calculator).seen().is_empty());
}

#[tokio::test]
async fn an_answer_that_does_not_decode_has_been_executed() {
    for (bytes, is_error, words) in [
        (&b"\xa1x"[..], false, &["Calculator.add", "the value that came back does not decode"][..]),
        (b"", false, &["the value that came back does not decode"]),
        (b"\xc0", true, &["Calculator.add", "an application error came back, but the method has none"]),
    ] {
        let calculator = CalculatorClient::new(InProcess::answering(bytes, is_error));
        let error = calculator.add(1, 2).await.unwrap_err();
        check(error.rpc().unwrap(), Code::INTERNAL, Delivery::Executed, words);
    }
    let calculator = CalculatorClient::new(InProcess::answering(b"\xa5Never", true));
    let error = calculator.divide(1, 2).await.unwrap_err();
    check(error.rpc().unwrap(), Code::INTERNAL, Delivery::Executed, &["the error that came back"]);
}

#[tokio::test]
async fn a_oneway_method_is_answered_with_nothing() {
    let calculator = CalculatorClient::new(InProcess::answering(b"", false));
    calculator.tell(String::new()).await.unwrap();
    assert!(calculator.nothing().await.is_err());
}

#[tokio::test]
async fn methods_of_other_services_are_refused() {
    let handler = InProcess::new(CalculatorServer::new(Basic));
    for method in ["Calculator.subtract", "Other.add", "", "add"] {
        let error = handler.raw(method, b"\x92\x01\x02").await.unwrap_err();
        check(&error, Code::UNIMPLEMENTED, Delivery::Refused, &["`Calculator`", method]);
    }
    // The same place in another trait is another method.
    let shadow: crate::names::ShadowClient<_> = handler.into();
    let error = shadow.new(1).await.unwrap_err();
    check(error.rpc().unwrap(), Code::UNIMPLEMENTED, Delivery::Refused, &["Shadow.new"]);
}

#[tokio::test]
async fn methods_are_found_by_name_where_nobody_has_routed() {
    let handler = InProcess::new(CalculatorServer::new(Basic));
    let response = handler.raw("Calculator.add", b"\x92\x01\x02").await.unwrap();
    assert_eq!((response.body().bytes(), response.is_app_error()), (&b"\x03"[..], false));
}

#[tokio::test]
async fn options_stack_up() {
    let calculator = client();
    let caller = traitwire::Client::caller(&calculator).clone();
    calculator.add(1, 1).await.unwrap();
    calculator.divide(1, 1).await.unwrap();
    let patient = calculator.with(
        CallOptions::new()
            .timeout(Duration::from_secs(1))
            .metadata("tenant", "blue")
            .metadata("region", "north"),
    );
    patient.divide(1, 1).await.unwrap();
    patient
        .divide(1, 1)
        .timeout(Duration::from_millis(5))
        .metadata("tenant", "green")
        .wait_for_ready()
        .await
        .unwrap();
    let twice = patient.with(CallOptions::new().metadata("tenant", "red").wait_for_ready());
    twice.add(1, 1).options(&CallOptions::new().metadata("x", "y")).await.unwrap();
    let seen = caller.seen();
    let timeouts: Vec<_> = seen.iter().map(|seen| seen.timeout.map(|time| time.as_millis())).collect();
    assert_eq!(timeouts, [None, Some(250), Some(1000), Some(5), Some(1000)]);
    let waits: Vec<_> = seen.iter().map(|seen| seen.waits_for_ready).collect();
    assert_eq!(waits, [false, false, false, true, true]);
    let metadata: Vec<String> = seen
        .iter()
        .map(|seen| seen.metadata.iter().map(|(key, value)| format!("{key}={value} ")).collect())
        .collect();
    let expected =
        ["", "", "tenant=blue region=north ", "tenant=green region=north ", "tenant=red region=north x=y "];
    assert_eq!(metadata, expected);
}

#[tokio::test]
async fn bad_metadata_ends_the_call_unsent() {
    let calculator = client();
    let options = CallOptions::new().metadata("rpc-x", "1");
    for call in [
        calculator.add(1, 1).metadata("Tenant", "blue"),
        calculator.add(1, 1).options(&options),
        calculator.with(options).add(1, 1),
    ] {
        let error = call.await.unwrap_err();
        check(error.rpc().unwrap(), Code::INVALID_ARGUMENT, Delivery::NotSent, &["Calculator.add", "`"]);
    }
    assert!(traitwire::Client::caller(&calculator).seen().is_empty());
}

#[tokio::test]
async fn a_detailed_call_tells_what_came_beside_the_value() {
    let reply = client().divide(9, 3).detailed().await.unwrap();
    assert_eq!((reply.value, reply.attempts, reply.metadata.len()), (3, 1, 0));
    let error = client().divide(9, 0).detailed().await.unwrap_err();
    assert_eq!(error.app(), Some(&DivideError::ByZero));
}

#[tokio::test]
async fn nothing_is_sent_before_the_first_poll() {
    let calculator = client();
    let caller = traitwire::Client::caller(&calculator).clone();
    let call = calculator.add(1, 2);
    assert_eq!(format!("{call:?}"), "Call(Calculator.add, unsent)");
    assert!(caller.seen().is_empty());
    drop(call);
    assert!(caller.seen().is_empty());
}

#[tokio::test]
#[should_panic(expected = "the call of `Calculator.add` was polled after it had ended")]
async fn a_call_that_has_ended_is_not_polled_again() {
    let mut call = client().add(1, 2);
    (&mut call).await.unwrap();
    let _ = (&mut call).await;
}
