//! Large payloads: parts, grants, budgets, fairness.

use std::time::Duration;

use super::pair::{Pair, by_tag, bytes_of};
use crate::call::{Code, Delivery, Metadata};
use crate::limits;
use crate::proto::{Answer, Config, Refusal};

fn payload(tag: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| if at == 0 { tag } else { (at / 7) as u8 ^ tag }).collect()
}

#[test]
fn payloads_of_every_size_arrive_whole() {
    let mut sizes = vec![0, 1, 100];
    for edge in [limits::INLINE_PAYLOAD, limits::FRAME_SHARED, limits::EAGER, limits::FRAME] {
        sizes.extend([edge - 1, edge, edge + 1, edge + limits::INLINE_PAYLOAD]);
    }
    sizes.push(3_000_000);
    let mut pair = Pair::new();
    for size in sizes {
        let now = pair.now;
        let sent = payload(3, size);
        pair.client.call(&sent, now);
        pair.drive();
        pair.server.echo(now);
        pair.drive();
        assert!(pair.client.outcome().unwrap() == sent, "{size} bytes");
    }
}

#[test]
fn a_large_payload_takes_its_share_of_the_budget_until_it_is_dropped() {
    let limits = Config { assembly: 2_000_000, message: 900_000, ..Config::default() };
    let mut pair = Pair::with(Config::default(), limits);
    let now = pair.now;
    pair.client.call(&payload(1, 800_000), now);
    pair.client.call(&payload(2, 700_000), now);
    pair.drive();
    assert_eq!(pair.server.started.len(), 1, "the second one waits for its grant");
    assert_eq!(pair.server.machine.held_bytes().1, 800_000 + 1);
    let first = pair.server.started.remove(0);
    pair.server.machine.release(first.arguments, now);
    pair.drive();
    assert_eq!(pair.server.started.len(), 1);
    assert_eq!(pair.server.started[0].arguments.bytes()[0], 2);
}

#[test]
fn a_call_that_waits_for_its_grant_can_be_cancelled_and_the_next_one_moves_up() {
    let limits = Config { assembly: 2_000_000, message: 900_000, ..Config::default() };
    let mut pair = Pair::with(Config::default(), limits);
    let now = pair.now;
    pair.client.call(&payload(1, 800_000), now);
    let second = pair.client.call(&payload(2, 700_000), now);
    pair.client.call(&payload(3, 150_000), now);
    pair.drive();
    assert_eq!(pair.server.started.len(), 1, "first come first served");
    pair.client.machine.cancel(second, now);
    pair.drive();
    assert_eq!(by_tag(&pair.server.started).into_keys().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(pair.server.refused, [Refusal::Cancelled]);
}

#[test]
fn large_does_not_block_small() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(&payload(1, 16 << 20), now);
    pair.drive();
    pair.server.echo(now);
    // The reply of 16 MiB is under way; a small call is answered while it is.
    assert!(pair.step() && pair.step());
    pair.client.call(b"small", now);
    let before = pair.sent.1;
    let mut steps = 0;
    while pair.server.started.is_empty() {
        pair.server.writes = false;
        pair.step();
        steps += 1;
        assert!(steps < 4);
    }
    pair.server.echo(now);
    let first = pair.server.machine.poll_transmit(pair.now).unwrap();
    let next = if first.len() > limits::INLINE_PAYLOAD {
        pair.server.machine.poll_transmit(pair.now).unwrap()
    } else {
        first
    };
    assert!(next.windows(5).any(|w| w == b"small"), "the small reply is in the first or second write");
    assert!(pair.sent.1 - before < 4 * limits::FRAME);
}

