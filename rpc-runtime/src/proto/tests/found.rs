//! What the property tests, the fuzz targets and a look with hostile eyes have found: each as its shortest story.

use std::time::Duration;

use super::pair::{Pair, bytes_of, outgoing};
use crate::call::{Batch, Code, Deadline, Delivery, Metadata, RpcError};
use crate::limits;
use crate::proto::{
    Answer, CallRef, Config, ConnectionError, Event, OutgoingCall, Received, Refusal, StreamUse, Taken,
};
use crate::wire::{CallHead, Flags, FrameWriter, Header, Hello, Kind, Method, PREFACE, split, write_number};

fn reply(size: usize) -> Answer {
    Answer::Reply { metadata: Metadata::new(), payload: vec![7; size].into() }
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
    let heads = pair.client.machine.poll_transmit(pair.now).unwrap();
    pair.client.machine.handle_written(heads.len(), now);
    let rest = pair.client.machine.poll_transmit(pair.now).unwrap();
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
        assert!(call.arguments.bytes() == arguments);
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
    let segment = pair.client.machine.poll_transmit(pair.now).unwrap();
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
        CallHead { method: Method::Text(&name), remaining: None, stream: None, metadata: &Metadata::new() }
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
        let segment = pair.client.machine.poll_transmit(pair.now);
        pair.client.machine.handle_written(segment.map_or(0, |segment| segment.len()), now);
    }
    assert_eq!(pair.client.machine.outbound_calls().0, limits::OPEN as usize);
}

// ----- streams -----

fn streaming(sends: bool, takes: bool, deadline: Option<Deadline>) -> OutgoingCall {
    let usage = StreamUse { sends, takes, idle: Some(Duration::from_secs(60)), total: None };
    OutgoingCall { stream: Some(usage), ..outgoing(b"x", deadline) }
}

fn batch(sizes: &[usize]) -> Batch {
    let mut batch = Batch::new();
    sizes.iter().for_each(|&size| batch.push(&vec![7; size]));
    batch
}

/// A call that waited for its place knew nothing of its streams: what was wanted and said of them meanwhile was lost.
#[test]
fn the_streams_of_a_call_that_waits_are_not_forgotten() {
    let mut pair = Pair::fresh(Config::default(), Config::default());
    let now = pair.now;
    let key = pair.client.machine.call(streaming(true, true, None), now).unwrap();
    let call = CallRef::Own(key);
    let mut items = batch(&[5]);
    pair.client.machine.push_items(call, &mut items, now).unwrap();
    assert!(matches!(pair.client.machine.take_items(call, 0, now), Taken::Nothing));
    pair.drive();
    assert_eq!(pair.client.writable, [call]);
    pair.client.machine.push_items(call, &mut items, now).unwrap();
    pair.client.machine.finish_items(key, now);
    pair.drive();
    let id = pair.server.started[0].id;
    assert!(matches!(pair.server.machine.take_items(CallRef::Peer(id), 0, now), Taken::Items(_)));
    assert!(matches!(pair.server.machine.take_items(CallRef::Peer(id), 21, now), Taken::End));
    pair.server.machine.open_stream(id, &Metadata::new(), now);
    pair.server.machine.push_items(CallRef::Peer(id), &mut batch(&[5]), now).unwrap();
    pair.drive();
    assert_eq!(pair.client.readable, [call]);

    // One that has all of it to say before it is sent ends its items too.
    let mut pair = Pair::fresh(Config::default(), Config::default());
    let key = pair.client.machine.call(streaming(true, false, None), now).unwrap();
    pair.client.machine.finish_items(key, now);
    pair.drive();
    let id = pair.server.started[0].id;
    assert!(matches!(pair.server.machine.take_items(CallRef::Peer(id), 0, now), Taken::End));
}

/// A handler that looked for items after its caller had given up, and before it was dropped, saw their end.
#[test]
fn a_cancelled_caller_has_not_ended_its_items() {
    let mut pair = Pair::new();
    let now = pair.now;
    let key = pair.client.machine.call(streaming(true, false, None), now).unwrap();
    pair.drive();
    let id = pair.server.started[0].id;
    pair.client.machine.cancel(key, now);
    pair.drive();
    assert_eq!(pair.server.stopped.len(), 1);
    assert!(matches!(pair.server.machine.take_items(CallRef::Peer(id), 0, now), Taken::Gone));
}

/// A stream whose application was not done with earlier items asked for more than there is to lend, and stood first in
/// the line for ever.
#[test]
fn no_stream_asks_for_a_larger_loan_than_there_is() {
    let config = Config { credit: 1_000, credit_spare: 200_000, ..Config::default() };
    let mut pair = Pair::with(config, Config::default());
    let now = pair.now;
    let mut streams = Vec::new();
    for nth in 0..2 {
        let key = pair.client.machine.call(streaming(false, true, None), now).unwrap();
        pair.drive();
        let id = pair.server.started[nth].id;
        pair.server.machine.open_stream(id, &Metadata::new(), now);
        streams.push((CallRef::Own(key), CallRef::Peer(id), batch(&[500, 100_984, 100_984]), [0, 0], 0));
    }
    for _ in 0..100 {
        for (own, peer, items, done, taken) in &mut streams {
            pair.server.machine.push_items(*peer, items, now).unwrap();
            pair.drive();
            // An application that is done with an item one look later.
            let [older, newer] = std::mem::take(done);
            done[0] = newer;
            if let Taken::Items(batch) = pair.client.machine.take_items(*own, older, now) {
                (done[1], *taken) = (batch.cost(), *taken + 1);
            }
            pair.drive();
        }
    }
    assert_eq!(streams.iter().map(|stream| stream.4).collect::<Vec<_>>(), [3, 3]);
}

