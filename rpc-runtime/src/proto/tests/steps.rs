//! Owns [`Step`]: what may happen next to two machines with streams between them, drawn from any numbers by `flow` and by
//! a fuzz target, and the limits of those machines. Does nothing (`river`).

use std::time::Duration;

use crate::proto::Config;

/// What happens next, and to which end.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) end: usize,
    pub(super) what: Deed,
}

#[derive(Clone, Debug)]
pub(super) enum Deed {
    Open {
        sends: bool,
        takes: bool,
        size: usize,
        patience: Patience,
    },
    Unary(usize),
    /// Items of this size; impatient applications push although they have been turned away.
    Push {
        nth: usize,
        size: Size,
        count: usize,
        impatient: bool,
    },
    /// A slow application is not done with what it took before.
    Take {
        nth: usize,
        slow: bool,
    },
    Finish(usize),
    Announce(usize),
    Answer(usize, Way),
    Cancel(usize),
    Stopped(usize),
    Write(usize),
    Deliver {
        bytes: usize,
        chunk: usize,
    },
    Block(bool),
    /// Moves bytes both ways until nothing moves.
    Drive,
    /// Lets time pass, timer by timer, and moves bytes at each.
    Pass(Duration),
    Drain,
    CloseNow,
    /// The transport breaks; so many bytes of those under way still arrive at each end.
    Lose([usize; 2]),
}

/// How long a call with streams may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) first: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) total: Option<Duration>,
}

/// How large an item is, as seen from the credit that its stream begins with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    Of(usize),
    /// About what costs half of the credit.
    Half(usize),
    /// About what costs all of the credit.
    All(usize),
}

/// How a handler ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// In order: with END, or with a reply of this size.
    Well(usize),
    App(usize),
    Failed,
}

impl Step {
    /// A step from three numbers.
    pub(super) fn of(kind: u8, a: u16, b: u8) -> Self {
        let nth = usize::from(b);
        let what = match kind / 2 {
            0..=11 => Deed::Open {
                sends: b % 4 != 1,
                takes: b % 4 != 2,
                size: if b < 240 { nth } else { usize::from(a) * 4 },
                patience: patience(a),
            },
            12..=14 => Deed::Unary(usize::from(a) % 20_000),
            15..=42 => Deed::Push { nth, size: item(a), count: count(a), impatient: b % 32 == 31 },
            43..=62 => Deed::Take { nth, slow: a.is_multiple_of(4) },
            63..=66 => Deed::Finish(nth),
            67..=72 => Deed::Announce(nth),
            73..=78 => Deed::Answer(nth, way(a)),
            79..=81 => Deed::Cancel(nth),
            82..=83 => Deed::Stopped(nth),
            84..=93 => Deed::Write(usize::from(a)),
            94..=103 => Deed::Deliver { bytes: usize::from(a), chunk: chunk(b) },
            104..=105 => Deed::Block(b.is_multiple_of(2)),
            106..=109 => Deed::Pass(Duration::from_millis(u64::from(a % 512))),
            110 if b.is_multiple_of(4) => Deed::Pass(Duration::from_millis(u64::from(a))),
            111 if b.is_multiple_of(8) => Deed::Drain,
            112 if b.is_multiple_of(16) => Deed::CloseNow,
            113 if b.is_multiple_of(8) => Deed::Lose([usize::from(a) % 97, usize::from(a)]),
            _ => Deed::Drive,
        };
        Self { end: usize::from(kind % 2), what }
    }
}

impl Deed {
    /// Whether it can end no connection and no call by itself.
    #[cfg_attr(not(test), expect(dead_code, reason = "the fuzz target has no use for it"))]
    pub(super) fn is_calm(&self) -> bool {
        !matches!(
            self,
            Self::Drain | Self::CloseNow | Self::Lose(_) | Self::Pass(_) | Self::Cancel(_) | Self::Block(_)
        )
    }
}

fn patience(a: u16) -> Patience {
    let millis = |ms: u64| Some(Duration::from_millis(ms));
    Patience {
        first: if a % 8 == 7 { millis(u64::from(a % 300)) } else { millis(10_000) },
        idle: if a % 16 == 5 { millis(500) } else { millis(60_000) },
        total: if a % 32 == 9 { millis(2_000) } else { None },
    }
}

fn item(a: u16) -> Size {
    let n = usize::from(a / 16);
    match a % 16 {
        0..=4 => Size::Of(1 + n % 64),
        5 | 6 => Size::Of(1 + n),
        7 => Size::Of(n % 5 + (16 << 10) - 2),
        8 => Size::Of(n % 5 + (64 << 10) - 2),
        9 | 10 => Size::Half(n % 8),
        11 | 12 => Size::All(n % 8),
        13 => Size::Of(1 + n * 16),
        14 => Size::Of(1 + n * 40),
        _ => Size::Of(1 + n * 256),
    }
}

fn count(a: u16) -> usize {
    if a % 16 < 7 { 1 + usize::from(a / 256) % 40 } else { 1 + usize::from(a / 256) % 3 }
}

fn way(a: u16) -> Way {
    let size = usize::from(a / 8) % 3_000;
    match a % 8 {
        0..=4 => Way::Well(size),
        5 => Way::Well(size * 40),
        6 => Way::App(size),
        _ => Way::Failed,
    }
}

fn chunk(b: u8) -> usize {
    if b < 80 { 1 + usize::from(b % 8) } else { usize::from(b) * 400 }
}

impl Size {
    pub(super) fn bytes(self, credit: u64) -> usize {
        let credit = credit as usize;
        let about = |bytes: usize, by: usize| (bytes + by).saturating_sub(20).max(1);
        match self {
            Self::Of(bytes) => bytes,
            Self::Half(by) => about(credit / 2, by),
            Self::All(by) => about(credit, by),
        }
    }
}

/// Small limits from any ten bytes.
pub(super) fn currents(of: [u8; 10]) -> Config {
    // The first choice is a roomy one, and half of all.
    let pick = |at: usize, from: &[usize]| from[usize::from(of[at] / 2 * (of[at] % 2)) % from.len()];
    Config {
        credit: pick(0, &[20 << 10, 1 << 10, 256 << 10, 17, 40, 100]) as u64,
        credit_spare: pick(1, &[3 << 20, 0, 2_000, 40_000, 400_000]),
        streams: 1 + u32::from(of[2] % 4),
        in_flight: 1 + u32::from(of[3] % 8),
        queue: pick(4, &[100, 0, 1, 2, 8]),
        eager: pick(5, &[4_000, 64 << 10, 0, 1]),
        message: pick(6, &[2 << 20, 10, 1_000, 20_000, 100_000]),
        output: pick(7, &[64 << 10, 1, 100, 5_000]),
        bulk: pick(8, &[64 << 20, 1, 10_000]),
        keepalive: (of[9] % 4 != 3).then_some(Duration::from_secs(20)),
        ..Config::default()
    }
}
