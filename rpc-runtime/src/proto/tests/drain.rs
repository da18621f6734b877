//! GOAWAY and the ends of connections: what is accepted finishes, what is not may be sent again, what is cut says so.

use std::time::Duration;

use super::pair::{Pair, bytes_of};
use crate::call::{Code, Delivery, RpcError};
use crate::limits;
use crate::proto::{Config, ConnectionError, Refusal, Stop};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn accepted_calls_finish_and_later_ones_are_handed_back() {
    let mut pair = Pair::new();
    let now = pair.now;
    let first = pair.client.call(b"accepted", now);
    pair.drive();
    pair.server.machine.drain("bye", now);
    let second = pair.client.call(b"too late", now);
    // The second call is on its way when the GOAWAY is read.
    pair.drive();
    assert_eq!((pair.server.started.len(), &pair.server.refused[..]), (1, &[Refusal::Draining][..]));
    let (key, outcome) = pair.client.ended.remove(0);
    let error = bytes_of(outcome).unwrap_err();
    assert_eq!((key, error.code(), error.delivery()), (second, Code::UNAVAILABLE, Delivery::Refused));
    assert!(error.is_resend() && error.message().contains("bye"), "{error}");
    assert!(pair.client.retired && !pair.client.machine.takes_calls());
    assert!(pair.client.closed.is_none());
    assert_eq!((pair.client.leaves, pair.server.leaves), (0, 1), "who has said GOAWAY is told so, once");

    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.ended[0].0, first);
    assert_eq!(pair.client.outcome().unwrap(), b"accepted");
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
    pair.assert_baseline();
}

#[test]
fn calls_after_a_goaway_are_refused_here_and_may_be_sent_elsewhere() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.server.call(b"holds the connection", now);
    pair.drive();
    pair.server.machine.drain("bye", now);
    pair.drive();
    let error = pair.client.try_call(b"x", SECOND, now).unwrap_err();
    assert_eq!((error.delivery(), error.is_resend()), (Delivery::NotSent, true));
    let error = pair.server.try_call(b"x", SECOND, now).unwrap_err();
    assert!(error.is_resend(), "no handler can have made this call: {error}");
}

#[test]
fn a_draining_server_calls_back_until_its_last_accepted_call_is_answered() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"1", now);
    pair.client.call(b"2", now);
    pair.drive();
    pair.server.machine.drain("bye", now);
    pair.drive();
    assert!(pair.client.retired && !pair.server.retired);
    pair.server.call(b"for the first", now);
    pair.drive();
    pair.client.echo(now);
    pair.drive();
    assert_eq!(pair.server.outcome().unwrap(), b"for the first");
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"1");
    // Under way when the last answer is framed, and in front of it.
    pair.server.call(b"for the second", now);
    pair.server.echo(now);
    assert!(!pair.server.machine.takes_calls());
    assert!(pair.server.try_call(b"too late", SECOND, now).unwrap_err().is_resend());
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"2");
    assert!(pair.server.retired && pair.client.closed.is_none() && pair.server.closed.is_none());
    pair.client.echo(now);
    pair.drive();
    assert_eq!(pair.server.outcome().unwrap(), b"for the second");
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
    pair.assert_baseline();
}

#[test]
fn no_call_is_framed_behind_the_last_part_of_the_last_answer() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(&vec![7; 1 << 20], now);
    pair.drive();
    pair.server.machine.drain("bye", now);
    pair.server.echo(now);
    assert!(pair.server.machine.takes_calls(), "the answer goes on");
    let mut segments = Vec::new();
    for _ in 0..1_000 {
        while let Some(segment) = pair.server.machine.poll_transmit(now) {
            segments.push(segment);
        }
        if pair.server.machine.inbound_calls() == 0 {
            break;
        }
        // The rest of the answer waits for its grant.
        for segment in segments.drain(..) {
            pair.server.machine.handle_written(segment.len(), now);
            pair.client.inbox.extend(segment);
        }
        pair.client.read(usize::MAX, now);
        let granted = pair.client.write(now);
        pair.server.inbox.extend(granted);
        pair.server.read(usize::MAX, now);
    }
    // All of it is framed and nothing of that is said to be written: the call is over, and nobody was told so yet.
    assert_eq!(pair.server.machine.inbound_calls(), 0);
    assert!(pair.server.try_call(b"x", SECOND, now).unwrap_err().is_resend());
    for segment in segments {
        pair.server.machine.handle_written(segment.len(), now);
        pair.client.inbox.extend(segment);
    }
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap().len(), 1 << 20);
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
}

