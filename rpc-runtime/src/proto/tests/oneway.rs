//! Oneway calls: written is told once, in order, and never of a call that is over.

use std::time::Duration;

use super::pair::{Pair, bytes_of};
use crate::call::{Code, Delivery, RpcError};
use crate::proto::{Answer, Config, ConnectionError, Event};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn oneway_calls_are_written_in_their_order_and_end_later() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.server.starts = false;
    let first = pair.client.tell(b"1", now);
    pair.client.call(b"2", now);
    let third = pair.client.tell(b"3", now);
    pair.client.listen(now);
    assert!(pair.client.written.is_empty(), "nothing has been written yet");
    pair.drive();
    assert_eq!(pair.client.written, [first, third]);
    assert!(pair.client.ended.is_empty(), "nothing has been answered yet");
    assert_eq!(pair.client.machine.outbound_calls().0, 3, "they count until they are answered");
    pair.server.starts = true;
    pair.drive();
    for _ in 0..3 {
        pair.server.echo(now);
    }
    pair.drive();
    assert_eq!((pair.client.ended.len(), pair.client.written.len()), (3, 2));
    pair.assert_baseline();
}

#[test]
fn a_segment_that_is_taken_in_parts_is_written_with_its_last_byte() {
    let mut pair = Pair::new();
    let now = pair.now;
    let key = pair.client.tell(b"x", now);
    let segment = pair.client.machine.poll_transmit(pair.now).unwrap();
    for _ in 1..segment.len() {
        pair.client.machine.handle_written(1, now);
        assert!(pair.client.machine.poll_event().is_none());
    }
    pair.client.machine.handle_written(1, now);
    assert!(
        matches!(pair.client.machine.poll_event(), Some(Event::Written { key: written }) if written == key)
    );
}

#[test]
fn a_large_one_is_written_when_its_last_part_is() {
    let mut pair = Pair::new();
    let now = pair.now;
    let large = pair.client.tell(&vec![7; 3 << 20], now);
    let small = pair.client.tell(b"small", now);
    pair.drive_until_granted();
    pair.client.listen(now);
    assert_eq!(pair.client.written, [small], "the large one waits for its grant, and for nobody else");
    pair.drive();
    assert_eq!(pair.client.written, [small, large]);
    let sizes: Vec<_> = pair.server.started.iter().map(|call| call.arguments.bytes().len()).collect();
    assert_eq!(sizes, [5, 3 << 20]);
    pair.server.echo(now);
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.ended.len(), 2);
}

#[test]
fn a_queued_one_is_written_in_its_turn() {
    let mut pair = Pair::with(Config::default(), Config { in_flight: 1, ..Config::default() });
    let now = pair.now;
    let first = pair.client.tell(b"1", now);
    let second = pair.client.tell(b"2", now);
    pair.drive();
    assert_eq!(pair.client.written, [first]);
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.written, [first, second]);
}

#[test]
fn one_that_is_cancelled_before_it_is_written_is_not_told_of() {
    for size in [1, 1 << 20] {
        let mut pair = Pair::new();
        let now = pair.now;
        let key = pair.client.tell(&vec![7; size], now);
        pair.client.machine.cancel(key, now);
        pair.drive();
        assert!(pair.client.written.is_empty() && pair.client.ended.is_empty());
        pair.assert_baseline();
    }
}

#[test]
fn one_whose_time_is_over_before_it_is_written_only_ends() {
    let mut pair = Pair::new();
    pair.client.writes = false;
    pair.client.tell(b"x", pair.now);
    pair.pass(10 * SECOND);
    assert_eq!(pair.client.outcome().unwrap_err().code(), Code::DEADLINE_EXCEEDED);
    pair.client.writes = true;
    pair.drive();
    assert!(pair.client.written.is_empty());
    pair.assert_baseline();
}

#[test]
fn one_that_is_cut_before_its_last_part_is_written_only_ends() {
    let mut pair = Pair::with(Config::default(), Config { eager: 0, ..Config::default() });
    let now = pair.now;
    pair.client.tell(&[7; 100], now);
    pair.step();
    pair.client.writes = false;
    // The first frame is at the server, the rest waits for its grant.
    pair.server.machine.close_now("bye", now);
    pair.step();
    pair.client.listen(now);
    assert!(pair.client.written.is_empty());
    assert!(pair.client.outcome().unwrap_err().delivery() != Delivery::Executed);
    pair.client.machine.assert_empty();
}

#[test]
fn a_connection_that_is_lost_before_says_not_sent_and_after_says_unknown() {
    for written in [false, true] {
        let mut pair = Pair::new();
        let now = pair.now;
        pair.client.writes = written;
        let key = pair.client.tell(b"x", now);
        pair.step();
        pair.client.listen(now);
        assert_eq!(pair.client.written, if written { vec![key] } else { vec![] });
        pair.client.machine.handle_transport_error(ConnectionError::Transport("reset".into()), now);
        pair.client.listen(now);
        let expected = if written { Delivery::Unknown } else { Delivery::NotSent };
        assert_eq!(pair.client.outcome().unwrap_err().delivery(), expected);
        pair.client.machine.assert_empty();
    }
}

#[test]
fn one_that_is_refused_after_it_was_written_is_handed_back_as_it_was() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.tell(b"same bytes", now);
    pair.drive();
    let id = pair.server.started.remove(0).id;
    let refused = RpcError::new(Code::UNAVAILABLE, Delivery::Refused, "elsewhere").with_resend();
    pair.server.machine.answer(id, Answer::Error(refused), now);
    let to_client = pair.server.machine.poll_transmit(pair.now).unwrap();
    pair.client.machine.handle_read(&to_client, now);
    let Some(Event::Ended { outcome, unseen: Some(call), .. }) = pair.client.machine.poll_event() else {
        panic!("it ends, and comes back")
    };
    assert!(call.oneway && call.arguments.bytes() == b"same bytes");
    assert!(bytes_of(outcome).unwrap_err().is_resend());
}
