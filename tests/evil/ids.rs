//! Frames about calls that are not there, or not so: the tables of docs/PROTOCOL.md, section 5.

use crate::bytes::{
    CANCEL, CREDIT, END, ERROR, ITEM, NIL, REPLY, bare, call, cancel, credit, end, frame, item, joined,
};
use crate::case::Effect::{Error, Goaway, Reply};
use crate::case::{Case, attack, frames, still_carries_calls};
use crate::peer::{Frame, Peer};
use crate::server::Server;

fn fatal(name: &'static str, fault: &'static str, sent: Vec<u8>, words: &'static str) -> Case {
    frames(name, fault, sent, Goaway(13, words))
}

/// `sleep` for a minute.
pub(crate) fn sleep(id: u32) -> Vec<u8> {
    call(id, "sleep", &[0x91, 0xcd, 0xea, 0x60])
}

fn add(id: u32) -> Vec<u8> {
    call(id, "add", &[0x92, 2, 3])
}

fn wrong_ids() -> Vec<Case> {
    let never = "which was never opened";
    vec![
        fatal("a CALL with id 0", "W14", add(0), "id 0"),
        fatal("a CANCEL with id 0", "W14", bare(CANCEL, 0), "id 0"),
        fatal("an ITEM with id 0", "W14", frame(ITEM, 0, 0, [1]), "id 0"),
        fatal("an END with id 0", "W14", frame(END, 0, 0, [NIL]), "id 0"),
        fatal("a CREDIT with id 0", "W14", frame(CREDIT, 0, 0, [1]), "id 0"),
        fatal("a CALL with the other side's parity", "W14", add(2), "wrong end of call 2"),
        fatal("a CANCEL with the other side's parity", "W14", cancel(2), "wrong end of call 2"),
        fatal("a REPLY to one's own call", "W13", frame(REPLY, 0, 1, [NIL, 5]), "wrong end of call 1"),
        fatal(
            "an ERROR for one's own call",
            "W13",
            frame(ERROR, 0, 1, [1, 0xa0, NIL]),
            "wrong end of call 1",
        ),
        fatal("a REPLY to nothing", "W13", frame(REPLY, 0, 2, [NIL, 5]), never),
        fatal("an ERROR for nothing", "W13", frame(ERROR, 0, 2, [1, 0xa0, NIL]), never),
        fatal("a CANCEL of nothing", "W13", cancel(7), never),
        fatal("a CREDIT for nothing", "W13", credit(7, 5), never),
        fatal("a CREDIT for nothing of the other side's", "W13", credit(8, 5), never),
        fatal("an ITEM for nothing", "W13", item(7, &[1]), never),
        fatal("an ITEM for nothing of the other side's", "W13", item(8, &[1]), never),
        fatal("an END of nothing", "W13", end(7), never),
    ]
}

/// Says the first, hears its last frame, says the second, and is heard no more about it.
fn then(server: &Server, first: &[u8], second: &[u8]) -> Frame {
    let mut peer = Peer::shaken(&server.address);
    peer.say(first);
    let answer = peer.hear().expect("an answer");
    peer.say(second);
    still_carries_calls(&mut peer, 99);
    answer
}

