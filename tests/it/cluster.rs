//! One caller of several, in a simulated network: who is asked, what is told, and what it costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use traitwire::policy::Budget;
use traitwire::policy::cluster::{Broadcast, Failover, Failsafe, Forking};
use traitwire::testing::{Fault, Network};
use traitwire::{CallError, Caller, Channel, Code, Delivery, RpcError, Server, rpc_service};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[rpc_service]
trait Replica {
    /// Which replica this is.
    #[rpc(idempotent)]
    async fn who(&self) -> u32;
    /// The same, and it counts.
    async fn put(&self, fails: bool) -> Result<u32, String>;
}

#[derive(Clone)]
struct Nth {
    number: u32,
    millis: Arc<AtomicU32>,
    began: Arc<AtomicU32>,
    ended: Arc<AtomicU32>,
}

impl Replica for Nth {
    async fn who(&self) -> u32 {
        self.began.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.millis.load(Ordering::SeqCst) * MILLI).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.number
    }

    async fn put(&self, fails: bool) -> Result<u32, String> {
        let number = self.who().await;
        if fails { Err(number.to_string()) } else { Ok(number) }
    }
}

struct Three {
    network: Network,
    channels: Vec<Channel>,
    replicas: Vec<Nth>,
}

impl Three {
    /// How many calls each replica has begun.
    fn began(&self) -> Vec<u32> {
        self.replicas.iter().map(|replica| replica.began.load(Ordering::SeqCst)).collect()
    }

    fn slow(&self, number: usize, millis: u32) {
        self.replicas[number - 1].millis.store(millis, Ordering::SeqCst);
    }

    /// Ends a replica, and waits until its client knows.
    async fn crash(&self, number: usize) {
        let _ = self.network.inject(Fault::crash(&format!("replica {number}")));
        tokio::time::sleep(SECOND).await;
    }
}

/// Three replicas, and channels whose connections are made.
async fn three() -> Three {
    let network = Network::seeded(1);
    let client = network.host("client");
    let (mut channels, mut replicas) = (Vec::new(), Vec::new());
    for number in 1..=3 {
        let replica =
            Nth { number, millis: Arc::new(10.into()), began: Arc::default(), ended: Arc::default() };
        let served = replica.clone();
        let host = network.host(&format!("replica {number}"));
        host.serve(1, move || Server::builder().service(ReplicaServer::new(served.clone())));
        let channel = client.channel(&format!("sim://replica {number}:1"));
        ReplicaClient::new(channel.clone()).who().await.unwrap();
        replica.began.store(0, Ordering::SeqCst);
        replica.ended.store(0, Ordering::SeqCst);
        channels.push(channel);
        replicas.push(replica);
    }
    Three { network, channels, replicas }
}

fn told<T: std::fmt::Debug, E: std::fmt::Debug>(result: Result<T, CallError<E>>) -> RpcError {
    match result.unwrap_err() {
        CallError::Rpc(error) => error,
        CallError::App(error) => panic!("{error:?}"),
    }
}

fn client<C: Caller>(caller: C) -> ReplicaClient<C> {
    ReplicaClient::new(caller)
}

#[tokio::test(start_paused = true)]
async fn failover_asks_the_next_one_where_that_mends_it() {
    let three = three().await;
    let failover = client(Failover::new(three.channels.clone()));
    assert_eq!(failover.who().await.unwrap(), 1);
    three.crash(1).await;
    let reply = failover.put(false).detailed().await.unwrap();
    assert_eq!((reply.value, reply.attempts), (2, 1), "the first was never sent");
    assert_eq!(failover.put(true).await.unwrap_err().app().map(String::as_str), Some("2"), "an answer");
    three.crash(2).await;
    three.crash(3).await;
    let error = told(failover.put(false).await);
    assert_eq!(
        (error.code(), error.delivery(), error.history().len()),
        (Code::UNAVAILABLE, Delivery::NotSent, 3)
    );
    let nobody = client(Failover::<Channel>::new([]));
    assert_eq!(told(nobody.who().await).delivery(), Delivery::NotSent);
}

