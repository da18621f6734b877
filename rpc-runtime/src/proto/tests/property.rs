//! Two honest machines under random applications, random limits and a random transport: what always holds is in
//! `model`. `PROPTEST_CASES` asks for more than 256 cases.

use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;

use super::model::{Move, Way, What, World, limits};
use crate::proto::Config;

/// A failure becomes a test with a name, not a line in a file of seeds.
fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn moves(many: Range<usize>) -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec(any::<(u8, u16, u8)>().prop_map(|(kind, a, b)| Move::of(kind, a, b)), many)
}

/// What handlers do, and the bytes that move meanwhile; half of it is calling back.
fn errands(many: Range<usize>) -> impl Strategy<Value = Vec<Move>> {
    let errand = (0..24u8, any::<u16>(), any::<u8>()).prop_map(|(kind, a, b)| {
        let nth = usize::from(a);
        let what = match kind / 2 {
            0..=5 => What::CallBack { nth, size: nth % 20_000 * usize::from(b % 2) + 1 },
            6 => What::Answer(nth, Way::Echo),
            7 => What::Write(nth),
            8 => What::Deliver { bytes: nth, chunk: nth },
            9 => What::Release(nth),
            10 if b.is_multiple_of(4) => What::Cancel(nth),
            _ => What::Drive,
        };
        Move { end: usize::from(kind % 2), what }
    });
    prop::collection::vec(errand, many)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_happens_the_promises_hold(
        client: [u8; 10],
        server: [u8; 10],
        moves in moves(0..250),
        greeted in prop::bool::weighted(0.8),
        drained_by in 0usize..2,
    ) {
        let mut world = World::new([limits(client), limits(server)]);
        if greeted {
            world.make(&Move { end: 0, what: What::Drive });
        }
        for next in &moves {
            world.make(next);
        }
        world.finish(drained_by);
    }

    #[test]
    fn a_drain_loses_no_call(
        limited: [[u8; 10]; 2],
        before in moves(0..60),
        drains in prop_oneof![Just(vec![0]), Just(vec![1]), Just(vec![0, 1])],
        after in moves(0..60),
    ) {
        let mut world = World::new(limited.map(limits));
        world.make(&Move { end: 0, what: What::Drive });
        let calm = |next: &&Move| next.what.is_calm();
        for next in before.iter().filter(calm) {
            world.make(next);
        }
        for end in drains {
            world.make(&Move { end, what: What::Drain });
        }
        for next in after.iter().filter(calm) {
            world.make(next);
        }
        world.finish(0);
    }

    #[test]
    fn whoever_drains_handlers_call_back(
        limited: [[u8; 10]; 2],
        calls in prop::collection::vec(1usize..30_000, 1..6),
        before in errands(0..20),
        drains in prop_oneof![Just(vec![0]), Just(vec![1]), Just(vec![0, 1]), Just(vec![1, 0])],
        between in errands(0..20),
        after in errands(0..40),
    ) {
        let mut world = World::new(limited.map(limits));
        world.make(&Move { end: 0, what: What::Drive });
        for size in calls {
            world.make(&Move { end: 0, what: What::Call { size, timeout: None, method: 0 } });
        }
        world.make(&Move { end: 0, what: What::Drive });
        before.iter().for_each(|next| world.make(next));
        for end in drains {
            world.make(&Move { end, what: What::Drain });
            between.iter().for_each(|next| world.make(next));
        }
        after.iter().for_each(|next| world.make(next));
        world.finish(0);
    }

    #[test]
    fn a_transport_that_breaks_at_any_byte_is_told_truly(
        eager in prop_oneof![Just(100usize), Just(64 << 10), Just(1 << 20)],
        calls in prop::collection::vec((0usize..2, 1usize..80_000), 1..8),
        writes in prop::collection::vec((0usize..2, 1usize..100_000), 1..16),
        keep in prop_oneof![Just([usize::MAX; 2]), any::<[u16; 2]>().prop_map(|keep| keep.map(usize::from))],
        first in 0usize..2,
    ) {
        let limits = || Config { eager, ..Config::default() };
        let mut world = World::new([limits(), limits()]);
        world.make(&Move { end: 0, what: What::Drive });
        for (end, size) in calls {
            world.make(&Move { end, what: What::Call { size, timeout: None, method: 0 } });
        }
        for (end, bytes) in writes {
            world.make(&Move { end, what: What::Write(bytes) });
            world.make(&Move { end: 1 - end, what: What::Deliver { bytes: bytes / 2, chunk: 10_000 } });
        }
        world.make(&Move { end: first, what: What::Lose(keep) });
        world.finish(0);
    }

    #[test]
    fn no_two_full_sides_wait_for_each_other(
        in_flight in 1u32..4,
        eager in prop_oneof![Just(0usize), Just(1), Just(10_000)],
        output in prop_oneof![Just(1usize), Just(20_000)],
        bulk in prop_oneof![Just(1usize), Just(100_000)],
        sizes in prop::collection::vec((0usize..2, 1usize..100_000), 1..24),
        answers in prop_oneof![Just(Way::Echo), Just(Way::Reply(100_000)), Just(Way::App(90_000))],
        pace in 1usize..200_000,
    ) {
        let limits = || Config {
            in_flight,
            eager,
            output,
            bulk,
            // Room for one message of the largest size each way.
            assembly: 2 * 100_001,
            message: 100_001,
            ..Config::default()
        };
        let mut world = World::new([limits(), limits()]);
        for (end, size) in sizes {
            let timeout = Some(Duration::from_secs(10));
            world.make(&Move { end, what: What::Call { size, timeout, method: 0 } });
        }
        world.eager = Some(answers);
        for end in [0, 1, 0, 1] {
            world.make(&Move { end, what: What::Write(pace) });
            world.make(&Move { end: 1 - end, what: What::Deliver { bytes: pace, chunk: pace } });
        }
        world.finish(0);
    }
}
