//! Payloads in parts that do not add up, that are too large, that nobody granted, and that never end.

use crate::bytes::{
    CALL, CREDIT, EAGER, ERROR, IN_FLIGHT, MESSAGE, MORE, REPLY, begun, bin, call, cancel, credit, frame,
    joined, last, more,
};
use crate::case::Effect::{Error, Goaway, Ignored};
use crate::case::{Case, attack, frames, still_carries_calls};
use crate::ids::sleep;
use crate::peer::Peer;
use crate::server::Server;

fn fatal(name: &'static str, fault: &'static str, sent: Vec<u8>, words: &'static str) -> Case {
    frames(name, fault, sent, Goaway(13, words))
}

/// `echo` of so many bytes: its arguments.
fn echo(bytes: usize) -> Vec<u8> {
    joined([&[0x91][..], &bin(&vec![7; bytes])])
}

fn sums() -> Vec<Case> {
    let wrong = "do not add up";
    vec![
        fatal("a total that is all there", "W13", begun(1, "echo", 3, &[1, 2, 3]), "where the total begins"),
        fatal("a total of nothing", "W3", begun(1, "echo", 0, &[]), "where the total begins"),
        fatal("more than the total", "W13", joined([begun(1, "echo", 4, &[1]), last(1, &[0; 9])]), wrong),
        fatal("less than the total", "W13", joined([begun(1, "echo", 9, &[1]), last(1, &[0; 4])]), wrong),
        fatal("more to come of nothing", "W13", joined([begun(1, "echo", 4, &[1]), more(1, &[0; 3])]), wrong),
        fatal("an empty part", "A5", joined([begun(1, "echo", 9, &[1]), more(1, &[])]), "empty part"),
        fatal("an empty last part", "A5", joined([begun(1, "echo", 9, &[1]), last(1, &[])]), "empty part"),
        fatal("a first part without its total", "W6", frame(CALL, MORE, 1, [0, 0, 1]), "total"),
        Case::script("parts of two calls, one within the other", "W4", |server| {
            let mut peer = Peer::shaken(&server.address);
            let begun = [begun(1, "add", 3, &[0x92]), begun(3, "add", 3, &[0x92, 9])];
            peer.say(&joined([joined(begun), more(1, &[2]), last(3, &[9]), last(1, &[3])]));
            for (id, sum) in [(3, 18), (1, 5)] {
                let answer = peer.hear().unwrap();
                assert_eq!((answer.kind, answer.id, answer.body[1]), (REPLY, id, sum));
            }
        })
        .starts(2),
        frames(
            "a total beyond the limit",
            "W3",
            joined([begun(1, "echo", MESSAGE + 1, &[0x91]), more(1, &[0; 100]), last(1, &[0; 100])]),
            Error(1, 8, "16777217"),
        )
        .refused("too_large", 1),
        frames("a total of 2^32 - 1", "W3", begun(1, "echo", u32::MAX, &[0x91]), Error(1, 8, "4294967295"))
            .refused("too_large", 1),
    ]
}

/// What `echo` answers to a megabyte.
const ANSWER: u32 = (1 << 20) + 5;

/// Reads as much of an answer of [`ANSWER`] bytes as needs no grant.
fn eager_part(peer: &mut Peer) -> usize {
    // The total and the metadata go before it.
    let mut read = peer.hear().unwrap().body.len() - 5;
    while read < EAGER {
        read += peer.hear().unwrap().body.len();
    }
    assert_eq!(read, EAGER);
    read
}

/// Two payloads hold all that there is, so that nothing is granted to a third.
fn with_all_granted(server: &Server) -> Peer {
    let mut peer = Peer::shaken(&server.address);
    peer.say(&joined([begun(1, "echo", MESSAGE, &[0x91]), begun(3, "echo", MESSAGE, &[0x91])]));
    for id in [1, 3] {
        let granted = peer.hear().unwrap();
        assert_eq!((granted.kind, granted.id), (CREDIT, id));
        assert_eq!(granted.values()[0].as_u64(), Some(u64::from(MESSAGE)));
    }
    peer
}

fn too_much(server: &Server) {
    let mut peer = with_all_granted(server);
    peer.say(&joined([begun(5, "echo", 1 << 20, &vec![0; EAGER / 2]), more(5, &vec![0; EAGER / 2])]));
    // All that needs no grant is taken.
    still_carries_calls(&mut peer, 7);
    peer.say(&more(5, &[0]));
    let told = peer.hear().unwrap();
    assert!(told.words().contains("more of a payload of call 5 than was granted"), "{}", told.words());
    peer.hear_end();
}

