//! Where calls go, by each algorithm: their shares, what a change changes, and who is left out.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::call::Dice;

const SECOND: Duration = Duration::from_secs(1);

/// A fleet with these weights, all of it connected.
fn fleet(balance: &Balance, weights: &[u32]) -> Fleet<usize> {
    with_near(balance, weights, weights.len())
}

fn with_near(balance: &Balance, weights: &[u32], near: usize) -> Fleet<usize> {
    let site = |(index, weight): (usize, &u32)| {
        let seat = Arc::new(Seat::new(hash(&index.to_be_bytes())));
        seat.set_reach(at(0), Reach::Up);
        Site { seat, weight: *weight, is_near: index < near, of: index }
    };
    Fleet::new(weights.iter().enumerate().map(site).collect(), balance, Arc::default())
}

fn ask(now: Moment, nth: u64) -> Ask<'static> {
    Ask { now, dice: Dice::new(hash(&nth.to_be_bytes())), key: None, tried: &[], slow_start: 10 * SECOND }
}

fn at(secs: u64) -> Moment {
    Moment::after(SECOND * secs as u32)
}

/// How many of so many calls each endpoint gets; no call lasts.
fn counts(fleet: &Fleet<usize>, calls: u64, now: Moment) -> Vec<u64> {
    let mut counts = vec![0; fleet.sites().len()];
    for nth in 0..calls {
        counts[fleet.pick(ask(now, nth)).unwrap().index] += 1;
    }
    counts
}

