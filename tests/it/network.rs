//! The simulated network, fault by fault: what a caller is told agrees with what the server did, and each fault hit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use traitwire::testing::{Fault, Happening, Host, Latency, Network, Path};
use traitwire::{Channel, Code, Delivery, RpcError, Server, rpc_service};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Counts, so that a caller's knowledge can be held against the truth.
#[rpc_service]
trait Count {
    /// Counts, and answers how often it has.
    async fn count(&self, pause_ms: u64) -> u64;
    /// Answers how many bytes it was given.
    async fn size(&self, bytes: Vec<u8>) -> usize;
    /// Answers so many bytes.
    async fn fill(&self, size: usize) -> Vec<u8>;
    /// Counts after a pause, with nobody who waits.
    #[rpc(oneway)]
    async fn later(&self, pause_ms: u64);
}

#[derive(Clone, Default)]
struct Ledger {
    started: Arc<AtomicU64>,
    finished: Arc<AtomicU64>,
}

impl Ledger {
    fn read(&self) -> (u64, u64) {
        (self.started.load(Ordering::SeqCst), self.finished.load(Ordering::SeqCst))
    }
}

impl Count for Ledger {
    async fn count(&self, pause_ms: u64) -> u64 {
        self.started.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(pause_ms as u32 * MILLI).await;
        self.finished.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn size(&self, bytes: Vec<u8>) -> usize {
        bytes.len()
    }

    async fn fill(&self, size: usize) -> Vec<u8> {
        vec![7; size]
    }

    async fn later(&self, pause_ms: u64) {
        self.count(pause_ms).await;
    }
}

struct Pair {
    network: Network,
    client: Host,
    count: CountClient,
    ledger: Ledger,
}

fn pair(seed: u64) -> Pair {
    let (network, ledger) = (Network::seeded(seed), Ledger::default());
    let (client, served) = (network.host("client"), ledger.clone());
    network.host("server").serve(1, move || Server::builder().service(CountServer::new(served.clone())));
    let count = CountClient::new(client.channel("sim://server:1"));
    Pair { network, client, count, ledger }
}

fn told<T: std::fmt::Debug>(result: Result<T, traitwire::CallError>) -> (Code, Delivery) {
    let error = RpcError::from(result.unwrap_err());
    (error.code(), error.delivery())
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_the_time_of_its_paths() {
    let Pair { network, client, count, .. } = pair(1);
    let server = network.host("server");
    network.path(&client, &server, Path::new().latency(Latency::fixed(30 * MILLI)));
    network.path(&server, &client, Path::new().latency(Latency::fixed(50 * MILLI)));
    let began = Instant::now();
    count.count(0).await.unwrap();
    // The connection is made in one round trip, in which HELLO comes too; the call takes another one.
    assert_eq!(began.elapsed(), (80 + 80) * MILLI);
    let began = Instant::now();
    count.count(5).await.unwrap();
    assert_eq!(began.elapsed(), 85 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn bandwidth_and_loss_make_it_longer() {
    let Pair { network, count, .. } = pair(1);
    count.count(0).await.unwrap();
    network.paths(Path::new().bandwidth(100_000));
    let began = Instant::now();
    assert_eq!(count.size(vec![7; 500_000]).await.unwrap(), 500_000);
    let took = began.elapsed();
    assert!((5 * SECOND..5 * SECOND + 100 * MILLI).contains(&took), "{took:?}");

    network.paths(Path::new().loss(0.2));
    let began = Instant::now();
    for _ in 0..100 {
        count.count(0).await.unwrap();
    }
    // A fifth of two hundred messages is lost at least once, each for at least 200 ms.
    let (took, lost) = (began.elapsed(), network.report().packets_lost);
    assert!((25..80).contains(&lost) && took > 5 * SECOND, "{lost} lost, {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_partition_holds_and_heals() {
    let Pair { network, count, ledger, .. } = pair(1);
    count.count(0).await.unwrap();
    let partition = network.inject(Fault::partition("server", "client").lasting(3 * SECOND));
    let began = Instant::now();
    assert_eq!(told(count.count(0).timeout(SECOND).await), (Code::DEADLINE_EXCEEDED, Delivery::Unknown));
    assert_eq!(began.elapsed(), SECOND);
    assert_eq!(ledger.read(), (1, 1), "nothing came through");
    // What was held arrives: by then its caller has given it up.
    count.count(0).timeout(5 * SECOND).await.unwrap();
    assert!(partition.hits() >= 2 && began.elapsed() > 3 * SECOND, "{}", network.report());
    assert_eq!(ledger.read(), (2, 2), "the call whose time was over is not executed");
}

#[tokio::test(start_paused = true)]
async fn one_way_is_heard_one_way() {
    let Pair { network, count, ledger, .. } = pair(1);
    count.count(0).await.unwrap();
    let deaf = network.inject(Fault::one_way("server", "client"));
    assert_eq!(told(count.count(0).timeout(SECOND).await), (Code::DEADLINE_EXCEEDED, Delivery::Unknown));
    assert_eq!(ledger.read(), (2, 2), "it was executed");
    assert!(deaf.hits() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reply_is_an_executed_call_that_nobody_heard_of() {
    let Pair { network, count, ledger, .. } = pair(1);
    let dropped = network.inject(Fault::drop_reply("server", "client"));
    let began = Instant::now();
    assert_eq!(told(count.count(0).await), (Code::UNAVAILABLE, Delivery::Unknown));
    assert!(began.elapsed() < SECOND, "the loss is noticed at once");
    assert_eq!((ledger.read(), dropped.hits()), ((1, 1), 1), "{}", network.report());
    assert_eq!(count.count(0).await.unwrap(), 2, "a new connection is made");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_anywhere_tells_the_truth() {
    let (mut executed, mut not_executed, mut resent) = (0, 0, 0);
    for (from, to) in [("client", "server"), ("server", "client")] {
        for bytes in 0..240 {
            let Pair { network, count, ledger, .. } = pair(bytes);
            let cut = network.inject(Fault::cut_after_bytes(from, to, bytes));
            let result = count.count(0).await;
            let (started, _) = ledger.read();
            match result {
                Ok(_) => {
                    assert_eq!(started, 1, "{from} {bytes}");
                    resent += cut.hits();
                }
                Err(error) => {
                    let error = RpcError::from(error);
                    assert_eq!(cut.hits(), 1, "{from} {bytes}: {error}");
                    let is_true = match error.delivery() {
                        Delivery::NotSent | Delivery::Refused => started == 0,
                        Delivery::Unknown => true,
                        Delivery::Executed => started == 1,
                    };
                    assert!(is_true, "{from} {bytes}: {error}, but started {started}\n{}", network.report());
                    let counter = if started == 1 { &mut executed } else { &mut not_executed };
                    *counter += 1;
                }
            }
        }
    }
    // Cut before HELLO was there, a call has not been sent yet, and goes out on the next connection.
    assert!(executed > 3 && not_executed > 10 && resent > 100, "{executed} {not_executed} {resent}");
}

#[tokio::test(start_paused = true)]
async fn between_frames_whole_frames_arrive() {
    let Pair { network, count, ledger, .. } = pair(1);
    count.count(0).await.unwrap();
    let cut = network.inject(Fault::cut_after_frames("client", "server", 2));
    for _ in 0..2 {
        count.count(0).await.unwrap();
    }
    assert_eq!((cut.hits(), ledger.read()), (0, (3, 3)));
    assert_eq!(told(count.count(0).await), (Code::UNAVAILABLE, Delivery::Unknown));
    assert_eq!((cut.hits(), ledger.read()), (1, (3, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_reset_breaks_what_there_is() {
    let Pair { network, count, ledger, .. } = pair(1);
    count.count(0).await.unwrap();
    network.at(50 * MILLI, Fault::reset("client", "server"));
    let began = Instant::now();
    assert_eq!(told(count.count(1_000).await), (Code::UNAVAILABLE, Delivery::Unknown));
    assert_eq!((began.elapsed(), network.report().hits("reset")), (50 * MILLI, 1));
    count.count(0).await.unwrap();
    assert_eq!(ledger.read(), (3, 2), "the handler of the lost call was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_crash_ends_everything_of_a_host_and_a_restart_begins_anew() {
    let Pair { network, client, count, ledger } = pair(1);
    count.count(0).await.unwrap();
    count.later(2_000).await.unwrap();
    let mut calls = Box::pin(join_all((0..3).map(|_| count.count(2_000))));
    assert!(tokio::time::timeout(50 * MILLI, &mut calls).await.is_err(), "they are under way");
    assert_eq!(ledger.read(), (5, 1));
    let crash = network.inject(Fault::crash("server"));
    for result in calls.await {
        assert_eq!(told(result), (Code::UNAVAILABLE, Delivery::Unknown));
    }
    let refused = CountClient::new(client.channel("sim://server:1")).count(0).await;
    assert_eq!(told(refused), (Code::UNAVAILABLE, Delivery::NotSent));
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(ledger.read(), (5, 1), "no handler of the old life went on, the oneway call's neither");
    crash.heal();
    assert_eq!(count.count(0).wait_for_ready().await.unwrap(), 2);
    let report = network.report();
    assert_eq!((crash.hits(), report.hits("crash")), (1, 1));
    let restarts = report.events.iter().filter(|event| matches!(event.what, Happening::Restarted { .. }));
    assert_eq!(restarts.count(), 1, "{report}");
}

#[tokio::test(start_paused = true)]
async fn who_vanishes_is_missed_by_its_silence() {
    let Pair { network, client, count, ledger } = pair(1);
    count.count(0).await.unwrap();
    let vanished = network.inject(Fault::vanish("server"));
    let began = Instant::now();
    let patient = count.count(0).timeout(100 * SECOND);
    assert_eq!(told(patient.await), (Code::UNAVAILABLE, Delivery::Unknown));
    let took = began.elapsed();
    assert!((29 * SECOND..31 * SECOND).contains(&took), "keepalive notices after 20 s and 10 s: {took:?}");
    let hanging = Channel::builder().transport(client).lazy("sim://server:1").unwrap();
    let began = Instant::now();
    assert_eq!(told(CountClient::new(hanging).count(0).await), (Code::UNAVAILABLE, Delivery::NotSent));
    assert_eq!((began.elapsed(), vanished.hits()), (2 * SECOND, 2));
    vanished.heal();
    assert_eq!(count.count(0).wait_for_ready().await.unwrap(), 2);
    assert_eq!(ledger.read(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_restarted_host_knows_no_old_connection() {
    let Pair { network, count, .. } = pair(1);
    count.count(0).await.unwrap();
    let vanished = network.inject(Fault::vanish("server"));
    vanished.heal();
    let began = Instant::now();
    assert_eq!(told(count.count(0).await), (Code::UNAVAILABLE, Delivery::Unknown));
    assert!(began.elapsed() < SECOND, "it is told so: {:?}\n{}", began.elapsed(), network.report());
    count.count(0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connects_are_refused_or_hang() {
    let Pair { network, client, .. } = pair(1);
    let call = |client: &Host| CountClient::new(client.channel("sim://server:1")).count(0);
    let refusing = network.inject(Fault::refuse("server"));
    let began = Instant::now();
    assert_eq!(told(call(&client).await), (Code::UNAVAILABLE, Delivery::NotSent));
    assert_eq!((began.elapsed(), refusing.hits()), (2 * MILLI, 1));
    refusing.heal();
    let hanging = network.inject(Fault::hang("server"));
    assert_eq!(told(call(&client).await), (Code::UNAVAILABLE, Delivery::NotSent));
    assert_eq!((began.elapsed(), hanging.hits()), (2_002 * MILLI, 1));
    network.at(SECOND, Fault::refuse("server"));
    let call = tokio::spawn(call(&client));
    tokio::time::sleep(500 * MILLI).await;
    hanging.heal();
    assert_eq!(call.await.unwrap().unwrap(), 1, "it was only late");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_makes_its_sender_wait_and_nobody_else() {
    let Pair { network, count, .. } = pair(1);
    count.count(0).await.unwrap();
    let slow = network.inject(Fault::slow_reader("server", 50_000));
    let began = Instant::now();
    assert_eq!(count.size(vec![7; 500_000]).timeout(60 * SECOND).await.unwrap(), 500_000);
    let took = began.elapsed();
    assert!((9 * SECOND..11 * SECOND).contains(&took), "{took:?}");
    assert!(slow.hits() > 0);
    let began = Instant::now();
    assert_eq!(count.fill(500_000).await.unwrap().len(), 500_000);
    assert!(began.elapsed() < SECOND, "what it writes is as fast as ever: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_path_may_become_worse_for_a_while() {
    let Pair { network, count, .. } = pair(1);
    count.count(0).await.unwrap();
    let slow = Path::new().latency(Latency::fixed(400 * MILLI));
    let worse = network.inject(Fault::worse("client", "server", slow).lasting(SECOND));
    let began = Instant::now();
    count.count(0).await.unwrap();
    assert_eq!((began.elapsed(), worse.hits()), (800 * MILLI, 2));
    tokio::time::sleep(SECOND).await;
    let began = Instant::now();
    count.count(0).await.unwrap();
    assert_eq!(began.elapsed(), 2 * MILLI);
}

/// A run with some of everything; what it tells.
fn run(seed: u64) -> String {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let Pair { network, client, count, .. } = pair(seed);
        network.paths(Path::new().latency(Latency::long_tailed(5 * MILLI, 80 * MILLI)).loss(0.02));
        network.at(100 * MILLI, Fault::isolate("server").lasting(400 * MILLI));
        network.at(SECOND, Fault::crash("server").lasting(3 * SECOND));
        network.at(6 * SECOND, Fault::drop_reply("server", "client"));
        let mut dice = network.dice();
        let tasks = (0..8).map(|_| {
            let (count, mut dice) = (count.clone(), dice.fork());
            client.spawn(async move {
                for _ in 0..100 {
                    let _ = count.count(dice.below(40)).timeout((1 + dice.below(300)) as u32 * MILLI).await;
                    tokio::time::sleep(dice.below(100) as u32 * MILLI).await;
                }
            })
        });
        join_all(tasks).await;
        network.report().to_string()
    })
}

#[test]
fn the_same_seed_is_the_same_run() {
    let (one, again, other) = (run(7), run(7), run(8));
    assert_eq!(one, again);
    assert_ne!(one, other);
    assert!(one.lines().count() > 10, "{one}");
}

#[tokio::test]
#[should_panic(expected = "use `#[tokio::test(start_paused = true)]`")]
async fn a_clock_that_goes_is_refused() {
    let _ = Network::seeded(1);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "no host `sever`: there are `client`, `server`")]
async fn a_host_that_is_misspelt_is_told() {
    let Pair { network, .. } = pair(1);
    let _ = network.inject(Fault::crash("sever"));
}
