//! Just in time: who stays within a limit, however close to it, is served as anybody else.

use std::time::Duration;

use crate::bytes::{
    ITEM, MORE, REPLY, SENDS, STREAM_CREDIT, TAKES, bin, call, cancel, greeting, item, joined, stream, text,
};
use crate::case::{Case, attack, still_carries_calls};
use crate::peer::Peer;
use crate::server::Server;

/// What the server gives to a handshake, and to output that stands still. Everything here takes half of it at most at a time: a
/// machine that is busy with other things has the other half.
const LIMIT: Duration = Duration::from_secs(4);
/// The same of a frame that has begun, which cannot be set: so long for a kilobyte.
const OF_A_FRAME: Duration = Duration::from_secs(10);

fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

fn handshake(server: &Server) {
    let mut peer = Peer::stranger(&server.address);
    let said = greeting();
    let (most, last) = said.split_at(said.len() - 1);
    peer.say(most);
    pause(LIMIT / 2);
    peer.say(last);
    peer.hear_greeting();
    still_carries_calls(&mut peer, 1);
}

/// A frame that takes longer in all than one that stands still may, and brings its kilobyte each time.
fn slow_frame(server: &Server) {
    let mut peer = Peer::shaken(&server.address);
    let said = call(1, "echo", &joined([&[0x91][..], &bin(&[7; 3_500])]));
    for (nth, part) in said.chunks(1_200).enumerate() {
        if nth > 0 {
            pause(OF_A_FRAME * 6 / 10);
        }
        peer.say(part);
    }
    assert_eq!(peer.hear().map(|answer| (answer.kind, answer.id)), Some((REPLY, 1)));
    still_carries_calls(&mut peer, 3);
}

/// More answers than the kernels hold, read in more time than they may stand still.
fn slow_reader(server: &Server) {
    let mut peer = Peer::shaken(&server.address);
    let arguments = joined([&[0x91][..], &bin(&vec![7; 120_000])]);
    let mut ear = peer.ear();
    let said = joined((0..ANSWERS).map(|nth| call(2 * nth + 1, "echo", &arguments)));
    let writer = std::thread::spawn(move || assert!(peer.say(&said)));
    for nth in 0..ANSWERS {
        // Each comes in parts.
        while ear.hear_kind(REPLY).expect("it is not left").flags & MORE != 0 {}
        if nth % 20 == 19 {
            pause(LIMIT / 4);
        }
    }
    writer.join().unwrap();
    still_carries_calls(&mut ear, 99_999);
}

const ANSWERS: u32 = 160;

/// One item that costs all that a stream's sender has to begin with.
fn all_credit(server: &Server) {
    let mut peer = Peer::shaken(&server.address);
    let of = |payload: usize| {
        let (index, payload) = (text("index"), joined([text("payload"), bin(&vec![0; payload])]));
        joined([&[0x83][..], &index, &[0], &payload, &text("digest"), &[0]])
    };
    // Each costs 16 bytes beside its own.
    let value = of(STREAM_CREDIT - 16 - of(0).len());
    assert_eq!(value.len() + 16, STREAM_CREDIT);
    peer.say(&joined([stream(1, SENDS | TAKES, "mirror", &[0x90]), item(1, &value)]));
    let mut heard = 0;
    while heard < value.len() {
        heard += peer.hear_kind(ITEM).expect("it comes back").body.len();
    }
    peer.say(&cancel(1));
    assert_eq!(peer.hear_kind(crate::bytes::ERROR).map(|ended| ended.id), Some(1));
    still_carries_calls(&mut peer, 3);
}

pub(crate) fn table() -> Vec<Case> {
    vec![
        Case::script("a handshake just in time", "P10", handshake).starts(1),
        Case::script("a frame that goes on just in time", "P10", slow_frame).starts(2),
        Case::script("answers that are read slowly", "A3", slow_reader)
            .starts(u64::from(ANSWERS) + 1)
            .memory(128),
        Case::script("an item that spends all credit", "W16", all_credit).starts(2),
    ]
}

#[test]
fn who_is_just_in_time_is_served() {
    attack(&["handshake_ms=4000", "stall_ms=4000"], table());
}
