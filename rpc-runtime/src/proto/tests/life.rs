//! Handshake, keepalive, peers that stand still.

use std::time::Duration;

use super::pair::Pair;
use crate::call::{Code, Delivery};
use crate::limits;
use crate::proto::{Config, ConnectionError};
use crate::wire::PREFACE;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn hellos_are_exchanged() {
    let server = Config { name: "back end".into(), instance: 7, in_flight: 5, ..Config::default() };
    let pair = Pair::with(Config::default(), server);
    let hello = pair.client.machine.peer().unwrap();
    assert_eq!((hello.name.as_str(), hello.instance, hello.in_flight), ("back end", 7, 5));
    assert_eq!(hello.keepalive_ms, 20_000);
}

#[test]
fn a_peer_that_says_nothing_is_dropped_after_the_handshake_time() {
    let mut pair = Pair::fresh(Config::default(), Config::default());
    let now = pair.now;
    pair.client.call(b"x", now + 5 * SECOND);
    pair.server.writes = false;
    pair.pass(limits::HANDSHAKE);
    assert_eq!(pair.client.closed, Some(Some(ConnectionError::HandshakeTimeout(limits::HANDSHAKE))));
    let error = pair.client.outcome().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent));
}

#[test]
fn another_protocol_is_known_by_its_first_byte() {
    for stranger in [&b"GET / HTTP/1.1\r\n"[..], &[0x16, 0x03, 0x01], &[0x94, 0x00]] {
        let mut pair = Pair::fresh(Config::default(), Config::default());
        pair.server.inbox.extend(stranger);
        pair.step();
        pair.drive();
        assert!(pair.server.cause().contains("does not speak traitwire"), "{}", pair.server.cause());
    }
}

#[test]
fn another_version_is_told_so() {
    let mut pair = Pair::fresh(Config::default(), Config::default());
    let mut preface = PREFACE;
    preface[4] = 9;
    pair.server.inbox.extend(preface);
    pair.client.writes = false;
    pair.drive();
    assert!(pair.server.cause().contains("version 9"), "{}", pair.server.cause());
    assert!(pair.client.cause().contains("unimplemented"), "{}", pair.client.cause());
}

#[test]
fn silence_is_asked_about_and_an_answer_keeps_the_connection() {
    let mut pair = Pair::new();
    let sent = pair.sent;
    pair.pass(limits::KEEPALIVE - SECOND);
    assert_eq!(pair.sent, sent, "nothing is said before its time");
    pair.pass(Duration::from_secs(600));
    assert!(pair.client.closed.is_none() && pair.server.closed.is_none());
    assert!(pair.sent.0 > sent.0 && pair.sent.1 > sent.1);
}

#[test]
fn a_dead_peer_is_noticed_within_thirty_seconds() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.machine.call(super::pair::outgoing(b"x", None), now).unwrap();
    pair.drive();
    pair.server.writes = false;
    pair.pass(limits::KEEPALIVE + limits::KEEPALIVE_TIMEOUT - SECOND);
    assert!(pair.client.closed.is_none());
    pair.pass(SECOND);
    assert_eq!(pair.client.closed, Some(Some(ConnectionError::Dead(limits::KEEPALIVE_TIMEOUT))));
    assert_eq!(pair.client.outcome().unwrap_err().delivery(), Delivery::Unknown);
}

#[test]
fn a_blocked_write_that_moves_is_a_sign_of_life() {
    let mut pair = Pair::new();
    pair.server.writes = false;
    pair.client.writes = false;
    pair.client.call(&vec![0; 100_000], pair.now);
    let segment = pair.client.machine.poll_transmit(pair.now).unwrap();
    for _ in 0..8 {
        pair.client.machine.handle_blocked(pair.now);
        pair.pass(8 * SECOND);
        pair.client.machine.handle_written(segment.len() / 10, pair.now);
        assert!(pair.client.closed.is_none());
    }
}

#[test]
fn a_write_that_stands_still_closes() {
    let mut pair = Pair::with(Config { keepalive: None, ..Config::default() }, Config::default());
    pair.client.writes = false;
    pair.client.call(b"x", pair.now);
    pair.client.machine.handle_blocked(pair.now);
    pair.pass(limits::WRITE_STALL);
    assert_eq!(pair.client.closed, Some(Some(ConnectionError::WriteStalled(limits::WRITE_STALL))));
}

#[test]
fn a_write_that_crawls_closes_and_one_that_goes_on_does_not() {
    let second = limits::WRITE_STALL / 30;
    for (bytes, closes) in
        [(limits::WRITE_PROGRESS_BYTES / 32, true), (limits::WRITE_PROGRESS_BYTES / 8, false)]
    {
        let mut pair = Pair::with(Config { keepalive: None, ..Config::default() }, Config::default());
        pair.drive();
        pair.client.writes = false;
        let now = pair.now;
        pair.client.try_call(&[0; 16_000], 1_000 * SECOND, now).unwrap();
        pair.client.machine.poll_transmit(now).unwrap();
        for _ in 0..60 {
            pair.client.machine.handle_blocked(pair.now);
            pair.pass(second);
            pair.client.machine.handle_written(bytes, pair.now);
        }
        assert_eq!(pair.client.closed.is_some(), closes, "{bytes} bytes a second");
    }
}

#[test]
fn a_payload_that_waits_for_its_grant_is_no_write_that_stands_still() {
    let mut pair = Pair::with(Config { keepalive: None, ..Config::default() }, Config::default());
    pair.drive();
    let now = pair.now;
    pair.client.try_call(&vec![0; 1 << 20], 1_000 * SECOND, now).unwrap();
    // All that may leave without a grant is taken, its last few bytes after the transport was full for a moment.
    let mut given = 0;
    while let Some(segment) = pair.client.machine.poll_transmit(now) {
        given += segment.len();
    }
    pair.client.machine.handle_written(given - 100, now);
    pair.client.machine.handle_blocked(now);
    pair.client.machine.handle_written(100, now);
    pair.now += 2 * limits::WRITE_STALL;
    let now = pair.now;
    pair.client.machine.handle_timeout(now);
    assert!(pair.client.machine.takes_calls(), "{:?}", pair.client.machine.poll_timeout());
}

#[test]
fn a_frame_that_begins_and_does_not_go_on_closes() {
    let mut pair = Pair::new();
    pair.inject(&[0, 0, 1, 0, 0x03, 0]);
    pair.pass(limits::FRAME_PROGRESS - SECOND);
    pair.inject(&[0]);
    pair.pass(SECOND);
    assert!(pair.server.cause().contains("did not go on"), "{}", pair.server.cause());
}

#[test]
fn a_slow_frame_that_goes_on_is_waited_for() {
    let mut pair = Pair::with(Config::default(), Config::default());
    pair.client.writes = false;
    let length = 60_000_u32;
    let mut frame = length.to_be_bytes().to_vec();
    // An unknown kind that is skipped: only its size is the subject.
    frame.extend([0x80, 0, 0, 0, 0, 1]);
    frame.resize(4 + length as usize, 0);
    for part in frame.chunks(2_000) {
        pair.inject(part);
        pair.pass(9 * SECOND);
    }
    assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
}
