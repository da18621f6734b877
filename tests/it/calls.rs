//! Calls that work, and mistakes that cost one call.

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use traitwire::{Caller, Channel, Code, Delivery, Handler, HandlerFuture, Request, RpcError};

use super::support::{Hand, Served, call, call_within, request, serve, serve_with, socket_path};

async fn everywhere() -> Vec<(Served, Channel)> {
    let mut all = Vec::new();
    for uri in ["tcp://127.0.0.1:0", "mem://calls", &format!("unix://{}", socket_path("calls"))] {
        let served = serve(uri).await;
        let channel = Channel::connect(&served.uri).await.unwrap();
        all.push((served, channel));
    }
    all
}

#[tokio::test]
async fn the_same_over_every_transport() {
    for (served, channel) in everywhere().await {
        for size in [0, 1, 1_000, 100_000, 300_000, 3_000_000] {
            let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            assert!(
                call(&channel, "Hand.echo", &payload).await.unwrap() == payload,
                "{size} over {}",
                served.uri
            );
        }
        let error = call(&channel, "Hand.nothing", "").await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::UNIMPLEMENTED, Delivery::Refused));
        let error = call(&channel, "Hand.panic", "").await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::INTERNAL, Delivery::Executed));
        assert!(!error.message().contains("on purpose"), "a panic's words stay at home: {error}");
        let response = channel.call(request("Hand.fail", "detail")).await.unwrap();
        assert!(response.is_app_error());
        assert_eq!(
            (response.body().bytes(), response.metadata().text("why")),
            (&b"detail"[..], Some("because"))
        );
        assert_eq!(call(&channel, "Hand.echo", "alive").await.unwrap(), b"alive");
    }
}

#[tokio::test]
async fn a_loopback_needs_no_server() {
    let channel = Channel::loopback(Hand::default());
    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_a_time_each_get_their_own_answer() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let tasks = (0..64_u32).map(|task| {
        let channel = channel.clone();
        tokio::spawn(async move {
            for round in 0..100_u32 {
                let sent = format!("{task}/{round}");
                let method = if round % 10 == 0 { "Hand.sleep" } else { "Hand.echo" };
                assert_eq!(call(&channel, method, &sent).await.unwrap(), sent.as_bytes());
            }
        })
    });
    for done in join_all(tasks).await {
        done.unwrap();
    }
    assert_eq!(served.ledger.counts(), (6_400, 6_400, 0));
}

#[tokio::test]
async fn what_goes_beside_arguments_and_replies_arrives() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let mut request = request("Hand.context", "");
    request.metadata_mut().set("tenant", "blue").unwrap();
    request.metadata_mut().set("token", "s3cret").unwrap().sensitive();
    request.set_timeout(Duration::from_secs(5));
    let response = channel.call(request).await.unwrap();
    assert_eq!(response.metadata().text("seen-by"), Some("the handler"));
    let text = String::from_utf8(response.body().bytes().to_vec()).unwrap();
    assert!(text.starts_with("Hand.context 4") || text.starts_with("Hand.context 5000"), "{text}");
    assert!(
        text.contains("tenant: \"blue\", token: (sensitive)") && text.contains("tcp://127.0.0.1:"),
        "{text}"
    );
}

#[tokio::test]
async fn a_nested_call_inherits_deadline_and_propagating_metadata() {
    let inner = serve("mem://inner").await;
    let next = Some(Channel::connect(&inner.uri).await.unwrap());
    let outer = serve_with("mem://outer", Hand { next, ..Hand::default() }, |builder| builder).await;
    let channel = Channel::connect(&outer.uri).await.unwrap();
    let mut request = request("Hand.inherit", "");
    request.metadata_mut().set("tenant", "blue").unwrap().propagate();
    request.metadata_mut().set("local", "x").unwrap();
    request.metadata_mut().set("traceparent", "00-1-2-01").unwrap();
    request.set_timeout(Duration::from_secs(3));
    let response = channel.call(request).await.unwrap();
    let text = String::from_utf8(response.body().bytes().to_vec()).unwrap();
    assert!(text.starts_with("Hand.context 2"), "less than the outer three seconds: {text}");
    assert!(text.contains("[tenant: \"blue\", traceparent: \"00-1-2-01\"]"), "{text}");
}

