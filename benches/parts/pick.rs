//! A call through a channel to one, to ten and to a thousand endpoints, all of them connected, over memory to one server in the same
//! thread: what is more than with one endpoint is the price of the pick. The thousand connections themselves cost caches something.

use criterion::{BenchmarkId, Criterion};
use tokio::runtime::Runtime;
use traitwire::balance::{Algorithm, Balance};
use traitwire::{Channel, Server, rpc_service};

#[rpc_service]
trait Bench {
    async fn add(&self, #[rpc(key)] a: i64, b: i64) -> i64;
}

struct Basic;

impl Bench for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

const MOST: usize = 1_000;

pub(crate) fn all(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime: Runtime = runtime.expect("a runtime of one thread can be had");
    runtime.block_on(async {
        let mut server =
            Server::builder().service(BenchServer::new(Basic)).bind("mem://pick-0").await.expect("free");
        for number in 1..MOST {
            server = server.bind(&format!("mem://pick-{number}")).await.expect("free");
        }
        tokio::spawn(server.serve());
    });
    let mut group = criterion.benchmark_group("pick");
    let single = client(&runtime, "mem://pick-0", Balance::new());
    group.bench_function("one address", |bencher| bencher.iter(|| runtime.block_on(single.add(40, 2))));
    for algorithm in [Algorithm::PeakEwma, Algorithm::RoundRobin, Algorithm::consistent_hash()] {
        for endpoints in [10, MOST] {
            let addresses: Vec<_> = (0..endpoints).map(|number| format!("mem://pick-{number}")).collect();
            let balance = Balance::by(algorithm).warm(MOST);
            let balanced = client(&runtime, &format!("static://{}", addresses.join(",")), balance);
            let mut key = 0;
            let mut next = || {
                key += 1;
                runtime.block_on(balanced.add(key, 2))
            };
            // Each connection has found its sizes.
            (0..4 * MOST).for_each(|_| drop(next()));
            group.bench_function(BenchmarkId::new(algorithm.name(), endpoints), |bencher| {
                bencher.iter(&mut next)
            });
        }
    }
    group.finish();
}

fn client(runtime: &Runtime, address: &str, balance: Balance) -> BenchClient {
    let channel = Channel::builder().balance(balance).lazy(address).expect("the address is well formed");
    let client = BenchClient::new(channel);
    runtime.block_on(async { client.add(1, 2).await.expect("the server is here") });
    client
}
