//! Owns what the keys `breaker`, `limit` and `cache` mean. Does not own how times and numbers are written (`values`).

#[cfg(feature = "cache")]
use std::time::Duration;

use crate::call::Wanted;
use crate::limits;
use crate::policy::breaker::BreakerConfig;
#[cfg(feature = "cache")]
use crate::policy::cache::{CacheConfig, CachePolicy};
use crate::policy::config::reader::{At, Reader};
use crate::policy::limit::LimitConfig;

const BREAKER: &[&str] = &[
    "window",
    "buckets",
    "last_calls",
    "min_calls",
    "ratio",
    "slow",
    "slow_ratio",
    "open",
    "open_most",
    "probes",
    "per_method",
];
const LIMIT: &[&str] = &["concurrency", "adaptive", "rate", "burst", "queue"];
const ADAPTIVE: &[&str] = &["least", "most"];
#[cfg(feature = "cache")]
const CACHE: &[&str] = &["ttl", "errors", "stale_if_error", "vary_on", "bytes", "policy"];

/// What is read of a key: `None` if it is wrong, which has been noted then.
type Read<T> = Option<Wanted<T>>;

impl Reader<'_> {
    pub(super) fn breaker(&mut self, at: At<'_>) -> Read<BreakerConfig> {
        if let Some(switch) = at.value.as_bool() {
            return Some(if switch { Wanted::On(BreakerConfig::new()) } else { Wanted::Off });
        }
        let table =
            self.table(at, "`false`, or a table such as { window = \"10s\", min_calls = 20, ratio = 0.5 }")?;
        let mut config = BreakerConfig::new();
        let (mut window, mut buckets, mut last_calls) = (None, None, None);
        let (mut slow, mut slow_ratio) = (None, None);
        let (mut open, mut open_most) = (None, None);
        for (key, value) in self.entries(at, table, BREAKER) {
            let full = format!("{}.{key}", at.key);
            let inner = At { value: value.get_ref(), key: &full, offset: value.span().start };
            match key {
                "window" => window = Some(self.time(inner)?),
                "buckets" => buckets = Some(self.whole(inner, 1..=limits::BREAKER_BUCKETS_MOST as u32)?),
                "last_calls" => last_calls = Some(self.whole(inner, 1..=limits::BREAKER_COUNT_MOST as u32)?),
                "min_calls" => config = config.min_calls(self.whole(inner, 1..=1_000_000_000)?.into()),
                "ratio" => config = config.ratio(self.share(inner)?),
                "slow" => slow = Some(self.time(inner)?),
                "slow_ratio" => slow_ratio = Some((self.share(inner)?, inner.offset)),
                "open" => open = Some(self.time(inner)?),
                "open_most" => open_most = Some(self.time(inner)?),
                "probes" => config = config.probes(self.whole(inner, 1..=1_000)?),
                _ => config = if self.switch(inner)? { config.per_method() } else { config },
            }
        }
        if let Some(calls) = last_calls {
            if window.is_some() || buckets.is_some() {
                self.wrong(at, "has either `last_calls` or a `window`: it looks at calls or at a time");
                return None;
            }
            config = config.last_calls(calls as usize);
        } else {
            let time = window.unwrap_or(limits::BREAKER_BUCKET * limits::BREAKER_BUCKETS as u32);
            config = config.window(time, buckets.map_or(limits::BREAKER_BUCKETS, |buckets| buckets as usize));
        }
        match (slow, slow_ratio) {
            (Some(after), ratio) => {
                config = config.slow(after, ratio.map_or(limits::BREAKER_RATIO, |(ratio, _)| ratio));
            }
            (None, Some((_, offset))) => {
                let reason =
                    "says how many calls may be slow, and not which ones are: add `slow = \"800ms\"`";
                self.note(&format!("{}.slow_ratio", at.key), offset, reason.to_owned());
            }
            (None, None) => {}
        }
        let open = open.unwrap_or(limits::BREAKER_OPEN);
        // Whoever sets one of them means it: the other one gives way.
        let most = open_most.unwrap_or_else(|| limits::BREAKER_OPEN_MOST.max(open));
        if open > most {
            self.wrong(
                at,
                "it is open no longer than `open_most`, so `open` cannot be: write a longer `open_most`",
            );
            return None;
        }
        Some(Wanted::On(config.open(open, most)))
    }

    pub(super) fn limit(&mut self, at: At<'_>) -> Read<LimitConfig> {
        if at.value.as_bool() == Some(false) {
            return Some(Wanted::Off);
        }
        let takes = "`false`, or a table such as { concurrency = 64 } or { rate = 100 }";
        let table = self.table(at, takes)?;
        let (mut concurrency, mut adaptive, mut rate) = (None, None, None);
        let (mut burst, mut queue) = (None, None);
        for (key, value) in self.entries(at, table, LIMIT) {
            let full = format!("{}.{key}", at.key);
            let inner = At { value: value.get_ref(), key: &full, offset: value.span().start };
            match key {
                "concurrency" => concurrency = Some(self.whole(inner, 1..=1_000_000)? as usize),
                "adaptive" => adaptive = Some(self.adaptive(inner)?),
                "rate" => rate = Some(self.number(inner, 0.001..=1e9)?),
                "burst" => burst = Some((self.whole(inner, 1..=1_000_000)?, inner.offset)),
                _ => queue = Some(self.whole(inner, 0..=1_000_000)? as usize),
            }
        }
        let mut config = match (concurrency, adaptive, rate) {
            (Some(_), Some(_), _) => {
                self.wrong(at, "has either `concurrency` or `adaptive`: a number, or one that is found out");
                return None;
            }
            (None, None, None) => {
                self.wrong(at, &format!("limits nothing: takes {takes}"));
                return None;
            }
            (Some(calls), ..) => LimitConfig::concurrency(calls),
            (None, Some((least, most)), _) => LimitConfig::adaptive(least..=most),
            (None, None, Some(rate)) => LimitConfig::rate(rate, 1),
        };
        match (rate, burst) {
            (Some(rate), burst) => config = config.with_rate(rate, burst.map_or(1, |(burst, _)| burst)),
            (None, Some((_, offset))) => {
                let reason = "is how many calls of a rate may begin at once: add `rate = 100`";
                self.note(&format!("{}.burst", at.key), offset, reason.to_owned());
            }
            (None, None) => {}
        }
        if let Some(calls) = queue {
            config = config.queue(calls);
        }
        Some(Wanted::On(config))
    }

    /// `{ least = 1, most = 500 }`.
    fn adaptive(&mut self, at: At<'_>) -> Option<(usize, usize)> {
        let table = self.table(at, "a table such as { least = 1, most = 500 }")?;
        let (mut least, mut most) = (1, None);
        for (key, value) in self.entries(at, table, ADAPTIVE) {
            let full = format!("{}.{key}", at.key);
            let inner = At { value: value.get_ref(), key: &full, offset: value.span().start };
            let calls = self.whole(inner, 1..=1_000_000)?;
            if key == "least" { least = calls } else { most = Some(calls) }
        }
        let bounds = most.filter(|most| least <= *most).map(|most| (least as usize, most as usize));
        if bounds.is_none() {
            self.wrong(at, "needs the `most` calls that may be at work, which are not fewer than `least`");
        }
        bounds
    }

    #[cfg(feature = "cache")]
    pub(super) fn cache(&mut self, at: At<'_>) -> Read<CacheConfig> {
        if at.value.as_bool() == Some(false) {
            return Some(Wanted::Off);
        }
        let table = self.table(at, "`false`, or a table such as { ttl = \"5s\" }")?;
        let (mut ttl, mut config) = (None, CacheConfig::new(Duration::ZERO));
        for (key, value) in self.entries(at, table, CACHE) {
            let full = format!("{}.{key}", at.key);
            let inner = At { value: value.get_ref(), key: &full, offset: value.span().start };
            config = match key {
                "ttl" => {
                    ttl = Some(self.time(inner)?);
                    config
                }
                "errors" => config.errors(self.time(inner)?),
                "stale_if_error" => config.stale_if_error(self.time(inner)?),
                "vary_on" => config.vary_on(self.keys(inner)?),
                "bytes" => config.bytes(self.number(inner, 1_024.0..=1e15)? as usize),
                _ => config.policy(self.cache_policy(inner)?),
            };
        }
        if ttl.is_none() {
            self.wrong(at, "needs the time that an answer is kept: `ttl = \"5s\"`");
        }
        Some(Wanted::On(config.with_ttl(ttl?)))
    }

    /// A list of texts.
    #[cfg(feature = "cache")]
    fn keys(&mut self, at: At<'_>) -> Option<Vec<String>> {
        let list = at.value.as_array().and_then(|list| {
            list.iter().map(|key| key.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        if list.is_none() {
            self.wrong(at, "takes a list of keys of metadata, such as [\"tenant\"]");
        }
        list
    }

    #[cfg(feature = "cache")]
    fn cache_policy(&mut self, at: At<'_>) -> Option<CachePolicy> {
        let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
        let wanted = at.value.as_str().map(plain);
        let named = CachePolicy::ALL.into_iter().find(|policy| Some(plain(policy.name())) == wanted);
        if named.is_none() {
            let names = CachePolicy::ALL.map(CachePolicy::name).join("\", \"");
            self.wrong(at, &format!("takes one of \"{names}\""));
        }
        named
    }

    #[cfg(not(feature = "cache"))]
    pub(super) fn cache(&mut self, at: At<'_>) {
        let reason = "this program was built without a cache: add the feature `cache` to its dependency on `traitwire`";
        if at.value.as_bool() != Some(false) {
            self.wrong(at, reason);
        }
    }

    fn share(&mut self, at: At<'_>) -> Option<f64> {
        self.number(at, 0.001..=1.0)
    }

    fn switch(&mut self, at: At<'_>) -> Option<bool> {
        let switch = at.value.as_bool();
        if switch.is_none() {
            self.wrong(at, "takes `true` or `false`");
        }
        switch
    }
}