#[test]
fn a_loopback_repeats_for_a_given_order_of_polls() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let channel = Channel::loopback(Hand::default());
            let calls = (0..60_u64).map(|nth| {
                let (method, millis) =
                    [("Hand.sleep", 7 * nth % 23), ("Hand.echo", nth)][usize::from(nth % 3 == 0)];
                let within = Duration::from_millis(3 + 11 * nth % 29);
                let call = call_within(&channel, within, method, millis.to_string());
                async move { format!("{nth}: {:?}", call.await.map_err(|error| error.to_string())) }
            });
            calls.collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await
        })
    };
    let (first, second) = (run(), run());
    assert!(first.iter().any(|end| end.contains("Ok")) && first.iter().any(|end| end.contains("Err")));
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_blocking_method_stalls_nobody() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let blocked = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel, "Hand.block", "300").await }
    });
    let quick = call_within(&channel, Duration::from_millis(200), "Hand.echo", "quick").await;
    assert_eq!(quick.unwrap(), b"quick");
    assert_eq!(blocked.await.unwrap().unwrap(), b"300");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_handler_that_stalls_holds_up_its_batch_only_for_its_own_time() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let began = tokio::time::Instant::now();
    let stalls = join_all((0..5).map(|_| call(&channel, "Hand.stall", "300")));
    let (stalled, quick) = tokio::join!(stalls, async {
        call(&channel, "Hand.echo", "quick").await.unwrap();
        began.elapsed()
    });
    assert!(stalled.into_iter().all(|result| result.is_ok()));
    // Inline, one after the other, they would take a second and a half; the quick one waits for the first alone.
    assert!(quick < Duration::from_millis(1_200), "{quick:?}");
}

#[tokio::test]
async fn a_oneway_call_ends_before_its_handler() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    assert_eq!(call(&channel, "Hand.notify", "50").await.unwrap(), [0xc0]);
    assert_eq!(served.ledger.counts(), (1, 0, 0));
    super::support::until("the handler has run", || served.ledger.counts() == (1, 1, 0)).await;
}

#[tokio::test]
async fn an_error_that_holds_its_request_does_not_hang_the_connection() {
    let served = serve("mem://keeps").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let error = call(&channel, "Hand.keep", "x").await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::INTERNAL, "it keeps its request"));
    assert_eq!(call(&channel, "Hand.echo", "alive").await.unwrap(), b"alive");
}

#[tokio::test]
async fn a_panic_that_panics_when_it_is_dropped_costs_its_call_only() {
    let served = serve("mem://panic-bomb").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let (beside, error) = tokio::join!(call(&channel, "Hand.sleep", "50"), call(&channel, "Hand.bomb", ""));
    assert_eq!(error.unwrap_err().code(), Code::INTERNAL);
    assert_eq!(beside.unwrap(), b"50");
}

#[tokio::test]
async fn an_observer_that_panics_harms_no_call() {
    struct Nervous;
    impl traitwire::observe::Observer for Nervous {
        fn call_started(&self) {
            panic!("on purpose");
        }

        fn call_finished(&self, _: Option<Code>) {
            std::panic::panic_any(7);
        }
    }
    let observer = std::sync::Arc::new(Nervous);
    let served = serve_with("mem://nervous", Hand::default(), |builder| builder.observer(observer)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    for _ in 0..3 {
        assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
    }
}

#[tokio::test]
async fn a_oneway_handler_is_dropped_at_its_deadline() {
    let served = serve("mem://oneway-deadline").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    call_within(&channel, Duration::from_millis(50), "Hand.notify", "60000").await.unwrap();
    super::support::until("it is dropped", || served.ledger.counts() == (1, 0, 1)).await;
}

#[tokio::test]
async fn layers_may_answer_before_anything_is_decoded() {
    struct Gate<H>(H);
    impl<H: Handler> Handler for Gate<H> {
        fn handle(&self, request: Request) -> HandlerFuture {
            match request.metadata().text("key") {
                Some("open") => self.0.handle(request),
                _ => HandlerFuture::ready(Err(RpcError::new(
                    Code::UNAUTHENTICATED,
                    Delivery::Refused,
                    "no key",
                ))),
            }
        }
    }
    let served = serve_with("mem://gate", Hand::default(), |builder| builder.layer(Gate)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let error = call(&channel, "Hand.echo", "x").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAUTHENTICATED, Delivery::Refused));
    assert_eq!(served.ledger.counts(), (0, 0, 0));
    let mut request = request("Hand.echo", "x");
    request.metadata_mut().set("key", "open").unwrap();
    assert_eq!(channel.call(request).await.unwrap().body().bytes(), b"x");
}

#[tokio::test]
async fn limits_are_named_with_side_size_and_knob() {
    let served = serve_with("mem://limits", Hand::default(), |builder| builder.message(1_000)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    call(&channel, "Hand.echo", "hello first").await.unwrap();
    let error = call(&channel, "Hand.echo", [0; 1_001]).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
    for part in ["1001", "1000", "`message`", "mem://limits"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