#[test]
fn queued_callbacks_are_sent_in_their_turn_while_the_server_drains() {
    let mut pair = Pair::with(Config { in_flight: 1, ..Config::default() }, Config::default());
    let now = pair.now;
    pair.client.call(b"asks", now);
    pair.drive();
    pair.server.machine.drain("bye", now);
    pair.server.call(b"1", now);
    pair.server.call(b"2", now);
    pair.drive();
    for expected in [b"1", b"2"] {
        pair.client.echo(now);
        pair.drive();
        assert_eq!(pair.server.outcome().unwrap(), expected);
    }
    pair.server.call(b"3", now);
    pair.server.call(b"of no use any more", now);
    pair.server.echo(now);
    pair.drive();
    let error = pair.server.outcome().unwrap_err();
    assert_eq!((error.delivery(), error.is_resend()), (Delivery::NotSent, true), "{error}");
    pair.client.echo(now);
    pair.drive();
    assert_eq!(pair.server.outcome().unwrap(), b"3");
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
    pair.assert_baseline();
}

#[test]
fn a_draining_client_is_called_back_until_the_calls_that_it_had_made_are_over() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"asks", now);
    pair.drive();
    pair.client.machine.drain("bye", now);
    pair.drive();
    assert!(!pair.server.retired && pair.client.leaves == 0, "the client has not said GOAWAY");
    pair.server.call(b"back", now);
    pair.drive();
    // The handler of that call makes one in its turn.
    pair.now += SECOND;
    let now = pair.now;
    pair.client.call(b"and forth", now);
    pair.drive();
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"asks");
    assert!(pair.server.retired && !pair.client.retired, "that was all it had made before");
    assert!(pair.server.try_call(b"x", SECOND, now).unwrap_err().is_resend());
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"and forth");
    pair.client.echo(now);
    pair.drive();
    assert_eq!(pair.server.outcome().unwrap(), b"back");
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
    pair.assert_baseline();
}

#[test]
fn a_draining_client_waits_for_no_call_that_it_has_given_up() {
    let mut pair = Pair::new();
    let now = pair.now;
    let key = pair.client.call(b"asks", now);
    pair.drive();
    pair.client.machine.drain("bye", now);
    pair.client.machine.cancel(key, now);
    pair.drive();
    assert!(pair.server.retired);
    assert!(pair.server.try_call(b"back", SECOND, now).unwrap_err().is_resend());
    let id = pair.server.started[0].id;
    pair.server.machine.stopped(id, now);
    pair.drive();
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
}

#[test]
fn what_a_callback_calls_at_a_draining_server_is_refused() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"asks", now);
    pair.drive();
    pair.server.machine.drain("bye", now);
    pair.server.call(b"back", now);
    pair.drive();
    let error = pair.client.try_call(b"and forth", SECOND, now).unwrap_err();
    assert_eq!((error.delivery(), error.is_resend()), (Delivery::NotSent, true));
    pair.client.echo(now);
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.server.outcome().unwrap(), b"back");
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
}

#[test]
fn queued_calls_are_handed_back_as_never_sent() {
    let mut pair = Pair::with(Config::default(), Config { in_flight: 1, ..Config::default() });
    let now = pair.now;
    pair.client.call(b"1", now);
    pair.client.call(b"2", now);
    pair.drive();
    pair.server.machine.drain("bye", now);
    pair.drive();
    let error = pair.client.outcome().unwrap_err();
    assert_eq!((error.delivery(), error.is_resend()), (Delivery::NotSent, true));
}

#[test]
fn an_idle_connection_drains_at_once() {
    let mut pair = Pair::new();
    pair.server.machine.drain("bye", pair.now);
    pair.drive();
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
}

#[test]
fn both_sides_may_drain_at_once() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"c", now);
    pair.server.call(b"s", now);
    pair.drive();
    pair.client.machine.drain("client", now);
    pair.server.machine.drain("server", now);
    pair.drive();
    pair.client.echo(now);
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"c");
    assert_eq!(pair.server.outcome().unwrap(), b"s");
    assert_eq!((&pair.client.closed, &pair.server.closed), (&Some(None), &Some(None)));
}

#[test]
fn a_drained_reply_of_many_frames_is_not_cut() {
    let mut pair = Pair::new();
    let now = pair.now;
    let large = vec![7; 5 << 20];
    pair.client.call(&large, now);
    pair.drive();
    pair.server.machine.drain("bye", now);
    pair.server.echo(now);
    pair.drive();
    assert!(pair.client.outcome().unwrap() == large);
    assert_eq!(pair.server.closed, Some(None));
}

