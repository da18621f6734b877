//! Owns what the values of a [`Reader`]'s keys mean: times, numbers, and the tables of each policy. Does not know where
//! they stand.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use crate::call::{Backoff, Hedge, Retry, Wanted};
use crate::limits;
use crate::policy::config::reader::{At, Reader};
use crate::policy::retry::Budget;

const RETRY: &[&str] = &["attempts", "base", "cap", "backoff", "alpha", "t_max", "jitter"];
const HEDGE: &[&str] = &["after", "percentile"];
const BUDGET: &[&str] = &["ratio", "floor_min", "floor_max", "tokens"];

/// Longer times count as this: ten years, which is what deadlines are cut to.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Reader<'_> {
    /// How long a call may take, which has an end in any case.
    pub(super) fn timeout(&mut self, at: At<'_>) -> Option<Duration> {
        if at.value.as_bool() == Some(false) {
            self.wrong(at, "cannot be turned off: every call ends; write a long time, such as \"24h\"");
            return None;
        }
        self.time(at)
    }

    /// A time, or `false` for none, which is one that nobody sees the end of.
    pub(super) fn time_or_none(&mut self, at: At<'_>) -> Option<Duration> {
        if at.value.as_bool() == Some(false) { Some(LONGEST) } else { self.time(at) }
    }

    pub(super) fn retry(&mut self, at: At<'_>) -> Option<Wanted<Retry>> {
        if let Some(switch) = at.value.as_bool() {
            return Some(if switch { Wanted::On(Retry::new()) } else { Wanted::Off });
        }
        let table =
            self.table(at, "`false`, or a table such as { attempts = 3, base = \"50ms\", cap = \"2s\" }")?;
        let (mut retry, mut backoff) = (Retry::new(), None);
        let mut proportional = (limits::RETRY_ALPHA, limits::RETRY_T_MAX, limits::RETRY_JITTER);
        let mut parts = Vec::new();
        for (key, value) in self.entries(at, table, RETRY) {
            let full = format!("{}.{key}", at.key);
            let inner = At { value: value.get_ref(), key: &full, offset: value.span().start };
            match key {
                "attempts" => retry.attempts = self.whole(inner, 1..=100)?,
                "base" => retry.base = self.time(inner)?,
                "cap" => retry.cap = self.time(inner)?,
                "backoff" => backoff = Some(self.backoff(inner)?),
                _ => {
                    match key {
                        "alpha" => proportional.0 = self.number(inner, 0.0..=1e6)?,
                        "t_max" => proportional.1 = self.time(inner)?,
                        _ => proportional.2 = self.number(inner, 0.0..=1.0)?,
                    }
                    parts.push((full, value.span().start));
                }
            }
        }
        retry.backoff = match backoff {
            Some(Backoff::Proportional { .. }) => {
                let (alpha, t_max, jitter) = proportional;
                parts.clear();
                Backoff::Proportional { alpha, t_max, jitter }
            }
            other => other.unwrap_or(Backoff::FullJitter),
        };
        for (key, offset) in parts {
            let reason = "is part of the proportional back-off: add `backoff = \"proportional\"`";
            self.note(&key, offset, reason.to_owned());
        }
        if retry.base > retry.cap {
            self.wrong(at, "no wait is longer than `cap`, so `base` cannot be: write a longer `cap`");
            return None;
        }
        Some(Wanted::On(retry))
    }

    fn backoff(&mut self, at: At<'_>) -> Option<Backoff> {
        let named = at.value.as_str().and_then(Backoff::named);
        if named.is_none() {
            let names = Backoff::NAMES.join("\", \"");
            self.wrong(at, &format!("takes one of \"{names}\""));
        }
        named
    }

    pub(super) fn hedge(&mut self, at: At<'_>) -> Option<Wanted<Hedge>> {
        if let Some(switch) = at.value.as_bool() {
            return Some(if switch { Wanted::On(Hedge::new()) } else { Wanted::Off });
        }
        let table =
            self.table(at, "`false`, or a table such as { percentile = 95 } or { after = \"20ms\" }")?;
        let mut hedge = Hedge { after: None, percentile: None };
        for (key, value) in self.entries(at, table, HEDGE) {
            let full = format!("{}.{key}", at.key);
            let inner = At { value: value.get_ref(), key: &full, offset: value.span().start };
            match key {
                "after" => hedge.after = Some(self.time(inner)?),
                _ => hedge.percentile = Some(self.percentile(inner)?),
            }
        }
        let is_empty = hedge.after.is_none() && hedge.percentile.is_none();
        Some(Wanted::On(if is_empty { Hedge::new() } else { hedge }))
    }

    /// From 50 to 99.99, or the same as a part of 1.
    fn percentile(&mut self, at: At<'_>) -> Option<f64> {
        match number(at.value) {
            Some(part) if (0.5..1.0).contains(&part) => Some(part * 100.0),
            _ => self.number(at, 50.0..=99.99),
        }
    }

    pub(super) fn budget(&mut self, at: At<'_>) -> Option<Budget> {
        if at.value.as_bool() == Some(false) {
            return Some(Budget::Unlimited);
        }
        let table =
            self.table(at, "`false`, or a table such as { ratio = 0.2, floor_min = 1, floor_max = 10 }")?;
        let (mut ratio, mut tokens) = (None, None);
        let (mut floor_min, mut floor_max) = (None, None);
        for (key, value) in self.entries(at, table, BUDGET) {
            let full = format!("{}.{key}", at.key);
            let inner = At { value: value.get_ref(), key: &full, offset: value.span().start };
            let number = Some(self.number(inner, 0.0..=1e6)?);
            match key {
                "ratio" => ratio = number,
                "floor_min" => floor_min = number,
                "floor_max" => floor_max = number,
                _ => tokens = number,
            }
        }
        if let Some(tokens) = tokens {
            if floor_min.is_some() || floor_max.is_some() {
                self.wrong(at, "has either `tokens` or a floor: they are two forms of a budget");
            }
            return Some(Budget::Tokens { tokens, ratio: ratio.unwrap_or(limits::BUDGET_TOKEN_RATIO) });
        }
        let floor_min = floor_min.unwrap_or(limits::BUDGET_FLOOR_MIN);
        // Whoever sets one of them means it: the other one gives way.
        let floor_max = floor_max.unwrap_or_else(|| limits::BUDGET_FLOOR_MAX.max(floor_min));
        if floor_min > floor_max {
            self.wrong(at, "`floor_min` is more than `floor_max`");
            return None;
        }
        Some(Budget::Window { ratio: ratio.unwrap_or(limits::BUDGET_RATIO), floor_min, floor_max })
    }

    pub(super) fn table<'a>(&mut self, at: At<'a>, takes: &str) -> Option<&'a toml::de::DeTable<'a>> {
        let table = at.value.as_table();
        if table.is_none() {
            self.wrong(at, &format!("takes {takes}"));
        }
        table
    }

    /// A time: a whole number and its unit.
    pub(super) fn time(&mut self, at: At<'_>) -> Option<Duration> {
        let time = at.value.as_str().and_then(time);
        if time.is_none() {
            self.wrong(at, "takes a whole number and a unit, such as \"250ms\" (`us`, `ms`, `s`, `m`, `h`)");
        }
        time
    }

    pub(super) fn whole(&mut self, at: At<'_>, range: RangeInclusive<u32>) -> Option<u32> {
        let whole = number(at.value).filter(|number| number.fract() == 0.0 && (0.0..=1e9).contains(number));
        let whole = whole.map(|number| number as u32).filter(|number| range.contains(number));
        if whole.is_none() {
            let (least, most) = (range.start(), range.end());
            self.wrong(at, &format!("takes a whole number from {least} to {most}"));
        }
        whole
    }

    pub(super) fn number(&mut self, at: At<'_>, range: RangeInclusive<f64>) -> Option<f64> {
        let number = number(at.value).filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.wrong(at, &format!("takes a number from {least} to {most}"));
        }
        number
    }

    pub(super) fn wrong(&mut self, at: At<'_>, reason: &str) {
        self.note(at.key, at.offset, reason.to_owned());
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    let text = match value {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return None,
    };
    text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
}

/// At most ten years, and more than nothing.
fn time(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let micros: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    let time = Duration::from_micros(digits.parse::<u64>().ok()?.checked_mul(micros)?);
    (time > Duration::ZERO).then(|| time.min(LONGEST))
}
