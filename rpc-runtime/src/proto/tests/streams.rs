//! Streams between two machines: items, their ends, and who waits for whom.

use std::time::Duration;

use super::pair::{Pair, bytes_of, outgoing};
use crate::call::{Batch, Code, Deadline, Delivery, Metadata, RpcError};
use crate::proto::{Answer, CallId, CallKey, CallRef, Config, OutgoingCall, StreamUse, Taken};

/// A call of the client with streams, which the server has started.
struct Stream {
    key: CallKey,
    id: CallId,
}

impl Stream {
    fn open(pair: &mut Pair, sends: bool, takes: bool) -> Self {
        let usage = StreamUse { sends, takes, idle: Some(Duration::from_secs(60)), total: None };
        let deadline = Some(Deadline::after(pair.now, Duration::from_secs(10)));
        let call = OutgoingCall { stream: Some(usage), ..outgoing(b"x", deadline) };
        let key = pair.client.machine.call(call, pair.now).expect("the call is taken");
        pair.drive();
        let id = pair.server.started.remove(0).id;
        if takes {
            pair.server.machine.open_stream(id, &Metadata::new(), pair.now);
            pair.drive();
        }
        Self { key, id }
    }
}

fn items(sizes: impl IntoIterator<Item = usize>) -> Batch {
    let mut batch = Batch::new();
    sizes.into_iter().enumerate().for_each(|(nth, size)| batch.push(&vec![nth as u8; size]));
    batch
}

/// Takes everything that there is, as an application that is fast.
fn take(pair: &mut Pair, server: bool, call: CallRef) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    let mut done = 0;
    loop {
        pair.drive();
        let end = if server { &mut pair.server } else { &mut pair.client };
        let Taken::Items(mut batch) = end.machine.take_items(call, done, pair.now) else { break };
        done = 0;
        while let Some(item) = batch.first() {
            done += item.len() as u64 + 16;
            taken.push(item.to_vec());
            batch.pop();
        }
    }
    taken
}

#[test]
fn items_of_a_callee_come_in_order_and_then_the_end() {
    let mut pair = Pair::new();
    let stream = Stream::open(&mut pair, false, true);
    assert_eq!(pair.client.opened, [stream.key]);
    let mut batch = items([1, 2, 3]);
    pair.server.machine.push_items(CallRef::Peer(stream.id), &mut batch, pair.now).unwrap();
    assert!(batch.is_empty());
    pair.server.machine.answer(stream.id, Answer::End { metadata: Metadata::new() }, pair.now);
    pair.drive();
    // The call is over; what was not taken came with its end.
    let mut unread = pair.client.unread_items.remove(0);
    for item in [&[0][..], &[1, 1], &[2, 2, 2]] {
        assert_eq!(unread.first(), Some(item));
        unread.pop();
    }
    assert_eq!(pair.client.outcome().unwrap(), b"end");
    pair.assert_baseline();
}

#[test]
fn a_stream_larger_than_its_credit_goes_on_as_it_is_taken() {
    for (count, size) in [(5_000, 100), (40, 20_000), (6, 1 << 20), (1, 16 << 20)] {
        let mut pair = Pair::new();
        let stream = Stream::open(&mut pair, false, true);
        let mut batch = items(std::iter::repeat_n(size, count));
        let mut taken = Vec::new();
        for _ in 0..10_000 {
            pair.server.machine.push_items(CallRef::Peer(stream.id), &mut batch, pair.now).unwrap();
            taken.extend(take(&mut pair, false, CallRef::Own(stream.key)));
            if taken.len() == count {
                break;
            }
        }
        assert_eq!(taken.len(), count, "{count} items of {size} bytes");
        assert!(taken.iter().enumerate().all(|(nth, item)| *item == vec![nth as u8; size]));
        pair.server.machine.answer(stream.id, Answer::End { metadata: Metadata::new() }, pair.now);
        pair.drive();
        assert!(pair.client.outcome().is_ok());
        pair.assert_baseline();
    }
}

#[test]
fn a_stalled_reader_stops_its_sender_at_its_credit() {
    let mut pair = Pair::new();
    let stream = Stream::open(&mut pair, false, true);
    let mut batch = items(std::iter::repeat_n(1_000, 1_000));
    for _ in 0..100 {
        pair.server.machine.push_items(CallRef::Peer(stream.id), &mut batch, pair.now).unwrap();
        pair.drive();
    }
    let left = batch.size() / (1_000 + Batch::HEAD);
    assert_eq!(left, 1_000 - (256 << 10) / 1_016);
    // Nothing has been said since there was no credit; then room is told once.
    pair.server.writable.clear();
    let taken = take(&mut pair, false, CallRef::Own(stream.key)).len();
    assert_eq!((taken, pair.server.writable.len()), (1_000 - left, 1));
}

