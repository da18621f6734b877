//! Streams: items that are not paid for, not wanted, out of their place or never read, and credit that is wrong.

use crate::bytes::{
    CREDIT, END, ERROR, GOAWAY, ITEM, MORE, NIL, OPEN, REPLY, SENDS, STREAM_CREDIT, STREAMS, TAKES, call,
    cancel, credit, end, frame, item, joined, stream, sum, text,
};
use crate::case::Effect::{Error, Goaway, Ignored};
use crate::case::{Case, attack, frames, still_carries_calls};
use crate::peer::Peer;
use crate::server::Server;

fn fatal(name: &'static str, fault: &'static str, sent: Vec<u8>, words: &'static str) -> Case {
    frames(name, fault, sent, Goaway(13, words))
}

/// `generate`: so many items of so many bytes.
pub(crate) fn generate(id: u32, count: u16, size: u32) -> Vec<u8> {
    let (count, size) = (count.to_be_bytes(), size.to_be_bytes());
    stream(id, TAKES, "generate", &joined([&[0x92, 0xcd][..], &count, &[0xce], &size]))
}

/// The first part of an item.
fn begun(id: u32, total: u32, part: &[u8]) -> Vec<u8> {
    frame(ITEM, MORE, id, joined([&total.to_be_bytes()[..], part]))
}

fn out_of_place() -> Vec<Case> {
    let no_place = "has no place for one at this time";
    let wants_none = |frame: Vec<u8>| joined([crate::ids::sleep(1), frame]);
    vec![
        fatal("an ITEM for a call that sends none", "W13", wants_none(item(1, &[1])), no_place),
        fatal("an END of a call that sends none", "W13", wants_none(end(1)), no_place),
        fatal(
            "an ITEM with OPEN from a caller",
            "W13",
            joined([sum(1), frame(ITEM, OPEN, 1, [NIL])]),
            no_place,
        ),
        fatal("an ITEM behind END", "W13", joined([sum(1), end(1), item(1, &[1])]), ""),
        fatal("END twice", "W13", joined([sum(1), end(1), end(1)]), no_place),
        fatal("an END inside an item", "W6", joined([sum(1), begun(1, 9, &[1]), end(1)]), "do not add up"),
        fatal("an item without a byte", "A5", joined([sum(1), item(1, &[])]), ""),
        fatal("an item that begins with nothing", "A5", joined([sum(1), begun(1, 9, &[])]), ""),
        fatal("an item in parts of one byte in all", "W3", joined([sum(1), begun(1, 1, &[])]), ""),
        fatal(
            "an item with an empty part",
            "A5",
            joined([sum(1), begun(1, 9, &[1]), frame(ITEM, MORE, 1, [])]),
            "empty part",
        ),
        fatal(
            "an item longer than its total",
            "W13",
            joined([sum(1), begun(1, 9, &[1]), item(1, &[0; 9])]),
            "do not add up",
        ),
        fatal(
            "an item shorter than its total",
            "W13",
            joined([sum(1), begun(1, 9, &[1]), item(1, &[0; 7])]),
            "do not add up",
        ),
        fatal(
            "an ITEM before the arguments are here",
            "W13",
            joined([
                frame(
                    crate::bytes::CALL,
                    SENDS | MORE,
                    1,
                    joined([
                        &[0, 0, 0, 9][..],
                        &text("Conformance.sum"),
                        &[0xce, 0, 0x98, 0x96, 0x80, NIL, NIL, NIL, 0x90],
                    ]),
                ),
                item(1, &[1]),
            ]),
            no_place,
        ),
    ]
}

