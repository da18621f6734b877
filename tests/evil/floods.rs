//! Peers that keep to the grammar and say as much of it as they can: what each of these budgets is, at the limit and beyond.

use crate::bytes::{
    ERROR, GOAWAY, IN_FLIGHT, PONG, REPLY, bare, call, cancel, credit, frame, goaway, joined, ping, uint,
};
use crate::case::Effect::{Goaway, Ignored};
use crate::case::{Case, attack, frames, still_carries_calls};
use crate::ids::sleep;
use crate::peer::{Frame, Peer};
use crate::server::Server;

/// Frames that move nothing which a peer may say at once: docs/PROTOCOL.md, section 14.
const VAIN: usize = 16_384;

/// A method that nobody has.
fn unknown(id: u32) -> Vec<u8> {
    call(id, "nothing", &[0x90])
}

fn add(id: u32) -> Vec<u8> {
    call(id, "add", &[0x92, 2, 3])
}

/// Says the same over and over, and reads nothing until it is closed; hears then why.
fn until_closed(server: &Server, said: impl Fn(u32) -> Vec<u8>) -> Frame {
    let mut peer = Peer::shaken(&server.address);
    for nth in 0.. {
        if !peer.say(&said(nth)) {
            break;
        }
        assert!(nth < 1_000_000, "nobody stops it");
    }
    // What was said before the end is here, unless it was reset.
    peer.hear_kind(GOAWAY).unwrap_or_else(|| Frame { kind: 0, flags: 0, id: 0, body: Vec::new() })
}

/// The same where the reason is read while it is going on.
fn until_told(server: &Server, said: impl Fn(u32) -> Vec<u8> + Send + 'static) -> Frame {
    let mut peer = Peer::shaken(&server.address);
    let mut ear = peer.ear();
    let mouth = std::thread::spawn(move || {
        let mut nth = 0;
        while peer.say(&said(nth)) {
            nth += 1;
        }
    });
    let told = ear.hear_kind(GOAWAY).expect("it is told why");
    ear.hear_end();
    drop(ear);
    mouth.join().unwrap();
    told
}

fn told_too_many(server: &Server, words: &str, said: impl Fn(u32) -> Vec<u8> + Send + 'static) {
    let told = until_told(server, said);
    assert_eq!(told.values()[1].as_u64(), Some(8), "{}", told.words());
    assert!(told.words().contains(words), "{}", told.words());
}

/// Calls at line rate, as many at a time as are allowed, each followed by something; says what they ended with.
fn window(server: &Server, total: u32, said: impl Fn(u32) -> Vec<u8>, mut each: impl FnMut(&Frame)) {
    let mut peer = Peer::shaken(&server.address);
    let (mut sent, mut ended) = (0, 0);
    while ended < total {
        let room = (total - sent).min(IN_FLIGHT - (sent - ended));
        if room >= 256 || (room > 0 && sent + room == total) {
            peer.say(&joined((sent..sent + room).map(|nth| said(2 * nth + 1))));
            sent += room;
        }
        let answer = peer.hear().expect("an answer to each");
        assert!([REPLY, ERROR].contains(&answer.kind), "{answer:?}");
        each(&answer);
        ended += 1;
    }
    still_carries_calls(&mut peer, 2 * total + 1);
}

const TOO_MANY: &str = "more than 16384 frames that move nothing";

/// Frames that move nothing.
fn vain() -> Vec<Case> {
    let at_the_limit = |name, one: Vec<u8>| frames(name, "P9", one.repeat(VAIN), Ignored);
    let beyond = |name, one: Vec<u8>| {
        // Some are forgiven meanwhile, a thousand a second: far beyond the limit all the same.
        frames(name, "A4", one.repeat(VAIN * 4), Goaway(8, TOO_MANY))
    };
    vec![
        at_the_limit("as many frames to be skipped as may be", bare(0x80, 0)),
        at_the_limit("as many PONGs as may be", frame(PONG, 0, 0, uint(1))),
        beyond("too many frames to be skipped", bare(0xff, 9)),
        beyond("too many PONGs", frame(PONG, 0, 0, [1])),
        frames(
            "too many GOAWAYs",
            "A4",
            joined([sleep(1), goaway(0, 0).repeat(VAIN * 4)]),
            Goaway(8, TOO_MANY),
        )
        .starts_some(),
        Case::script("cancels of a call that has ended, at line rate", "A1", |server| {
            let told = late(server, cancel(1));
            assert!(told.words().contains(TOO_MANY), "{}", told.words());
        })
        .starts(1),
        Case::script("credit for a call that has ended, at line rate", "W15", |server| {
            let told = late(server, credit(1, 5));
            assert!(told.words().contains(TOO_MANY), "{}", told.words());
        })
        .starts(1),
    ]
}

/// Says this about call 1, which has ended, until it is told to stop.
fn late(server: &Server, said: Vec<u8>) -> Frame {
    let mut peer = Peer::shaken(&server.address);
    peer.say(&add(1));
    assert_eq!(peer.hear().map(|answer| answer.kind), Some(REPLY));
    let mut ear = peer.ear();
    let mouth = std::thread::spawn(move || {
        let many = said.repeat(1_000);
        while peer.say(&many) {}
    });
    let told = ear.hear().expect("it is told why");
    mouth.join().unwrap();
    told
}