/// All counts within so many standard deviations of what is expected.
fn are_about(counts: &[u64], parts: &[f64]) -> Result<(), TestCaseError> {
    let (calls, sum) = (counts.iter().sum::<u64>() as f64, parts.iter().sum::<f64>());
    for (count, part) in counts.iter().zip(parts) {
        let exact = calls * part / sum;
        let sigma = (exact * (1.0 - part / sum)).sqrt().max(1.0);
        prop_assert!((*count as f64 - exact).abs() < 5.0 * sigma, "{counts:?} instead of {parts:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn chance_and_two_choices_are_even_among_equals(count in 1_usize..40) {
        for algorithm in [Algorithm::Random, Algorithm::PeakEwma, Algorithm::LeastLoaded] {
            let fleet = fleet(&Balance::by(algorithm), &vec![100; count]);
            are_about(&counts(&fleet, 8_000, at(1)), &vec![1.0; count])?;
        }
    }

    #[test]
    fn turns_are_exactly_even(count in 1_usize..40) {
        let fleet = fleet(&Algorithm::RoundRobin.into(), &vec![100; count]);
        prop_assert_eq!(counts(&fleet, 10 * count as u64, at(1)), vec![10; count]);
    }

    #[test]
    fn weights_are_parts(weights in prop::collection::vec(50_u32..400, 1..12)) {
        let parts: Vec<_> = weights.iter().map(|weight| f64::from(*weight)).collect();
        for algorithm in [Algorithm::WeightedRandom, Algorithm::WeightedRoundRobin] {
            are_about(&counts(&fleet(&algorithm.into(), &weights), 20_000, at(1)), &parts)?;
        }
    }

    #[test]
    fn who_reports_gets_its_part_of_what_all_could_do(
        servers in prop::collection::vec((0.05_f64..1.2, 20.0_f64..200.0, prop::bool::weighted(0.8)), 1..12),
    ) {
        let fleet = fleet(&Algorithm::ReportedLoad.into(), &vec![100; servers.len()]);
        for (site, (utilization, calls, reports)) in fleet.sites().iter().zip(&servers) {
            site.seat.report(at(1), capacity(*calls, 0.0, *utilization).filter(|_| *reports));
        }
        fleet.recount(at(1), &Algorithm::ReportedLoad.into());
        let parts: Vec<_> = servers.iter().map(|(used, calls, reports)| reports.then_some(calls / used)).collect();
        let known: Vec<f64> = parts.iter().flatten().copied().collect();
        let mean = if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
        let parts: Vec<_> = parts.into_iter().map(|part| part.unwrap_or(mean)).collect();
        are_about(&counts(&fleet, 20_000, at(1)), &parts)?;
        // Nobody has said anything for long: all alike.
        fleet.recount(at(60), &Algorithm::ReportedLoad.into());
        are_about(&counts(&fleet, 4_000, at(60)), &vec![1.0; servers.len()])?;
    }

    #[test]
    fn rendezvous_moves_only_what_it_must(count in 2_usize..30, gone in 0_usize..30) {
        let (whole, gone) = (fleet(&Algorithm::Rendezvous.into(), &vec![100; count]), gone % count);
        let without = fleet(&Algorithm::Rendezvous.into(), &vec![100; count]);
        without.sites()[gone].seat.set_reach(at(0), Reach::Away);
        let mut kept = vec![0; count];
        for key in 0..4_000_u64 {
            let of = |fleet: &Fleet<usize>| {
                fleet.pick(Ask { key: Some(hash(&key.to_be_bytes())), ..ask(at(1), key) }).unwrap().index
            };
            let (was, is) = (of(&whole), of(&without));
            prop_assert!(was == is || was == gone && is != gone);
            kept[was] += 1;
        }
        are_about(&kept, &vec![1.0; count])?;
    }

    #[test]
    fn nobody_who_is_not_ready_is_picked_while_somebody_is(
        states in prop::collection::vec(0_u8..6, 1..20),
        tried in prop::collection::vec(0_usize..20, 0..4),
        which in 0..Algorithm::ALL.len(),
        near in 0_usize..20,
    ) {
        let algorithm = Algorithm::ALL[which];
        let balance = Balance::by(algorithm).panic_threshold(0.0).zone("a");
        let fleet = with_near(&balance, &vec![100; states.len()], near);
        for (site, state) in fleet.sites().iter().zip(&states) {
            match state {
                0 => site.seat.set_reach(at(0), Reach::Away),
                1 => site.seat.set_reach(at(0), Reach::Trying),
                2 => site.seat.eject(at(0), 30 * SECOND),
                3 => _ = site.seat.trip(at(0), 30 * SECOND),
                4 => site.seat.warm_up(at(0)),
                _ => {}
            }
        }
        fleet.recount(at(1), &balance);
        let tried: Vec<_> =
            tried.iter().filter_map(|index| fleet.sites().get(*index)).map(|site| site.seat.id).collect();
        let most = if algorithm.takes_key() { seat::Fitness::Connecting } else { seat::Fitness::Ready };
        let is_fit = |seat: &Seat| seat.fitness(at(1), false) <= most && !tried.contains(&seat.id);
        let any_is_fit = fleet.sites().iter().any(|site| is_fit(&site.seat));
        for nth in 0..50 {
            let ask = Ask { tried: &tried, key: (nth % 2 == 0).then_some(nth), ..ask(at(1), nth) };
            let picked = fleet.pick(ask).unwrap();
            prop_assert!(!any_is_fit || is_fit(&fleet.sites()[picked.index].seat), "{algorithm:?}: {picked:?}");
        }
    }
}

#[test]
fn of_two_the_cheaper_one_gets_the_call() {
    let (now, fleet) = (at(1), fleet(&Balance::new(), &[100; 10]));
    for site in fleet.sites() {
        site.seat.load.begin();
        site.seat.load.end(now, if site.of == 3 { 100_000 } else { 10_000 }, Outcome::Passed);
    }
    let found = counts(&fleet, 1_000, now);
    assert_eq!(found[3], 0, "ten times as slow: {found:?}");
    let picked = (0..)
        .map(|nth| fleet.pick(ask(now, nth)).unwrap())
        .find(|picked| picked.candidates.iter().flatten().any(|(index, _)| *index == 3));
    let picked = picked.unwrap();
    let costs = picked.candidates.map(|candidate| candidate.unwrap());
    assert!(costs.iter().any(|(index, cost)| *index == 3 && (*cost - 100_000.0).abs() < 10.0), "{picked:?}");
    // By load alone it is one like the others; with a call under way more than each of them it is the last.
    let fleet = self::fleet(&Algorithm::LeastLoaded.into(), &[100; 10]);
    fleet.begin(&fleet.sites()[3].seat);
    assert_eq!(counts(&fleet, 1_000, now)[3], 0);
    assert_eq!(self::fleet(&Balance::new(), &[]).pick(ask(now, 0)), None);
}

#[test]
fn one_that_is_tried_is_not_tried_again_unless_it_is_the_last() {
    for &algorithm in Algorithm::ALL {
        let fleet = fleet(&algorithm.into(), &[100; 3]);
        let mut tried = Vec::new();
        for nth in 0..3 {
            let ask = Ask { tried: &tried, key: Some(5), ..ask(at(1), nth) };
            let picked = fleet.pick(ask).unwrap();
            let id = fleet.sites()[picked.index].seat.id;
            assert!(!tried.contains(&id), "{algorithm:?}");
            tried.push(id);
        }
        let picked = fleet.pick(Ask { tried: &tried, ..ask(at(1), 9) }).unwrap();
        assert!(picked.is_last_resort, "{algorithm:?}");
    }
}

#[test]
fn a_slow_start_gets_its_share_bit_by_bit() {
    for &algorithm in Algorithm::ALL.iter().filter(|algorithm| !algorithm.takes_key()) {
        let fleet = fleet(&algorithm.into(), &[100; 5]);
        fleet.sites()[2].seat.warm_up(at(100));
        let share = |secs| counts(&fleet, 20_000, at(secs))[2] as f64 / 4_000.0;
        let shares = [100, 105, 109, 110].map(share);
        for (found, expected) in shares.into_iter().zip([0.1, 0.5, 0.9, 1.0]) {
            assert!((found - expected).abs() < 0.13, "{algorithm:?}: {shares:?}");
        }
    }
}

#[test]
fn near_ones_come_first_until_too_few_of_them_are_left() {
    for &algorithm in Algorithm::ALL.iter().filter(|algorithm| !algorithm.takes_key()) {
        let balance = Balance::by(algorithm).zone("a").panic_threshold(0.0);
        let fleet = with_near(&balance, &[100; 15], 5);
        let near = |fleet: &Fleet<usize>| {
            fleet.recount(at(1), &balance);
            counts(fleet, 9_000, at(1))[..5].iter().sum::<u64>() as f64 / 9_000.0
        };
        assert_eq!(near(&fleet), 1.0, "{algorithm:?}");
        fleet.sites()[0].seat.set_reach(at(0), Reach::Away);
        assert_eq!(near(&fleet), 1.0, "four of five are enough");
        // Two of five: 56 % stay, and of the others some come back by chance.
        fleet.sites()[1..3].iter().for_each(|site| site.seat.set_reach(at(0), Reach::Away));
        assert!((0.5..0.75).contains(&near(&fleet)), "{algorithm:?}: {}", near(&fleet));
        fleet.sites()[..5].iter().for_each(|site| site.seat.set_reach(at(0), Reach::Away));
        assert_eq!(near(&fleet), 0.0, "{algorithm:?}");
    }
}

#[test]
fn near_ones_that_are_loaded_give_way_to_what_is_better_by_half() {
    let fleet = with_near(&Balance::new().zone("a"), &[100; 6], 3);
    let load = |index: usize, took| {
        let seat = &fleet.sites()[index].seat;
        seat.load.begin();
        seat.load.end(at(1), took, Outcome::Passed);
    };
    (0..6).for_each(|index| load(index, if index < 3 { 10_000 } else { 12_000 }));
    assert_eq!(counts(&fleet, 600, at(1))[3..], [0; 3]);
    (0..3).for_each(|index| load(index, 20_000));
    assert_eq!(counts(&fleet, 600, at(1))[..3], [0; 3]);
}

#[test]
fn in_panic_nobody_is_doubted_but_who_is_away_stays_away() {
    let balance = Balance::by(Algorithm::Random);
    let fleet = fleet(&balance, &[100; 10]);
    let eject = |range: std::ops::Range<usize>| {
        fleet.sites()[range].iter().for_each(|site| site.seat.eject(at(0), 30 * SECOND));
        fleet.recount(at(1), &balance);
        counts(&fleet, 2_000, at(1))
    };
    fleet.sites()[9].seat.set_reach(at(0), Reach::Away);
    let (few, many) = (eject(0..4), eject(4..6));
    assert!(few[..4] == [0; 4] && few[9] == 0 && !few[4..9].contains(&0), "{few:?}");
    assert!(many[9] == 0 && !many[..9].contains(&0) && fleet.is_in_panic(), "{many:?}");
}

#[test]
fn a_key_keeps_its_endpoint_until_that_is_loaded_beyond_its_bound() {
    let fleet = fleet(&Algorithm::consistent_hash().into(), &[100; 8]);
    let of = |nth| fleet.pick(Ask { key: Some(42), ..ask(at(1), nth) }).unwrap().index;
    let own = of(0);
    let mut under_way = Vec::new();
    for nth in 0..80 {
        let index = of(nth);
        fleet.begin(&fleet.sites()[index].seat);
        under_way.push(index);
    }
    let most = fleet.sites().iter().map(|site| site.seat.load.in_flight()).max();
    // 1.25 × 81 ÷ 8, and eight before it counts at all.
    assert_eq!((most, under_way[0], under_way[7]), (Some(13), own, own));
    assert_ne!(under_way[8], own);
    for index in under_way {
        fleet.sites()[index].seat.load.end(at(1), 10, Outcome::Passed);
        fleet.end();
    }
    assert_eq!(of(99), own);
    // Keys are even over the endpoints, and calls without one go anywhere.
    let mut found = vec![0_u32; 8];
    (0..8_000_u64).for_each(|key| {
        let key = Some(hash(&key.to_be_bytes()));
        found[fleet.pick(Ask { key, ..ask(at(1), 0) }).unwrap().index] += 1;
    });
    assert!(found.iter().all(|count| (640..1_360).contains(count)), "{found:?}");
    assert!(counts(&fleet, 800, at(1)).iter().all(|count| *count > 50));
}
