//! What the property tests, the fuzz targets and a look with hostile eyes have found: each as its shortest story.

use std::time::Duration;

use super::pair::{Pair, bytes_of};
use crate::call::{Code, Delivery, Metadata, RpcError};
use crate::limits;
use crate::proto::{Answer, Config, ConnectionError, Event, Received, Refusal};
use crate::wire::{CallHead, Flags, FrameWriter, Header, Hello, Kind, Method, PREFACE, split, write_number};

fn reply(size: usize) -> Answer {
    Answer::Reply { metadata: Metadata::new(), payload: vec![7; size] }
}

/// The answer waited for a grant that a caller gives only to answers that it waits for.
#[test]
fn a_large_answer_to_a_cancelled_call_does_not_keep_its_place() {
    let mut pair = Pair::new();
    let now = pair.now;
    let key = pair.client.call(b"x", now);
    pair.drive();
    pair.client.machine.cancel(key, now);
    pair.drive();
    let call = pair.server.started.remove(0);
    pair.server.machine.release(call.arguments, now);
    pair.server.machine.answer(call.id, reply(limits::EAGER + 1), now);
    pair.drive();
    pair.assert_baseline();
}

/// The end of a large call counted as the end of the segment that it left in.
#[test]
fn a_large_call_whose_last_byte_was_written_is_not_called_unsent() {
    let mut pair = Pair::new();
    let now = pair.now;
    let first = pair.client.call(&vec![1; limits::INLINE_PAYLOAD + 1], now);
    pair.client.call(&vec![2; 100_000], now);
    let heads = pair.client.machine.poll_transmit().unwrap();
    pair.client.machine.handle_written(heads.len(), now);
    let rest = pair.client.machine.poll_transmit().unwrap();
    let size = split(&rest).unwrap().unwrap().size;
    assert!(size < rest.len(), "the rest of the first call is not alone in its segment");
    pair.client.machine.handle_written(size, now);
    pair.client.machine.handle_transport_error(ConnectionError::Transport("reset".into()), now);
    pair.client.listen(now);
    pair.server.inbox.extend(heads.iter().chain(&rest[..size]));
    pair.server.writes = false;
    pair.drive();
    assert_eq!(pair.server.started.len(), 1, "the first call is all there");
    let at = pair.client.ended.iter().position(|(key, _)| *key == first).unwrap();
    assert_eq!(bytes_of(pair.client.ended.remove(at).1).unwrap_err().delivery(), Delivery::Unknown);
}

/// The output forgot the rest of a large call before the call could take its arguments back.
#[test]
fn a_large_call_that_is_handed_back_for_another_connection_is_whole() {
    let arguments = vec![7; 300_000];
    let close = |pair: &mut Pair| pair.client.machine.close_now("bye", pair.now);
    let wrong_credit = |pair: &mut Pair| {
        let mut bytes = Vec::new();
        write_number(&mut bytes, Kind::Credit, 1, 5);
        pair.client.machine.handle_read(&bytes, pair.now);
    };
    for end in [&close as &dyn Fn(&mut Pair), &wrong_credit] {
        let mut pair = Pair::new();
        let now = pair.now;
        pair.client.call(&arguments, now);
        end(&mut pair);
        let event = std::iter::from_fn(|| pair.client.machine.poll_event()).next();
        let Some(Event::Ended { outcome, unseen: Some(call), .. }) = event else { panic!("{event:?}") };
        assert_eq!(bytes_of(outcome).unwrap_err().delivery(), Delivery::NotSent);
        assert!(call.arguments == arguments);
    }
}

/// The arguments of large calls are kept until they are answered, beside all bounds.
#[test]
fn large_calls_that_are_kept_count_as_held() {
    let mut pair = Pair::with(Config { queue_bytes: 50_000, ..Config::default() }, Config::default());
    let now = pair.now;
    pair.client.call(&[1; 30_000], now);
    pair.drive();
    let error = pair.client.try_call(&[2; 30_000], Duration::from_secs(1), now).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
    pair.server.echo(now);
    pair.drive();
    pair.client.call(&[2; 30_000], now);
}

/// The GOAWAY overtook the calls before it: the peer read it, had nothing to do, and closed.
#[test]
fn calls_framed_before_an_own_drain_are_answered() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.client.machine.drain("bye", now);
    let segment = pair.client.machine.poll_transmit().unwrap();
    pair.client.machine.handle_written(segment.len(), now);
    // Byte by byte, so that nothing that comes later can help.
    for byte in segment {
        pair.server.inbox.push_back(byte);
        pair.step();
    }
    assert!(pair.server.closed.is_none());
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"x");
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
}

/// Each side's arguments waited for room for answers, which waited for the other side's budget, full of arguments.
#[test]
fn two_sides_full_of_large_arguments_do_not_wait_for_each_other() {
    const SIZE: usize = 1_000;
    let limits = || Config { eager: 10, message: SIZE, assembly: 2 * SIZE, bulk: 1, ..Config::default() };
    let mut pair = Pair::with(limits(), limits());
    let now = pair.now;
    pair.client.call(b"first", now);
    pair.server.call(b"first", now);
    pair.drive();
    (pair.client.starts, pair.server.starts) = (false, false);
    for _ in 0..2 {
        pair.client.call(&[1; SIZE], now);
        pair.server.call(&[2; SIZE], now);
    }
    // The arguments have all of the budget that they can get; only then come the answers to the first calls.
    pair.drive();
    let mut ended = 0;
    while ended < 6 {
        for end in [&mut pair.client, &mut pair.server] {
            for call in std::mem::take(&mut end.started) {
                end.machine.answer(call.id, reply(SIZE), now);
                end.machine.release(call.arguments, now);
            }
            end.starts = true;
        }
        pair.drive();
        let before = ended;
        for end in [&mut pair.client, &mut pair.server] {
            for (_, outcome) in std::mem::take(&mut end.ended) {
                let Received::Reply { body, .. } = outcome else { panic!("{outcome:?}") };
                end.machine.release(body, now);
                ended += 1;
            }
        }
        pair.drive();
        assert!(ended > before, "after {ended} answers nothing moves any more");
    }
    pair.assert_baseline();
}

