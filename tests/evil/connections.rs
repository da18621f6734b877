//! Connections themselves: too many, too fast, half open, and more than there are descriptors.

use std::time::Duration;

use tokio::time::Instant;

use crate::bytes::{GOAWAY, PONG, PREFACE, REPLY, call, greeting, joined, ping};
use crate::case::{Case, attack, attack_server, still_carries_calls};
use crate::honest::Honest;
use crate::ids::sleep;
use crate::peer::{PATIENCE, Peer};
use crate::server::Server;

fn told_of_the_limit(mut peer: Peer) {
    peer.hear_greeting();
    let told = peer.hear().expect("it is told");
    assert_eq!((told.kind, told.values()[1].as_u64()), (GOAWAY, Some(14)));
    assert!(told.words().contains("as many connections as it takes (`connections`)"), "{}", told.words());
    peer.hear_end();
}

/// Seven beside the honest client's, whom the server has heard: until then they are strangers, and give way.
fn up_to_the_limit(server: &Server) -> Vec<Peer> {
    let shaken = |_| {
        let mut peer = Peer::shaken(&server.address);
        peer.say(&ping(1));
        assert_eq!(peer.hear().map(|pong| pong.kind), Some(PONG));
        peer
    };
    (0..7).map(shaken).collect()
}

fn beyond_the_limit() -> Vec<Case> {
    vec![
        Case::script("as many connections as there may be", "P9", |server| {
            for mut peer in up_to_the_limit(server) {
                still_carries_calls(&mut peer, 1);
            }
        })
        .starts(7),
        Case::script("connections beyond the limit", "A14", |server| {
            let mut peers = up_to_the_limit(server);
            for _ in 0..20 {
                told_of_the_limit(Peer::stranger(&server.address));
            }
            peers.iter_mut().for_each(|peer| still_carries_calls(peer, 1));
        })
        .starts(7),
        Case::script("silent strangers where all places are taken", "A7", |server| {
            let strangers: Vec<Peer> = (0..7).map(|_| Peer::stranger(&server.address)).collect();
            // The oldest ones give way for those who say who they are.
            let mut peers = up_to_the_limit(server);
            strangers.into_iter().for_each(told_of_the_limit);
            peers.iter_mut().for_each(|peer| still_carries_calls(peer, 1));
        })
        .starts(7),
        Case::script("200 silent strangers at a time", "A7", |server| {
            let strangers: Vec<Peer> = (0..200).map(|_| Peer::stranger(&server.address)).collect();
            still_carries_calls(&mut Peer::shaken(&server.address), 1);
            drop(strangers);
        })
        .starts(1),
    ]
}

pub(crate) fn table() -> Vec<Case> {
    let mut all = beyond_the_limit();
    all.extend(churn());
    all.extend(exhausted());
    all
}

#[test]
fn connections_beyond_the_limit_are_turned_away() {
    attack(&["connections=8"], beyond_the_limit());
}

fn churn() -> Vec<Case> {
    vec![
        Case::script("2,000 connections, one after the other", "A14", |server| {
            still_carries_calls(&mut Peer::shaken(&server.address), 1);
            let (before, resident) = (server.program.descriptors(), server.program.resident());
            for nth in 0..2_000 {
                let mut peer = Peer::stranger(&server.address);
                match nth % 4 {
                    0 => {}
                    1 => assert!(peer.say(&PREFACE)),
                    2 => assert!(peer.say(&greeting())),
                    _ => {
                        peer.say(&greeting());
                        peer.say(&call(1, "add", &[0x92, 2, 3]));
                        peer.hear_greeting();
                        assert_eq!(peer.hear().map(|answer| answer.kind), Some(REPLY));
                    }
                }
            }
            until("descriptors are closed", || server.program.descriptors() <= before);
            let grown = server.program.resident().saturating_sub(resident);
            assert!(grown < 4 * 1024, "{grown} KiB are left behind");
        })
        .starts(501),
        Case::script("1,000 calls at work, and the peer is gone", "A14", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined((0..1_000).map(|nth| sleep(2 * nth + 1))));
            peer.say(&ping(7));
            assert_eq!(peer.hear().map(|pong| pong.kind), Some(PONG));
        })
        .starts_some()
        .memory(48),
    ]
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    attack(&[], churn());
}

/// Waits until it is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn exhausted() -> Vec<Case> {
    vec![
        Case::script("more silent strangers than descriptors", "P12", |server| {
            let strangers: Vec<Peer> = (0..100).map(|_| Peer::stranger(&server.address)).collect();
            // Those who come behind them have their turn long before handshakes run out of time.
            let began = Instant::now();
            still_carries_calls(&mut Peer::shaken(&server.address), 1);
            assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
            drop(strangers);
        })
        .starts(1),
        Case::script("more peers than descriptors, and none gives way", "P12", |server| {
            let mut peers = up_to_the_last_descriptor(server);
            // More of them than the kernel will hand over.
            peers.extend((0..50).map(|_| Peer::stranger(&server.address)));
            drop(peers);
            still_carries_calls(&mut Peer::shaken(&server.address), 1);
        })
        .starts_some(),
    ]
}

/// Peers that shake hands, until nobody else can be accepted.
fn up_to_the_last_descriptor(server: &Server) -> Vec<Peer> {
    let mut peers = Vec::new();
    while server.program.descriptors() < DESCRIPTORS {
        let mut peer = Peer::stranger(&server.address);
        peer.say(&greeting());
        if peers.len() < DESCRIPTORS / 2 {
            peer.hear_greeting();
        }
        peers.push(peer);
    }
    peers
}

/// What the server is left of them.
const DESCRIPTORS: usize = 40;

#[test]
fn descriptors_that_run_out_stop_nobody_for_long() {
    let server = Server::start_after(&format!("ulimit -n {DESCRIPTORS};"), &[]);
    attack_server(&server, exhausted());
    // A client that comes afterwards finds it as it was.
    assert!(Honest::call(&server.address).story().failures.is_empty());
    server.finish();
}

/// Nobody calls meanwhile: what the process spends, the loop spends.
#[test]
fn a_loop_that_cannot_accept_rests_and_accepts_within_a_second_when_it_can() {
    let server = Server::start_after(&format!("ulimit -n {DESCRIPTORS};"), &[]);
    // A machine that is busy with other things has three tries.
    let tries: Vec<_> = (0..3).map(|_| starved_and_fed(&server)).collect();
    assert!(tries.iter().any(|(share, _)| *share <= 0.1), "shares of a processor, and times: {tries:?}");
    assert!(tries.iter().any(|(_, took)| *took < Duration::from_secs(1)), "{tries:?}");
    server.finish();
}

/// Takes all descriptors for two seconds; says which share of a processor the server spends meanwhile, and how long it takes
/// until somebody else is served when they are free.
fn starved_and_fed(server: &Server) -> (f64, Duration) {
    let mut peers = up_to_the_last_descriptor(server);
    // These wait in the kernel, and the loop is told of them all the time.
    peers.extend((0..50).map(|_| Peer::stranger(&server.address)));
    let (ticks, began) = (server.program.ticks(), Instant::now());
    std::thread::park_timeout(Duration::from_secs(2));
    let share = (server.program.ticks() - ticks) as f64 / (began.elapsed().as_secs_f64() * 100.0);
    drop(peers);
    let freed = Instant::now();
    still_carries_calls(&mut Peer::shaken(&server.address), 1);
    (share, freed.elapsed())
}