#[test]
fn a_steady_flow_of_small_calls_does_not_starve_a_large_one() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(&payload(1, 1 << 20), now);
    pair.drive_until_granted();
    let mut written = 0;
    // The small lane is never empty: each write is followed by as many small calls again.
    while !pair.server.started.iter().any(|call| call.arguments.bytes().len() == 1 << 20) {
        while pair.client.machine.backlog() < 2 * limits::SEGMENT
            && pair.client.machine.outbound_calls().0 < 900
        {
            pair.client.call(&payload(2, 1_000), now);
        }
        let Some(segment) = pair.client.machine.poll_transmit(pair.now) else { break };
        written += segment.len();
        pair.client.machine.handle_written(segment.len(), now);
        pair.server.inbox.extend(segment);
        pair.client.writes = false;
        pair.drive();
        while pair.server.started.first().is_some_and(|call| call.arguments.bytes().len() == 1_000) {
            pair.server.echo(now);
        }
        pair.drive();
        assert!(written < 8 << 20, "{written} bytes went by");
    }
}

#[test]
fn two_large_payloads_take_turns() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(&payload(1, 4 << 20), now);
    pair.client.call(&payload(2, 1 << 20), now);
    pair.drive();
    let tags: Vec<u8> = pair.server.started.iter().map(|call| call.arguments.bytes()[0]).collect();
    assert_eq!(tags, [2, 1], "the shorter one is done first, though it came second");
}

#[test]
fn arguments_beyond_the_callees_limit_never_leave() {
    let mut pair = Pair::with(Config::default(), Config { message: 1_000, ..Config::default() });
    let now = pair.now;
    let error = pair.client.try_call(&payload(1, 1_001), Duration::from_secs(1), now).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
    assert!(error.message().contains("1001") && error.message().contains("1000"), "{error}");
    pair.client.call(&payload(1, 1_000), now);
    pair.drive();
    assert_eq!(pair.server.started.len(), 1);
}

#[test]
fn a_call_queued_before_hello_meets_the_limit_when_it_is_known() {
    let mut pair = Pair::fresh(Config::default(), Config { message: 1_000, ..Config::default() });
    let now = pair.now;
    pair.client.call(&payload(1, 1_001), now);
    pair.client.call(b"fits", now);
    pair.drive();
    let error = pair.client.outcome().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
    assert_eq!(pair.server.started.len(), 1);
}

#[test]
fn a_reply_beyond_the_callers_limit_is_an_error_of_its_call_only() {
    let mut pair = Pair::with(Config { message: 1_000, ..Config::default() }, Config::default());
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    let id = pair.server.started.remove(0).id;
    let answer = Answer::Reply { metadata: Metadata::new(), payload: payload(1, 1_001).into() };
    pair.server.machine.answer(id, answer, now);
    pair.drive();
    let error = pair.client.outcome().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::Executed));
    pair.assert_baseline();
}

#[test]
fn cancels_and_deadlines_end_large_payloads_at_every_point() {
    for steps in 0..14 {
        for back in [false, true] {
            let mut pair = Pair::new();
            let now = pair.now;
            let key = pair.client.call(&payload(1, if back { 10 } else { 2 << 20 }), now);
            if back {
                pair.drive();
                let id = pair.server.started.remove(0).id;
                let answer = Answer::Reply { metadata: Metadata::new(), payload: payload(1, 2 << 20).into() };
                pair.server.machine.answer(id, answer, now);
            }
            for _ in 0..steps {
                pair.step();
            }
            if pair.client.ended.is_empty() {
                pair.client.machine.cancel(key, now);
            }
            pair.drive();
            for call in std::mem::take(&mut pair.server.started) {
                let id = call.id;
                pair.server.machine.release(call.arguments, now);
                pair.server.machine.stopped(id, now);
            }
            for (_, outcome) in std::mem::take(&mut pair.client.ended) {
                if let crate::proto::Received::Reply { body, .. } = outcome {
                    pair.client.machine.release(body, now);
                }
            }
            pair.drive();
            pair.assert_baseline();
            // The connection is still in step.
            pair.client.call(b"after", now);
            pair.drive();
            pair.server.echo(now);
            pair.drive();
            assert_eq!(bytes_of(pair.client.ended.remove(0).1).unwrap(), b"after", "{steps} {back}");
        }
    }
}
