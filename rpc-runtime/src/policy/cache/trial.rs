//! The trial of the cache's policies: each before the same traces of keys.
//!
//! `cargo test -p traitwire --features cache --lib policy::cache::trial -- --nocapture` prints the table of docs/POLICIES.md, and with
//! `TRAITWIRE_PLOT=FILE` draws it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::{Payload, Request, Response, SharedDice};
use crate::policy::cache::config::CachePolicy;
use crate::policy::cache::entry::Entry;
use crate::policy::cache::key::{Key, Varies};
use crate::policy::cache::store::Store;

/// Keys that are asked for, one after the other.
type Trace = (&'static str, Vec<u32>);

/// How many requests a trace has, and how many keys are asked for by chance.
const LENGTH: usize = 30_000;
const KEYS: u32 = 10_000;

/// Keys by Zipf's law: the k-th is asked for `1 / k^s` times as often as the first.
struct Zipf {
    /// Sums of the weights up to each key.
    sums: Vec<f64>,
    dice: SharedDice,
}

impl Zipf {
    fn new(exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut add = |k: u32| {
            sum += f64::from(k).powf(-exponent);
            sum
        };
        Self { sums: (1..=KEYS).map(&mut add).collect(), dice: SharedDice::new(7) }
    }

    fn next(&self) -> u32 {
        let at = self.dice.throw().unit() * self.sums[self.sums.len() - 1];
        self.sums.partition_point(|sum| *sum <= at) as u32
    }
}

fn traces() -> [Trace; 4] {
    let zipf = |exponent| {
        let zipf = Zipf::new(exponent);
        (0..LENGTH).map(|_| zipf.next()).collect::<Vec<_>>()
    };
    // Three tenths of the requests go through what is asked for once, in its order.
    let scan = {
        let zipf = Zipf::new(0.9);
        let key = |at: usize| match at % 10_000 {
            // Each scan is of other keys.
            within @ 0..3_000 => KEYS + (at / 10_000 * 3_000 + within) as u32,
            _ => zipf.next(),
        };
        (0..LENGTH).map(key).collect()
    };
    // What is asked for often changes all at once, twice.
    let shift = {
        let zipf = Zipf::new(0.9);
        (0..LENGTH).map(|at| zipf.next() + KEYS * (at / (LENGTH / 3)) as u32).collect()
    };
    // One after the other, round and round, a little more than there is room for.
    let round = (0..LENGTH).map(|at| (at % 700) as u32).collect();
    [
        ("Zipf 0.9", zipf(0.9)),
        ("Zipf 0.9 and scans", scan),
        ("Zipf 0.9, shifting", shift),
        ("round and round", round),
    ]
}

/// The share of a trace that a cache for so many answers has.
fn hit_rate(policy: CachePolicy, room: usize, trace: &[u32], now: Instant) -> f64 {
    let entry = |key: &Key| {
        let hour = Duration::from_secs(3_600);
        Arc::new(Entry::new(now, key.clone(), Response::value(Payload::new(vec![0; 100])), hour, hour))
    };
    let key = |number: u32| {
        Key::of(&Request::by_name("S.m", Payload::new(number.to_be_bytes().to_vec())), &Varies::All)
    };
    let store = Store::new(policy, entry(&key(0)).cost() * room);
    let mut hits = 0_usize;
    for number in trace {
        let key = key(*number);
        if store.get(&key).is_some() {
            hits += 1;
        } else {
            store.put(&key, entry(&key));
        }
    }
    assert!(store.size().0 <= room, "it holds more than there is room for");
    hits as f64 / trace.len() as f64
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
fn each_policy_does_what_it_is_for() {
    let (now, mut rows) = (Instant::now(), Vec::new());
    let policies = [CachePolicy::WTinyLfu, CachePolicy::Lru, CachePolicy::Lfu, CachePolicy::Arc];
    for (room, (name, trace)) in [100, 500].iter().flat_map(|room| traces().map(|trace| (*room, trace))) {
        let rates = policies.map(|policy| hit_rate(policy, room, &trace, now) * 100.0);
        let [tiny, lru, lfu, arc] = rates;
        rows.push((format!("{name}, room for {room}"), rates));
        println!("| {room} | {name} | {tiny:.0} % | {lru:.0} % | {lfu:.0} % | {arc:.0} % |");
        // W-TinyLFU hashes with keys of its own in each process: its figures differ by a point or so.
        match name {
            "round and round" => assert!(lru < 1.0 && lfu < 1.0 && arc < 1.0 && tiny > 8.0),
            _ => assert!(tiny > lru - 1.0 && lfu > lru + 1.0 && arc > lru + 3.0, "{rates:?}"),
        }
        if room == 100 && name != "round and round" {
            assert!(tiny > lru + 3.0, "{rates:?}");
        }
    }
    if let Ok(file) = std::env::var("TRAITWIRE_PLOT") {
        std::fs::write(file, plot(&rows)).unwrap();
    }
}

/// The hit rates as bars, a group for each trace.
fn plot(rows: &[(String, [f64; 4])]) -> String {
    let colours = [("W-TinyLFU", "#1565c0"), ("LRU", "#9e9e9e"), ("LFU", "#ef6c00"), ("ARC", "#2e7d32")];
    let height = 30 + rows.len() * 62;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"720\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (at, (name, colour)) in colours.iter().enumerate() {
        let x = 220 + at * 110;
        out += &format!("<rect x=\"{x}\" y=\"6\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\n");
        out += &format!("<text x=\"{}\" y=\"15\">{name}</text>\n", x + 16);
    }
    for (row, (name, rates)) in rows.iter().enumerate() {
        let top = 30 + row * 62;
        out += &format!("<text x=\"8\" y=\"{}\">{name}</text>\n", top + 30);
        for (at, (rate, (_, colour))) in rates.iter().zip(colours).enumerate() {
            let (y, width) = (top + at * 13, rate * 6.0);
            out += &format!(
                "<rect x=\"220\" y=\"{y}\" width=\"{width:.1}\" height=\"11\" fill=\"{colour}\"/>\n\
                 <text x=\"{:.1}\" y=\"{}\" font-size=\"10\">{rate:.0} %</text>\n",
                224.0 + width,
                y + 9
            );
        }
    }
    out + "</svg>\n"
}
