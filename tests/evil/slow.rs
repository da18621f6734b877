//! Peers that stand still: frames that do not go on, answers that nobody takes, and silence.

use std::time::Duration;

use crate::bytes::{CALL, GOAWAY, OPEN, PING, PONG, begun, bin, call, frame, joined, ping};
use crate::case::{Case, attack};
use crate::connections::until;
use crate::ids::sleep;
use crate::items::generate;
use crate::peer::Peer;
use crate::server::Server;

fn told_that_it_stands_still(peer: &mut Peer) {
    let told = peer.hear_kind(GOAWAY).expect("it is told why");
    assert_eq!((told.kind, told.values()[1].as_u64()), (GOAWAY, Some(4)), "{}", told.words());
    assert!(told.words().contains("began a frame and did not go on with it"), "{}", told.words());
    peer.hear_end();
}

/// Two peers at a time, because each takes the ten seconds that a frame has.
fn frames_that_stop() -> Vec<Case> {
    fn both(server: &Server) {
        let mut silent = Peer::shaken(&server.address);
        silent.say(&joined([sleep(1), sleep(3)[..7].to_vec()]));
        let mut slow = Peer::shaken(&server.address);
        let mut ear = slow.ear();
        let trickle = std::thread::spawn(move || {
            // A byte and another one: a kilobyte in ten seconds is the least.
            slow.say(&frame(CALL, 0, 1, vec![0; 100_000])[..10]);
            while slow.say(&[0]) {
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        // Each hears of it after ten seconds and before twenty.
        told_that_it_stands_still(&mut silent);
        told_that_it_stands_still(&mut ear);
        drop(ear);
        trickle.join().unwrap();
    }
    vec![Case::script("a frame that stops, and one in drops", "P10", both).starts(1)]
}

pub(crate) fn table() -> Vec<Case> {
    let mut all = frames_that_stop();
    all.extend(answers_that_nobody_takes());
    all.extend(silence());
    all
}

#[test]
fn a_frame_that_stops_has_ten_seconds() {
    attack(&[], frames_that_stop());
}

fn answers_that_nobody_takes() -> Vec<Case> {
    fn closed_in_time(server: &Server, said: &[u8]) {
        let before = server.program.descriptors();
        let mut peer = Peer::shaken(&server.address);
        // It is closed while it says this, or afterwards, and reads nothing before: then it reads what the kernels hold.
        peer.say(said);
        until("it is closed", || server.program.descriptors() <= before);
        let mut heard = 0;
        while let Some(frame) = peer.hear() {
            heard += frame.body.len();
            assert_ne!(frame.kind, GOAWAY, "who takes nothing is left without a word");
        }
        assert!(heard < 40 << 20, "{heard} bytes");
    }
    vec![
        Case::script("large answers that nobody takes", "A3", |server| {
            let arguments = joined([&[0x91][..], &bin(&vec![7; 120_000])]);
            let many = joined((0..400).map(|nth| call(2 * nth + 1, "echo", &arguments)));
            closed_in_time(server, &many);
        })
        .starts_some()
        .memory(256),
        Case::script("streams that nobody takes", "A3", |server| {
            let many = joined((0..128).map(|nth| generate(2 * nth + 1, u16::MAX, 1_000)));
            closed_in_time(server, &many);
        })
        .starts(128)
        .memory(96),
    ]
}

#[test]
fn answers_that_nobody_takes_end_their_connection() {
    attack(&["stall_ms=300"], answers_that_nobody_takes());
}

fn silence() -> Vec<Case> {
    vec![
        Case::script("a peer that vanishes behind its greeting", "P11", |server| {
            let mut peer = Peer::shaken(&server.address);
            assert_eq!(peer.hear().map(|asked| asked.kind), Some(PING));
            peer.hear_end();
        })
        .starts(0),
        Case::script("a peer that vanishes with calls at work", "P11", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&joined([
                sleep(1),
                generate(3, u16::MAX, 1_000),
                begun(5, "echo", 1 << 20, &[0; 1_000]),
            ]));
            let mut frames = 0;
            while peer.hear().is_some() {
                frames += 1;
            }
            assert!(frames > 2, "a grant, a stream, and a question");
        })
        .starts(2)
        .memory(32),
        Case::script("a peer that answers nothing but pings", "P11", |server| {
            let mut peer = Peer::shaken(&server.address);
            peer.say(&generate(1, 2, 1));
            assert_eq!(peer.hear().map(|frame| frame.flags), Some(OPEN));
            let mut answered = 0;
            while answered < 3 {
                let asked = peer.hear().expect("it is alive");
                if asked.kind == PING {
                    peer.say(&frame(PONG, 0, 0, &asked.body));
                    answered += 1;
                }
            }
            peer.say(&ping(1));
            assert_eq!(peer.hear_kind(PONG).map(|pong| pong.body), Some(vec![1]));
        })
        .starts(1),
    ]
}

#[test]
fn peers_that_vanish_are_noticed() {
    attack(&["keepalive_ms=300", "keepalive_timeout_ms=2000"], silence());
}
