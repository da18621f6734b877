//! A call of a `dedup` method runs once, however often it is sent: held against the ledger of those that ran, in a simulated
//! network and over TCP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use traitwire::balance::Algorithm;
use traitwire::policy::dedup::{Claim, DedupConfig, ReplyKey, ReplyStore, StoreError};
use traitwire::policy::{Budget, Policies};
use traitwire::testing::{Fault, Network};
use traitwire::{
    Backoff, CallError, CallOptions, Channel, Code, Context, Delivery, Retry, RpcError, Server,
    ServerBuilder, rpc_service,
};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[rpc_service]
trait Bank {
    /// Pays after a pause, and says the how manieth payment it was.
    #[rpc(dedup, retry(base = "1ms", cap = "10ms"))]
    async fn pay(&self, pause_ms: u64) -> u32;
    #[rpc(dedup, retry)]
    async fn panic(&self);
}

/// The same service before it had a memory.
#[rpc_service(name = "Bank")]
trait OldBank {
    async fn pay(&self, pause_ms: u64) -> u32;
}

#[derive(Clone, Default)]
struct Ledger {
    begun: Arc<AtomicU32>,
    paid: Arc<AtomicU32>,
}

impl Ledger {
    async fn payment(&self, pause_ms: u64) -> u32 {
        self.begun.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(pause_ms as u32 * MILLI).await;
        let nth = self.paid.fetch_add(1, Ordering::SeqCst) + 1;
        Context::current().set_reply_metadata("nth", nth.to_string()).unwrap();
        nth
    }

    /// How many payments were begun, and how many were made.
    fn read(&self) -> (u32, u32) {
        (self.begun.load(Ordering::SeqCst), self.paid.load(Ordering::SeqCst))
    }
}

impl Bank for Ledger {
    async fn pay(&self, pause_ms: u64) -> u32 {
        self.payment(pause_ms).await
    }

    async fn panic(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        panic!("on purpose");
    }
}

impl OldBank for Ledger {
    async fn pay(&self, pause_ms: u64) -> u32 {
        self.payment(pause_ms).await
    }
}

struct Bench {
    network: Network,
    bank: BankClient,
    ledger: Ledger,
}

fn bench(seed: u64, config: DedupConfig) -> Bench {
    let ledger = Ledger::default();
    let served = ledger.clone();
    on(seed, ledger, move || Server::builder().dedup(config.clone()).service(BankServer::new(served.clone())))
}

fn on(seed: u64, ledger: Ledger, server: impl Fn() -> ServerBuilder + Send + Sync + 'static) -> Bench {
    let network = Network::seeded(seed);
    let client = network.host("client");
    network.host("server").serve(1, server);
    let channel = client.channel("sim://server:1");
    channel.set_policies(Policies::new().budget(Budget::Unlimited));
    Bench { network, bank: BankClient::new(channel), ledger }
}

