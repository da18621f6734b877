//! The attribute in a hostile crate: another name for its own, no prelude, denied lints, documentation required, and
//! names of the standard library that mean something else.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub, missing_debug_implementations)]
#![deny(
    elided_lifetimes_in_paths,
    unnameable_types,
    single_use_lifetimes,
    unused_lifetimes,
    let_underscore_drop
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::missing_docs_in_private_items
)]
#![deny(clippy::shadow_same, clippy::shadow_unrelated, clippy::same_name_method, clippy::ref_patterns)]

pub mod named;
pub mod shadowed;

/// The macro of tokio does not work without a prelude.
fn run(future: impl ::core::future::Future<Output = ()>) {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(future);
}