fn other_streams() -> Vec<Case> {
    vec![
        frames(
            "a method with other streams",
            "W13",
            stream(1, SENDS, "add", &[0x92, 2, 3]),
            Error(1, 12, "other versions of the trait"),
        )
        .refused("bad_argument", 1),
        frames(
            "a method without its streams",
            "W13",
            call(1, "sum", &[0x90]),
            Error(1, 12, "other versions of the trait"),
        )
        .refused("bad_argument", 1),
        frames(
            "items for a call that is refused",
            "W13",
            joined([stream(1, SENDS, "add", &[0x90]), item(1, &[1]), end(1)]),
            Error(1, 12, "other versions of the trait"),
        )
        .refused("bad_argument", 1),
    ]
}

fn credits() -> Vec<Case> {
    let large = |bytes: usize| joined([&[0xc6][..], &(bytes as u32 - 5).to_be_bytes(), &vec![7; bytes - 5]]);
    vec![
        fatal(
            "a byte more than there is credit for",
            "W16",
            joined([stream(1, SENDS, "sum", &[0x90]), item(1, &large(STREAM_CREDIT - 15))]),
            "than was granted",
        )
        .starts_some(),
        Case::script("credit beyond what can be counted", "W15", |server| {
            for wrong in [0, u64::from(u32::MAX), u64::MAX] {
                let mut peer = Peer::shaken(&server.address);
                peer.say(&generate(1, 1_000, 1_000));
                // It is open, and has spent what it has.
                assert_eq!(peer.hear().map(|frame| frame.flags), Some(OPEN));
                peer.say(&credit(1, wrong));
                let told = peer.hear_kind(GOAWAY).expect("it is told");
                assert!(told.words().contains("CREDIT for call 1"), "{wrong}: {}", told.words());
                peer.hear_end();
            }
        })
        .starts(3),
        Case::script("no more than was paid for", "A12", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&generate(1, 1_000, 1_000));
            assert_eq!(peer.hear().map(|frame| frame.flags), Some(OPEN));
            // So many bytes of items and so many items: what they cost is at most the credit of a greeting.
            let mut cost = 0;
            peer.say(&crate::bytes::ping(1));
            loop {
                let frame = peer.hear().unwrap();
                match frame.kind {
                    ITEM => cost += frame.body.len() + 16,
                    _ => break,
                }
            }
            peer.say(&crate::bytes::ping(2));
            while let Some(frame) = peer.hear() {
                match frame.kind {
                    ITEM => cost += frame.body.len() + 16,
                    _ => break,
                }
            }
            assert!(cost <= STREAM_CREDIT, "{cost}");
            peer.say(&cancel(1));
            assert_eq!(peer.hear_kind(ERROR).map(|ended| ended.id), Some(1));
            still_carries_calls(&mut peer, 3);
        })
        .starts(2),
        Case::script("an item too large for anybody", "W3", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined([sum(1), begun(1, u32::MAX, &[1])]));
            let ended = peer.hear().unwrap();
            assert_eq!((ended.kind, ended.values()[0].as_u64()), (ERROR, Some(8)), "{}", ended.words());
            still_carries_calls(&mut peer, 3);
        })
        .refused("too_large", 1)
        .starts(1),
    ]
}

fn never_read(server: &Server) {
    let mut peer = Peer::shaken(&server.address);
    for nth in 0..STREAMS {
        assert!(peer.say(&generate(2 * nth + 1, u16::MAX, 1_000)));
    }
    // They are all at work, and have spent what they have; the connection carries calls as if they were not.
    let mut open = 0;
    while open < STREAMS {
        open += u32::from(peer.hear().unwrap().flags == OPEN);
    }
    peer.say(&call(9_999, "add", &[0x92, 2, 3]));
    assert_eq!(peer.hear_kind(REPLY).map(|answer| answer.id), Some(9_999));
}