/// A queue of none means that nothing waits, not that nothing is sent.
#[test]
fn without_a_queue_calls_are_sent_while_there_are_places() {
    let mut pair =
        Pair::with(Config { queue: 0, ..Config::default() }, Config { in_flight: 1, ..Config::default() });
    let now = pair.now;
    pair.client.call(b"x", now);
    let error = pair.client.try_call(b"y", Duration::from_secs(1), now).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
}

/// With no room at all nothing ever started.
#[test]
fn output_limits_of_nothing_still_let_one_call_through() {
    let limits = || Config { output: 0, bulk: 0, ..Config::default() };
    let mut pair = Pair::with(limits(), limits());
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"x");
}

/// "For ever" overflowed the clock.
#[test]
fn absurd_times_never_come() {
    let limits = Config {
        handshake: Duration::MAX,
        keepalive: Some(Duration::MAX),
        write_stall: Duration::MAX,
        ..Config::default()
    };
    let mut pair = Pair::fresh(limits, Config::default());
    let now = pair.now;
    pair.client.machine.handle_blocked(now);
    assert_eq!(pair.client.machine.poll_timeout(), None);
    pair.drive();
    pair.client.machine.handle_blocked(now);
    assert_eq!(pair.client.machine.poll_timeout(), None);
}

/// A name that no HELLO holds made a HELLO that no peer reads.
#[test]
fn a_side_with_a_long_name_can_shake_hands() {
    let pair = Pair::with(Config { name: "é".repeat(200_000), ..Config::default() }, Config::default());
    assert_eq!(pair.server.machine.peer().unwrap().name, "é".repeat(128));
}

/// The bound was for each list, and the key could come as often as it fits a frame.
#[test]
fn features_are_bounded_however_often_they_come() {
    const LISTS: u16 = 1_000;
    let mut body = vec![0xde];
    body.extend(LISTS.to_be_bytes());
    for _ in 0..LISTS {
        body.extend(b"\xa8features\xdc\x00\x40");
        body.extend([0xa0; 64]);
    }
    assert_eq!(Hello::read(&body).unwrap().features.len(), 64);
}

/// The limit of HELLO is what the peer takes; what this side sends has its own.
#[test]
fn an_answer_beyond_the_own_limit_is_an_error_of_its_call_only() {
    let mut pair = Pair::with(Config::default(), Config { message: 1_000, ..Config::default() });
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    let id = pair.server.started.remove(0).id;
    pair.server.machine.answer(id, reply(1_001), now);
    pair.drive();
    let error: RpcError = pair.client.outcome().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::Executed));
    assert!(error.message().contains("callee's message limit of 1000"), "{error}");
}

/// The call waited for a last frame that had just come.
#[test]
fn a_reply_too_large_in_one_frame_ends_its_call_for_good() {
    let mut pair = Pair::with(Config { message: 1_000, ..Config::default() }, Config::default());
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    pair.server.writes = false;
    let mut bytes = Vec::new();
    let mut frame = FrameWriter::new(&mut bytes, Header { kind: Kind::Reply, flags: Flags::NONE, id: 1 });
    frame.payload(&[&[0xc0][..], &[0; 1_001]].concat());
    frame.finish();
    pair.client.inbox.extend(bytes);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap_err().delivery(), Delivery::Executed);
    assert_eq!(pair.client.machine.outbound_calls(), (0, 0));
}

/// Names in CALLs were kept however long they were, beside all budgets.
#[test]
fn a_method_name_that_no_method_has_costs_its_call_only() {
    let mut pair = Pair::new();
    pair.client.writes = false;
    let mut bytes = Vec::new();
    for (id, length) in [(1, limits::METHOD_NAME), (3, limits::METHOD_NAME + 1), (5, 200_000)] {
        let name = "n".repeat(length);
        let mut frame = FrameWriter::new(&mut bytes, Header { kind: Kind::Call, flags: Flags::NONE, id });
        CallHead { method: Method::Text(&name), remaining: None, metadata: &Metadata::new() }
            .write(&mut frame);
        frame.finish();
    }
    pair.inject(&bytes);
    assert_eq!(pair.server.started.len(), 1);
    assert_eq!(pair.server.refused, [Refusal::TooLarge; 2]);
    assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
}

/// A peer that allows any number of calls and ends none decided how many abandoned ones its caller remembers.
#[test]
fn calls_that_a_peer_never_ends_are_bounded_whatever_it_allows() {
    let mut pair = Pair::fresh(Config { queue: 1, ..Config::default() }, Config::default());
    pair.server.writes = false;
    let mut bytes = PREFACE.to_vec();
    Hello { in_flight: u32::MAX, ..Hello::default() }.write(&mut bytes);
    pair.client.inbox.extend(bytes);
    pair.drive();
    let now = pair.now;
    for _ in 0..limits::OPEN + 100 {
        let key = pair.client.call(b"x", now);
        pair.client.machine.cancel(key, now);
        let segment = pair.client.machine.poll_transmit();
        pair.client.machine.handle_written(segment.map_or(0, |segment| segment.len()), now);
    }
    assert_eq!(pair.client.machine.outbound_calls().0, limits::OPEN as usize);
}
