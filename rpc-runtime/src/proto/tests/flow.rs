//! Streams between two honest machines under random applications, random limits and a random transport: what always
//! holds is in `river`. `PROPTEST_CASES` asks for more than 256 cases.

use std::ops::Range;

use proptest::prelude::*;

use super::river::River;
use super::steps::{Deed, Patience, Size, Step, currents};
use crate::proto::Config;

/// A failure becomes a test with a name, not a line in a file of seeds.
fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn steps(many: Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<(u8, u16, u8)>().prop_map(|(kind, a, b)| Step::of(kind, a, b)), many)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_happens_to_streams_the_promises_hold(
        client: [u8; 10],
        server: [u8; 10],
        greeted in prop::bool::weighted(0.8),
        steps in steps(0..200),
        drained_by in 0usize..2,
    ) {
        let mut river = River::new([currents(client), currents(server)]);
        if greeted {
            river.make(&Step { end: 0, what: Deed::Drive });
        }
        for next in &steps {
            river.make(next);
        }
        river.finish(drained_by);
    }

    /// Nobody gives up, and time stands still: what is left at the end waits for nobody.
    #[test]
    fn streams_that_are_left_alone_end_as_their_applications_say(
        limited: [[u8; 10]; 2],
        steps in steps(0..120),
    ) {
        let mut river = River::new(limited.map(currents));
        for next in steps.iter().filter(|next| next.what.is_calm()) {
            river.make(next);
        }
        river.finish(0);
    }

    /// Large items both ways on streams whose credit and spare credit are small: loans go round.
    #[test]
    fn items_larger_than_their_credit_share_what_is_spare(
        credit in prop_oneof![Just(17u64), Just(1_000), Just(20_000)],
        spare in 100_000usize..300_000,
        items in prop::collection::vec((0usize..2, 0usize..8, 1usize..50_000), 1..40),
        takes in prop::collection::vec((0usize..2, 0usize..8, any::<bool>()), 0..80),
    ) {
        let limits = || Config { credit, credit_spare: spare, streams: 4, message: 50_000, ..Config::default() };
        let mut river = River::new([limits(), limits()]);
        let patience = Patience { first: None, idle: None, total: None };
        for end in [0, 1, 0, 1] {
            river.make(&Step { end, what: Deed::Open { sends: true, takes: true, size: 1, patience } });
            river.make(&Step { end, what: Deed::Drive });
            river.make(&Step { end: 1 - end, what: Deed::Announce(0) });
            river.make(&Step { end: 1 - end, what: Deed::Announce(1) });
        }
        let mut takes = takes.into_iter();
        for (end, nth, size) in items {
            let size = Size::Of(size);
            river.make(&Step { end, what: Deed::Push { nth, size, count: 1, impatient: false } });
            for (end, nth, slow) in takes.by_ref().take(2) {
                river.make(&Step { end, what: Deed::Take { nth, slow } });
                river.make(&Step { end, what: Deed::Drive });
            }
        }
        river.finish(0);
    }
}
