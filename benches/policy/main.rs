//! `cargo run --release -p traitwire-policy`: what each policy adds to a call that nothing holds up, in time and in
//! allocations, beside the same call without it: around a caller, and in the stack of a channel. Ends with an error if one
//! adds more than a microsecond.
//!
//! The caller within answers at once, so that what is measured is the policy; the channel's calls go to a service in this
//! process and back. Without `--release` the allocations are right
//! and the times mean nothing.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use traitwire::observe::Counters;
use traitwire::policy::breaker::{Breaker, BreakerConfig};
use traitwire::policy::cache::{Cache, CacheConfig, CachePolicy};
use traitwire::policy::limit::{Limit, LimitConfig};
use traitwire::policy::shed::{Shed, ShedConfig};
use traitwire::policy::{Policies, Policy};
use traitwire::{
    CallResult, Caller, Channel, ChannelBuilder, Handler, HandlerFuture, Hedge, Keep, MethodDescriptor,
    Payload, Request, Response, Retry, RpcError, Service, ServiceDescriptor,
};
use traitwire_allocations::{Counting, count, made};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static READ: &MethodDescriptor = &BENCH.methods[0];
static BENCH: ServiceDescriptor = ServiceDescriptor::new(
    "Bench",
    "",
    &[MethodDescriptor::new("read", "Bench.read", 0).idempotent().with_cache(Keep::allowed())],
);
/// The arguments of a call with two small numbers.
const ARGUMENTS: [u8; 3] = [0x92, 40, 2];
/// Calls of a measurement, and measurements of which the quickest counts: what is slower was disturbed.
const CALLS: u32 = 20_000;
const ROUNDS: usize = 15;
/// What a policy may add on the fast path.
const MOST: Duration = Duration::from_micros(1);

/// Answers at once.
#[derive(Clone)]
struct Bare;

impl Caller for Bare {
    type Error = RpcError;
    type Future = Ready<CallResult>;

    fn call(&self, request: Request) -> Self::Future {
        ready(Ok(Response::value(request.into_arguments())))
    }
}

impl Handler for Bare {
    fn handle(&self, request: Request) -> HandlerFuture {
        HandlerFuture::ready(Ok(Response::value(request.into_arguments())))
    }
}

impl Service for Bare {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &BENCH
    }
}

/// What a call costs.
#[derive(Clone, Copy)]
struct Price {
    time: Duration,
    allocations: f64,
}

/// The price of a call that is made so, the `n`th with `n`.
fn price(mut call: impl FnMut(u32) -> Option<CallResult>) -> Price {
    let mut best = Duration::MAX;
    let mut allocations = 0.0;
    for _ in 0..ROUNDS {
        let (began, before) = (Instant::now(), made());
        for number in 0..CALLS {
            assert!(matches!(black_box(call(number)), Some(Ok(_))), "nothing holds these calls up");
        }
        best = best.min(began.elapsed() / CALLS);
        allocations = (made() - before) as f64 / f64::from(CALLS);
    }
    Price { time: best, allocations }
}

fn through<C: Caller>(caller: &C) -> Price {
    price(|_| caller.call(Request::new(READ, Payload::new(ARGUMENTS.to_vec()))).now_or_never())
}

/// Through a channel with this policy, to a service in this process.
fn stacked(runtime: &Runtime, policy: Policy) -> Price {
    through_channel(runtime, Channel::builder().policies(Policies::new().everything(policy)))
}

fn through_channel(runtime: &Runtime, builder: ChannelBuilder) -> Price {
    let channel = builder.loopback(Bare);
    price(|_| {
        let call = channel.call(Request::new(READ, Payload::new(ARGUMENTS.to_vec())));
        Some(runtime.block_on(call))
    })
}

fn served<H: Handler>(handler: &H) -> Price {
    price(|_| handler.handle(Request::new(READ, Payload::new(ARGUMENTS.to_vec()))).now_or_never())
}

/// Arguments that differ from call to call: nothing is found.
fn missing<C: Caller>(caller: &C) -> Price {
    let mut next = 0_u64;
    price(|_| {
        next += 1;
        let arguments = next.to_be_bytes().to_vec();
        caller.call(Request::new(READ, Payload::new(arguments))).now_or_never()
    })
}

fn cache(policy: CachePolicy, bytes: usize) -> Cache {
    let config = CacheConfig::new(Duration::from_secs(3_600)).method("Bench.read");
    Cache::new(config.policy(policy).bytes(bytes))
}

