//! Strangers: other protocols, other versions, and handshakes that are wrong, half or slow.

use std::time::Duration;

use crate::bytes::{
    CALL, CANCEL, GOAWAY, HELLO, NIL, PING, PREFACE, REPLY, array, bare, call, frame, greeting, joined, map,
    ping, text, uint,
};
use crate::case::Effect::{Goaway, Ignored};
use crate::case::{Attack, Case, attack, still_carries_calls};
use crate::peer::Peer;
use crate::server::Server;

fn stranger(name: &'static str, fault: &'static str, said: &[u8], code: u64, words: &'static str) -> Case {
    Case::new(name, fault, Attack::Stranger(said.to_vec()), Goaway(code, words))
}

/// A greeting with this HELLO.
fn hello(body: &[u8]) -> Vec<u8> {
    joined([&PREFACE[..], &frame(HELLO, 0, 0, body)])
}

fn entry(key: &str, value: Vec<u8>) -> Vec<u8> {
    map(&[(text(key), value)])
}

fn strangers() -> Vec<Case> {
    let tls = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    vec![
        stranger("HTTP/1.1", "W1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 12, "does not speak traitwire"),
        stranger("HTTP/2", "W1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 12, "does not speak traitwire"),
        stranger("a TLS ClientHello", "W1", &tls, 12, "does not speak traitwire, but TLS"),
        stranger("MessagePack-RPC", "W1", &[0x94, 0, 1, 0xa1, b'x', 0x90], 12, "does not speak traitwire"),
        stranger("a preface that goes wrong at its end", "W1", b"\xc1RPX", 12, "does not speak traitwire"),
        stranger("version 2", "W1", b"\xc1RPC\x02", 12, "version 2"),
        stranger("version 0", "W1", b"\xc1RPC\x00", 12, "version 0"),
    ]
}

fn greetings() -> Vec<Case> {
    let first = |frame: Vec<u8>| joined([&PREFACE[..], &frame]);
    let before = "a frame before HELLO";
    let deep = joined([map(&[]).split_at(1).0.to_vec(), vec![0, 0, 0, 1], text("new"), vec![0x91; 100_000]]);
    let features = array((0..60_000).map(|_| vec![0xa0]));
    vec![
        stranger("a CALL before HELLO", "W13", &first(call(1, "empty", &[0x90])), 13, before),
        stranger("a PING before HELLO", "W13", &first(ping(1)), 13, before),
        stranger("a CANCEL before HELLO", "W13", &first(bare(CANCEL, 1)), 13, before),
        stranger("a skippable frame before HELLO", "W13", &first(bare(0x80, 0)), 13, before),
        stranger("an unknown frame before HELLO", "W12", &first(bare(0x7f, 0)), 12, "kind 0x7f"),
        stranger("a HELLO too long", "W3", &first(vec![0, 4, 0, 0x41]), 13, "length"),
        stranger("a HELLO with an id", "W13", &first(frame(HELLO, 0, 1, [0x80])), 13, "id 1"),
        stranger("a HELLO with a flag", "W12", &first(frame(HELLO, 1, 0, [0x80])), 13, "flags 0x01"),
        stranger("a HELLO without a body", "W6", &hello(&[]), 13, "ends inside its HELLO"),
        stranger("a HELLO that is an array", "W10", &hello(&[0x90]), 13, "where the HELLO begins"),
        stranger("a HELLO of 2^32 - 1 entries", "W8", &hello(&[0xdf, 255, 255, 255, 255]), 13, "ends inside"),
        stranger(
            "a HELLO with a text of 2^32 - 1",
            "W8",
            &hello(&[0x81, 0xdb, 255, 255, 255, 255]),
            13,
            "ends inside",
        ),
        stranger("a HELLO key that is a number", "W10", &hello(&[0x81, 1, 1]), 13, "HELLO key"),
        stranger("a negative limit", "W10", &hello(&entry("in_flight", vec![0xff])), 13, "HELLO in_flight"),
        stranger("a limit that is a text", "W10", &hello(&entry("eager", text("all"))), 13, "HELLO eager"),
        stranger("an unknown key, nested 100,000 deep", "W7", &hello(&deep), 13, "HELLO value"),
        stranger(
            "a second HELLO",
            "W13",
            &joined([greeting(), frame(HELLO, 0, 0, [0x80])]),
            13,
            "a second HELLO",
        ),
        Case::new(
            "a HELLO with 60,000 features",
            "W9",
            Attack::Stranger(hello(&entry("features", features))),
            Ignored,
        ),
        Case::new(
            "a HELLO that takes nothing",
            "W10",
            Attack::Stranger(hello(&map(&[
                (text("in_flight"), uint(0)),
                (text("streams"), uint(0)),
                (text("names"), uint(0)),
                (text("credit"), uint(u64::MAX)),
                (text("instance"), uint(u64::MAX)),
                (text("later"), joined([array([[NIL]]), vec![]])),
            ]))),
            Ignored,
        ),
    ]
}

/// Ends of every kind, at every byte: the connection is closed in turn, without a word but what was due.
fn ends_early() -> Vec<Case> {
    fn at_every_byte(server: &Server) {
        let said = joined([greeting(), call(1, "add", &[0x92, 2, 3])]);
        for cut in 0..=said.len() {
            let mut peer = Peer::stranger(&server.address);
            peer.say(&said[..cut]);
            peer.shut();
            // The greeting, if it was written by then, and the answer.
            if peer.hear_bytes(PREFACE.len()).is_some() {
                while let Some(frame) = peer.hear() {
                    assert!(
                        [HELLO, REPLY].contains(&frame.kind),
                        "cut at {cut}: an end is no fault that is told"
                    );
                }
            }
        }
    }
    fn byte_by_byte(server: &Server) {
        let mut peer = Peer::stranger(&server.address);
        for byte in joined([greeting(), ping(7)]) {
            peer.say(&[byte]);
        }
        peer.hear_greeting();
        assert_eq!(peer.hear().map(|pong| pong.body), Some(vec![7]));
        still_carries_calls(&mut peer, 1);
    }
    fn half_open(server: &Server) {
        let mut peer = Peer::shaken(&server.address);
        peer.say(&crate::ids::sleep(1));
        still_carries_calls(&mut peer, 3);
        peer.shut();
        // The handler of somebody who is gone is dropped; the counters tell.
        peer.hear_end();
    }
    vec![
        Case::script("an end after each byte of a conversation", "W2", at_every_byte),
        Case::script("a greeting byte by byte", "W4", byte_by_byte).starts(1),
        Case::script("an end while a call is at work", "W6", half_open).starts(2),
    ]
}

pub(crate) fn table() -> Vec<Case> {
    strangers().into_iter().chain(greetings()).chain(ends_early()).collect()
}

#[test]
fn strangers_are_told_why_and_turned_away() {
    attack(&[], table());
}

/// The time that [`slow`] servers give to a handshake.
const LIMIT: Duration = Duration::from_secs(1);

pub(crate) fn slow() -> Vec<Case> {
    fn told_after_the_limit(server: &Server, said: &[u8]) {
        let mut peer = Peer::stranger(&server.address);
        peer.say(said);
        peer.hear_greeting();
        let told = peer.hear().unwrap();
        assert_eq!((told.kind, told.values()[1].as_u64()), (GOAWAY, Some(4)), "{}", told.words());
        assert!(told.words().contains("no HELLO from the peer within 1s"), "{}", told.words());
        peer.hear_end();
    }
    fn trickle(server: &Server) {
        let mut peer = Peer::stranger(&server.address);
        let mut ear = peer.ear();
        let writer = std::thread::spawn(move || {
            // A HELLO of a quarter of a megabyte, in drops, for as long as anybody takes it.
            peer.say(&joined([&PREFACE[..], &[0, 4, 0, 0, HELLO, 0, 0, 0, 0, 0]]));
            while peer.say(&[0x80]) {
                std::thread::park_timeout(LIMIT / 100);
            }
        });
        ear.hear_greeting();
        let told = ear.hear().expect("the handshake has no more time for who trickles");
        assert_eq!((told.kind, told.values()[1].as_u64()), (GOAWAY, Some(4)));
        drop(ear);
        writer.join().unwrap();
    }
    vec![
        Case::script("silence", "P10", |server| told_after_the_limit(server, &[])).starts(0),
        Case::script("half a preface, then silence", "W2", |server| told_after_the_limit(server, b"\xc1R"))
            .starts(0),
        Case::script("a preface, then silence", "P10", |server| told_after_the_limit(server, &PREFACE))
            .starts(0),
        Case::script("half a HELLO, then silence", "P10", |server| {
            told_after_the_limit(server, &hello(&[0x80])[..10]);
        })
        .starts(0),
        Case::script("a handshake in drops", "A7", trickle).starts(0),
        Case::script("thousands who never go on", "A7", |server| {
            let begin = |nth: usize| {
                let mut peer = Peer::stranger(&server.address);
                peer.say(&PREFACE[..nth % PREFACE.len()]);
                peer
            };
            let mut peers: Vec<Peer> = (0..as_many_as_may_be()).map(begin).collect();
            for peer in &mut peers {
                peer.hear_greeting();
                assert_eq!(peer.hear().map(|told| told.kind), Some(GOAWAY));
                peer.hear_end();
            }
        })
        .starts(0)
        .memory(96),
        Case::script("a CALL and a PING, and no HELLO", "W13", |server| {
            let mut peer = Peer::stranger(&server.address);
            peer.say(&joined([&PREFACE[..], &bare(CALL, 1)[..4]]));
            peer.say(&[PING]);
            peer.hear_greeting();
            assert_eq!(peer.hear().map(|told| told.kind), Some(GOAWAY));
        })
        .starts(0),
    ]
}

/// Three thousand, or what descriptors there are for, here and in the server.
fn as_many_as_may_be() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let most = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    // The other half is for other tests of this process.
    (most / 2).min(3_000)
}

#[test]
fn slow_handshakes_end_in_time() {
    attack(&["handshake_ms=1000"], slow());
}