#[test]
fn a_lost_connection_says_of_each_call_what_is_known() {
    let mut pair = Pair::with(Config::default(), Config { in_flight: 2, ..Config::default() });
    let now = pair.now;
    let sent = pair.client.call(b"sent", now);
    pair.drive();
    pair.client.writes = false;
    let framed = pair.client.call(b"framed", now);
    let queued = pair.client.call(b"queued", now);
    pair.step();
    pair.client.machine.handle_transport_error(ConnectionError::Transport("reset".into()), now);
    pair.client.listen(now);
    let mut deliveries: Vec<_> = pair
        .client
        .ended
        .drain(..)
        .map(|(key, outcome)| {
            let error: RpcError = bytes_of(outcome).unwrap_err();
            assert_eq!(error.code(), Code::UNAVAILABLE);
            (key, error.delivery(), error.is_resend())
        })
        .collect();
    deliveries.sort_by_key(|(key, ..)| *key);
    assert_eq!(
        deliveries,
        [
            (sent, Delivery::Unknown, false),
            (framed, Delivery::NotSent, true),
            (queued, Delivery::NotSent, true)
        ]
    );
    assert_eq!(pair.client.cause(), "reset");
}

#[test]
fn a_call_half_given_to_the_socket_is_not_sent() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"hello", now);
    let segment = pair.client.machine.poll_transmit(pair.now).unwrap();
    pair.client.machine.handle_written(segment.len() - 1, now);
    pair.client.machine.handle_transport_error(ConnectionError::Transport("reset".into()), now);
    pair.client.listen(now);
    assert_eq!(pair.client.outcome().unwrap_err().delivery(), Delivery::NotSent);

    let mut pair = Pair::new();
    pair.client.call(b"hello", now);
    let segment = pair.client.machine.poll_transmit(pair.now).unwrap();
    pair.client.machine.handle_written(segment.len(), now);
    pair.client.machine.handle_transport_error(ConnectionError::Transport("reset".into()), now);
    pair.client.listen(now);
    assert_eq!(pair.client.outcome().unwrap_err().delivery(), Delivery::Unknown);
}

#[test]
fn handlers_are_dropped_when_the_connection_is_lost() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    let id = pair.server.started[0].id;
    pair.server.machine.handle_eof(now);
    pair.server.listen(now);
    assert_eq!(pair.server.stopped, [(id, Stop::Lost)]);
    assert_eq!(pair.server.closed, Some(Some(ConnectionError::Closed)));
}

#[test]
fn an_idle_connection_that_the_peer_closes_ends_in_order() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.server.machine.handle_eof(now);
    pair.server.listen(now);
    assert_eq!(pair.server.closed, Some(None));
}

#[test]
fn a_forced_close_tells_the_peer_why() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    pair.server.machine.close_now("the grace is over", now);
    pair.drive();
    let error = pair.client.outcome().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::Executed));
    assert!(error.message().contains("the grace is over"), "{error}");
    assert_eq!(error.detail(), Some(RpcError::GOING_AWAY));
    assert_eq!(pair.server.stopped[0].1, Stop::Lost);
    assert!(pair.server.closed.is_some() && pair.client.closed.is_some());
}

#[test]
fn what_a_forced_close_finds_unstarted_is_counted_as_refused() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"started", now);
    pair.drive();
    pair.server.starts = false;
    pair.client.call(b"waits", now);
    pair.client.call(&vec![0; 1 << 20], now);
    pair.drive();
    pair.server.machine.close_now("enough", now);
    pair.drive();
    assert_eq!(pair.server.refused, [Refusal::Draining; 2]);
    let mut deliveries: Vec<_> =
        pair.client.ended.drain(..).map(|(_, end)| bytes_of(end).unwrap_err().delivery()).collect();
    deliveries.sort_by_key(|delivery| format!("{delivery}"));
    assert_eq!(deliveries, [Delivery::Executed, Delivery::Refused, Delivery::Refused]);
}

#[test]
fn a_farewell_that_nobody_takes_does_not_hold_the_connection() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.server.writes = false;
    pair.server.machine.close_now("bye", now);
    pair.pass(limits::FAREWELL - Duration::from_millis(1));
    assert!(pair.server.closed.is_none());
    pair.pass(Duration::from_millis(1));
    assert!(pair.server.closed.is_some());
}
