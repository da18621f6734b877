//! Frames that are none, and frames that nobody knows: lengths, kinds, flags and the bodies of those about the connection.

use crate::bytes::{
    CALL, CANCEL, CREDIT, END, ERROR, GOAWAY, HELLO, ITEM, LONGEST, MORE, NAME, NIL, OPEN, PING, PONG, REPLY,
    SENDS, TAKES, bare, call, frame, goaway, head, joined, name, ping, text, uint,
};
use crate::case::Effect::{Error, Goaway, Ignored, Reply};
use crate::case::{Case, attack, frames, still_carries_calls};
use crate::peer::Peer;
use crate::server::Server;

fn fatal(name: &'static str, fault: &'static str, sent: Vec<u8>, words: &'static str) -> Case {
    frames(name, fault, sent, Goaway(13, words))
}

fn lengths() -> Vec<Case> {
    let length = |length: u32| length.to_be_bytes().to_vec();
    vec![
        fatal("length 0", "W3", length(0), "a frame of length 0"),
        fatal("length 1", "W3", length(1), "a frame of length 1"),
        fatal("length 5", "W3", length(5), "a frame of length 5"),
        fatal("one byte more than a frame may have", "W3", length(LONGEST + 1), "length 262209"),
        fatal("length 2^31", "W3", length(1 << 31), "length 2147483648"),
        fatal("length 2^32 - 1", "W3", length(u32::MAX), "length 4294967295"),
        frames("a frame of all the length there is", "W3", frame(0x80, 0, 0, vec![0; 262_202]), Ignored),
    ]
}

fn kinds() -> Vec<Case> {
    let unknown = |name, kind: u8, words| frames(name, "W12", bare(kind, 0), Goaway(12, words));
    vec![
        unknown("kind 0", 0x00, "kind 0x00"),
        unknown("kind 13", 0x0d, "kind 0x0d"),
        unknown("the last kind that may not be skipped", 0x7f, "kind 0x7f"),
        frames("the first kind that may", "W12", bare(0x80, 0), Ignored),
        frames("the last one, with all flags and any id", "W12", frame(0xff, 0xff, 7, [0xc1; 99]), Ignored),
    ]
}

fn flags() -> Vec<Case> {
    let add = |flags| frame(CALL, flags, 1, joined([&head("Conformance.add")[..], &[0x92, 2, 3]]));
    vec![
        fatal("a CALL with a flag of later versions", "W12", add(0x80), "flags 0x80"),
        fatal("a CALL with OPEN", "W12", add(OPEN), "flags 0x10"),
        fatal("NAME in parts", "W12", frame(NAME, MORE, 0, [0]), "flags 0x01"),
        fatal("CANCEL in parts", "W12", frame(CANCEL, MORE, 1, []), "flags 0x01"),
        fatal("CREDIT in parts", "W12", frame(CREDIT, MORE, 1, [1]), "flags 0x01"),
        fatal("END in parts", "W12", frame(END, MORE, 1, [NIL]), "flags 0x01"),
        fatal("PING in parts", "W12", frame(PING, MORE, 0, [1]), "flags 0x01"),
        fatal("GOAWAY in parts", "W12", frame(GOAWAY, MORE, 0, [0, 0, 0xa0]), "flags 0x01"),
        fatal("an ITEM with SENDS", "W12", frame(ITEM, SENDS, 1, [1]), "flags 0x20"),
        fatal("an ITEM that opens and goes on", "W12", frame(ITEM, OPEN | MORE, 1, [NIL]), "flags 0x11"),
        fatal("a REPLY with TAKES", "W12", frame(REPLY, TAKES, 2, [NIL, 1]), "flags 0x40"),
        fatal(
            "an ERROR in parts without a detail",
            "W12",
            frame(ERROR, MORE, 2, [1, 0xa0, NIL]),
            "flags 0x01",
        ),
        fatal(
            "an ERROR that started and may be resent",
            "W12",
            frame(ERROR, 0x0c, 2, [1, 0xa0, NIL]),
            "flags 0x0c",
        ),
        fatal(
            "an ERROR of the service that may be resent",
            "W12",
            frame(ERROR, 0x0a, 2, [1, 0xa0, NIL, 1]),
            "flags 0x0a",
        ),
    ]
}

