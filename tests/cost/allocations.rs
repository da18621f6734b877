//! Allocations of a small call, at the client and at the server.

use traitwire::balance::Algorithm;
use traitwire::{CallOptions, Channel, Hedge, Retry};
use traitwire_allocations::{Thread, count, show};

use crate::load::{Callers, Remote, SumsClient, runtime};

/// Calls that are counted, and as many before them, in which buffers and tables find their sizes.
const CALLS: u64 = 20_000;

/// What a call may allocate at either side: a buffer may still grow now and then, when more calls come together than ever
/// before.
const MOST: f64 = 0.001;

#[test]
fn a_small_call_allocates_nothing() {
    count();
    let server = Remote::start();
    for in_flight in [1, 64, 512] {
        let (client, server) = each(&server, in_flight);
        println!("{in_flight} in flight: client {client:.4}, server {server:.4} allocations a call");
        assert!(client <= MOST && server <= MOST, "{in_flight} in flight: {client} and {server} a call");
    }
}

#[test]
fn a_small_call_on_a_balanced_channel_allocates_nothing() {
    count();
    let servers = [Remote::start(), Remote::start()];
    let address = format!("static://{},{}", servers[0].address, servers[1].address);
    for in_flight in [1, 64] {
        let (client, server) = at(&address, &servers[0], in_flight, CallOptions::new());
        println!(
            "{in_flight} in flight, balanced: client {client:.4}, server {server:.4} allocations a call"
        );
        assert!(client <= MOST && server <= MOST, "{in_flight} in flight: {client} and {server} a call");
    }
}

/// The same where there are so many connections that each is idle between its calls: its timekeeper goes then, and a next one comes.
const MOST_OF_MANY: f64 = 0.02;

/// Each pick is a call's, whatever the algorithm: of forty endpoints, which are one server with as many addresses.
#[test]
fn a_pick_allocates_nothing() {
    count();
    let server = Remote::start();
    let port = server.address.rsplit(':').next().unwrap();
    let addresses: Vec<_> = (1..=40).map(|host| format!("tcp://127.0.0.{host}:{port}")).collect();
    for &algorithm in Algorithm::ALL {
        let channel =
            Channel::builder().balance(algorithm).lazy(&format!("static://{}", addresses.join(",")));
        // A tenth of what is counted elsewhere, for each of ten.
        let (client, at_server) = through(channel.unwrap(), &server, 1, CallOptions::new(), CALLS / 10);
        println!("{}: client {client:.4}, server {at_server:.4} allocations a call", algorithm.name());
        assert!(client <= MOST_OF_MANY, "{}: {client} a call", algorithm.name());
    }
}

/// One box for all of its policies, and a copy of its arguments for each attempt that may follow.
#[test]
fn a_call_with_policies_allocates_a_box_and_a_copy_of_its_arguments() {
    count();
    let server = Remote::start();
    let retried = CallOptions::new().retry(Retry::new());
    let (client, at_server) = with(&server, 64, retried.clone());
    assert!((1.9..=2.0 + MOST).contains(&client) && at_server <= MOST, "{client} and {at_server} a call");
    // `add` is not idempotent: that a hedge is asked for costs nothing.
    let (client, at_server) = with(&server, 64, retried.hedge(Hedge::new()));
    assert!((1.9..=2.0 + MOST).contains(&client) && at_server <= MOST, "{client} and {at_server} a call");
}

/// What a call allocates at the client and at the server, with so many of them in flight.
fn each(server: &Remote, in_flight: usize) -> (f64, f64) {
    with(server, in_flight, CallOptions::new())
}

/// The same of calls with these options.
fn with(server: &Remote, in_flight: usize, options: CallOptions) -> (f64, f64) {
    at(&server.address, server, in_flight, options)
}

/// The same at an address that is this server's or one of which it is a part.
fn at(address: &str, server: &Remote, in_flight: usize, options: CallOptions) -> (f64, f64) {
    through(Channel::builder().lazy(address).unwrap(), server, in_flight, options, CALLS)
}

/// The same through a channel of which it is a part.
fn through(
    channel: Channel,
    server: &Remote,
    in_flight: usize,
    options: CallOptions,
    calls: u64,
) -> (f64, f64) {
    let (client, server_thread) = (Thread::this(), server.thread);
    runtime().block_on(async {
        channel.ready().await.unwrap();
        let sums = SumsClient::new(channel);
        let callers = Callers::start(&sums.with(options), in_flight);
        callers.until(calls).await;
        let before = (client.made(), server_thread.made());
        let counted = callers.until(calls).await as f64;
        let made = (client.made() - before.0, server_thread.made() - before.1);
        if std::env::var_os("SHOW_ALLOCATIONS").is_some() {
            show(8);
            callers.until(calls).await;
        }
        callers.stop().await;
        (made.0 as f64 / counted, made.1 as f64 / counted)
    })
}
