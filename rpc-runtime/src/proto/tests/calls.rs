//! Calls from beginning to end: answers, errors, cancels, deadlines, the queue.

use std::time::Duration;

use super::pair::{Pair, bytes_of, outgoing};
use crate::call::{Batch, Code, Deadline, Delivery, Metadata, RpcError};
use crate::proto::{Answer, CallRef, Config, OutgoingCall, Received, Refusal, Stop, StreamUse};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_call_is_answered() {
    let mut pair = Pair::new();
    let now = pair.now;
    let key = pair.client.call(b"hello", now);
    pair.drive();
    assert_eq!(&*pair.server.started[0].method.name, "Echo.echo");
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.ended[0].0, key);
    assert_eq!(pair.client.outcome().unwrap(), b"hello");
    pair.assert_baseline();
}

#[test]
fn both_sides_may_call() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.server.call(b"from the server", now);
    pair.client.call(b"from the client", now);
    pair.drive();
    let (on_client, on_server) = (pair.client.echo(now), pair.server.echo(now));
    assert_eq!((on_client.to_string(), on_server.to_string()), ("2".into(), "1".into()));
    pair.drive();
    assert_eq!(pair.server.outcome().unwrap(), b"from the server");
    assert_eq!(pair.client.outcome().unwrap(), b"from the client");
    pair.assert_baseline();
}

#[test]
fn the_second_use_of_a_name_is_a_few_bytes() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    let before = pair.sent.0;
    pair.client.call(b"x", now);
    pair.drive();
    let bytes = pair.sent.0 - before;
    assert!(bytes <= 18, "{bytes} bytes");
    assert_eq!(pair.server.started[1].method, pair.server.started[0].method);
}

#[test]
fn every_split_of_the_bytes_gives_the_same() {
    for chunk in 1..40 {
        let mut pair = Pair::fresh(Config::default(), Config::default());
        pair.chunk = chunk;
        let now = pair.now;
        pair.client.call(b"split", now);
        pair.drive();
        pair.server.echo(now);
        pair.drive();
        assert_eq!(pair.client.outcome().unwrap(), b"split", "chunks of {chunk}");
    }
    // In two pieces, at each place: what the handshake, the call and the answer are.
    let in_two = |pair: &mut Pair, first: usize| {
        let before = pair.sent;
        pair.chunk = first;
        pair.step();
        pair.chunk = usize::MAX;
        pair.drive();
        (pair.sent.0 - before.0).max(pair.sent.1 - before.1)
    };
    let (mut first, mut longest) = (1, usize::MAX);
    while first < longest {
        let mut pair = Pair::fresh(Config::default(), Config::default());
        let now = pair.now;
        let hello = in_two(&mut pair, first);
        pair.client.call(b"split", now);
        let call = in_two(&mut pair, first);
        pair.server.echo(now);
        let reply = in_two(&mut pair, first);
        assert_eq!(pair.client.outcome().unwrap(), b"split", "split behind {first} bytes");
        (first, longest) = (first + 1, hello.max(call).max(reply));
    }
    assert!(first > 60, "the handshake is longer");
}

#[test]
fn a_call_whose_time_runs_out_says_what_it_waited_for() {
    let one = Config { in_flight: 1, ..Config::default() };
    let mut pair = Pair::with(Config::default(), one);
    let told = |pair: &mut Pair| {
        let error = pair.client.outcome().unwrap_err();
        assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
        (error.delivery(), error.message().rsplit("its time ran out: ").next().unwrap().to_owned())
    };
    pair.client.try_call(b"first", 60_000 * MS, pair.now).unwrap();
    pair.drive();
    pair.client.try_call(b"second", 1_000 * MS, pair.now).unwrap();
    pair.pass(2_000 * MS);
    let place = "1.0s waiting for a place on the connection";
    assert_eq!(told(&mut pair), (Delivery::NotSent, place.to_owned()));

    // The place is free after 300 ms, and the server says nothing more.
    pair.client.try_call(b"third", 1_000 * MS, pair.now).unwrap();
    pair.pass(300 * MS);
    pair.server.echo(pair.now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"first");
    pair.server.writes = false;
    pair.pass(1_000 * MS);
    let sent = "300.0ms in the queue, 700.0ms sent and waiting for the answer";
    assert_eq!(told(&mut pair), (Delivery::Unknown, sent.to_owned()));

    let mut pair = Pair::new();
    pair.server.writes = false;
    pair.client.try_call(&vec![0; 1 << 20], 1_000 * MS, pair.now).unwrap();
    pair.pass(2_000 * MS);
    let (delivery, story) = told(&mut pair);
    assert!(story.ends_with("sending its arguments"), "{story}");
    assert_eq!(delivery, Delivery::NotSent, "nobody has granted the rest");
}

