//! Peers that ask too much of a stream: what costs the call, what costs the connection, and that all of it is bounded.

use std::time::Duration;

use super::abuse::{bare, raw, stranger, stranger_to};
use super::pair::{Pair, bytes_of, outgoing};
use super::table::{BOTH, call, open};
use crate::call::{Batch, Code, Deadline, Delivery, Metadata};
use crate::limits;
use crate::proto::{CallRef, Config, OutgoingCall, Stop, StreamUse, Taken};
use crate::wire::{Flags, Kind, write_number};

fn sized(id: u32, size: usize) -> Vec<u8> {
    raw(Kind::Item, Flags::NONE, id, &vec![7; size])
}

/// The first part of an item of so many bytes.
fn begun(id: u32, total: u32, size: usize) -> Vec<u8> {
    raw(Kind::Item, Flags::MORE, id, &[&total.to_be_bytes()[..], &vec![7; size]].concat())
}

fn credit(id: u32, amount: u64) -> Vec<u8> {
    let mut out = Vec::new();
    write_number(&mut out, Kind::Credit, id, amount);
    out
}

/// A server with small limits whose handler runs and has announced its stream.
fn server(config: Config) -> Pair {
    let mut pair = stranger_to(config);
    pair.inject(&call(1, BOTH, None));
    pair.server.machine.open_stream(pair.server.started[0].id, &Metadata::new(), pair.now);
    pair.drive();
    pair
}

#[test]
fn what_is_not_allowed_of_items_costs_the_connection() {
    let cases = [
        ("an item of all the credit and a byte", vec![sized(1, 85)], "than was granted"),
        ("a second item without credit", vec![sized(1, 84), sized(1, 1)], "than was granted"),
        (
            "a part beyond the credit",
            vec![begun(1, 200, 84), raw(Kind::Item, Flags::MORE, 1, &[7])],
            "than was granted",
        ),
        ("an empty item", vec![sized(1, 0)], "empty part"),
        ("an item that begins with nothing", vec![begun(1, 9, 0)], "empty part"),
        ("a part of nothing", vec![begun(1, 9, 1), raw(Kind::Item, Flags::MORE, 1, &[])], "empty part"),
        (
            "more than the total",
            vec![begun(1, 9, 1), raw(Kind::Item, Flags::NONE, 1, &[7; 9])],
            "do not add up",
        ),
        (
            "less than the total",
            vec![begun(1, 9, 1), raw(Kind::Item, Flags::NONE, 1, &[7; 7])],
            "do not add up",
        ),
        (
            "more to come of nothing",
            vec![begun(1, 9, 1), raw(Kind::Item, Flags::MORE, 1, &[7; 8])],
            "do not add up",
        ),
        ("a total that is all there", vec![begun(1, 9, 9)], "where the total begins"),
        ("a credit of nothing", vec![credit(1, 0)], "or is too much"),
        ("a credit beyond 32 bits", vec![credit(1, u64::from(u32::MAX))], "or is too much"),
        ("a credit beyond 64 bits", vec![credit(1, u64::MAX)], "or is too much"),
        ("a third stream", vec![call(3, BOTH, None), call(5, BOTH, None)], "more than 2 calls with a stream"),
        (
            "flags that exclude each other",
            vec![raw(Kind::Item, Flags::OPEN.with(Flags::MORE), 1, &[7])],
            "flags",
        ),
    ];
    for (name, frames, reason) in cases {
        let config = Config { credit: 100, streams: 2, ..Config::default() };
        let mut pair = server(config);
        let (last, before) = frames.split_last().expect("there is one");
        pair.inject(&before.concat());
        assert!(pair.server.closed.is_none(), "{name}: {}", pair.server.cause());
        pair.inject(last);
        assert!(pair.server.cause().contains(reason), "{name}: {}", pair.server.cause());
        pair.server.machine.assert_empty();
    }
}

#[test]
fn all_the_credit_and_not_a_byte_more_is_taken() {
    let mut pair = server(Config { credit: 100, ..Config::default() });
    pair.inject(&[sized(1, 60), sized(1, 8)].concat());
    assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
    let call = CallRef::Peer(pair.server.started[0].id);
    assert!(matches!(pair.server.machine.take_items(call, 0, pair.now), Taken::Items(_)));
    pair.server.machine.take_items(call, 100, pair.now);
    pair.inject(&sized(1, 84));
    assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
}

#[test]
fn an_item_too_large_for_its_receiver_costs_the_call_on_both_sides() {
    // Of a caller, which is told so when the handler is gone.
    let mut pair = server(Config { message: 1_000, ..Config::default() });
    let id = pair.server.started[0].id;
    pair.inject(&[begun(1, 1_001, 10), raw(Kind::Item, Flags::NONE, 1, &[7; 991])].concat());
    assert_eq!(pair.server.stopped, [(id, Stop::ItemTooLarge { size: 1_001, limit: 1_000 })]);
    pair.server.machine.stopped(id, pair.now);
    let segment = pair.server.machine.poll_transmit(pair.now).expect("it is said");
    assert!(String::from_utf8_lossy(&segment).contains("1001"), "the size is named");
    pair.server.machine.assert_empty();

    // Of a callee, which is told to stop.
    let mut pair = Pair::with(Config { message: 1_000, ..Config::default() }, Config::default());
    let usage = StreamUse { sends: false, takes: true, idle: None, total: None };
    let request = OutgoingCall { stream: Some(usage), ..outgoing(b"x", None) };
    pair.client.machine.call(request, pair.now).expect("it is taken");
    pair.drive();
    pair.client.inbox.extend([open(1), begun(1, 1_001, 10)].concat());
    pair.drive();
    let error = bytes_of(pair.client.ended.remove(0).1).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::Executed));
    assert!(error.message().contains("1001") && error.message().contains("1000"), "{error}");
    assert_eq!(pair.server.stopped.len(), 1);
}

