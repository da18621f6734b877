//! What a text says, what is wrong with it, and that what is in force prints as a text that says the same.

use std::time::Duration;

use crate::call::{Backoff, Hedge, Keep, MethodDescriptor, Retry, ServiceDescriptor};
use crate::policy::breaker::BreakerConfig;
use crate::policy::in_force::Told;
use crate::policy::limit::LimitConfig;
use crate::policy::settings::Policy;
use crate::policy::table::PolicyTable;
use crate::policy::{Budget, Policies};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

static CALCULATOR: ServiceDescriptor = ServiceDescriptor::new(
    "Calculator",
    "",
    &[
        MethodDescriptor::new("add", "Calculator.add", 0).idempotent().with_retry(Retry::new().attempts(2)),
        MethodDescriptor::new("store", "Calculator.store", 1),
        MethodDescriptor::new("watch", "Calculator.watch", 2).idempotent().takes(),
    ],
);

const TEXT: &str = r#"
    [default]
    timeout = "2s"
    budget = { ratio = 0.1, floor_min = 0.5, floor_max = 4 }

    [service.Calculator]
    retry = { attempts = 4, base = "10ms", cap = "1s", backoff = "proportional", alpha = 2, t_max = "5s", jitter = 0 }
    hedge = true
    total_timeout = "1h"

    [service.Calculator.store]
    timeout = "250ms"
    retry = false
    budget = { tokens = 10, ratio = 0.5 }

    [service.Calculator.watch]
    idle_timeout = false
    hedge = { after = "20ms", percentile = 0.99 }

    [service."a.b"]
    hedge = { after = "1500us" }
    breaker = { window = "20s", buckets = 5, min_calls = 50, ratio = 0.25, slow = "800ms", slow_ratio = 0.9, open = "2s" }
    limit = { concurrency = 64, rate = 12.5, burst = 3 }

    [service."a.b".c]
    breaker = { last_calls = 100, open = "2m", probes = 1, per_method = true }
    limit = { adaptive = { least = 2, most = 500 }, queue = 0 }

    [service."a.b".d]
    breaker = false
    limit = false
"#;

fn policies() -> Policies {
    let backoff = Backoff::Proportional { alpha: 2.0, t_max: ms(5_000), jitter: 0.0 };
    let retry = Retry::new().attempts(4).base(ms(10)).cap(ms(1_000)).backoff(backoff);
    let hour = Duration::from_secs(3_600);
    Policies::new()
        .everything(Policy::new().timeout(ms(2_000)))
        .budget(Budget::Window { ratio: 0.1, floor_min: 0.5, floor_max: 4.0 })
        .service("Calculator", Policy::new().retry(retry).hedge(Hedge::new()).total_timeout(hour))
        .method(
            "Calculator.store",
            Policy::new().timeout(ms(250)).no_retry().budget(Budget::Tokens { tokens: 10.0, ratio: 0.5 }),
        )
        .method(
            "Calculator.watch",
            Policy::new()
                .idle_timeout(Duration::from_secs(10 * 365 * 24 * 3_600))
                .hedge(Hedge::at_percentile(99.0).at_first(ms(20))),
        )
        .service("a.b", a_b())
        .method("a.b.c", a_b_c())
        .method("a.b.d", Policy::new().no_breaker().no_limit())
}

fn a_b() -> Policy {
    let breaker = BreakerConfig::new()
        .window(ms(20_000), 5)
        .min_calls(50)
        .ratio(0.25)
        .slow(ms(800), 0.9)
        .open(ms(2_000), ms(60_000));
    Policy::new()
        .hedge(Hedge::after(Duration::from_micros(1_500)))
        .breaker(breaker)
        .limit(LimitConfig::concurrency(64).with_rate(12.5, 3))
}

fn a_b_c() -> Policy {
    let breaker = BreakerConfig::new().last_calls(100).open(ms(120_000), ms(120_000)).probes(1).per_method();
    Policy::new().breaker(breaker).limit(LimitConfig::adaptive(2..=500).queue(0))
}