#[test]
fn errors_keep_code_delivery_message_and_metadata() {
    let mut pair = Pair::new();
    let now = pair.now;
    let mut metadata = Metadata::new();
    metadata.set("why", vec![1, 2]).unwrap().sensitive();
    for (delivery, resend) in
        [(Delivery::Refused, true), (Delivery::Refused, false), (Delivery::Executed, false)]
    {
        pair.client.call(b"x", now);
        pair.drive();
        let id = pair.server.started.remove(0).id;
        let error = RpcError::new(Code::from_u16(77), delivery, "because").with_metadata(metadata.clone());
        let error = if resend { error.with_resend() } else { error };
        pair.server.machine.answer(id, Answer::Error(error), now);
        pair.drive();
        let got = pair.client.outcome().unwrap_err();
        assert_eq!((got.code(), got.delivery(), got.message()), (Code::from_u16(77), delivery, "because"));
        assert_eq!((got.is_resend(), got.metadata()), (resend, &metadata));
    }
    pair.assert_baseline();
}

#[test]
fn an_app_error_carries_its_detail() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    let id = pair.server.started.remove(0).id;
    pair.server.machine.answer(
        id,
        Answer::App { metadata: Metadata::new(), detail: b"detail".to_vec().into() },
        now,
    );
    pair.drive();
    let (_, outcome) = pair.client.ended.remove(0);
    assert!(matches!(outcome, Received::App { detail, .. } if detail.bytes() == b"detail"));
}

#[test]
fn a_cancel_in_the_same_batch_prevents_the_start() {
    let mut pair = Pair::new();
    let now = pair.now;
    let key = pair.client.call(b"x", now);
    pair.client.machine.cancel(key, now);
    pair.drive();
    assert!(pair.server.started.is_empty());
    assert_eq!(pair.server.refused, [Refusal::Cancelled]);
    assert!(pair.client.ended.is_empty());
    pair.assert_baseline();
}

#[test]
fn a_cancelled_call_counts_until_its_handler_is_gone() {
    let limits = Config { in_flight: 1, ..Config::default() };
    let mut pair = Pair::with(Config::default(), limits);
    let now = pair.now;
    let first = pair.client.call(b"1", now);
    pair.drive();
    pair.client.machine.cancel(first, now);
    pair.client.call(b"2", now);
    pair.drive();
    let id = pair.server.started.remove(0).id;
    assert_eq!(pair.server.stopped, [(id, Stop::Cancelled)]);
    assert_eq!(pair.client.machine.outbound_calls(), (1, 1), "the second call waits");
    pair.server.machine.stopped(id, now);
    pair.drive();
    assert_eq!(pair.server.started[0].arguments.bytes(), b"2");
}

#[test]
fn a_late_reply_after_a_cancel_reaches_nobody() {
    let mut pair = Pair::new();
    let now = pair.now;
    let first = pair.client.call(b"1", now);
    pair.drive();
    pair.server.echo(now);
    pair.client.machine.cancel(first, now);
    let second = pair.client.call(b"2", now);
    pair.drive();
    pair.server.echo(now);
    pair.drive();
    assert_eq!(pair.client.ended.len(), 1);
    assert_eq!(pair.client.ended[0].0, second);
    assert_eq!(pair.client.outcome().unwrap(), b"2");
    pair.assert_baseline();
}

#[test]
fn a_deadline_ends_the_call_on_both_sides() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.try_call(b"x", 250 * MS, now).unwrap();
    pair.pass(249 * MS);
    assert!(pair.client.ended.is_empty());
    let remaining = pair.server.started[0].deadline.unwrap().remaining(now);
    assert_eq!(remaining, 250 * MS);
    pair.pass(MS);
    let error = pair.client.outcome().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::Unknown));
    // Whichever comes first, the deadline here or the caller's CANCEL.
    assert_eq!(pair.server.stopped.len(), 1);
    let id = pair.server.stopped[0].0;
    pair.server.machine.stopped(id, pair.now);
    pair.drive();
    pair.assert_baseline();
}

