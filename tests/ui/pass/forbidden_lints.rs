//! A crate that forbids what can be forbidden.
#![forbid(missing_docs, unreachable_pub, deprecated, non_snake_case, unused, elided_lifetimes_in_paths)]
#![deny(warnings, dead_code)]
#![allow(forbidden_lint_groups)]

/// Documented.
#[traitwire::rpc_service]
trait Service {
    /// Documented.
    async fn method(&self, a: &str) -> Result<String, String>;
}

fn main() {
    let _ = |client: &ServiceClient| drop(client.method(""));
}
