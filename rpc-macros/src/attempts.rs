//! Owns the options that ask for more or less than one attempt of a call: `retry`, `retry_on`, `hedge`, `cache`, what they
//! may say, and what they need beside them. Does not own the grammar that they share with all others (`setting`).

use proc_macro2::Ident;

use crate::diagnostics::{Mistake, Report, list};
use crate::model::{Backoff, Cache, Hedge, Method, MethodOptions, Mode, Retry, RetryOn, Shape};
use crate::setting::{Place, Setting, Value};

const ON_RETRY: &[&str] = &["attempts", "base", "cap", "backoff", "alpha", "t_max"];
const ON_HEDGE: &[&str] = &["after", "percentile"];
const ON_CACHE: &[&str] = &["ttl", "errors", "stale_if_error"];
const BACKOFFS: &[&str] = &["full", "equal", "decorrelated", "grpc", "proportional"];

/// `retry`, or `retry(…)`.
pub(crate) fn retry(setting: Setting, report: &mut Report) -> Option<Retry> {
    let mut found = Retry::new(setting.key.clone());
    let mut shape = None;
    let mut proportional = Vec::new();
    for inner in inside(setting, "of `retry`", ON_RETRY, report)? {
        match inner.key.to_string().as_str() {
            "attempts" => found.attempts = attempts(&inner, report),
            "base" => found.base_micros = inner.duration("\"50ms\"", report),
            "cap" => found.cap_micros = inner.duration("\"2s\"", report),
            "backoff" => shape = backoff(&inner, report),
            "alpha" => {
                found.alpha = inner.within(0.0..=f64::MAX, "a number from 0 on", "1.0", report);
                proportional.push(inner.key);
            }
            "t_max" => {
                found.t_max_micros = inner.duration("\"10s\"", report);
                proportional.push(inner.key);
            }
            _ => {}
        }
    }
    if let (Some(base), Some(cap)) = (found.base_micros, found.cap_micros)
        && base > cap
    {
        report.add(&found.key, &Mistake::RetryCapShort);
    }
    if shape != Some(Backoff::Proportional) {
        for key in proportional {
            report.add(&key, &Mistake::RetryNotProportional { key: &key.to_string() });
        }
    }
    found.backoff = shape;
    Some(found)
}

fn attempts(setting: &Setting, report: &mut Report) -> Option<u32> {
    const MOST: f64 = 100.0;
    let attempts = setting.within(1.0..=MOST, "a whole number from 1 to 100", "3", report)?;
    Some(attempts as u32)
}

fn backoff(setting: &Setting, report: &mut Report) -> Option<Backoff> {
    let literal = setting.text("\"full\"", report)?;
    let backoff = match literal.value().as_str() {
        "full" => Backoff::FullJitter,
        "equal" => Backoff::EqualJitter,
        "decorrelated" => Backoff::Decorrelated,
        "grpc" => Backoff::Grpc,
        "proportional" => Backoff::Proportional,
        text => {
            report.add(&literal, &Mistake::RetryBackoff { text, valid: &list(BACKOFFS) });
            return None;
        }
    };
    Some(backoff)
}

/// `hedge`, or `hedge(…)`.
pub(crate) fn hedge(setting: Setting, report: &mut Report) -> Option<Hedge> {
    let mut found = Hedge { key: setting.key.clone(), after_micros: None, percentile: None };
    for inner in inside(setting, "of `hedge`", ON_HEDGE, report)? {
        match inner.key.to_string().as_str() {
            "after" => found.after_micros = inner.duration("\"20ms\"", report),
            "percentile" => {
                found.percentile = inner.within(50.0..=99.99, "a number from 50 to 99.99", "95", report)
            }
            _ => {}
        }
    }
    Some(found)
}

/// `dedup`.
pub(crate) fn dedup(setting: &Setting, report: &mut Report) -> Option<Ident> {
    setting.flag(report).then(|| setting.key.clone())
}