#[test]
fn a_text_says_what_code_can_say() {
    assert_eq!(Policies::from_toml(TEXT).unwrap(), policies());
    assert_eq!(Policies::from_toml("").unwrap(), Policies::new());
    let short = "[service.S]\nretry = true\nbudget = false\n[service.S.m]\nhedge = {}\nretry = {}";
    let expected = Policies::new()
        .service("S", Policy::new().retry(Retry::new()).budget(Budget::Unlimited))
        .method("S.m", Policy::new().hedge(Hedge::new()).retry(Retry::new()));
    assert_eq!(Policies::from_toml(short).unwrap(), expected);
}

#[test]
fn what_is_in_force_says_who_said_so_and_reads_back() {
    let table = |policies: Policies| PolicyTable::new(policies.into(), &CALCULATOR, ms(10_000)).to_string();
    let text = table(policies());
    for line in [
        "budget = { ratio = 0.1, floor_min = 0.5, floor_max = 4 }  # the default",
        "[service.Calculator.add]\ntimeout = \"2s\"  # the default\nretry = { attempts = 4, base = \"10ms\", cap = \"1s\", \
         backoff = \"proportional\", alpha = 2, t_max = \"5s\", jitter = 0 }  # the service\n\
         hedge = { percentile = 95 }  # the service",
        "timeout = \"250ms\"  # the method\nretry = false  # the method\n\
         hedge = false  # asked for, but the method is not idempotent\nbreaker = false  # built in\n",
        "budget = { tokens = 10, ratio = 0.5 }  # the method",
        "total_timeout = \"1h\"  # the service",
    ] {
        assert!(text.contains(line), "{line}\n\n{text}");
    }
    let again = Policies::from_toml(&text).unwrap();
    let held = |policies: &Policies| {
        CALCULATOR
            .methods
            .iter()
            .map(|method| {
                let call = Policy::new();
                let told = Told::of(policies, &call, method.full_name, Some(method));
                (told.timeout.0, told.total_timeout.0.filter(|_| method.takes), told.retry.0, told.hedge.0)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(held(&again), held(&policies()));
    let silent = table(Policies::new());
    assert!(
        silent.contains(
            "[service.Calculator.store]\ntimeout = \"10s\"  # the channel\nretry = false  # built in"
        )
    );
    assert!(silent.contains(
        "retry = { attempts = 2, base = \"50ms\", cap = \"2s\", backoff = \"full\" }  # the trait"
    ));
}

static GUARDED: ServiceDescriptor = ServiceDescriptor::new(
    "a.b",
    "",
    &[
        MethodDescriptor::new("c", "a.b.c", 0),
        MethodDescriptor::new("d", "a.b.d", 1),
        MethodDescriptor::new("e", "a.b.e", 2)
            .idempotent()
            .with_cache(Keep::new(ms(5_000)).errors(ms(1_000))),
        MethodDescriptor::new("f", "a.b.f", 3).idempotent().with_cache(Keep::allowed()),
        MethodDescriptor::new("g", "a.b.g", 4).idempotent(),
    ],
);

#[test]
fn what_methods_share_prints_where_they_share_it() {
    let print =
        |policies: &Policies| PolicyTable::new(policies.clone().into(), &GUARDED, ms(10_000)).to_string();
    let text = print(&policies());
    for line in [
        "\n[service.\"a.b\"]\nbreaker = { window = \"20s\", buckets = 5, min_calls = 50, ratio = 0.25, slow = \"800ms\", \
         slow_ratio = 0.9, open = \"2s\", open_most = \"1m\", probes = 3 }  # the service\n\
         limit = { concurrency = 64, rate = 12.5, burst = 3, queue = 1024 }  # the service\n",
        "breaker = { last_calls = 100, min_calls = 20, ratio = 0.5, open = \"2m\", open_most = \"2m\", probes = 1, \
         per_method = true }  # the method\n\
         limit = { adaptive = { least = 2, most = 500 }, queue = 0 }  # the method\n",
        "breaker = false  # the method\nlimit = false  # the method\n",
        "\n# limit = { concurrency = 64, rate = 12.5, burst = 3, queue = 1024 }  # the service\n",
    ] {
        assert!(text.contains(line), "{line}\n\n{text}");
    }
    let again = Policies::from_toml(&text).unwrap();
    let bare = |text: &str| {
        text.lines().map(|line| line.split("  # ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(bare(&print(&again)), bare(&text));
    let guards = |policies: &Policies| {
        ["a.b.c", "a.b.d", "a.b.e"].map(|method| {
            let call = Policy::new();
            let told = Told::of(policies, &call, method, None);
            (told.breaker.0.cloned(), told.breaker.1, told.limit.0.cloned(), told.limit.1)
        })
    };
    assert_eq!(guards(&again), guards(&policies()));
}

#[cfg(feature = "cache")]
#[test]
fn a_cache_has_a_time_and_may_have_memory_of_its_own() {
    use crate::policy::cache::{CacheConfig, CachePolicy};
    let text = r#"
        [default]
        cache = { ttl = "5s", bytes = 1048576, policy = "ARC" }
        [service.S]
        cache = { ttl = "1m", errors = "1s", stale_if_error = "1h", vary_on = ["tenant"] }
        [service.S.m]
        cache = false
    "#;
    let own =
        CacheConfig::new(ms(60_000)).errors(ms(1_000)).stale_if_error(ms(3_600_000)).vary_on(["tenant"]);
    let expected = Policies::new()
        .everything(Policy::new().cache(CacheConfig::new(ms(5_000)).bytes(1 << 20).policy(CachePolicy::Arc)))
        .service("S", Policy::new().cache(own))
        .method("S.m", Policy::new().no_cache());
    assert_eq!(Policies::from_toml(text).unwrap(), expected);
    let print = |text: &str| {
        let policies = Policies::from_toml(text).unwrap();
        PolicyTable::new(policies.into(), &GUARDED, ms(10_000)).to_string()
    };
    let printed = print(text);
    for line in [
        "cache = { ttl = \"5s\", bytes = 1048576, policy = \"arc\" }  # the default\n",
        "cache = { ttl = \"5s\", errors = \"1s\" }  # the trait\n",
        "# cache = { ttl = \"5s\" }  # the default\n",
    ] {
        assert!(printed.contains(line), "{line}\n\n{printed}");
    }
    let undeclared = "cache = false  # asked for, but neither its own section nor its trait says `cache`\n";
    assert_eq!(printed.matches(undeclared).count(), 3, "c, d and g\n\n{printed}");
    let wrong = print("[service.\"a.b\".c]\ncache = { ttl = \"1s\" }");
    assert!(wrong.contains("cache = false  # asked for, but the method is not idempotent\n"), "{wrong}");
    assert_eq!(wrong.matches("cache = false  # built in\n").count(), 3, "d, f and g\n\n{wrong}");
    let of_service = print("[service.\"a.b\"]\ncache = { ttl = \"9s\" }");
    assert_eq!(of_service.matches("# cache = { ttl = \"9s\" }  # the service\n").count(), 2, "{of_service}");
    let own = print("[service.\"a.b\".e]\ncache = { ttl = \"1s\", bytes = 2048, vary_on = [\"a\", \"b\"] }");
    let line = "\ncache = { ttl = \"1s\", vary_on = [\"a\", \"b\"], bytes = 2048 }  # the method\n";
    assert!(own.contains(line), "{own}");
    assert!(print("[default]\ncache = false").contains("cache = false  # the default\n"));
    assert_told(&[
        (
            "[default]\ncache = true",
            "line 2: `default.cache`: takes `false`, or a table such as { ttl = \"5s\" }",
        ),
        (
            "[default]\ncache = { bytes = 4096 }",
            "line 2: `default.cache`: needs the time that an answer is kept",
        ),
        (
            "[default]\ncache = { ttl = \"1s\", policy = \"fifo\" }",
            "line 2: `default.cache.policy`: takes one of \"w-tinylfu\", \"lru\", \"lfu\", \"arc\"",
        ),
        (
            "[default]\ncache = { ttl = \"1s\", byte = 1 }",
            "line 2: `default.cache.byte`: there is no such key: did you mean `bytes`?",
        ),
        (
            "[default]\ncache = { ttl = \"1s\", bytes = 1 }",
            "line 2: `default.cache.bytes`: takes a number from 1024",
        ),
        (
            "[default]\ncache = { ttl = \"1s\", vary_on = \"a\" }",
            "line 2: `default.cache.vary_on`: takes a list",
        ),
    ]);
}

#[cfg(not(feature = "cache"))]
#[test]
fn a_cache_names_the_feature_that_it_needs() {
    assert_told(&[(
        "[default]\ncache = { ttl = \"5s\" }",
        "line 2: `default.cache`: this program was built without a cache: add the feature `cache`",
    )]);
    assert_eq!(Policies::from_toml("[default]\ncache = false").unwrap(), Policies::new());
}

#[test]
fn what_is_wrong_with_a_breaker_or_a_limit_is_told() {
    assert_told(&[
        (
            "[default]\nbreaker = { min_call = 3 }",
            "line 2: `default.breaker.min_call`: there is no such key: did you mean `min_calls`?",
        ),
        ("[default]\nbreaker = 3", "line 2: `default.breaker`: takes `false`, or a table such as { window"),
        (
            "[default]\nbreaker = { ratio = 1.5 }",
            "line 2: `default.breaker.ratio`: takes a number from 0.001 to 1",
        ),
        (
            "[default]\nbreaker = { window = \"1s\", last_calls = 10 }",
            "line 2: `default.breaker`: has either `last_calls` or a `window`",
        ),
        ("[default]\nbreaker = { slow_ratio = 0.5 }", "line 2: `default.breaker.slow_ratio`: says how many"),
        (
            "[default]\nbreaker = { open = \"2s\", open_most = \"1s\" }",
            "line 2: `default.breaker`: it is open no longer than `open_most`",
        ),
        (
            "[default]\nlimit = true",
            "line 2: `default.limit`: takes `false`, or a table such as { concurrency",
        ),
        ("[default]\nlimit = {}", "line 2: `default.limit`: limits nothing: takes `false`, or a table"),
        (
            "[default]\nlimit = { burst = 3, concurrency = 1 }",
            "line 2: `default.limit.burst`: is how many calls of a rate",
        ),
        (
            "[default]\nlimit = { concurrency = 1, adaptive = { most = 3 } }",
            "line 2: `default.limit`: has either `concurrency` or `adaptive`",
        ),
        (
            "[default]\nlimit = { adaptive = { least = 3 } }",
            "line 2: `default.limit.adaptive`: needs the `most` calls",
        ),
        (
            "[default]\nlimit = { concurrency = 0 }",
            "line 2: `default.limit.concurrency`: takes a whole number from 1",
        ),
        (
            "[default]\nlimt = { rate = 1 }",
            "line 2: `default.limt`: there is no such key: did you mean `limit`?",
        ),
    ]);
}

/// Each text has one mistake, which is told so.
#[track_caller]
fn assert_told(texts: &[(&str, &str)]) {
    for (text, expected) in texts {
        let error = Policies::from_toml(text).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}\n{expected}");
        assert_eq!(error.mistakes().len(), 1, "{error}");
    }
}

#[test]
fn a_key_that_is_not_known_is_told_with_its_line_and_what_was_meant() {
    assert_told(&[
        (
            "[default]\n\nretyr = false",
            "line 3: `default.retyr`: there is no such key: did you mean `retry`?",
        ),
        ("[defaults]\ntimeout = \"1s\"", "line 1: `defaults`: there is no such key: did you mean `default`?"),
        (
            "[default]\nxyzzy = 1",
            "line 2: `default.xyzzy`: there is no such key: there are `timeout`, `idle_timeout`, `total_timeout`, `retry`, `hedge`, `budget`, `breaker`, `limit`, `cache`",
        ),
        (
            "[service.S.m]\nretry = { attempt = 3 }",
            "line 2: `service.S.m.retry.attempt`: there is no such key: did you mean `attempts`?",
        ),
        (
            "[service.S]\ntimeot = 5",
            "line 2: `service.S.timeot`: there is no such key: did you mean `timeout`?",
        ),
        (
            "[default.inner]\nx = 1",
            "line 1: `default.inner`: there is no such key: there are `timeout`, `idle_timeout`, `total_timeout`, `retry`, `hedge`, `budget`, `breaker`, `limit`, `cache`",
        ),
    ]);
}

#[test]
fn a_value_that_is_wrong_is_told_with_what_would_be_right() {
    assert_told(&[
        (
            "[default]\ntimeout = 250",
            "line 2: `default.timeout`: takes a whole number and a unit, such as \"250ms\" (`us`, `ms`, `s`, `m`, `h`)",
        ),
        ("[default]\ntimeout = \"0s\"", "line 2: `default.timeout`: takes a whole number and a unit"),
        ("[default]\ntimeout = \"1.5s\"", "line 2: `default.timeout`: takes a whole number and a unit"),
        ("[default]\ntimeout = false", "line 2: `default.timeout`: cannot be turned off"),
        ("[default]\nretry = 3", "line 2: `default.retry`: takes `false`, or a table"),
        (
            "[default]\nretry = { attempts = 0 }",
            "line 2: `default.retry.attempts`: takes a whole number from 1 to 100",
        ),
        (
            "[default]\nretry = { attempts = 2.5 }",
            "line 2: `default.retry.attempts`: takes a whole number from 1 to 100",
        ),
        ("[default]\nretry = { base = \"3s\" }", "line 2: `default.retry`: no wait is longer than `cap`"),
        (
            "[default]\nretry = { backoff = \"linear\" }",
            "line 2: `default.retry.backoff`: takes one of \"full\", \"equal\"",
        ),
        (
            "[default]\nretry = { alpha = 1 }",
            "line 2: `default.retry.alpha`: is part of the proportional back-off",
        ),
        (
            "[default]\nhedge = { percentile = 101 }",
            "line 2: `default.hedge.percentile`: takes a number from 50 to 99.99",
        ),
        (
            "[default]\nbudget = { ratio = -1 }",
            "line 2: `default.budget.ratio`: takes a number from 0 to 1000000",
        ),
        (
            "[default]\nbudget = { floor_min = 5, floor_max = 1 }",
            "line 2: `default.budget`: `floor_min` is more",
        ),
        (
            "[default]\nbudget = { tokens = 5, floor_max = 1 }",
            "line 2: `default.budget`: has either `tokens` or a floor",
        ),
        ("service = 3", "line 1: `service`: takes a table"),
        ("[service]\nS = 3", "line 2: `service.S`: a service has a table"),
        ("[default]\ntimeout = \n", "line 2: "),
        ("[default]\ntimeout = \"1s\"\ntimeout = \"2s\"", "line 3: "),
    ]);
}

#[test]
fn all_mistakes_are_told_in_the_order_of_their_lines() {
    let text = "[service.S]\nhedge = 1\n[default]\nretry = 1\nfoo = 2\n";
    let error = Policies::from_toml(text).unwrap_err();
    let lines: Vec<_> = error.mistakes().iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [2, 4, 5]);
    assert_eq!(error.to_string().lines().count(), 3);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Policies::load("/nowhere/policies.toml").unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/policies.toml cannot be read: "), "{error}");
}