#[test]
fn the_callee_drops_a_handler_at_its_deadline_without_being_told() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.try_call(b"x", 250 * MS, now).unwrap();
    pair.drive();
    pair.client.writes = false;
    pair.pass(300 * MS);
    let id = pair.server.started[0].id;
    assert_eq!(pair.server.stopped, [(id, Stop::Expired)]);
    pair.server.machine.stopped(id, pair.now);
    pair.client.writes = true;
    pair.drive();
    pair.assert_baseline();
}

#[test]
fn expired_work_is_not_started() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.server.starts = false;
    pair.client.try_call(b"x", 5 * MS, now).unwrap();
    pair.drive();
    pair.client.writes = false;
    pair.pass(5 * MS);
    pair.server.starts = true;
    pair.drive();
    assert!(pair.server.started.is_empty());
    assert_eq!(pair.server.refused, [Refusal::Expired]);
}

#[test]
fn calls_wait_for_the_peers_hello_under_their_deadline() {
    let mut pair = Pair::fresh(Config::default(), Config::default());
    let now = pair.now;
    pair.client.try_call(b"early", 50 * MS, now).unwrap();
    pair.server.writes = false;
    pair.pass(50 * MS);
    let error = pair.client.outcome().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::NotSent));
    assert!(pair.server.started.is_empty());
    let now = pair.now;
    pair.client.call(b"late", now);
    pair.server.writes = true;
    pair.drive();
    assert_eq!(pair.server.started[0].arguments.bytes(), b"late");
}

#[test]
fn a_full_queue_refuses_before_anything_is_sent() {
    let limits = Config { queue: 2, ..Config::default() };
    let mut pair = Pair::with(limits, Config { in_flight: 1, ..Config::default() });
    let now = pair.now;
    for tag in 0..3 {
        pair.client.call(&[tag], now);
    }
    let error = pair.client.try_call(b"x", MS, now).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
    assert!(error.message().contains("`queue`"), "{error}");
    for tag in 0..3 {
        pair.drive();
        pair.server.echo(now);
        pair.drive();
        assert_eq!(bytes_of(pair.client.ended.remove(0).1).unwrap(), [tag], "in their order");
    }
    pair.assert_baseline();
}

#[test]
fn calls_without_a_deadline_are_possible() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.machine.call(outgoing(b"x", None), now).unwrap();
    pair.pass(Duration::from_secs(3600));
    assert_eq!(pair.server.started[0].deadline, None);
    pair.server.echo(pair.now);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"x");
}

#[test]
fn ids_that_run_out_ask_for_a_fresh_connection() {
    let first_id = Some(crate::limits::LAST_ID - 2);
    let mut pair = Pair::with(Config { first_id, ..Config::default() }, Config::default());
    let now = pair.now;
    let ids: Vec<bool> = (0..4).map(|tag| pair.client.try_call(&[tag], 10 * MS, now).is_ok()).collect();
    pair.drive();
    assert!(pair.client.retired, "{ids:?}");
    let sent = pair.server.started.len();
    assert!(sent >= 1, "calls below the end are sent");
    let refused = ids.iter().filter(|taken| !**taken).count() + pair.client.ended.len();
    assert_eq!(sent + refused, 4);
    for (_, outcome) in pair.client.ended.drain(..) {
        let error = bytes_of(outcome).unwrap_err();
        assert!(error.is_resend());
        assert_eq!(error.delivery(), Delivery::NotSent);
    }
    for _ in 0..sent {
        pair.server.echo(now);
    }
    pair.drive();
    assert_eq!(pair.client.ended.len(), sent, "those that were sent are answered");
}

