//! `cargo bench -p traitwire-parts`: times of single parts, each without the others: values and their bytes (`codec`), one call
//! between two machines without sockets (`machine`), a call through a channel's policies (`stack`) and to one of many endpoints
//! (`pick`). What a whole call costs beside others is `peers`' to say, and how many instructions it takes, which repeats better,
//! `instructions`'.
//!
//! `-- machine` runs what has this in its name; criterion keeps the last times, and tells by how much they changed.
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(missing_docs, reason = "what criterion's macros write has none")]

mod codec;
mod machine;
mod pick;
mod stack;

criterion::criterion_group!(parts, codec::all, machine::all, pick::all, stack::all);
criterion::criterion_main!(parts);