#[tokio::test(start_paused = true)]
async fn failover_runs_nothing_twice_that_may_have_run_and_stays_in_its_budget_and_time() {
    let three = three().await;
    let one = Budget::Window { ratio: 0.0, floor_min: 0.1, floor_max: 0.1 };
    let failover = client(Failover::new(three.channels.clone()).budget(one));
    let lost = || three.network.inject(Fault::drop_reply("replica 1", "client"));
    let fault = lost();
    let error = told(failover.put(false).await);
    assert_eq!((error.delivery(), fault.hits(), three.began()), (Delivery::Unknown, 1, vec![1, 0, 0]));
    // Idempotent, so it may; and then the budget is spent.
    let fault = lost();
    let reply = failover.who().detailed().await.unwrap();
    assert_eq!((reply.value, reply.attempts, fault.hits()), (2, 2, 1));
    // Until it connects again at once.
    tokio::time::sleep(2 * SECOND).await;
    let fault = lost();
    let error = told(failover.who().await);
    assert_eq!((error.delivery(), fault.hits(), three.began()), (Delivery::Unknown, 1, vec![3, 1, 0]));
    // One time for all of them.
    tokio::time::sleep(2 * SECOND).await;
    let _silent = three.network.inject(Fault::partition("client", "replica 1"));
    let began = Instant::now();
    assert_eq!(told(failover.who().timeout(SECOND).await).code(), Code::DEADLINE_EXCEEDED);
    assert_eq!(began.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn of_forks_the_quickest_answers_and_the_others_are_cancelled() {
    let three = three().await;
    three.slow(1, 300);
    three.slow(2, 100);
    let began = Instant::now();
    let forking = client(Forking::new(three.channels.clone()));
    let reply = forking.who().detailed().await.unwrap();
    assert_eq!((reply.value, reply.attempts), (3, 3));
    assert!(began.elapsed() < 100 * MILLI, "{:?}", began.elapsed());
    tokio::time::sleep(SECOND).await;
    assert_eq!(three.replicas[0].ended.load(Ordering::SeqCst), 0, "its caller had gone");
    let two = client(Forking::new(three.channels.clone()).forks(2));
    assert_eq!(two.who().await.unwrap(), 2);
    assert_eq!(forking.put(false).await.unwrap(), 1, "not idempotent: the first one alone");
    three.crash(2).await;
    three.crash(3).await;
    assert_eq!(forking.who().await.unwrap(), 1);
    three.crash(1).await;
    assert_eq!(told(forking.who().await).code(), Code::UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_run_by_all_and_so_many_may_fail() {
    let three = three().await;
    let all = client(Broadcast::new(three.channels.clone()));
    assert_eq!(all.put(false).await.unwrap(), 1, "the first in order");
    assert_eq!(three.began(), [1, 1, 1]);
    three.crash(2).await;
    let error = told(all.put(false).await);
    assert_eq!(
        (error.code(), error.delivery()),
        (Code::UNAVAILABLE, Delivery::Executed),
        "it has run at two"
    );
    assert!(error.message().starts_with("1 of 3 failed, and 0 may (`fail_limit`): 2: "), "{error}");
    assert!(error.forbids_retry());
    let most = client(Broadcast::new(three.channels.clone()).fail_limit(1));
    assert_eq!(most.put(false).await.unwrap(), 1);
    three.crash(1).await;
    let error = told(most.put(false).await);
    assert!(error.message().starts_with("2 of 3 failed, and 1 may (`fail_limit`): 1: "), "{error}");
    three.crash(3).await;
    assert_eq!(told(most.put(false).await).delivery(), Delivery::NotSent, "nobody has heard of it");
}

#[tokio::test(start_paused = true)]
async fn a_quorum_ends_when_it_is_certain_and_the_others_go_on() {
    let three = three().await;
    three.slow(1, 500);
    let quorum = client(Broadcast::quorum(three.channels.clone()));
    let began = Instant::now();
    assert_eq!(quorum.put(false).await.unwrap(), 2);
    assert!(began.elapsed() < 100 * MILLI);
    assert_eq!(three.replicas[0].ended.load(Ordering::SeqCst), 0);
    tokio::time::sleep(SECOND).await;
    assert_eq!(three.replicas[0].ended.load(Ordering::SeqCst), 1, "it was not cancelled");
    three.crash(2).await;
    three.crash(3).await;
    let began = Instant::now();
    assert_eq!(told(quorum.put(false).await).code(), Code::UNAVAILABLE);
    assert!(began.elapsed() < 100 * MILLI, "two have failed: nobody waits for the third");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_beforehand_stands_in_for_trouble_and_for_nothing_else() {
    let three = three().await;
    let safe = Failsafe::around(three.channels[0].clone()).answer("Replica.who", &7_u32).unwrap();
    let safe = client(safe.answer("Replica.put", "of another type").unwrap());
    assert_eq!(safe.who().await.unwrap(), 1);
    assert_eq!(safe.put(true).await.unwrap_err().app().map(String::as_str), Some("1"));
    three.crash(1).await;
    assert_eq!(safe.who().await.unwrap(), 7);
    assert_eq!(told(safe.put(false).await).code(), Code::INTERNAL);
    let plain = client(Failsafe::around(three.channels[0].clone()));
    assert_eq!(told(plain.who().await).code(), Code::UNAVAILABLE);
}
