//! Memory for large bodies: what one takes afresh at either side, and what is left of it when nothing moves any more.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::sleep;
use traitwire::{Channel, Server};
use traitwire_allocations::{Thread, count};

use crate::load::{Plain, Remote, SumsClient, SumsServer, runtime, timeless};

const BODY: usize = 1024 * 1024;
const CALLERS: usize = 4;
/// Echoes of each caller before there are buffers enough.
const WARM_UP: u64 = 30;
const CALLS: u64 = 30;

/// Bytes that an echo may allocate at either side: a sixteenth of its body.
const MOST: u64 = BODY as u64 / 16;

/// Bytes that may be left: small buffers, which threads keep.
const LEFT: i64 = 512 * 1024;

/// One after the other, since buffers are the process's.
#[test]
fn a_large_body_takes_no_memory_afresh_and_leaves_none_behind() {
    count();
    let (client, server) = taken_by_an_echo();
    println!("client {client}, server {server} bytes an echo of {BODY}");
    assert!(client <= MOST && server <= MOST, "client {client}, server {server} bytes an echo");
    let (kept, left) = left_by_echoes();
    println!("{kept} bytes wait for the next bodies, {left} are left");
    assert!(kept >= BODY as i64, "{kept} bytes wait for the next bodies");
    assert!(left <= LEFT, "{left} bytes are left");
}

/// The bytes that an echo allocates at the client and at the server.
fn taken_by_an_echo() -> (u64, u64) {
    let (server, client) = (Remote::start(), Thread::this());
    let body = Bytes::from(vec![7; BODY]);
    runtime().block_on(async {
        let sums = SumsClient::connect(&server.address).await.unwrap();
        echoes(&sums, &body, WARM_UP).await;
        let before = (client.taken(), server.thread.taken());
        echoes(&sums, &body, CALLS).await;
        let calls = CALLS * CALLERS as u64;
        ((client.taken() - before.0) / calls, (server.thread.taken() - before.1) / calls)
    })
}

/// The bytes that are held right after some echoes, and a while later. Client and server are in one thread, whose clock
/// goes on when they have nothing to do.
fn left_by_echoes() -> (i64, i64) {
    let here = Thread::this();
    timeless().block_on(async {
        let server = Server::builder().service(SumsServer::new(Plain)).bind("mem://large").await.unwrap();
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        let sums = SumsClient::new(Channel::connect("mem://large").await.unwrap());
        sums.add(1, 1).await.unwrap();
        let before = here.live();
        let body = Bytes::from(vec![7; BODY]);
        echoes(&sums, &body, WARM_UP).await;
        drop(body);
        let kept = here.live() - before;
        sleep(Duration::from_secs(10)).await;
        let left = here.live() - before;
        handle.shutdown();
        serving.await.unwrap().unwrap();
        (kept, left)
    })
}

/// So many echoes of each caller.
async fn echoes(sums: &SumsClient, body: &Bytes, each: u64) {
    let caller = || async {
        for _ in 0..each {
            assert_eq!(sums.echo(body.clone()).await.unwrap().len(), BODY);
        }
    };
    join_all((0..CALLERS).map(|_| caller())).await;
}