#[test]
fn a_callee_takes_items_and_answers_after_the_end() {
    let mut pair = Pair::new();
    let stream = Stream::open(&mut pair, true, false);
    let mut batch = items([10, 300_000, 10]);
    let mut taken = Vec::new();
    while !batch.is_empty() {
        pair.client.machine.push_items(CallRef::Own(stream.key), &mut batch, pair.now).unwrap();
        taken.extend(take(&mut pair, true, CallRef::Peer(stream.id)));
    }
    pair.client.machine.finish_items(stream.key, pair.now);
    taken.extend(take(&mut pair, true, CallRef::Peer(stream.id)));
    assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [10, 300_000, 10]);
    assert!(matches!(pair.server.machine.take_items(CallRef::Peer(stream.id), 0, pair.now), Taken::End));
    let answer = Answer::Reply { metadata: Metadata::new(), payload: b"sum".to_vec().into() };
    pair.server.machine.answer(stream.id, answer, pair.now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"sum");
    pair.assert_baseline();
}

#[test]
fn an_error_comes_after_the_items_before_it() {
    let mut pair = Pair::new();
    let stream = Stream::open(&mut pair, false, true);
    let mut batch = items([100_000]);
    pair.server.machine.push_items(CallRef::Peer(stream.id), &mut batch, pair.now).unwrap();
    let error = RpcError::new(Code::INTERNAL, Delivery::Executed, "broken");
    pair.server.machine.answer(stream.id, Answer::Error(error), pair.now);
    pair.drive();
    assert_eq!(pair.client.unread_items.remove(0).first().map(<[u8]>::len), Some(100_000));
    assert_eq!(bytes_of(pair.client.ended.remove(0).1).unwrap_err().code(), Code::INTERNAL);
    pair.assert_baseline();
}

#[test]
fn every_stream_stalled_at_once_stalls_nothing_else() {
    let mut pair = Pair::with(Config::default(), Config { streams: 129, ..Config::default() });
    let streams: Vec<Stream> = (0..127).map(|_| Stream::open(&mut pair, true, true)).collect();
    for stream in &streams {
        for _ in 0..3 {
            pair.server
                .machine
                .push_items(CallRef::Peer(stream.id), &mut items([1 << 20]), pair.now)
                .unwrap();
            pair.client
                .machine
                .push_items(CallRef::Own(stream.key), &mut items([1 << 20]), pair.now)
                .unwrap();
            pair.drive();
        }
    }
    let last = Stream::open(&mut pair, false, true);
    let mut batch = items([1 << 20, 10, 1 << 20]);
    let mut taken = 0;
    for _ in 0..100 {
        pair.server.machine.push_items(CallRef::Peer(last.id), &mut batch, pair.now).unwrap();
        taken += take(&mut pair, false, CallRef::Own(last.key)).len();
    }
    assert_eq!(taken, 3);
    pair.client.call(b"small", pair.now);
    pair.drive();
    pair.server.echo(pair.now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"small");
}

#[test]
fn nothing_moving_ends_a_stream_and_moving_does_not() {
    let mut pair = Pair::new();
    let stream = Stream::open(&mut pair, false, true);
    for _ in 0..5 {
        pair.pass(Duration::from_secs(40));
        pair.server.machine.push_items(CallRef::Peer(stream.id), &mut items([5]), pair.now).unwrap();
        assert_eq!(take(&mut pair, false, CallRef::Own(stream.key)).len(), 1);
    }
    pair.pass(Duration::from_secs(61));
    let error = pair.client.outcome().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::Executed));
    assert!(error.message().contains("`idle_timeout`"), "{error}");
    assert_eq!(pair.server.stopped.len(), 1);
    pair.server.machine.stopped(stream.id, pair.now);
    pair.drive();
    pair.assert_baseline();
}

#[test]
fn cancelling_a_stream_stops_its_handler_and_frees_everything() {
    let mut pair = Pair::new();
    let stream = Stream::open(&mut pair, true, true);
    pair.server.machine.push_items(CallRef::Peer(stream.id), &mut items([1 << 20]), pair.now).unwrap();
    pair.client.machine.push_items(CallRef::Own(stream.key), &mut items([1 << 20]), pair.now).unwrap();
    pair.drive();
    pair.client.machine.cancel(stream.key, pair.now);
    pair.drive();
    assert_eq!(pair.server.stopped.len(), 1);
    pair.server.machine.stopped(stream.id, pair.now);
    pair.drive();
    pair.assert_baseline();
}