fn pings() -> Vec<Case> {
    vec![
        Case::script("pings at line rate, and no PONG is read", "A4", |server| {
            told_too_many(server, "unanswered pings", |nth| ping(u64::from(nth)).repeat(100));
        })
        .starts(0),
        Case::script("a hundred pings, one after the other", "P9", |server| {
            let mut peer = Peer::shaken(&server.address);
            for number in 0..100 {
                peer.say(&ping(number));
                assert_eq!(peer.hear().map(|frame| frame.body), Some(vec![number as u8]));
            }
            still_carries_calls(&mut peer, 1);
        })
        .starts(1),
    ]
}

fn cancels() -> Vec<Case> {
    vec![
        Case::script("as many calls as there may be", "P9", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined((0..IN_FLIGHT).map(|nth| sleep(2 * nth + 1))));
            peer.say(&ping(7));
            assert_eq!(peer.hear().map(|pong| pong.kind), Some(PONG));
            peer.say(&cancel(1));
            assert_eq!(peer.hear().map(|ended| (ended.kind, ended.id)), Some((ERROR, 1)));
            still_carries_calls(&mut peer, 9_999);
        })
        .starts(1_025)
        .memory(48),
        frames(
            "one call more",
            "P9",
            joined((0..=IN_FLIGHT).map(|nth| sleep(2 * nth + 1))),
            Goaway(8, "more than 1024 calls"),
        ),
        Case::script("calls opened and cancelled, and nothing is waited for", "A1", |server| {
            told_too_many(server, "more than 1024 calls", |nth| {
                joined(
                    (0..2_000).map(|at| 2 * (2_000 * nth + at) + 1).map(|id| joined([sleep(id), cancel(id)])),
                )
            });
        })
        .starts_some(),
        Case::script(
            "20,000 calls opened and cancelled, as many at a time as there may be",
            "A1",
            |server| {
                let mut codes = [0; 17];
                window(
                    server,
                    20_000,
                    |id| joined([sleep(id), cancel(id)]),
                    |ended| {
                        codes[ended.values()[0].as_u64().unwrap() as usize] += 1;
                    },
                );
                assert_eq!(codes[1], 20_000, "{codes:?}");
            },
        )
        .starts_some()
        .memory(48),
    ]
}

fn errors() -> Vec<Case> {
    vec![
        Case::script("errors provoked, and nothing is waited for", "A6", |server| {
            let told =
                until_closed(server, |nth| joined((0..2_000).map(|at| unknown(2 * (2_000 * nth + at) + 1))));
            let words = told.words();
            assert!(words.is_empty() || words.contains("more than 1024 calls"), "{words}");
        })
        .starts(0)
        .refused_any()
        .memory(48),
        Case::script("20,000 errors provoked, as many at a time as there may be", "A6", |server| {
            window(server, 20_000, unknown, |ended| {
                assert_eq!(ended.values()[0].as_u64(), Some(12));
            });
        })
        .starts(1)
        .refused("unknown_method", 20_000)
        .memory(48),
        Case::script("20,000 calls that do not decode", "A6", |server| {
            window(
                server,
                20_000,
                |id| call(id, "add", &[0xc1]),
                |ended| {
                    assert_eq!(ended.values()[0].as_u64(), Some(3));
                },
            );
        })
        .starts(1)
        .refused("bad_argument", 20_000)
        .memory(48),
    ]
}

/// Answers that nobody reads.
fn unread() -> Vec<Case> {
    vec![
        Case::script("large answers that nobody reads", "A3", |server| {
            let mut peer = Peer::shaken(&server.address);
            let payload = crate::bytes::bin(&vec![7; 100_000]);
            let arguments = joined([&[0x91][..], &payload]);
            for nth in 0..1_000 {
                assert!(peer.say(&call(2 * nth + 1, "echo", &arguments)));
            }
            // It is read to the end of what was sent, whatever cannot be written.
            peer.say(&ping(7));
            assert_eq!(peer.hear_kind(PONG).map(|pong| pong.body), Some(vec![7]));
        })
        .starts_some()
        // Answers that leave, arguments that wait, and what the allocator keeps of both.
        .memory(320),
        Case::script("small answers that nobody reads", "A4", |server| {
            let mut peer = Peer::shaken(&server.address);
            let mut heard = 0;
            for nth in 0..20 {
                peer.say(&joined((0..1_000).map(|at| add(2 * (1_000 * nth + at) + 1))));
                // So many are open at a time, and no more are read than must be.
                while heard + 24 < 1_000 * (nth + 1) && peer.hear().is_some() {
                    heard += 1;
                }
            }
            assert_eq!(heard, 19_976);
        })
        .starts(20_000)
        .memory(32),
    ]
}

pub(crate) fn table() -> Vec<Case> {
    let mut all = vain();
    all.extend(pings());
    all.extend(cancels());
    all.extend(errors());
    all.extend(unread());
    all
}

#[test]
fn floods_meet_their_budgets() {
    attack(&[], table());
}

#[test]
fn pings_that_are_answered_are_counted_too() {
    let case = Case::script("pings beyond the budget, all of them answered", "A4", |server| {
        let mut peer = Peer::shaken(&server.address);
        // No more than may be unanswered, and in one piece, so that time has nothing to forgive.
        peer.say(&joined((0..16).map(ping)));
        for number in 0..10 {
            assert_eq!(peer.hear().map(|pong| (pong.kind, pong.body)), Some((PONG, vec![number])));
        }
        let told = peer.hear().expect("it is told");
        assert!(told.words().contains("more than 10 frames that move nothing"), "{}", told.words());
        peer.hear_end();
    });
    attack(&["vain_frames=10"], vec![case.starts(0)]);
}
