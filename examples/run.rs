//! Runs the examples as a reader would, and looks at what they print.

use std::process::Command;

/// What an example prints, standard output only.
fn run(example: &str, arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["run", "--quiet", "--package", "traitwire-examples", "--example", example, "--"])
        .args(arguments);
    let output = cargo.output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example} failed: {errors}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// Each of these is in what the example prints, in this order.
#[track_caller]
fn prints(example: &str, expected: &[&str]) {
    let printed = run(example, &[]);
    let mut rest = printed.as_str();
    for line in expected {
        let at = rest.find(line);
        let at = at.unwrap_or_else(|| panic!("{example} does not print `{line}` there:\n{printed}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn calculator() {
    let lines = [
        "2 + 3 = 5",
        "the service says division by zero",
        "deadline_exceeded",
        "dropped: true",
        "unimplemented",
        "refused",
        "unknown service",
        "calls that were cut: 0",
        "unavailable",
    ];
    prints("calculator", &lines);
    let stopped = run("calculator", &[]).matches("(server) stopped pondering").count();
    assert_eq!(stopped, 2, "at its deadline, and when its caller gave up");
}

#[test]
fn balance() {
    prints(
        "balance",
        &["all three: first", "slow", "0 failed", "one call went to", "without the first:", "0 failed"],
    );
}

#[test]
fn kv_cluster() {
    prints("kv_cluster", &["150 keys are written", "is killed", "300 of 300 keys have the right value"]);
}

#[test]
fn registry() {
    let lines = [
        "two servers: 2 known",
        "good day, Ada",
        "good day, Ada",
        "one has left: 1 known, of weight [50]",
        "one has crashed: 1 known, of weight [50]",
        "because it says that there is no endpoint",
        "a new one: 1 known, of weight [100]",
    ];
    prints("registry", &lines);
}

#[test]
fn layers() {
    prints("layers", &["unauthenticated", "good day, Ada"]);
}

#[test]
fn shutdown() {
    let printed = run("shutdown", &["--at-once"]);
    assert!(printed.contains("calls that were cut: 0") && printed.contains("done, although"), "{printed}");
}

#[test]
fn streaming() {
    let lines =
        ["100 %  compiling part 5", "5 steps came", "broken: broken.rs", "3 steps came", "given up after"];
    prints("streaming", &lines);
}

#[test]
fn chat() {
    prints("chat", &["Ada hears:", "Grace: good day", "Edsger hears:", "Ada: good day", "Edsger leaves"]);
}

#[test]
fn file_transfer() {
    let lines = [
        "up   [####",
        "4194304 bytes, digest right: true",
        "100 %",
        "the same bytes",
        "given up",
        "kept of it: nothing",
    ];
    prints("file_transfer", &lines);
}

#[test]
fn scheduler() {
    prints("scheduler", &["south: 1 squared is 1", "south is gone", "north: 3 squared is 9", "25"]);
}

#[test]
fn breaker() {
    let lines = [
        "closed, and has held 0",
        "deadline_exceeded",
        "the circuit breaker `stock` has been open for",
        "the breaker is open",
        "3 of it",
        "the breaker is closed",
    ];
    prints("breaker", &lines);
}

#[test]
fn tls() {
    let lines = [
        "good day, Ada",
        "Changed: good day, Grace",
        "it is not for `localhost`, but for ",
        "no trusted root leads to it",
        "does not speak traitwire, but TLS",
    ];
    prints("tls", &lines);
}

#[test]
fn mtls_identity() {
    let lines = [
        "500 cents of spiffe://shop/basket",
        "not allowed to spiffe://shop/basket",
        "500 cents to spiffe://shop/billing",
        "the server asks for a certificate",
        "no root that it trusts leads to it",
    ];
    prints("mtls_identity", &lines);
}

#[test]
fn cache() {
    let lines =
        ["the third: Ok(300)", "gone: Ok(300)", "asked for: true", "1 hit, 1 coalesced, 4 misses, 1 stale"];
    prints("cache", &lines);
}

#[test]
fn retry() {
    let lines = [
        "400 nails, after 3 attempts",
        "bolts: Some(Unknown)",
        "3 attempts are all (`retry`) [attempt 1 at ",
        "[service.Stock.count]",
        "retry = false  # the default",
    ];
    prints("retry", &lines);
}

#[test]
fn dedup() {
    let lines = [
        "700 left, after 2 attempts; Ada 700, Grace 300",
        "NotEnough { has: 700 }); Ada 700, Grace 300",
        "unavailable, unknown",
        "it had run: Ada 400, Grace 600",
        "unavailable, unknown",
        "in the end: Ada 300, Grace 700",
    ];
    prints("dedup", &lines);
}

#[test]
fn hedge() {
    let printed = run("hedge", &[]);
    let searches = |line: &str| line.split_whitespace().rev().nth(4).and_then(|count| count.parse().ok());
    let counts: Vec<u32> = printed.lines().filter_map(searches).collect();
    // Twenty calls are slow and go out twice, and some others on a slow machine, as far as the budget goes.
    assert!(matches!(counts[..], [200, 210..=260, 210..=260]), "{printed}");
}

#[test]
fn mock_in_your_tests() {
    let lines = [
        "Grace: not enough money",
        "Ada: paid, 1500",
        "Edsger: not paid",
        r#"charge("Ada", 500, 77)"#,
        "2999500",
    ];
    prints("mock_in_your_tests", &lines);
}

#[test]
fn simulate_a_partition() {
    let lines = [
        "all is well",
        "deadline_exceeded, unknown; the server has counted 1",
        "deadline_exceeded, unknown; the server has counted 2",
        "unavailable, unknown; the server has counted 3",
        "unavailable, not_sent; the server has counted 3",
        "it is number 4",
        "crash: injected 1, hits 1",
    ];
    prints("simulate_a_partition", &lines);
    // All of it, to the last byte.
    assert_eq!(run("simulate_a_partition", &[]), run("simulate_a_partition", &[]));
}

#[test]
fn authorize() {
    let lines = [
        "500 cents of user:ada",
        "(audit) user:ada may not call Till.refund: the caller has none of the roles `manager`",
        "permission_denied (refused)",
        "500 cents to user:grace",
        "the token is not known here",
        "this link is not encrypted",
        "user:grace may not call `Till.refund`",
    ];
    prints("authorize", &lines);
}

/// Who reads an example wants to have seen it whole.
#[test]
fn examples_of_streams_are_short() {
    for example in ["streaming", "chat", "file_transfer", "scheduler"] {
        let path = format!("{}/{example}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("it is there");
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        let lines = text.lines().filter(is_code).count();
        assert!(lines <= 80, "{example} has {lines} lines of code");
    }
}