#[test]
fn tiny_items_in_tiny_parts_share_their_batches() {
    let mut pair = server(Config::default());
    let tiny = [begun(1, 2, 1), raw(Kind::Item, Flags::NONE, 1, &[7])].concat();
    let many = (256 << 10) / 18;
    pair.inject(&tiny.repeat(many));
    let call = CallRef::Peer(pair.server.started[0].id);
    let (mut items, mut batches) = (0, 0);
    while let Taken::Items(mut batch) = pair.server.machine.take_items(call, 0, pair.now) {
        batches += 1;
        while batch.first().is_some() {
            batch.pop();
            items += 1;
        }
    }
    assert_eq!(items, many);
    assert!(batches <= many * (2 + Batch::HEAD) / limits::BATCH + 1, "{batches} batches");
}

#[test]
fn opening_filling_and_cancelling_at_line_rate_holds_nothing() {
    let mut pair = stranger_to(Config { in_flight: 64, streams: 4, credit: 10_000, ..Config::default() });
    for nth in 0..2_000 {
        let id = 2 * nth + 1;
        pair.inject(&[call(id, BOTH, None), sized(id, 9_000), begun(id, 1 << 20, 900)].concat());
        pair.inject(&bare(Kind::Cancel, id));
        // What was started is stopped, and nothing else is there.
        for (id, _) in pair.server.stopped.drain(..) {
            pair.server.machine.stopped(id, pair.now);
        }
        pair.drive();
        pair.server.started.clear();
        assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
        pair.server.machine.assert_empty();
    }
}

#[test]
fn cancelled_streams_that_cannot_be_refused_hold_no_items() {
    let mut pair = stranger_to(Config { streams: 4, ..Config::default() });
    pair.server.starts = false;
    for id in [1, 3, 5, 7] {
        pair.inject(&[call(id, BOTH, None), sized(id, 9_000), bare(Kind::Cancel, id)].concat());
    }
    assert_eq!(pair.server.machine.ungiven().len(), 0, "nobody will read them");
    pair.inject(&call(9, BOTH, None));
    assert!(pair.server.cause().contains("more than 4 calls with a stream"), "{}", pair.server.cause());
}

#[test]
fn streams_that_are_filled_and_never_read_are_bounded_and_end_by_idle_time() {
    let mut pair = stranger();
    for nth in 0..128 {
        pair.inject(&call(2 * nth + 1, BOTH, None));
        pair.inject(&sized(2 * nth + 1, 200_000));
    }
    pair.inject(&sized(1, (256 << 10) - 200_000 - 32));
    assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
    // The stranger is alive: silence alone would end the connection.
    for _ in 0..7 {
        pair.pass(Duration::from_secs(10));
        pair.inject(&raw(Kind::Ping, Flags::NONE, 0, &[1]));
    }
    assert_eq!(pair.server.stopped.len(), 128);
    assert_eq!(pair.server.machine.ungiven().len(), 0);
    for (id, _) in pair.server.stopped.drain(..) {
        pair.server.machine.stopped(id, pair.now);
    }
    pair.server.machine.assert_empty();
}

#[test]
fn a_stream_that_is_never_announced_ends_by_its_deadline() {
    let mut pair = Pair::new();
    let usage = StreamUse { sends: false, takes: true, idle: Some(Duration::from_secs(60)), total: None };
    let deadline = Some(Deadline::after(pair.now, Duration::from_secs(10)));
    let request = OutgoingCall { stream: Some(usage), ..outgoing(b"x", deadline) };
    pair.client.machine.call(request, pair.now).expect("it is taken");
    pair.pass(Duration::from_secs(11));
    assert_eq!(pair.client.outcome().unwrap_err().code(), Code::DEADLINE_EXCEEDED);
    assert_eq!(pair.server.stopped[0].1, Stop::Expired);
}

#[test]
fn a_credit_beyond_all_bounds_in_a_greeting_is_taken_for_the_largest() {
    let mut pair = Pair::with(Config { credit: u64::MAX, ..Config::default() }, Config::default());
    let usage = StreamUse { sends: false, takes: true, idle: None, total: None };
    let request = OutgoingCall { stream: Some(usage), ..outgoing(b"x", None) };
    let key = pair.client.machine.call(request, pair.now).expect("it is taken");
    pair.drive();
    let id = pair.server.started[0].id;
    pair.server.machine.open_stream(id, &Metadata::new(), pair.now);
    for _ in 0..3 {
        let mut items = Batch::new();
        items.push(&[7; 1_000]);
        pair.server.machine.push_items(CallRef::Peer(id), &mut items, pair.now).expect("it is small");
        pair.drive();
        assert!(matches!(pair.client.machine.take_items(CallRef::Own(key), 0, pair.now), Taken::Items(_)));
        pair.client.machine.take_items(CallRef::Own(key), 1_016, pair.now);
        pair.drive();
    }
    assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
}