/// Name, whether the fast path is bound to a microsecond, and price.
type Row = (&'static str, bool, Price);

/// The policies of a channel's own stack; whatever applies, a call has one box more.
fn in_a_channel(runtime: &Runtime) -> [Row; 9] {
    let with = |policy| stacked(runtime, policy);
    let (breaker, limit) = (BreakerConfig::new, || LimitConfig::concurrency(8));
    let kept = || CacheConfig::new(Duration::from_secs(3_600));
    let all = || Policy::new().retry(Retry::new()).hedge(Hedge::new()).breaker(breaker()).limit(limit());
    let observed = Channel::builder().observer(Arc::new(Counters::new()));
    [
        ("… observer", true, through_channel(runtime, observed)),
        ("… timeout", true, with(Policy::new().timeout(Duration::from_secs(5)))),
        ("… retry", true, with(Policy::new().retry(Retry::new()))),
        // A timer is made and dropped for each call.
        ("… hedge", true, with(Policy::new().hedge(Hedge::after(Duration::from_secs(1))))),
        ("… breaker", true, with(Policy::new().breaker(breaker()))),
        ("… limit", true, with(Policy::new().limit(limit()))),
        ("… retry, hedge, breaker, limit", false, with(all())),
        ("… cache: hit", true, with(Policy::new().cache(kept()))),
        ("… all of them: hit", true, with(all().cache(kept()))),
    ]
}

/// Prints rows beside the call without them, and says which are too dear.
fn tell(rows: &[Row], bare: Price) -> Vec<&'static str> {
    let mut dear = Vec::new();
    for &(name, is_fast, Price { time, allocations }) in rows {
        let added = format!("{:+} ns", time.as_nanos() as i64 - bare.time.as_nanos() as i64);
        println!("{name:<34}{added:>10}{:>+14.1}", allocations - bare.allocations);
        if is_fast && time > bare.time + MOST {
            dear.push(name);
        }
    }
    dear
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    count();
    let bare = through(&Bare);
    let plainly = |name, price: Price| {
        println!("{name:<34}{:>10}{:>14}", format!("{} ns", price.time.as_nanos()), price.allocations);
    };
    plainly("without", bare);

    let breaker = || Breaker::new(BreakerConfig::new());
    let limit = |config| Limit::new(config);
    let all = cache(CachePolicy::WTinyLfu, 1 << 20)
        .around(breaker().around(limit(LimitConfig::concurrency(8)).around(Bare)));
    // Whether the fast path is bound to a microsecond: a miss makes a call, beside which it is nothing.
    let rows = [
        ("breaker", true, through(&breaker().around(Bare))),
        (
            "breaker, a window a method",
            true,
            through(&Breaker::new(BreakerConfig::new().per_method()).around(Bare)),
        ),
        ("limit, concurrency", true, through(&limit(LimitConfig::concurrency(8)).around(Bare))),
        ("limit, rate", true, through(&limit(LimitConfig::rate(1e9, 1_000_000)).around(Bare))),
        ("limit, adaptive", true, through(&limit(LimitConfig::adaptive(8..=64)).around(Bare))),
        (
            "shed (a handler)",
            true,
            served(&Shed::new(ShedConfig::new(LimitConfig::concurrency(8))).around(Bare)),
        ),
        ("cache, W-TinyLFU: hit", true, through(&cache(CachePolicy::WTinyLfu, 1 << 20).around(Bare))),
        ("cache, LRU: hit", true, through(&cache(CachePolicy::Lru, 1 << 20).around(Bare))),
        ("cache, LFU: hit", true, through(&cache(CachePolicy::Lfu, 1 << 20).around(Bare))),
        ("cache, ARC: hit", true, through(&cache(CachePolicy::Arc, 1 << 20).around(Bare))),
        ("cache, W-TinyLFU: miss", false, missing(&cache(CachePolicy::WTinyLfu, 1 << 18).around(Bare))),
        ("cache, ARC: miss", false, missing(&cache(CachePolicy::Arc, 1 << 18).around(Bare))),
        ("cache (miss), breaker and limit", false, missing(&all)),
    ];
    let mut dear = tell(&rows, bare);
    let plain = stacked(&runtime, Policy::new());
    plainly("a channel without", plain);
    dear.extend(tell(&in_a_channel(&runtime), plain));
    if cfg!(debug_assertions) {
        println!("these times mean nothing: run it with --release");
    } else if !dear.is_empty() {
        return Err(format!("more than {MOST:?} a call: {}", dear.join(", ")).into());
    }
    Ok(())
}
