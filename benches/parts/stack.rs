//! A call through what a channel does beyond sending it: nothing, and a retry and a hedge that never come to pass; over a pipe
//! in memory to a server in the same thread, so the difference is what counts.

use criterion::Criterion;
use tokio::runtime::Runtime;
use traitwire::rpc_service;

#[rpc_service]
trait Bench {
    async fn plain(&self, a: i64, b: i64) -> i64;
    #[rpc(idempotent, retry(attempts = 3))]
    async fn retried(&self, a: i64, b: i64) -> i64;
    #[rpc(idempotent, hedge(percentile = 95), retry(attempts = 3))]
    async fn hedged(&self, a: i64, b: i64) -> i64;
}

struct Basic;

impl Bench for Basic {
    async fn plain(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn retried(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn hedged(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

pub(crate) fn all(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime: Runtime = runtime.expect("a runtime of one thread can be had");
    let entered = runtime.enter();
    let client = BenchClient::loopback(Basic);
    drop(entered);
    let mut group = criterion.benchmark_group("stack");
    group.bench_function("no policy", |bencher| bencher.iter(|| runtime.block_on(client.plain(40, 2))));
    group.bench_function("retry", |bencher| bencher.iter(|| runtime.block_on(client.retried(40, 2))));
    group.bench_function("retry, hedge", |bencher| bencher.iter(|| runtime.block_on(client.hedged(40, 2))));
    group.finish();
}