fn used_ids() -> Vec<Case> {
    fn late(server: &Server) {
        let late = [cancel(9), credit(9, 5), credit(9, u64::MAX), item(9, &[1]), end(9), add(9), add(7)];
        assert_eq!(then(server, &add(9), &joined(late)).kind, REPLY);
    }
    fn about_gaps(server: &Server) {
        let gaps = [cancel(3), credit(3, 5), item(3, &[1]), end(3), add(3)];
        assert_eq!(then(server, &add(9), &joined(gaps)).kind, REPLY);
    }
    fn over_and_over(server: &Server) {
        let mut peer = Peer::shaken(&server.address);
        peer.say(&joined([sleep(1), cancel(1), cancel(1), cancel(1)]));
        let ended = peer.hear().unwrap();
        assert_eq!((ended.kind, ended.id, ended.values()[0].as_u64()), (ERROR, 1, Some(1)));
        still_carries_calls(&mut peer, 3);
    }
    fn cancelled_at_work(server: &Server) {
        let mut peer = Peer::shaken(&server.address);
        peer.say(&joined([sleep(1), add(3)]));
        assert_eq!(peer.hear().map(|answer| answer.id), Some(3));
        peer.say(&cancel(1));
        let ended = peer.hear().unwrap();
        // A handler was started.
        assert_eq!((ended.kind, ended.flags, ended.id), (ERROR, 0x04, 1));
    }
    vec![
        Case::script("every frame about a call that has ended", "W13", late).starts(2),
        Case::script("every frame about an id that was left out", "W14", about_gaps).starts(2),
        frames("ids that fall", "W14", joined([add(9), add(7), add(5)]), Reply(9, vec![5])),
        fatal("a second CALL for an open call", "W14", joined([sleep(1), add(1)]), "second CALL for call 1"),
        Case::script("a call cancelled three times", "W13", over_and_over).starts(1),
        Case::script("a call cancelled at work", "P5", cancelled_at_work).starts(2),
        Case::script("the highest id there is", "W14", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&add(u32::MAX));
            assert_eq!(peer.hear().map(|answer| (answer.kind, answer.id)), Some((REPLY, u32::MAX)));
            // No further call can be opened, and nothing else is wrong.
            peer.say(&joined([add(1), add(u32::MAX), crate::bytes::ping(1)]));
            assert_eq!(peer.hear().map(|answer| answer.kind), Some(crate::bytes::PONG));
        })
        .starts(1),
    ]
}

/// Names that nobody has.
fn methods() -> Vec<Case> {
    let of = |method: &str| {
        let head = crate::bytes::head(method);
        frame(crate::bytes::CALL, 0, 1, joined([&head[..], &[0x90]]))
    };
    let none =
        |name, method: &str| frames(name, "W20", of(method), Error(1, 12, "")).refused("unknown_method", 1);
    vec![
        none("an empty method name", ""),
        none("a method name that climbs", "../Conformance.add"),
        none("a method name with a NUL", "Conformance.add\0"),
        none("a method name that looks like one", "Сonformance.add"),
        none("a service alone", "Conformance"),
        frames("a method name of 64 KiB", "W20", of(&"n".repeat(65_536)), Error(1, 12, "65536"))
            .refused("too_large", 1),
        frames("a method name of 256 bytes", "W20", of(&"n".repeat(256)), Error(1, 12, ""))
            .refused("unknown_method", 1),
        frames("a method name of 257 bytes", "W20", of(&"n".repeat(257)), Error(1, 12, "257"))
            .refused("too_large", 1),
    ]
}

/// Times left that nobody has.
fn times() -> Vec<Case> {
    let left = |left: &[u8]| {
        let method = crate::bytes::text("Conformance.add");
        frame(crate::bytes::CALL, 0, 1, joined([&method[..], left, &[NIL, 0x92, 2, 3]]))
    };
    let ever = crate::bytes::uint(u64::MAX);
    vec![
        frames("no time left", "W21", left(&[0]), Error(1, 4, "time")).refused("expired", 1),
        frames("all the time there is", "W21", left(&ever), Reply(1, vec![5])),
        frames("no limit of time", "W21", left(&[NIL]), Reply(1, vec![5])),
        fatal("a negative time", "W21", left(&[0xff]), "remaining time"),
        fatal("a time that is a float", "W10", left(&[0xcb, 0, 0, 0, 0, 0, 0, 0, 0]), "remaining time"),
    ]
}

pub(crate) fn table() -> Vec<Case> {
    let mut all = wrong_ids();
    all.extend(used_ids());
    all.extend(methods());
    all.extend(times());
    all
}

#[test]
fn ids_that_are_wrong_cost_their_connection_and_late_ones_nothing() {
    attack(&[], table());
}