fn told<T: std::fmt::Debug>(result: Result<T, CallError>) -> RpcError {
    RpcError::from(result.unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_was_lost_is_given_again_and_nothing_runs_again() {
    let Bench { network, bank, ledger } = bench(1, DedupConfig::new());
    let lost = network.inject(Fault::drop_reply("server", "client"));
    let reply = bank.pay(0).detailed().await.unwrap();
    assert_eq!((reply.value, reply.attempts, lost.hits()), (1, 2, 1), "{}", network.report());
    assert_eq!(reply.metadata.text("nth"), Some("1"), "what went beside it too");
    assert_eq!(ledger.read(), (1, 1));
    assert_eq!(bank.pay(0).await.unwrap(), 2, "another call has another key");
}

#[tokio::test(start_paused = true)]
async fn one_that_still_runs_is_waited_for() {
    let Bench { network, bank, ledger } = bench(1, DedupConfig::new());
    let call = tokio::spawn(bank.pay(2_000).detailed());
    tokio::time::sleep(SECOND).await;
    let cut = network.inject(Fault::reset("client", "server"));
    let reply = call.await.unwrap().unwrap();
    assert_eq!((reply.value, reply.attempts, cut.hits()), (1, 2, 1));
    assert_eq!(ledger.read(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn wherever_a_connection_is_cut_a_call_runs_once() {
    let (mut hits, mut answered, mut repeated) = (0, 0, 0);
    for (from, to) in [("client", "server"), ("server", "client")] {
        for bytes in 0..260 {
            let Bench { network, bank, ledger } = bench(bytes, DedupConfig::new());
            let cut = network.inject(Fault::cut_after_bytes(from, to, bytes));
            let reply = bank.pay(3).detailed().await;
            let (begun, paid) = ledger.read();
            hits += cut.hits();
            match reply {
                Ok(reply) => {
                    assert_eq!((reply.value, begun, paid), (1, 1, 1), "{from} {bytes}");
                    (answered, repeated) = (answered + 1, repeated + u32::from(reply.attempts > 1));
                }
                Err(error) => {
                    assert!(begun <= 1, "{from} {bytes}: {error:?}\n{}", network.report());
                    assert_ne!(RpcError::from(error).delivery(), Delivery::Executed, "{from} {bytes}");
                }
            }
        }
    }
    assert!(hits > 200 && answered > 400 && repeated > 50, "{hits} {answered} {repeated}");
}

#[tokio::test(start_paused = true)]
async fn another_instance_is_not_asked_and_the_call_ends_unknown() {
    let Bench { network, bank, ledger } = bench(1, DedupConfig::new());
    let call = tokio::spawn(bank.pay(2_000).detailed());
    tokio::time::sleep(SECOND).await;
    let crash = network.inject(Fault::crash("server"));
    crash.heal();
    let error = told(call.await.unwrap());
    assert_eq!((error.code(), error.delivery(), crash.hits()), (Code::UNAVAILABLE, Delivery::Unknown, 1));
    assert!(error.message().contains("an earlier attempt may have run at another instance"), "{error}");
    assert_eq!(ledger.read(), (1, 0), "it did not run again");
    assert_eq!(bank.pay(0).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_many_endpoints_the_one_that_may_have_run_it_is_asked_again() {
    let (network, ledger) = (Network::seeded(1), Ledger::default());
    let client = network.host("client");
    for host in ["s0", "s1"] {
        let served = ledger.clone();
        network.host(host).serve(1, move || Server::builder().service(BankServer::new(served.clone())));
    }
    let builder = Channel::builder().transport(client).balance(Algorithm::RoundRobin);
    let channel = builder.lazy("static://sim://s0:1,sim://s1:1").unwrap();
    channel.set_policies(Policies::new().budget(Budget::Unlimited));
    let bank = BankClient::new(channel);
    let lost = network.inject(Fault::drop_reply("s1", "client"));
    let mut asked = Vec::new();
    for nth in 1..=4 {
        let reply = bank.pay(0).detailed().await.unwrap();
        assert_eq!(reply.value, nth, "{}", network.report());
        asked.push(reply.picks.iter().map(|pick| pick.endpoint.to_string()).collect::<Vec<_>>());
    }
    assert_eq!((lost.hits(), ledger.read()), (1, (4, 4)), "each ran once");
    assert!(asked.contains(&vec!["sim://s1:1".to_owned(); 2]), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_remembers_nothing_is_not_asked_again() {
    let ledger = Ledger::default();
    let served = ledger.clone();
    let Bench { network, bank, ledger } =
        on(1, ledger, move || Server::builder().service(OldBankServer::new(served.clone())));
    let lost = network.inject(Fault::drop_reply("server", "client"));
    let error = told(bank.pay(0).await);
    assert_eq!((error.delivery(), error.attempts(), lost.hits()), (Delivery::Unknown, 1, 1));
    assert_eq!(ledger.read(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_is_stopped_and_one_whose_time_is_over_too() {
    let Bench { network, bank, ledger } = bench(1, DedupConfig::new());
    let call = tokio::spawn(bank.pay(60_000));
    tokio::time::sleep(SECOND).await;
    call.abort();
    tokio::time::sleep(70 * SECOND).await;
    assert_eq!(ledger.read(), (1, 0));
    // Its connection is lost, and it runs on as long as its caller may ask again.
    let call = tokio::spawn(bank.pay(8_000).timeout(4 * SECOND));
    tokio::time::sleep(SECOND).await;
    let _ = network.inject(Fault::reset("client", "server"));
    let error = told(call.await.unwrap());
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
    tokio::time::sleep(70 * SECOND).await;
    assert_eq!(ledger.read(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_call_and_is_remembered_as_one() {
    let Bench { network, bank, ledger } = bench(1, DedupConfig::new());
    let error = RpcError::from(bank.panic().await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::INTERNAL, Delivery::Executed));
    let lost = network.inject(Fault::drop_reply("server", "client"));
    let error = RpcError::from(bank.panic().await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::INTERNAL, Delivery::Executed));
    assert_eq!((error.attempts(), lost.hits(), ledger.read().0), (2, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn memory_that_is_too_small_costs_retries_and_runs_nothing_twice() {
    let Bench { network, bank, ledger } = bench(1, DedupConfig::new().entries(4));
    let lost = network.inject(Fault::drop_reply("server", "client"));
    let calls = join_all((0..24).map(|_| bank.pay(0).detailed())).await;
    assert_eq!(lost.hits(), 1);
    let (begun, paid) = ledger.read();
    let unknown = calls.iter().filter(|call| call.is_err()).count() as u32;
    assert!(begun == paid && paid <= 24, "{begun} {paid}: a payment was made twice");
    assert!(unknown > 0, "four are remembered, and more were lost: {calls:?}");
}

/// What instances share, in a process.
#[derive(Default)]
struct Shared(Mutex<BTreeMap<Vec<u8>, Option<Vec<u8>>>>);

#[async_trait]
impl ReplyStore for Shared {
    fn number(&self) -> u64 {
        4_711
    }

    async fn claim(&self, key: &ReplyKey, _: Duration) -> Result<Claim, StoreError> {
        let mut known = self.0.lock();
        match known.get(key.as_bytes()) {
            Some(Some(reply)) => Ok(Claim::Kept(reply.clone())),
            Some(None) => Ok(Claim::Running),
            None => {
                known.insert(key.as_bytes().to_vec(), None);
                Ok(Claim::First)
            }
        }
    }

    async fn keep(&self, key: &ReplyKey, reply: Vec<u8>, _: Duration) -> Result<(), StoreError> {
        self.0.lock().insert(key.as_bytes().to_vec(), Some(reply));
        Ok(())
    }

    async fn release(&self, key: &ReplyKey) -> Result<(), StoreError> {
        self.0.lock().remove(key.as_bytes());
        Ok(())
    }
}

/// One that takes its time.
#[derive(Default)]
struct Slow(Shared);

#[async_trait]
impl ReplyStore for Slow {
    fn number(&self) -> u64 {
        self.0.number()
    }

    async fn claim(&self, key: &ReplyKey, time: Duration) -> Result<Claim, StoreError> {
        tokio::time::sleep(2 * SECOND).await;
        self.0.claim(key, time).await
    }

    async fn keep(&self, key: &ReplyKey, reply: Vec<u8>, time: Duration) -> Result<(), StoreError> {
        self.0.keep(key, reply, time).await
    }

    async fn release(&self, key: &ReplyKey) -> Result<(), StoreError> {
        self.0.release(key).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_too_late_runs_nothing_after_its_time() {
    let Bench { bank, ledger, .. } = bench(1, DedupConfig::new().store(Arc::new(Slow::default())));
    let error = told(bank.pay(0).timeout(SECOND).await);
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(ledger.read(), (0, 0));
    assert_eq!(bank.pay(0).timeout(5 * SECOND).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn instances_that_share_what_they_remember_answer_for_each_other() {
    let config = DedupConfig::new().store(Arc::new(Shared::default()));
    let Bench { network, bank, ledger } = bench(1, config);
    let lost = network.inject(Fault::drop_reply("server", "client"));
    // So patient that the server is another one when the call comes again.
    let patient = Retry::new().base(SECOND).backoff(Backoff::EqualJitter);
    let call = tokio::spawn(bank.with(CallOptions::new().retry(patient)).pay(0).detailed());
    while lost.hits() == 0 {
        tokio::time::sleep(MILLI / 10).await;
    }
    let crash = network.inject(Fault::crash("server"));
    crash.heal();
    let reply = call.await.unwrap().unwrap();
    assert_eq!((reply.value, ledger.read(), crash.hits()), (1, (1, 1), 1));
    assert!(reply.attempts >= 2);
}

/// A relay to a server, which can keep to itself what the server says on the last connection from now on, and end that.
#[derive(Clone, Default)]
struct Relay {
    is_mute: Arc<Mutex<Arc<AtomicBool>>>,
    cut: Arc<Notify>,
}

impl Relay {
    async fn to(&self, server: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("tcp://{}", listener.local_addr().unwrap());
        let relay = self.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay.clone().carry(near, far));
            }
        });
        uri
    }

    fn mute(&self) {
        self.is_mute.lock().store(true, Ordering::SeqCst);
    }

    async fn carry(self, near: TcpStream, far: TcpStream) {
        // Each connection has its own: what was said on one that is muted never gets through.
        let is_mute = Arc::<AtomicBool>::default();
        *self.is_mute.lock() = Arc::clone(&is_mute);
        let ((mut from_near, mut to_near), (mut from_far, mut to_far)) =
            (near.into_split(), far.into_split());
        let back = async {
            let mut bytes = vec![0; 4_096];
            while let Ok(read @ 1..) = from_far.read(&mut bytes).await {
                if !is_mute.load(Ordering::SeqCst) && to_near.write_all(&bytes[..read]).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = back => {}
            _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
            () = self.cut.notified() => {}
        }
    }
}

#[tokio::test]
async fn over_tcp_too_a_call_runs_once_whose_connection_is_cut_after_it_has_run() {
    let (ledger, relay) = (Ledger::default(), Relay::default());
    let server = Server::builder().service(BankServer::new(ledger.clone()));
    let server = server.bind("tcp://127.0.0.1:0").await.unwrap();
    let address = server.addresses()[0].trim_start_matches("tcp://").to_owned();
    tokio::spawn(server.serve());
    let policies = Policies::new().budget(Budget::Unlimited);
    let channel = Channel::builder().policies(policies).connect(&relay.to(address).await).await.unwrap();
    let bank = BankClient::new(channel);
    assert_eq!(bank.pay(0).await.unwrap(), 1);
    for nth in 2..=10 {
        relay.mute();
        let call = tokio::spawn(bank.pay(0).detailed());
        while ledger.read().1 < nth {
            tokio::time::sleep(MILLI).await;
        }
        relay.cut.notify_one();
        let reply = tokio::time::timeout(5 * SECOND, call).await.expect("it ends").unwrap().unwrap();
        assert_eq!((reply.value, reply.attempts), (nth, 2));
        assert_eq!(ledger.read(), (nth, nth));
    }
}
