//! Owns [`run`]: one world, drawn from its network's seed, from its first call to its last trace. Does not judge calls.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::runtime::Handle;
use tokio::time::Instant;
use traitwire::observe::Counters;
use traitwire::testing::{Chaos, Dice, Host, Latency, Network, Path};
use traitwire::{Channel, ChannelBuilder, Server, ServerBuilder};

use super::Run;
use super::judge::judge;
use super::ledger::{Kind, Ledger, Told};
use super::load::load;
use super::policy::Rules;
use super::service::{Hop, WorkClient, WorkServer};

/// How many calls each task of a client makes.
const CALLS: u64 = 12;

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(15);

/// How long it takes until all is quiet afterwards: dead peers are missed after 30 s, waits between connects grow to 36 s,
/// and a handler whose caller vanished lives until its deadline.
const QUIET: Duration = Duration::from_secs(90);

/// Whatever is still under way then is stuck.
const PATIENCE: Duration = Duration::from_secs(600);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) async fn run(network: &Network) -> Run {
    let (mut dice, ledger) = (network.dice(), Ledger::default());
    let rules = Rules::draw(&mut dice);
    network.paths(path(&mut dice));
    let counters = serve(network, &ledger, &rules, &mut dice);
    // What is left when nobody calls: the servers' own tasks.
    tokio::time::sleep(millis(1)).await;
    let baseline = Handle::current().metrics().num_alive_tasks();

    let clients: Vec<_> = (0..1 + dice.below(3))
        .map(|number| {
            let host = network.host(&format!("client {number}"));
            client(&host, "sim://hop 1:1", &rules, &mut dice)
        })
        .collect();
    network.chaos(&Chaos::over(TROUBLE).every(millis(200 + dice.below(3_000))));
    let (mut key, mut tasks) = (0, Vec::new());
    for client in &clients {
        for _ in 0..1 + dice.below(6) {
            // Not on the client's host: the test itself must see how each call ends.
            tasks.push(tokio::spawn(load(client.clone(), ledger.clone(), dice.fork(), key, CALLS)));
            key += CALLS;
        }
    }
    let mut violations = Vec::new();
    match tokio::time::timeout(PATIENCE, join_all(tasks)).await {
        Ok(ended) => {
            violations.extend(ended.into_iter().filter_map(|ended| ended.err()).map(|e| e.to_string()))
        }
        Err(_) => violations.push("a call is stuck".to_owned()),
    }
    tokio::time::sleep(TROUBLE + QUIET).await;
    // Bad paths have had their time as well: a connect over one may fail at any time.
    network.paths(Path::new());
    comes_back(&clients, &ledger, key, &mut violations).await;
    let channels = clients.len();
    drop(clients);
    tokio::time::sleep(QUIET).await;
    leaves_nothing(network, &counters, baseline, &mut violations);
    let tally = ledger.read(|books| judge(books, &rules, channels, &mut violations));
    Run { report: network.report(), tally, violations }
}

fn path(dice: &mut Dice) -> Path {
    let path = Path::new().latency(match dice.below(4) {
        0 => Latency::fixed(millis(dice.below(20))),
        1 => Latency::uniform(millis(1), millis(1 + dice.below(100))),
        2 => Latency::exponential(millis(1), millis(2 + dice.below(30))),
        _ => Latency::long_tailed(millis(1 + dice.below(10)), millis(50 + dice.below(400))),
    });
    let path = if dice.chance(0.3) { path.bandwidth(20_000 + dice.below(10_000_000)) } else { path };
    if dice.chance(0.3) { path.loss(0.03) } else { path }
}