/// What arrives in each of so many round trips of a link whose bytes take half of one each way, while the server always has
/// more to send and the client takes at most so many items a round.
fn rounds(rounds: usize, taken: usize) -> Vec<usize> {
    let mut pair = Pair::new();
    let stream = Stream::open(&mut pair, false, true);
    let (own, peer) = (CallRef::Own(stream.key), CallRef::Peer(stream.id));
    let mut arrived = Vec::new();
    let (mut to_server, mut unread, mut done) = (Vec::new(), Batch::new(), 0);
    for _ in 0..rounds {
        pair.server.inbox.extend(to_server.drain(..));
        pair.server.read(usize::MAX, pair.now);
        let mut to_client = Vec::new();
        loop {
            let mut batch = items([10_000; 10]);
            let all = batch.size();
            pair.server.machine.push_items(peer, &mut batch, pair.now).unwrap();
            to_client.extend(pair.server.write(pair.now));
            if batch.size() == all {
                break;
            }
        }
        arrived.push(to_client.len());
        pair.now += Duration::from_millis(100);
        pair.client.inbox.extend(to_client);
        pair.client.read(usize::MAX, pair.now);
        let mut left = taken;
        while left > 0 {
            if unread.is_empty() {
                let done = std::mem::take(&mut done);
                let Taken::Items(batch) = pair.client.machine.take_items(own, done, pair.now) else { break };
                unread = batch;
            }
            unread.pop();
            done += 10_016;
            left -= 1;
        }
        to_server.extend(pair.client.write(pair.now));
    }
    arrived
}

#[test]
fn a_window_grows_with_the_round_trip_and_not_with_a_slow_reader() {
    let fast = rounds(30, usize::MAX);
    assert!(fast[0] <= 256 << 10, "{fast:?}");
    let settled = fast[20..].iter().sum::<usize>() / 10;
    assert!((3 << 20..=5 << 20).contains(&settled), "4 MiB are the most: {fast:?}");
    let slow = rounds(30, 10);
    assert!(slow[5..].iter().all(|&bytes| bytes <= 256 << 10), "{slow:?}");
}

#[test]
fn an_item_that_is_too_large_says_what_is_known_of_its_call() {
    let mut pair = Pair::fresh(Config::default(), Config { message: 1_000, ..Config::default() });
    let usage = StreamUse { sends: true, takes: false, idle: None, total: None };
    let call = OutgoingCall { stream: Some(usage), ..outgoing(b"x", None) };
    let key = pair.client.machine.call(call, pair.now).unwrap();
    let push = |pair: &mut Pair, size| {
        let now = pair.now;
        pair.client.machine.push_items(CallRef::Own(key), &mut items([size]), now).unwrap_err()
    };
    assert_eq!(push(&mut pair, 32 << 20).delivery(), Delivery::NotSent);
    pair.drive();
    let error = push(&mut pair, 2_000);
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::Unknown));
    assert!(error.message().contains("receiver's message limit of 1000 bytes"), "{error}");
}

#[test]
fn a_large_item_moves_as_long_as_its_parts_leave() {
    let mut pair = Pair::new();
    let stream = Stream::open(&mut pair, false, true);
    let mut batch = items([16 << 20]);
    let (own, peer) = (CallRef::Own(stream.key), CallRef::Peer(stream.id));
    pair.server.machine.push_items(peer, &mut batch, pair.now).unwrap();
    // The client asks for it, and then a segment passes every forty seconds.
    let mut taken = false;
    for _ in 0..400 {
        taken = matches!(pair.client.machine.take_items(own, 0, pair.now), Taken::Items(_));
        if taken {
            break;
        }
        let to_server = pair.client.write(pair.now);
        pair.server.inbox.extend(to_server);
        pair.server.read(usize::MAX, pair.now);
        if let Some(segment) = pair.server.machine.poll_transmit(pair.now) {
            pair.server.machine.handle_written(segment.len(), pair.now);
            pair.client.inbox.extend(segment);
        }
        pair.client.read(usize::MAX, pair.now);
        pair.now += Duration::from_secs(40);
        for end in [&mut pair.client, &mut pair.server] {
            end.machine.handle_deadlines(pair.now);
            end.listen(pair.now);
        }
        assert!(pair.client.ended.is_empty(), "{:?}", pair.client.ended);
    }
    assert_eq!((taken, pair.server.stopped.len()), (true, 0), "{:?}", pair.server.stopped);
}