#[test]
fn the_documents_conversation_is_held() {
    let documented = crate::wire::vectors::documented();
    let (from_client, from_server) = (&documented["conversation-client"], &documented["conversation-server"]);
    let mut pair = Pair::fresh(Config::default(), Config::default());
    let now = pair.now;

    pair.server.inbox.extend(from_client);
    pair.client.writes = false;
    pair.drive();
    let call = pair.server.started.remove(0);
    assert_eq!((&*call.method.name, call.arguments.bytes()), ("Echo.echo", &b"\x91\xa2hi"[..]));
    pair.server.machine.answer(
        call.id,
        Answer::Reply { metadata: Metadata::new(), payload: b"\xa2hi".to_vec().into() },
        now,
    );
    let reply = pair.server.machine.poll_transmit(pair.now).unwrap();
    assert!(from_server.ends_with(&reply), "{reply:02x?}");

    let mut pair = Pair::fresh(Config::default(), Config::default());
    pair.client.call(b"\x91\xa2hi", now);
    pair.server.writes = false;
    // HELLO first: the call has an id, and a reply to it a meaning, only after it.
    let hello = crate::wire::PREFACE.len() + 11;
    pair.client.inbox.extend(&from_server[..hello]);
    pair.drive();
    pair.client.inbox.extend(&from_server[hello..]);
    pair.drive();
    assert_eq!(pair.client.outcome().unwrap(), b"\xa2hi");
}

/// The server's half asserts bytes, the client's half events.
#[test]
fn the_documents_countdown_is_held() {
    let documented = crate::wire::vectors::documented();
    let (from_client, from_server) = (&documented["countdown-client"], &documented["countdown-server"]);
    let mut pair = Pair::fresh(Config::default(), Config::default());
    let now = pair.now;

    pair.server.inbox.extend(from_client);
    pair.client.writes = false;
    pair.drive();
    let call = pair.server.started.remove(0);
    assert_eq!((&*call.method.name, call.arguments.bytes()), ("Clock.countdown", &[0x91, 2][..]));
    let idle = Some(60_000 * MS);
    assert_eq!(call.stream.as_deref(), Some(&StreamUse { sends: false, takes: true, idle, total: None }));
    pair.server.machine.open_stream(call.id, &Metadata::new(), now);
    let mut items = Batch::new();
    items.push(&[2]);
    items.push(&[1]);
    pair.server.machine.push_items(CallRef::Peer(call.id), &mut items, now).unwrap();
    pair.server.machine.answer(call.id, Answer::End { metadata: Metadata::new() }, now);
    let mut said = Vec::new();
    while let Some(segment) = pair.server.machine.poll_transmit(now) {
        said.extend(segment);
    }
    // An empty HELLO stands for the one that this server has sent before.
    let hello = crate::wire::PREFACE.len() + 11;
    assert_eq!(said, from_server[hello..], "written (left) is not what the document says (right)");
    assert_eq!(pair.server.machine.inbound_calls(), 0);

    let mut pair = Pair::fresh(Config::default(), Config::default());
    let usage = StreamUse { sends: false, takes: true, idle, total: None };
    let deadline = Some(Deadline::after(now, 10_000 * MS));
    let asked = OutgoingCall {
        method: "Clock.countdown".into(),
        stream: Some(usage),
        ..outgoing(&[0x91, 2], deadline)
    };
    let key = pair.client.machine.call(asked, now).unwrap();
    pair.server.writes = false;
    pair.client.inbox.extend(&from_server[..hello]);
    pair.drive();
    pair.client.inbox.extend(&from_server[hello..]);
    let (before, _) = pair.sent;
    pair.drive();
    assert_eq!(pair.client.opened, [key]);
    let mut unread = pair.client.unread_items.remove(0);
    for item in [[2], [1]] {
        assert_eq!(unread.first(), Some(&item[..]));
        unread.pop();
    }
    assert!(unread.is_empty() && pair.client.unread_items.is_empty());
    let (ended, outcome) = pair.client.ended.remove(0);
    assert!(matches!(outcome, Received::End { .. }), "{outcome:?}");
    assert_eq!((ended, pair.sent.0), (key, before), "there is no credit to return");
    pair.client.machine.assert_empty();
}

#[test]
fn deadlines_are_kept_out_of_turn_and_nothing_else_is() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.try_call(b"x", 250 * MS, now).unwrap();
    pair.drive();
    assert_eq!(pair.client.machine.deadline_timeout(), Some(now + 250 * MS));
    pair.stand_still(249 * MS);
    assert!(pair.client.ended.is_empty() && pair.server.stopped.is_empty());
    // Silence for a minute would be the end of the connection, had anybody had the chance to read.
    pair.stand_still(60_000 * MS);
    assert_eq!(pair.client.outcome().unwrap_err().code(), Code::DEADLINE_EXCEEDED);
    assert_eq!(pair.server.stopped[0].1, Stop::Expired);
    assert_eq!(pair.client.machine.deadline_timeout(), None);
    assert!(pair.client.closed.is_none() && pair.server.closed.is_none());
}