fn as_granted(server: &Server) {
    let mut peer = Peer::shaken(&server.address);
    let arguments = echo(1 << 20);
    let (first, rest) = arguments.split_at(EAGER);
    peer.say(&begun(1, "echo", arguments.len() as u32, first));
    assert_eq!(peer.hear().map(|granted| granted.kind), Some(CREDIT));
    for part in rest.chunks(100_000) {
        let is_last = part.as_ptr_range().end == rest.as_ptr_range().end;
        peer.say(&if is_last { last(1, part) } else { more(1, part) });
    }
    // Its answer is large too, and stands still until it is granted.
    let mut read = eager_part(&mut peer);
    peer.say(&credit(1, u64::from(ANSWER)));
    while read < ANSWER as usize {
        let part = peer.hear().unwrap();
        assert_eq!((part.kind, part.id), (REPLY, 1));
        read += part.body.len();
        assert_eq!(part.flags & MORE != 0, read < ANSWER as usize);
    }
    assert_eq!(read, ANSWER as usize);
}

fn grants() -> Vec<Case> {
    vec![
        fatal(
            "a single frame beyond what needs no grant",
            "W16",
            call(1, "echo", &echo(EAGER)),
            "than was granted",
        ),
        Case::script("a byte too many before the grant", "W16", too_much).starts(1).memory(64),
        Case::script("a megabyte as it was granted", "W16", as_granted).starts(1),
        Case::script("a grant that is not the total", "W15", |server| {
            for wrong in [0, u64::from(ANSWER) - 1, u64::from(ANSWER) + 1, u64::MAX] {
                let mut peer = Peer::shaken(&server.address);
                let arguments = echo(1 << 20);
                peer.say(&begun(1, "echo", arguments.len() as u32, &arguments[..EAGER]));
                assert_eq!(peer.hear().map(|granted| granted.kind), Some(CREDIT));
                peer.say(&joined(arguments[EAGER..].chunks(1 << 17).map(|part| more(1, part)).take(7)));
                peer.say(&last(1, &arguments[EAGER + (7 << 17)..]));
                eager_part(&mut peer);
                peer.say(&credit(1, wrong));
                let told = peer.hear_kind(crate::bytes::GOAWAY).expect("it is told");
                assert!(told.words().contains("CREDIT for call 1"), "{wrong}: {}", told.words());
            }
        })
        .starts(4),
        frames(
            "credit for a call at work that waits for none",
            "W15",
            joined([sleep(1), credit(1, 0), credit(1, u64::MAX)]),
            Ignored,
        )
        .starts(2),
        fatal("a negative credit", "W15", joined([sleep(1), frame(CREDIT, 0, 1, [0xff])]), "byte 0xff")
            .starts(0),
    ]
}

/// Bodies that are never finished, up to every limit that there is.
fn never_finished() -> Vec<Case> {
    fn all_that_is_granted(server: &Server) {
        let mut peer = Peer::shaken(&server.address);
        // Half of the assembly budget is for arguments: two of the largest.
        for nth in 0..20 {
            let first = begun(2 * nth + 1, "echo", MESSAGE, &vec![0; EAGER]);
            assert!(peer.say(&first));
        }
        for id in [1, 3] {
            let granted = peer.hear().unwrap();
            assert_eq!((granted.kind, granted.id), (CREDIT, id), "first come, first served");
        }
        let most = vec![0; 1 << 17];
        for id in [1, 3] {
            for _ in 0..126 {
                assert!(peer.say(&more(id, &most)));
            }
        }
        still_carries_calls(&mut peer, 99);
        // The next in the line has its turn when one is given up.
        peer.say(&cancel(3));
        let mut heard = [peer.hear().unwrap(), peer.hear().unwrap()];
        heard.sort_by_key(|frame| frame.kind);
        assert_eq!(heard.map(|frame| (frame.kind, frame.id)), [(ERROR, 3), (CREDIT, 5)]);
    }
    fn all_that_needs_no_grant(server: &Server) {
        let mut peer = Peer::shaken(&server.address);
        let part = vec![0; EAGER];
        for nth in 0..IN_FLIGHT - 1 {
            assert!(peer.say(&begun(2 * nth + 1, "echo", MESSAGE, &part)));
        }
        for _ in 0..2 {
            assert_eq!(peer.hear().map(|granted| granted.kind), Some(CREDIT));
        }
        still_carries_calls(&mut peer, 99_999);
    }
    vec![
        Case::script("large bodies that never end", "A2", all_that_is_granted).starts(1).memory(80),
        // I × (E + 32 KiB) by docs/PROTOCOL.md, section 14, and the two that are granted.
        Case::script("a thousand bodies that never end", "A2", all_that_needs_no_grant).starts(1).memory(200),
    ]
}

pub(crate) fn table() -> Vec<Case> {
    let mut all = sums();
    all.extend(grants());
    all.extend(never_finished());
    all
}

#[test]
fn parts_that_do_not_add_up_cost_their_connection() {
    attack(&[], table());
}
