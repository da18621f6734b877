//! What a call costs, counted and not timed: allocations of each side, writes to the transport, memory for large bodies, and that of
//! a connection that has nothing to do. The counts do not depend on the machine, nor on what else it does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod allocations;
mod idle;
mod large;
mod load;
mod writes;

#[global_allocator]
static ALLOCATOR: traitwire_allocations::Counting = traitwire_allocations::Counting;