fn filled_and_not_taken(server: &Server) {
    // `mirror` waits for the peer to read, and takes nothing meanwhile.
    let mut peer = Peer::shaken(&server.address);
    let value = joined([
        vec![0x83],
        text("index"),
        vec![0],
        text("payload"),
        crate::bytes::bin(&[0; 1_000]),
        text("digest"),
        vec![0],
    ]);
    let one = joined((0..200).map(|_| item(1, &value)));
    for nth in 0..STREAMS {
        let id = 2 * nth + 1;
        let mut items = one.clone();
        for at in (0..items.len()).step_by(value.len() + 10) {
            items[at + 6..at + 10].copy_from_slice(&id.to_be_bytes());
        }
        assert!(peer.say(&joined([stream(id, SENDS | TAKES, "mirror", &[0x90]), items])));
    }
    peer.say(&call(9_999, "add", &[0x92, 2, 3]));
    assert_eq!(peer.hear_kind(REPLY).map(|answer| answer.id), Some(9_999));
}

fn open_and_cancel(server: &Server) {
    let mut peer = Peer::shaken(&server.address);
    for nth in 0..2_000 {
        let id = 2 * nth + 1;
        peer.say(&joined([sum(id), item(id, &[1]), begun(id, 1_000_000, &[0xc6]), cancel(id)]));
        let ended = peer.hear_kind(ERROR).expect("its last frame");
        assert_eq!((ended.id, ended.values()[0].as_u64()), (id, Some(1)));
    }
    still_carries_calls(&mut peer, 9_999);
}

fn tiny(server: &Server) {
    // As many tiny items as are paid for, for as long as somebody grants more.
    let mut peer = Peer::shaken(&server.address);
    let (batch, mut left, mut sent) = (joined((0..1_000).map(|_| item(1, &[1]))), STREAM_CREDIT, 0);
    peer.say(&sum(1));
    while sent < 200_000 {
        while left < 17_000 {
            let granted = peer.hear_kind(CREDIT).expect("it is granted more");
            left += granted.values()[0].as_u64().unwrap() as usize;
        }
        peer.say(&batch);
        left -= 17_000;
        sent += 1_000;
    }
    peer.say(&end(1));
    let answer = peer.hear_kind(REPLY).expect("their sum");
    assert_eq!(answer.values()[1].as_u64(), Some(sent));
}

fn many() -> Vec<Case> {
    let opened = |count: u32| joined((0..count).map(|nth| sum(2 * nth + 1)));
    vec![
        frames("as many streams as there may be", "P9", opened(STREAMS), Ignored).starts(129),
        frames("one stream more", "A2", opened(STREAMS + 1), Goaway(8, "more than 128 calls with a stream")),
        Case::script("all streams, and none is read", "A2", never_read).starts(129).memory(96),
        Case::script("all streams filled, and none is taken", "A2", filled_and_not_taken).memory(128),
        Case::script("streams opened and cancelled", "A1", open_and_cancel),
        Case::script("tiny items at line rate", "A5", tiny).starts(1),
    ]
}

fn ends() -> Vec<Case> {
    vec![
        Case::script("an END inside nothing", "W13", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined([generate(1, 3, 1), end(1)]));
            assert_eq!(peer.hear_kind(GOAWAY).map(|told| told.values()[1].as_u64()), Some(Some(13)));
        }),
        Case::script("a stream that ends while its caller goes on", "W13", |server| {
            // `generate` ends by itself; what comes about it afterwards is late.
            let mut peer = Peer::shaken(&server.address);
            peer.say(&generate(1, 3, 1));
            assert_eq!(peer.hear_kind(END).map(|ended| ended.id), Some(1));
            peer.say(&joined([credit(1, 5), credit(1, u64::MAX), cancel(1), item(1, &[1]), end(1)]));
            still_carries_calls(&mut peer, 3);
        })
        .starts(2),
    ]
}

pub(crate) fn table() -> Vec<Case> {
    let mut all = out_of_place();
    all.extend(other_streams());
    all.extend(credits());
    all.extend(many());
    all.extend(ends());
    all
}

#[test]
fn items_are_paid_for_and_stand_in_their_place() {
    attack(&[], table());
}