/// `cache(…)`.
pub(crate) fn cache(setting: Setting, report: &mut Report) -> Option<Cache> {
    let key = setting.key.clone();
    let (mut ttl, mut errors, mut stale_if_error) = (None, None, None);
    let inner = inside(setting, "of `cache`", ON_CACHE, report)?;
    let is_timed = inner.is_empty() || inner.iter().any(|inner| inner.key == "ttl");
    for inner in inner {
        match inner.key.to_string().as_str() {
            "ttl" => ttl = inner.duration("\"5s\"", report),
            "errors" => errors = inner.duration("\"1s\"", report),
            "stale_if_error" => stale_if_error = inner.duration("\"60s\"", report),
            _ => {}
        }
    }
    if !is_timed {
        report.add(&key, &Mistake::CacheWithoutTtl);
    }
    Some(Cache { key, ttl_micros: ttl, errors_micros: errors, stale_if_error_micros: stale_if_error })
}

/// `retry_on = …`.
pub(crate) fn retry_on(setting: Setting, report: &mut Report) -> Option<RetryOn> {
    match setting.value {
        Value::Is(test) => Some(RetryOn { key: setting.key, test }),
        Value::None | Value::List(_) => {
            let example = "MyError::is_temporary";
            report.add(&setting.key, &Mistake::MissingValue { key: "retry_on", example });
            None
        }
    }
}

/// The options within an option: none, where it stands alone.
fn inside(
    setting: Setting,
    text: &'static str,
    valid: &'static [&'static str],
    report: &mut Report,
) -> Option<Vec<Setting>> {
    match setting.value {
        Value::None => Some(Vec::new()),
        Value::List(inner) => Some(Place::new(text, valid).list(inner, report)),
        Value::Is(value) => {
            let key = &setting.key.to_string();
            report.add(&value, &Mistake::OptionsInside { key, valid: &list(valid) });
            None
        }
    }
}

/// Notes what the options of a method need that it does not promise.
pub(crate) fn check_promises(options: &MethodOptions, report: &mut Report) {
    let once = [
        (options.retry.as_ref().map(|retry| &retry.key), Mistake::RetryNotIdempotent),
        (options.hedge.as_ref().map(|hedge| &hedge.key), Mistake::HedgeNotIdempotent),
    ];
    for (key, mistake) in once {
        let Some(key) = key else { continue };
        if options.oneway {
            report.add(key, &Mistake::OnewayAttempts { key: &key.to_string() });
        } else if !options.idempotent && (options.dedup.is_none() || key == "hedge") {
            report.add(key, &mistake);
        }
    }
    if let Some(key) = &options.dedup {
        if options.oneway {
            report.add(key, &Mistake::DedupOneway);
        } else if options.idempotent {
            report.add(key, &Mistake::DedupIdempotent);
        }
    }
    let Some(Cache { key, .. }) = &options.cache else { return };
    if options.oneway {
        report.add(key, &Mistake::CacheOneway);
    } else if !options.idempotent {
        report.add(key, &Mistake::CacheNotIdempotent);
    }
}

/// Notes what does not go with what the method takes and returns.
pub(crate) fn check_types(method: &Method, report: &mut Report) {
    let options = &method.options;
    if let (Some(hedge), Some((argument, _))) = (&options.hedge, method.streaming()) {
        let argument = argument.ident.to_string();
        report.add(&hedge.key, &Mistake::HedgeStreaming { argument: &argument });
    }
    if let Some(key) = options.dedup.as_ref().filter(|_| method.has_stream()) {
        report.add(key, &Mistake::DedupStream);
    }
    if let Some(Cache { key, .. }) = options.cache.as_ref().filter(|_| method.has_stream()) {
        report.add(key, &Mistake::CacheStream);
    }
    let Some(RetryOn { key, .. }) = &options.retry_on else { return };
    match &method.returns.mode {
        Mode::Once if method.returns.shape == Shape::Plain => report.add(key, &Mistake::RetryOnNothing),
        Mode::Opened { error: None } => report.add(key, &Mistake::RetryOnNothing),
        Mode::Stream => report.add(key, &Mistake::RetryOnItems),
        Mode::Once | Mode::Opened { error: Some(_) } => {}
    }
}

impl Retry {
    const fn new(key: Ident) -> Self {
        Self {
            key,
            attempts: None,
            base_micros: None,
            cap_micros: None,
            backoff: None,
            alpha: None,
            t_max_micros: None,
        }
    }
}