/// Only the first item of a batch was held against the receiver's limit.
#[test]
fn an_item_too_large_is_refused_at_home_wherever_it_stands() {
    let mut pair = Pair::with(Config::default(), Config { message: 100, ..Config::default() });
    let now = pair.now;
    let key = pair.client.machine.call(streaming(true, false, None), now).unwrap();
    let mut items = batch(&[5, 101]);
    pair.client.machine.push_items(CallRef::Own(key), &mut items, now).unwrap();
    pair.drive();
    assert_eq!((pair.client.writable.len(), pair.server.stopped.len()), (1, 0));
    let error = pair.client.machine.push_items(CallRef::Own(key), &mut items, now).unwrap_err();
    assert!(error.message().contains("receiver"), "{error}");
}

/// An item that was too large took the answer with it that was already on its way.
#[test]
fn items_that_nobody_reads_any_more_do_not_end_an_answer() {
    let mut pair = Pair::with(Config::default(), Config { credit_spare: 0, ..Config::default() });
    let now = pair.now;
    let key = pair.client.machine.call(streaming(true, false, None), now).unwrap();
    pair.drive();
    let id = pair.server.started[0].id;
    pair.server.writes = false;
    pair.server.machine.answer(id, reply(300_000), now);
    pair.client.machine.push_items(CallRef::Own(key), &mut batch(&[300_000]), now).unwrap();
    pair.drive();
    pair.server.writes = true;
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap().len(), 300_000);
    pair.server.machine.assert_empty();
}

/// The same items counted as progress when they came a moment later.
#[test]
fn items_that_come_with_their_call_are_progress() {
    let mut pair = Pair::new();
    let deadline = Some(Deadline::after(pair.now, Duration::from_secs(10)));
    let key = pair.client.machine.call(streaming(true, false, deadline), pair.now).unwrap();
    pair.client.machine.push_items(CallRef::Own(key), &mut batch(&[5]), pair.now).unwrap();
    pair.client.machine.finish_items(key, pair.now);
    pair.drive();
    // The caller hears of it when they are taken: that somebody reads is a sign of its callee, that they left is none.
    let call = CallRef::Peer(pair.server.started[0].id);
    assert!(matches!(pair.server.machine.take_items(call, 0, pair.now), Taken::Items(_)));
    pair.server.machine.took_items(call, 21, pair.now);
    pair.pass(Duration::from_secs(30));
    assert!(pair.server.stopped.is_empty() && pair.client.ended.is_empty());
    pair.pass(Duration::from_secs(31));
    assert_eq!(pair.server.stopped.len(), 1);
}

/// Between two CREDITs nothing moved that its sender could see.
#[test]
fn a_reader_that_is_slow_keeps_its_stream() {
    for finishes in [false, true] {
        let mut pair = Pair::new();
        let key = pair.client.machine.call(streaming(true, false, None), pair.now).unwrap();
        pair.drive();
        let call = CallRef::Peer(pair.server.started[0].id);
        // Each is a batch of its own.
        for _ in 0..10 {
            pair.drive();
            pair.client.machine.push_items(CallRef::Own(key), &mut batch(&[17_000]), pair.now).unwrap();
        }
        if finishes {
            pair.client.machine.finish_items(key, pair.now);
        }
        let mut done = 0;
        for nth in 0..10 {
            let Taken::Items(batch) = pair.server.machine.take_items(call, done, pair.now) else {
                panic!("item {nth} is there")
            };
            done = batch.cost();
            pair.pass(Duration::from_secs(40));
            assert!(pair.server.stopped.is_empty() && pair.client.ended.is_empty(), "item {nth}");
        }
        // Who does not read at all does not.
        pair.pass(Duration::from_secs(21));
        assert_eq!((pair.server.stopped.len(), pair.client.ended.len()), (1, 1));
    }
}

/// What was pushed for a call that was over stayed with its application for ever.
#[test]
fn items_of_a_call_that_is_over_are_dropped() {
    let mut pair = Pair::new();
    let now = pair.now;
    let key = pair.client.machine.call(streaming(true, false, None), now).unwrap();
    pair.drive();
    pair.client.machine.cancel(key, now);
    let mut items = batch(&[5]);
    pair.client.machine.push_items(CallRef::Own(key), &mut items, now).unwrap();
    assert!(items.is_empty());
}

/// A silent callee had the idle time instead, because items had left.
#[test]
fn what_a_caller_sends_by_itself_is_no_first_progress() {
    let mut pair = Pair::new();
    let deadline = Some(Deadline::after(pair.now, Duration::from_secs(10)));
    let key = pair.client.machine.call(streaming(true, true, deadline), pair.now).unwrap();
    pair.client.machine.push_items(CallRef::Own(key), &mut batch(&[5]), pair.now).unwrap();
    pair.client.machine.finish_items(key, pair.now);
    pair.pass(Duration::from_millis(10_001));
    assert_eq!(pair.client.outcome().unwrap_err().code(), Code::DEADLINE_EXCEEDED);
}
