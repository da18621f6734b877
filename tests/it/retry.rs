//! Retries: what is tried again and what is not, when, within which time and budget, and what its caller is told.

use std::future::ready;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{TryStreamExt, stream};
use tokio::time::Instant;
use traitwire::policy::{Budget, Policies, Policy};
use traitwire::transport::{Link, Listener, Memory, Transport};
use traitwire::{CallOptions, Caller, Channel, Code, Delivery, Retry, RpcError, Server, Streaming};

use crate::scripted::{STEADY, Script, Step, draining, get, ms, over_wire, refused, request};

fn retrying() -> Policies {
    Policies::new().everything(Policy::new().retry(STEADY))
}

fn channel(script: &Script, policies: Policies) -> Channel {
    Channel::builder().policies(policies).seed(7).loopback(script.clone())
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_tried_again_with_the_same_bytes_and_says_which_attempt_it_is() {
    let script = Script::new([Step::Fail(draining()), Step::Fail(draining())]);
    let channel = channel(&script, retrying());
    let (value, attempts) = get(&channel, request("put")).await.unwrap();
    assert_eq!((value.as_slice(), attempts), (&b"done"[..], 3));
    assert_eq!(script.times(), [(0, 1), (100, 2), (200, 3)]);
    assert!(script.seen().iter().all(|seen| seen.arguments == b"arguments"));
}

#[tokio::test(start_paused = true)]
async fn the_last_error_tells_the_story_of_all_attempts() {
    let script = Script::then([], || Step::Fail(draining()));
    let channel = channel(&script, retrying());
    let error = get(&channel, request("get")).await.unwrap_err();
    assert_eq!((error.code(), error.delivery(), error.attempts()), (Code::UNAVAILABLE, Delivery::Refused, 3));
    let told: Vec<_> = error.history().iter().map(|attempt| (attempt.number, attempt.began)).collect();
    assert_eq!(told, [(1, ms(0)), (2, ms(100)), (3, ms(200))]);
    assert!(error.history().iter().all(|attempt| attempt.peer.as_deref() == Some("loopback")));
    let text = error.to_string();
    assert!(text.contains("3 attempts are all (`retry`)"), "{text}");
    assert!(
        text.contains("attempt 2 at 100.0ms to loopback, 0.0ns: unavailable (refused): on purpose"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_that_found_no_connection_are_told_too() {
    let channel = Channel::builder().policies(retrying()).seed(7).lazy("mem://nobody-is-here").unwrap();
    let error = get(&channel, request("put")).await.unwrap_err();
    assert_eq!((error.delivery(), error.attempts()), (Delivery::NotSent, 0), "{error}");
    let told: Vec<_> = error.history().iter().map(|attempt| (attempt.number, attempt.began)).collect();
    assert_eq!(told, [(1, ms(0)), (2, ms(100)), (3, ms(200))]);
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_anywhere_or_has_run_is_not_tried_again() {
    let ran = |code| RpcError::new(code, Delivery::Executed, "ran");
    for error in [
        refused(Code::UNIMPLEMENTED),
        refused(Code::INVALID_ARGUMENT),
        refused(Code::PERMISSION_DENIED),
        refused(Code::UNAUTHENTICATED),
        refused(Code::RESOURCE_EXHAUSTED),
        ran(Code::UNAVAILABLE),
        ran(Code::INTERNAL),
        ran(Code::UNAVAILABLE).with_retry_after(ms(1)),
        draining().without_retry(),
    ] {
        let script = Script::new([Step::Fail(error.clone())]);
        let ended = get(&channel(&script, retrying()), request("get")).await.unwrap_err();
        assert_eq!((ended.code(), ended.attempts()), (error.code(), 1), "{error}");
        assert_eq!((script.seen().len(), ended.history().len()), (1, 0), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_of_which_nothing_is_known_is_tried_again_only_if_it_is_idempotent() {
    let script = Script::new([Step::Cut]);
    let channel = over_wire(&script, retrying()).await;
    let error = get(&channel, request("put")).await.unwrap_err();
    assert_eq!((error.delivery(), script.seen().len()), (Delivery::Unknown, 1), "{error}");

    let script = Script::new([Step::Cut]);
    let channel = over_wire(&script, retrying()).await;
    let (value, attempts) = get(&channel, request("get")).await.unwrap();
    assert_eq!((value.as_slice(), attempts), (&b"done"[..], 2));
    assert_eq!(script.times(), [(0, 1), (100, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_call_is_what_is_known_of_all_its_attempts() {
    let script = Script::then([Step::Cut], || Step::Fail(draining()));
    let channel = over_wire(&script, retrying()).await;
    let error = get(&channel, request("get")).await.unwrap_err();
    // The last attempt was refused, but the first one may have run.
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::Unknown), "{error}");
    let deliveries: Vec<_> = error.history().iter().map(|attempt| attempt.delivery).collect();
    assert_eq!(deliveries, [Delivery::Unknown, Delivery::Refused, Delivery::Refused]);
}

#[tokio::test(start_paused = true)]
async fn the_services_own_error_is_tried_again_only_if_the_method_says_so() {
    let script = Script::new([Step::App(b"busy"), Step::App(b"busy"), Step::App(b"broke")]);
    let channel = channel(&script, retrying());
    let answer = channel.call(request("picky")).await.unwrap();
    assert!(answer.is_app_error());
    assert_eq!((answer.body().bytes(), answer.attempts()), (&b"broke"[..], 3));
    let script = Script::new([Step::App(b"busy")]);
    let answer = self::channel(&script, retrying()).call(request("get")).await.unwrap();
    assert_eq!((answer.body().bytes(), script.seen().len()), (&b"busy"[..], 1));
}

#[tokio::test(start_paused = true)]
async fn the_callees_word_about_the_time_wins() {
    let script = Script::new([
        Step::Fail(draining().with_retry_after(ms(3_000))),
        Step::Fail(refused(Code::RESOURCE_EXHAUSTED).with_retry_after(ms(20))),
    ]);
    assert_eq!(get(&channel(&script, retrying()), request("put")).await.unwrap().1, 3);
    assert_eq!(script.times(), [(0, 1), (3_000, 2), (3_020, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_cannot_end_in_time_is_not_begun_and_the_error_says_so() {
    let script = Script::then([], || Step::Fail(draining()));
    let options = CallOptions::new().timeout(ms(250)).retry(STEADY.attempts(9));
    let began = Instant::now();
    let error = get(&channel(&script, retrying()), request("get").with_options(&options)).await.unwrap_err();
    assert_eq!((script.times(), began.elapsed()), (vec![(0, 1), (100, 2), (200, 3)], ms(200)));
    assert_eq!(error.code(), Code::UNAVAILABLE, "what happened, not what did not");
    let text = "the next attempt would begin in 100.0ms, and 50.0ms are left";
    assert!(error.message().contains(text), "{error}");
}

#[tokio::test(start_paused = true)]
async fn all_attempts_share_one_deadline() {
    let script = Script::new([Step::SlowFail(ms(600), draining()), Step::Hang]);
    let options = CallOptions::new().timeout(ms(1_000));
    let began = Instant::now();
    let error = get(&channel(&script, retrying()), request("get").with_options(&options)).await.unwrap_err();
    assert_eq!((error.code(), began.elapsed()), (Code::DEADLINE_EXCEEDED, ms(1_000)));
    assert_eq!(script.times(), [(0, 1), (700, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_ends_calls_after_one_attempt() {
    let script = Script::then([], || Step::Fail(draining()));
    let channel = channel(&script, retrying());
    let mut said = 0;
    for _ in 0..100 {
        let error = get(&channel, request("get")).await.unwrap_err();
        said += u32::from(error.message().contains("`budget` is spent"));
    }
    // A second has passed at most: 0.2 × 100 + 10, and nothing that is left over from before.
    let retries = script.seen().len() - 100;
    assert!((25..=30).contains(&retries), "{retries}");
    assert!(said >= 80, "{said}");
    channel.set_policies(retrying().budget(Budget::Unlimited));
    let error = get(&channel, request("get")).await.unwrap_err();
    assert_eq!(error.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_methods_own_budget_is_a_bound_within_the_channels() {
    let script = Script::then([], || Step::Fail(draining()));
    let own = Budget::Window { ratio: 0.0, floor_min: 0.2, floor_max: 0.2 };
    let policies = retrying().method("Scripted.get", Policy::new().budget(own));
    let channel = channel(&script, policies.clone());
    for (method, retries) in [("get", 2), ("get", 0), ("put", 2)] {
        let error = get(&channel, request(method)).await.unwrap_err();
        assert_eq!(error.attempts(), retries + 1, "{method}");
    }
    // What one method has spent, the channel has spent; and that survives a change of settings.
    let tight = Budget::Window { ratio: 0.0, floor_min: 0.4, floor_max: 0.4 };
    channel.set_policies(policies.budget(tight));
    assert_eq!(get(&channel, request("put")).await.unwrap_err().attempts(), 1);
    assert!(tokio::time::timeout(Duration::from_secs(11), std::future::pending::<()>()).await.is_err());
    assert_eq!(get(&channel, request("put")).await.unwrap_err().attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_is_not_made_again() {
    let script = Script::then([], || Step::Fail(draining()));
    let call = channel(&script, retrying()).call(request("get"));
    assert!(tokio::time::timeout(ms(150), call).await.is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(script.times(), [(0, 1), (100, 2)]);
}

#[tokio::test(start_paused = true)]
async fn waits_repeat_with_their_seed() {
    let mut all = Vec::new();
    for seed in [1, 1, 2] {
        let script = Script::then([], || Step::Fail(draining()));
        let retry = Policies::new().everything(Policy::new().retry(Retry::new().attempts(4)));
        let channel = Channel::builder().policies(retry).seed(seed).loopback(script.clone());
        get(&channel, request("get")).await.unwrap_err();
        all.push(script.times());
    }
    assert_eq!(all[0], all[1]);
    assert_ne!(all[0], all[2]);
}

#[traitwire::rpc_service]
trait Upload {
    #[rpc(idempotent, retry(base = "2s", cap = "2s", backoff = "equal"))]
    async fn sum(&self, values: Streaming<u64>) -> Result<u64, String>;
}

struct Adder;

impl Upload for Adder {
    async fn sum(&self, values: Streaming<u64>) -> Result<u64, String> {
        values.map_err(|error| error.to_string()).try_fold(0, |sum, value| ready(Ok(sum + value))).await
    }
}

/// Lets nobody through for the first times.
struct Stubborn(AtomicU32);

#[async_trait]
impl Transport for Stubborn {
    fn scheme(&self) -> &'static str {
        "stubborn"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        match self.0.fetch_sub(1, Ordering::SeqCst) {
            1.. => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
            0 => Memory.connect(address).await,
        }
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        Memory.bind(address).await
    }
}

#[tokio::test(start_paused = true)]
async fn items_that_nobody_has_taken_go_out_with_the_next_attempt() {
    let server = Server::builder().service(UploadServer::new(Adder)).bind("mem://adder").await.unwrap();
    tokio::spawn(server.serve());
    let channel = || {
        let builder = Channel::builder().transport(Stubborn(AtomicU32::new(1)));
        UploadClient::new(builder.lazy("stubborn://adder").unwrap())
    };
    let reply = channel().sum(stream::iter(1..=4)).detailed().await.unwrap();
    // The first attempt found no connection, so it was not sent.
    assert_eq!((reply.value, reply.attempts), (10, 1));
    let options = CallOptions::new().no_retry();
    let error = channel().sum(stream::iter(1..=4)).options(&options).await.unwrap_err();
    assert_eq!(error.rpc().unwrap().delivery(), Delivery::NotSent);
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_there_is_one_attempt() {
    let script = Script::then([], || Step::Fail(draining()));
    let channel = Channel::loopback(script.clone());
    let error = get(&channel, request("get")).await.unwrap_err();
    assert_eq!((error.attempts(), script.seen().len()), (1, 1));
    let call = channel.call(request("get"));
    assert_eq!(format!("{call:?}"), "InFlight(new)");
    let call = channel.call(request("get").with_options(&CallOptions::new().retry(STEADY)));
    assert_eq!(format!("{call:?}"), "ChannelFuture(with policies)");
}