/// Frames about the connection.
fn about_the_connection() -> Vec<Case> {
    vec![
        fatal("a PING for a call", "W14", frame(PING, 0, 1, [1]), "id 1"),
        fatal("a PONG for a call", "W14", frame(PONG, 0, 1, [1]), "id 1"),
        fatal("a GOAWAY for a call", "W14", frame(GOAWAY, 0, 1, [0, 0, 0xa0]), "id 1"),
        fatal("a HELLO for a call", "W14", frame(HELLO, 0, 1, [0x80]), "id 1"),
        fatal("a PING without a number", "W6", bare(PING, 0), "ends inside its number"),
        fatal("a PING with a negative number", "W10", frame(PING, 0, 0, [0xff]), "byte 0xff"),
        fatal("a PING with a float", "W10", frame(PING, 0, 0, [0xca, 0, 0, 0, 0]), "byte 0xca"),
        fatal("a PONG with a text", "W10", frame(PONG, 0, 0, text("x")), "byte 0xa1"),
        frames("a PONG that nobody asked for", "W13", frame(PONG, 0, 0, uint(u64::MAX)), Ignored),
        fatal("a GOAWAY that is cut", "W6", frame(GOAWAY, 0, 0, [0, 0]), "ends inside"),
        fatal("a GOAWAY with a negative last", "W10", frame(GOAWAY, 0, 0, [0xff, 0, 0xa0]), "byte 0xff"),
        fatal("a GOAWAY that is not UTF-8", "W10", frame(GOAWAY, 0, 0, [0, 0, 0xa1, 0xff]), "UTF-8"),
        Case::script("a GOAWAY beyond all ids", "W10", |server| {
            // No id is a `u64`: it cannot be meant.
            told(server, &goaway(u64::MAX, 0), 13);
        })
        .starts(0),
        Case::script("a GOAWAY with a code", "W13", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined([goaway(0, 13), call(1, "add", &[0x92, 2, 3])]));
            peer.hear_end();
        })
        .starts(0),
        Case::script("an orderly GOAWAY, twice, with nothing open", "W13", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined([goaway(0, 0), goaway(9, 0)]));
            peer.hear_end();
        })
        .starts(0),
        Case::script("calls behind one's own GOAWAY", "W13", |server| {
            // They are served while others are open, and the connection ends behind the last one.
            let mut peer = Peer::shaken(&server.address);
            let said = [call(1, "add", &[0x92, 2, 3]), goaway(0, 0), call(3, "add", &[0x92, 2, 3])];
            peer.say(&joined(said));
            while let Some(frame) = peer.hear() {
                assert_eq!((frame.kind, &frame.body[..]), (REPLY, &[NIL, 5][..]));
            }
        }),
    ]
}

/// It is told this code, and closed.
fn told(server: &Server, said: &[u8], code: u64) {
    let mut peer = Peer::shaken(&server.address);
    peer.say(said);
    let frame = peer.hear_kind(GOAWAY).expect("a GOAWAY");
    assert_eq!(frame.values()[1].as_u64(), Some(code), "{}", frame.words());
    peer.hear_end();
}

fn names() -> Vec<Case> {
    let many = |count: u64| joined((0..count).map(|number| name(number, "Conformance.add")));
    let by_number =
        |id: u32, number: u64| frame(CALL, 0, id, joined([uint(number), vec![NIL, NIL, 0x92, 2, 3]]));
    vec![
        fatal("a NAME that skips a number", "W13", name(1, "a.b"), "name number 1 where 0 was due"),
        fatal("a NAME twice", "W13", joined([name(0, "a.b"), name(0, "a.b")]), "number 0 where 1 was due"),
        fatal("a NAME beyond u32", "W10", name(1 << 40, "a.b"), ""),
        fatal("a NAME too long", "W20", name(0, &"n".repeat(257)), "a method name of 257 bytes"),
        fatal("a NAME that is not UTF-8", "W10", frame(NAME, 0, 0, [0, 0xa1, 0xff]), "UTF-8"),
        fatal("a NAME without a name", "W6", frame(NAME, 0, 0, [0]), "ends inside"),
        fatal("a NAME for a call", "W14", frame(NAME, 0, 1, [0, 0xa1, b'x']), "id 1"),
        frames("as many names as there may be", "P9", many(1_024), Ignored),
        frames("one name more", "P9", many(1_025), Goaway(8, "more than 1024 names")),
        fatal(
            "a CALL by a number that is not bound",
            "W13",
            by_number(1, 0),
            "number 0, which no NAME bound",
        ),
        fatal("a CALL by a number beyond u32", "W10", by_number(1, 1 << 40), ""),
        frames(
            "a CALL by a number",
            "W13",
            joined([name(0, "Conformance.add"), by_number(1, 0)]),
            Reply(1, vec![5]),
        ),
        frames(
            "a CALL by the number of no method",
            "W20",
            joined([name(0, "../../etc/passwd"), by_number(1, 0)]),
            Error(1, 12, "passwd"),
        )
        .refused("unknown_method", 1),
    ]
}

fn many_at_once() -> Vec<Case> {
    vec![
        Case::script("a thousand calls in one write", "W5", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined((0..1_000).map(|nth| call(2 * nth + 1, "add", &[0x92, 2, 3]))));
            let mut ids: Vec<u32> = (0..1_000).map(|_| peer.hear_kind(REPLY).unwrap().id).collect();
            ids.sort_unstable();
            assert!(ids.iter().copied().eq((0..1_000).map(|nth| 2 * nth + 1)));
            still_carries_calls(&mut peer, 9_999);
        })
        .starts(1_001),
        Case::script("every bit of a frame flipped", "W18", |server| {
            let said = call(1, "add", &[0x92, 2, 3]);
            for bit in 0..said.len() * 8 {
                let mut flipped = said.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let mut peer = Peer::shaken(&server.address);
                peer.say(&flipped);
                // Whatever it is now, it is judged, or waited for: nobody is answered with anything else.
                peer.shut();
                while let Some(frame) = peer.hear() {
                    let kinds = [REPLY, ERROR, GOAWAY, CREDIT];
                    assert!(kinds.contains(&frame.kind), "bit {bit}: {frame:?}");
                }
            }
        })
        .refused_any(),
        Case::script("as many pings as may be unanswered", "P9", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined((0..16).map(ping)));
            for number in 0..16 {
                assert_eq!(peer.hear().map(|pong| (pong.kind, pong.body)), Some((PONG, vec![number])));
            }
            still_carries_calls(&mut peer, 1);
        })
        .starts(1),
    ]
}

pub(crate) fn table() -> Vec<Case> {
    let mut all = lengths();
    all.extend(kinds());
    all.extend(flags());
    all.extend(about_the_connection());
    all.extend(names());
    all.extend(many_at_once());
    all
}

#[test]
fn frames_that_break_the_rules_cost_their_connection() {
    attack(&[], table());
}
