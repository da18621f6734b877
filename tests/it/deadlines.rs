//! No call outlives its deadline, whatever it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use traitwire::{
    Caller, Channel, Code, Context, Delivery, Handler, HandlerFuture, MethodDescriptor, Request, Service,
    ServiceDescriptor, rpc_service,
};

use super::support::{Hand, call, call_within, request, serve, until};

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_handler_is_dropped_at_its_deadline() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let error = call_within(&channel, SHORT, "Hand.sleep", "60000").await.unwrap_err();
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
    // Whoever is first: this side's own clock, or the server's answer that it has dropped the handler.
    assert!(matches!(error.delivery(), Delivery::Unknown | Delivery::Executed), "{error}");
    assert!(error.to_string().contains("tcp://127.0.0.1:"), "{error}");
    until("the handler is dropped", || served.ledger.counts() == (1, 0, 1)).await;
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_does_not_look_ready() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("tcp://{}", silent.local_addr().unwrap());
    let channel = Channel::builder().lazy(&uri).unwrap();
    let began = tokio::time::Instant::now();
    let error = call_within(&channel, SHORT, "Hand.echo", "x").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::NotSent));
    assert!(error.message().contains("waiting for the peer's HELLO"), "{error}");
    assert!(began.elapsed() < SHORT * 10);
}

#[tokio::test(start_paused = true)]
async fn the_default_is_ten_seconds_and_the_clock_may_be_paused() {
    let channel = Channel::loopback(Hand::default());
    let began = tokio::time::Instant::now();
    let error = call(&channel, "Hand.sleep", "60000").await.unwrap_err();
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_clock_starts_at_the_first_poll() {
    let channel = Channel::loopback(Hand::default());
    let mut late = request("Hand.sleep", "50");
    late.set_timeout(SHORT);
    let inflight = channel.call(late);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(inflight.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn calls_within_a_second_of_sleep_are_exact() {
    let channel = Channel::loopback(Hand::default());
    for millis in [1_u64, 10, 999] {
        let began = tokio::time::Instant::now();
        call(&channel, "Hand.sleep", millis.to_string()).await.unwrap();
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(millis) && took < Duration::from_millis(millis + 5),
            "{took:?}"
        );
    }
}

#[test]
fn a_call_from_another_runtime_ends_though_its_connection_has_no_turn() {
    let build = |builder: &mut tokio::runtime::Builder| builder.enable_all().build().unwrap();
    let still = build(&mut tokio::runtime::Builder::new_current_thread());
    let (_served, channel) = still.block_on(async {
        let served = serve("mem://still").await;
        let channel = Channel::connect(&served.uri).await.unwrap();
        call(&channel, "Hand.echo", "x").await.unwrap();
        (served, channel)
    });
    // Nobody drives the first runtime from here on: its tasks and timers stand still.
    let own = build(&mut tokio::runtime::Builder::new_current_thread());
    let error = own.block_on(call_within(&channel, SHORT, "Hand.echo", "x")).unwrap_err();
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED, "{error}");
    // A later call is as good as any once the runtime moves again.
    assert_eq!(still.block_on(call(&channel, "Hand.echo", "x")).unwrap(), b"x");
}

/// `wait` never ends, `compute` holds its thread until it is told.
struct Stubborn {
    dropped: Arc<AtomicU32>,
    told: Arc<Mutex<std::sync::mpsc::Receiver<()>>>,
}

static STUBBORN: ServiceDescriptor = ServiceDescriptor::new(
    "Stubborn",
    "",
    &[
        MethodDescriptor::new("wait", "Stubborn.wait", 0),
        MethodDescriptor::new("compute", "Stubborn.compute", 1),
    ],
);

impl Service for Stubborn {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &STUBBORN
    }
}

impl Handler for Stubborn {
    fn handle(&self, request: Request) -> HandlerFuture {
        struct Counts(Arc<AtomicU32>);
        impl Drop for Counts {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (counts, told) = (Counts(Arc::clone(&self.dropped)), Arc::clone(&self.told));
        HandlerFuture::new(async move {
            if request.method() == "Stubborn.wait" {
                std::future::pending::<()>().await;
            } else {
                // Bounded, so that a failure is a failure and no hang.
                let _ = told.lock().recv_timeout(Duration::from_secs(20));
                std::mem::forget(counts);
            }
            Ok(traitwire::Response::value(request.into_arguments()))
        })
    }
}

#[test]
fn handlers_are_dropped_at_their_deadlines_though_another_one_holds_the_connection() {
    let (dropped, (tell, told)) = (Arc::new(AtomicU32::new(0)), std::sync::mpsc::channel());
    let service = Stubborn { dropped: Arc::clone(&dropped), told: Arc::new(Mutex::new(told)) };
    let serving = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (uri, done) = serving.block_on(async {
        let server = traitwire::Server::builder().service(service).bind("tcp://127.0.0.1:0").await.unwrap();
        (server.addresses()[0].clone(), tokio::spawn(server.serve()))
    });
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    own.block_on(async {
        let channel = Channel::connect(&uri).await.unwrap();
        // Both leave in one segment, and are started in one turn.
        let wait = call_within(&channel, Duration::from_millis(300), "Stubborn.wait", "");
        let compute = call(&channel, "Stubborn.compute", "");
        let watch = async {
            until("the handler is dropped", || dropped.load(Ordering::SeqCst) == 1).await;
            tell.send(()).unwrap();
        };
        let (waited, computed, ()) = tokio::join!(wait, compute, watch);
        assert_eq!(waited.unwrap_err().code(), Code::DEADLINE_EXCEEDED);
        assert!(computed.is_ok());
    });
    done.abort();
}

#[rpc_service]
trait Timed {
    async fn left(&self) -> Option<Duration>;
}

struct Clock;

impl Timed for Clock {
    async fn left(&self) -> Option<Duration> {
        Context::current().remaining()
    }
}

/// Asks a [`Timed`] from its own task, from one that works for the call, and from two that do not.
#[rpc_service]
trait Spawning {
    async fn left(&self) -> [Duration; 4];
}

struct Spawner(TimedClient);

impl Spawning for Spawner {
    async fn left(&self) -> [Duration; 4] {
        let ask = || {
            let timed = self.0.clone();
            async move { timed.left().await.unwrap().unwrap() }
        };
        let scoped = tokio::spawn(Context::current().scope(ask()));
        let detached = tokio::spawn(Context::detached(ask()));
        let alone = tokio::spawn(ask());
        [ask().await, scoped.await.unwrap(), alone.await.unwrap(), detached.await.unwrap()]
    }
}

#[tokio::test(start_paused = true)]
async fn a_spawned_task_inherits_the_deadline_if_it_is_told_to() {
    let spawning = SpawningClient::loopback(Spawner(TimedClient::loopback(Clock)));
    let short = Duration::from_secs(3);
    let [own, scoped, alone, detached] = spawning.left().timeout(short).await.unwrap();
    assert!(own <= short && scoped <= short, "{own:?} {scoped:?}");
    assert!(alone > short && detached > short, "{alone:?} {detached:?}");
}
