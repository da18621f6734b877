//! Every order in which a stream's last item and all of its possible ends can come: the first end decides, and whatever
//! comes after it changes nothing.

use std::time::Duration;

use super::abuse::{bare, stranger};
use super::pair::{Pair, bytes_of, outgoing};
use super::table::{BOTH, call, end, error, item, open};
use crate::call::{Code, Deadline, Delivery, Metadata};
use crate::proto::{Answer, CallRef, ConnectionError, OutgoingCall, Stop, StreamUse, Taken};
use crate::wire::{Flags, Kind};

/// What happens to a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Happens {
    Item,
    End,
    /// The callee's error arrives; at the callee, its handler ends.
    Answer,
    Cancel,
    Idle,
    Lost,
}

use Happens::{Answer as A, Cancel, End, Idle, Item, Lost};

/// All orders of what happens.
fn orders(of: &[Happens]) -> Vec<Vec<Happens>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, &first) in of.iter().enumerate() {
        let rest = [&of[..at], &of[at + 1..]].concat();
        all.extend(orders(&rest).into_iter().map(|order| [&[first][..], &order].concat()));
    }
    all
}

#[test]
fn the_first_end_that_reaches_a_caller_decides() {
    // What the application is told; a call that it gave up tells it nothing.
    let told = |first: Happens| match first {
        End => Some(Ok(b"end".to_vec())),
        A => Some(Err((Code::INTERNAL, Delivery::Refused))),
        Idle => Some(Err((Code::DEADLINE_EXCEEDED, Delivery::Executed))),
        Lost => Some(Err((Code::UNAVAILABLE, Delivery::Executed))),
        _ => None,
    };
    for order in orders(&[Item, End, A, Cancel, Idle, Lost]) {
        let mut pair = Pair::new();
        let idle = Some(Duration::from_secs(5));
        let usage = StreamUse { sends: true, takes: true, idle, total: None };
        let deadline = Some(Deadline::after(pair.now, Duration::from_secs(10)));
        let request = OutgoingCall { stream: Some(usage), ..outgoing(b"x", deadline) };
        let key = pair.client.machine.call(request, pair.now).expect("it is taken");
        pair.server.writes = false;
        pair.client.inbox.extend(open(1));
        pair.drive();
        for &next in &order {
            match next {
                Item => pair.client.inbox.extend(item(1)),
                End => pair.client.inbox.extend(end(1)),
                A => pair.client.inbox.extend(error(1, Flags::NONE, None)),
                // An application gives up what has not ended: its key may be another call's by then.
                Cancel if pair.client.ended.is_empty() => pair.client.machine.cancel(key, pair.now),
                Cancel => {}
                Idle => pair.pass(Duration::from_secs(6)),
                Lost => pair.client.machine.handle_transport_error(ConnectionError::Closed, pair.now),
            }
            pair.drive();
        }
        let first = order.iter().position(|&next| next != Item).expect("there are ends");
        let got = pair
            .client
            .ended
            .pop()
            .map(|(_, outcome)| bytes_of(outcome).map_err(|error| (error.code(), error.delivery())));
        assert_eq!(got, told(order[first]), "{order:?}");
        assert!(pair.client.ended.is_empty(), "{order:?}: a call ends once");
        let unread = order[..first].contains(&Item) && order[first] != Cancel;
        assert_eq!(pair.client.unread_items.len(), usize::from(unread), "{order:?}: items before the end");
        pair.client.machine.assert_empty();
    }
}

#[test]
fn the_first_end_that_reaches_a_callee_decides() {
    for order in orders(&[Item, End, A, Cancel, Idle, Lost]) {
        let at = |what: Happens| order.iter().position(|&next| next == what).expect("all are there");
        let first = [A, Cancel, Idle, Lost].map(at).into_iter().min().expect("there are ends");
        if at(End) < at(Item) && at(Item) < first {
            // An item after the end of items is a fault of its sender (see `table`).
            continue;
        }
        let mut pair = stranger();
        pair.inject(&call(1, BOTH, None));
        let id = pair.server.started[0].id;
        pair.server.machine.open_stream(id, &Metadata::new(), pair.now);
        let (mut items, mut ended) = (0, false);
        for (nth, &next) in order.iter().enumerate() {
            match next {
                Item => pair.server.inbox.extend(item(1)),
                End => pair.server.inbox.extend(end(1)),
                A => pair.server.machine.answer(id, Answer::End { metadata: Metadata::new() }, pair.now),
                Cancel => pair.server.inbox.extend(bare(Kind::Cancel, 1)),
                // The stranger is silent for so long that the connection is over too.
                Idle => pair.pass(Duration::from_secs(61)),
                Lost => pair.server.machine.handle_transport_error(ConnectionError::Closed, pair.now),
            }
            pair.drive();
            for _ in 0..2 {
                match pair.server.machine.take_items(CallRef::Peer(id), 0, pair.now) {
                    Taken::Items(_) => items += 1,
                    Taken::End => ended = true,
                    Taken::Nothing | Taken::Gone => {}
                }
            }
            assert!(!ended || at(End) <= nth && at(End) < first, "{order:?}: truncation is never an end");
        }
        assert_eq!(items, usize::from(at(Item) < first), "{order:?}: items before the end");
        assert_eq!(ended, at(End) < first, "{order:?}: the end of the items before the call's");
        let why = pair.server.stopped.first().map(|(_, why)| *why);
        match order[first] {
            A => assert_eq!(why, None, "{order:?}: nobody stops a handler that has ended"),
            Cancel => assert_eq!(why, Some(Stop::Cancelled), "{order:?}"),
            Lost => assert_eq!(why, Some(Stop::Lost), "{order:?}"),
            // The silence may end the connection before the stream: both are ends of it.
            _ => assert!(matches!(why, Some(Stop::Idle | Stop::Lost)), "{order:?}: {why:?}"),
        }
        pair.server.machine.stopped(id, pair.now);
        pair.drive();
        pair.server.machine.assert_empty();
    }
}