/// A chain of one to three hops, the first of which clients call.
fn serve(network: &Network, ledger: &Ledger, rules: &Rules, dice: &mut Dice) -> Vec<Arc<Counters>> {
    let hops = 1 + dice.below(3) as usize;
    let hosts: Vec<_> = (1..=hops).map(|number| network.host(&format!("hop {number}"))).collect();
    let serve = |(at, host): (usize, &Host)| {
        let (number, counters) = (at + 1, Arc::new(Counters::new()));
        let next = (number < hops).then(|| client(host, &format!("sim://hop {}:1", number + 1), rules, dice));
        let (hop, observer) = (Hop { number, ledger: ledger.clone(), next }, Arc::clone(&counters));
        let (in_flight, streams, credit) = limits(dice);
        let server = move || {
            let builder = Server::builder().service(WorkServer::new(hop.clone())).observer(observer.clone());
            builder.in_flight(in_flight).streams(streams).credit(credit).grace(millis(700))
        };
        if dice.chance(0.3) {
            roll(host, number, millis(500 + dice.below(4_000)), server);
        } else {
            host.serve(1, server);
        }
        counters
    };
    hosts.iter().enumerate().map(serve).collect()
}

/// A server that is replaced again and again while there is trouble, each time in order: what it has accepted finishes, or
/// is cut when its grace is over, and what it has not goes to its successor.
fn roll(
    host: &Host,
    number: usize,
    every: Duration,
    server: impl Fn() -> ServerBuilder + Clone + Send + Sync + 'static,
) {
    let over = Instant::now() + TROUBLE;
    host.start(move |host| {
        let (server, uri) = (server.clone(), format!("sim://hop {number}:1"));
        async move {
            loop {
                let bound = server().transport(host.clone()).bind(&uri).await;
                let bound = bound.unwrap_or_else(|error| panic!("{error}"));
                let until = if Instant::now() < over { every } else { Duration::from_secs(3_600) };
                let served = bound.serve_with_shutdown(tokio::time::sleep(until)).await;
                served.unwrap_or_else(|error| panic!("{error}"));
            }
        }
    });
}

/// Mostly the defaults; sometimes so little that calls wait for each other.
fn limits(dice: &mut Dice) -> (u32, u32, usize) {
    if dice.chance(0.3) { (1 + dice.below(3) as u32, 1, 1_024) } else { (1_024, 128, 256 * 1_024) }
}

fn client(host: &Host, uri: &str, rules: &Rules, dice: &mut Dice) -> WorkClient {
    let (_, streams, credit) = limits(dice);
    let builder: ChannelBuilder = Channel::builder().transport(host.clone()).streams(streams).credit(credit);
    let builder = builder.policies(rules.policies.clone());
    let builder = if dice.chance(0.2) { builder.queue(2, 100_000) } else { builder };
    match builder.lazy(uri) {
        Ok(channel) => WorkClient::new(channel),
        Err(error) => panic!("{error}"),
    }
}

/// When all is healed each client is served again.
async fn comes_back(clients: &[WorkClient], ledger: &Ledger, key: u64, violations: &mut Vec<String>) {
    for (client, key) in clients.iter().zip((key..).filter(|key| !super::service::fails(*key))) {
        let time = Duration::from_secs(60);
        let watched = ledger.watch(1, key, Kind::Run { payload: 0 }, Some(time));
        let result = client.run(key, b"", 0).timeout(time).wait_for_ready().await;
        if let Err(error) = &result {
            violations.push(format!("a client is not served again: {error}"));
        }
        watched.end(Told::of(result));
    }
}

/// When the clients are gone nothing is left of them.
fn leaves_nothing(
    network: &Network,
    counters: &[Arc<Counters>],
    baseline: usize,
    violations: &mut Vec<String>,
) {
    for (at, counters) in counters.iter().enumerate() {
        let counted = counters.snapshot();
        // A hop keeps its own connection to the next one.
        let connections = usize::from(at > 0);
        if counted.in_flight != 0 || counted.connections as usize > connections {
            violations.push(format!("left at hop {}: {counted:?}", at + 1));
        }
    }
    let (open, between) = (network.report().open_connections, counters.len() - 1);
    if open > between {
        violations.push(format!("{open} connections are open, and there are {between} between hops"));
    }
    // Each open connection is a task at either end.
    let (tasks, expected) = (Handle::current().metrics().num_alive_tasks(), baseline + 2 * open);
    if tasks > expected {
        violations.push(format!("{tasks} tasks are left, {expected} were expected"));
    }
}
