//! Allocations of a small call, at the client and at the server.

use traitwire_allocations::{Thread, count, show};

use crate::load::{Callers, Remote, SumsClient, runtime};

/// Calls before buffers and tables have found their sizes.
const WARM_UP: u64 = 20_000;
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

/// What a call allocates at the client and at the server, with so many of them in flight.
fn each(server: &Remote, in_flight: usize) -> (f64, f64) {
    let (client, server_thread) = (Thread::this(), server.thread);
    runtime().block_on(async {
        let callers = Callers::start(&SumsClient::connect(&server.address).await.unwrap(), in_flight);
        callers.until(WARM_UP).await;
        let before = (client.made(), server_thread.made());
        let calls = callers.until(CALLS).await as f64;
        let made = (client.made() - before.0, server_thread.made() - before.1);
        if std::env::var_os("SHOW_ALLOCATIONS").is_some() {
            show(8);
            callers.until(CALLS).await;
        }
        callers.stop().await;
        (made.0 as f64 / calls, made.1 as f64 / calls)
    })
}
