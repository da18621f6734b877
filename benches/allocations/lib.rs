//! Owns [`Counting`], the system's allocator with a count for each thread. Does not know who measures, nor when.
//!
//! While nobody counts, an allocation costs one read of a variable that never changes and one branch more, below a
//! nanosecond: what is timed is not disturbed. While somebody counts, it costs three writes to what its thread alone
//! writes to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// Gives what the system gives, and counts it while it is told to.
#[derive(Debug)]
pub struct Counting;

/// A thread that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Thread(usize);

/// From now on allocations are counted.
pub fn count() {
    COUNTS.store(true, Ordering::Relaxed);
}

/// From now on they are not.
pub fn stop() {
    COUNTS.store(false, Ordering::Relaxed);
}

/// The allocations that were counted so far in this process. One that grows or shrinks counts as one more.
pub fn made() -> u64 {
    TALLIES.iter().map(|tally| tally.made.load(Ordering::Relaxed)).sum()
}

/// Prints where this thread makes its next allocations, so many of them.
pub fn show(next: u64) {
    SHOWN.set(next);
}

impl Thread {
    /// The one that asks.
    pub fn this() -> Self {
        Self(slot())
    }

    /// The allocations that it has made so far.
    pub fn made(self) -> u64 {
        TALLIES[self.0].made.load(Ordering::Relaxed)
    }

    /// The bytes of all of these; one that grows counts with what it grew by.
    pub fn taken(self) -> u64 {
        TALLIES[self.0].taken.load(Ordering::Relaxed)
    }

    /// The bytes that it has allocated more than it has freed. What passes from one thread to another counts for both.
    pub fn live(self) -> i64 {
        TALLIES[self.0].live.load(Ordering::Relaxed)
    }
}

/// What one thread has done; in cache lines of its own.
#[repr(align(128))]
struct Tally {
    made: AtomicU64,
    taken: AtomicU64,
    live: AtomicI64,
}

/// More threads than any measurement has; those beyond share the last place.
const THREADS: usize = 256;

static COUNTS: AtomicBool = AtomicBool::new(false);
static TALLIES: [Tally; THREADS] =
    [const { Tally { made: AtomicU64::new(0), taken: AtomicU64::new(0), live: AtomicI64::new(0) } }; THREADS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

// None of them has a destructor, so they can be used for as long as a thread allocates.
thread_local! {
    static SLOT: Cell<Option<usize>> = const { Cell::new(None) };
    static SHOWN: Cell<u64> = const { Cell::new(0) };
}

fn slot() -> usize {
    SLOT.get().unwrap_or_else(|| {
        let slot = NEXT.fetch_add(1, Ordering::Relaxed).min(THREADS - 1);
        SLOT.set(Some(slot));
        slot
    })
}

fn note(made: u64, bytes: i64) {
    if COUNTS.load(Ordering::Relaxed) {
        let tally = &TALLIES[slot()];
        tally.made.fetch_add(made, Ordering::Relaxed);
        tally.live.fetch_add(bytes, Ordering::Relaxed);
        tally.taken.fetch_add(bytes.max(0) as u64, Ordering::Relaxed);
        let left = SHOWN.get();
        if made > 0 && left > 0 {
            // What is printed allocates too, and is not shown.
            SHOWN.set(0);
            eprintln!("{bytes} bytes\n{}", Backtrace::force_capture());
            SHOWN.set(left - 1);
        }
    }
}

// SAFETY: every method hands its arguments to `System` as they are, and gives back what that gives; counting
// touches atomics only, so it neither allocates nor unwinds. Showing does both, for those who ask, and comes back here at
// most once.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as i64 - layout.size() as i64);
        // SAFETY: as above; what `place` is came from `System`.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}
