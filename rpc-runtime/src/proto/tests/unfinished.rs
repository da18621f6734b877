//! Frames that go on with a large payload and come in pieces: what is here of them is taken as it comes.

use std::time::Duration;

use super::abuse::{call, raw, stranger};
use super::pair::Pair;
use crate::limits;
use crate::wire::{Flags, Kind, Method};

const TEXT: Method<'_> = Method::Text("Echo.echo");
const SECOND: Duration = Duration::from_secs(1);
const TOTAL: usize = 100_000;

/// A call of which a byte is here, and the frame with all the rest.
fn begun() -> (Pair, Vec<u8>) {
    let mut pair = stranger();
    pair.inject(&call(1, TEXT, Some(TOTAL as u32), &[7]));
    (pair, raw(Kind::Call, Flags::NONE, 1, &[7; TOTAL - 1]))
}

#[test]
fn nobody_keeps_a_part_of_it() {
    let (mut pair, frame) = begun();
    let now = pair.now;
    let header = frame.len() - (TOTAL - 1);
    assert_eq!(pair.server.machine.handle_read(&frame[..header], now), 0, "a header alone is nothing yet");
    assert_eq!(pair.server.machine.handle_read(&frame[..header + 1], now), header + 1);
    for part in frame[header + 1..].chunks(10_000) {
        assert_eq!(pair.server.machine.handle_read(part, now), part.len());
    }
    pair.drive();
    assert_eq!(pair.server.started[0].arguments.bytes(), [7; TOTAL]);
}

#[test]
fn what_follows_it_is_a_frame_again() {
    let (mut pair, mut frame) = begun();
    frame.extend(call(3, TEXT, None, b"next"));
    for part in frame.chunks(30_000) {
        pair.inject(part);
    }
    let sizes: Vec<usize> = pair.server.started.iter().map(|call| call.arguments.bytes().len()).collect();
    assert_eq!(sizes, [TOTAL, 4]);
}

#[test]
fn its_call_may_end_before_it_does() {
    let (mut pair, frame) = begun();
    pair.inject(&frame[..50_000]);
    // The call's time is over: it is refused, and what still comes of it is of no interest.
    pair.pass(9 * SECOND);
    pair.inject(&frame[50_000..60_000]);
    pair.pass(2 * SECOND);
    pair.inject(&frame[60_000..]);
    pair.inject(&call(3, TEXT, None, b"next"));
    assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
    assert_eq!(pair.server.started.len(), 1);
    assert_eq!(pair.server.started[0].arguments.bytes(), b"next");
}

#[test]
fn a_frame_longer_than_its_payload_costs_the_connection() {
    let (mut pair, _) = begun();
    let long = raw(Kind::Call, Flags::NONE, 1, &[7; TOTAL]);
    pair.inject(&long[..TOTAL - 10]);
    assert!(pair.server.closed.is_none());
    pair.inject(&long[TOTAL - 10..]);
    assert!(pair.server.cause().contains("total"), "{}", pair.server.cause());
    pair.server.machine.assert_empty();
}

#[test]
fn one_that_does_not_go_on_closes() {
    let (mut pair, frame) = begun();
    pair.inject(&frame[..50_000]);
    pair.pass(limits::FRAME_PROGRESS - SECOND);
    pair.inject(&frame[50_000..50_100]);
    pair.pass(SECOND);
    assert!(pair.server.cause().contains("did not go on"), "{}", pair.server.cause());
}

#[test]
fn one_that_goes_on_slowly_is_waited_for() {
    let (mut pair, frame) = begun();
    for part in frame[..20_000].chunks(2_000).take(4) {
        pair.inject(part);
        pair.pass(2 * SECOND);
        assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
    }
}

#[test]
fn the_end_of_the_transport_inside_it_is_a_loss() {
    let (mut pair, frame) = begun();
    pair.inject(&frame[..50_000]);
    let now = pair.now;
    pair.server.machine.handle_eof(now);
    pair.drive();
    assert!(matches!(pair.server.closed, Some(Some(_))), "{}", pair.server.cause());
    pair.server.machine.assert_empty();
}
