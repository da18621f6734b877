//! Owns the large buffers that wait for use, one list for the process. Does not know what was in them, nor what time it is.
//!
//! A body that has a fresh buffer costs more in page faults and in clearing than in copying, and glibc gives what is freed
//! back to the system each time. So buffers are kept between bodies: by the process and not by a thread, because a body is
//! often dropped by another thread than the one that received it, and under a lock of its own, which a body of 16 KiB or
//! more does not feel.
//!
//! The list is open while large bodies move. Whoever moves them [opens](keep) it, and one of those [sweeps](sweep) it until it
//! is closed: what has not been used between two sweeps is given back to the system, and when there is nothing left the list
//! is closed, so that a body that somebody drops much later is not kept either.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::Mutex;

use crate::limits;

static LARGE: Mutex<Large> = Mutex::new(Large::new());

/// The buffers of the process, those that came last at the back.
///
/// Invariants: `bytes` is the sum of their capacities, at most [`limits::LARGE_BUFFERS`]; there are at most
/// [`limits::LARGE_COUNT`]; one that is closed is empty.
struct Large {
    buffers: VecDeque<Waiting>,
    bytes: usize,
    is_open: bool,
    /// How often it has been swept, and when that may be done next.
    sweeps: u64,
    next: Option<Instant>,
}

struct Waiting {
    buffer: Vec<u8>,
    /// The sweep that it came after.
    since: u64,
}

/// An empty buffer with room for exactly so many bytes, or an eighth more.
pub(crate) fn take(bytes: usize) -> Vec<u8> {
    let found = LARGE.lock().take(bytes);
    found.unwrap_or_else(|| Vec::with_capacity(bytes))
}

/// Takes a buffer back, if buffers are kept now.
pub(crate) fn put(buffer: Vec<u8>) {
    let mut surplus = LARGE.lock().put(buffer);
    // Outside of the lock: the system takes its time.
    while surplus.pop().is_some() {}
}

/// Keeps buffers from now on, until a sweep finds none.
pub(crate) fn keep() {
    LARGE.lock().is_open = true;
}

/// Gives back what has not been used since the last sweep but one. Says whether whoever called has to do it again: not if the
/// list is closed, nor if somebody else did it a moment ago, who goes on with it.
pub(crate) fn sweep(now: Instant) -> bool {
    let (old, again) = {
        let mut large = LARGE.lock();
        let old = large.sweep(now);
        let again = old.is_some() && large.is_open;
        (old, again)
    };
    drop(old);
    again
}

/// Gives all of them back.
pub(crate) fn clear() {
    let all = LARGE.lock().clear();
    drop(all);
}

impl Large {
    const fn new() -> Self {
        Self { buffers: VecDeque::new(), bytes: 0, is_open: false, sweeps: 0, next: None }
    }

    fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let fits = |waiting: &Waiting| (bytes..=bytes + bytes / 8).contains(&waiting.buffer.capacity());
        // The last one is the one that caches may still hold; those at the front grow old, and are given back.
        let at = self.buffers.iter().rposition(fits)?;
        let buffer = self.buffers.remove(at)?.buffer;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Keeps a buffer, and hands back those for which there is no room.
    fn put(&mut self, mut buffer: Vec<u8>) -> Vec<Vec<u8>> {
        if !self.is_open || buffer.capacity() > limits::LARGE_BUFFERS {
            return vec![buffer];
        }
        buffer.clear();
        self.bytes += buffer.capacity();
        self.buffers.push_back(Waiting { buffer, since: self.sweeps });
        let mut surplus = Vec::new();
        while (self.bytes > limits::LARGE_BUFFERS || self.buffers.len() > limits::LARGE_COUNT)
            && let Some(oldest) = self.buffers.pop_front()
        {
            self.bytes -= oldest.buffer.capacity();
            surplus.push(oldest.buffer);
        }
        surplus
    }

    /// What is given back; `None` if it was swept a moment ago.
    fn sweep(&mut self, now: Instant) -> Option<VecDeque<Waiting>> {
        // Each connection that moves large bodies sweeps; together they sweep no more often than one alone. A clock that
        // is further off than that is another one's: tests have their own.
        let early = self.next.is_some_and(|next| now < next && next - now <= limits::LARGE_KEPT);
        if early {
            return None;
        }
        self.next = Some(now + limits::LARGE_KEPT);
        let old = self.buffers.partition_point(|waiting| waiting.since < self.sweeps);
        let young = self.buffers.split_off(old);
        let old = std::mem::replace(&mut self.buffers, young);
        self.bytes -= old.iter().map(|waiting| waiting.buffer.capacity()).sum::<usize>();
        self.is_open &= !self.buffers.is_empty() || !old.is_empty();
        self.sweeps += 1;
        Some(old)
    }

    fn clear(&mut self) -> VecDeque<Waiting> {
        self.is_open = false;
        self.bytes = 0;
        std::mem::take(&mut self.buffers)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use super::*;

    fn open() -> Large {
        Large { is_open: true, ..Large::new() }
    }

    #[test]
    fn a_buffer_is_used_again_for_what_is_as_large_or_a_little_smaller() {
        let mut large = open();
        let mut buffer = Vec::with_capacity(90_000);
        buffer.extend_from_slice(b"secret");
        assert!(large.put(buffer).is_empty());
        assert!(large.take(90_001).is_none(), "too small");
        assert!(large.take(79_999).is_none(), "more than an eighth would lie idle");
        let again = large.take(80_000).unwrap();
        assert_eq!((again.len(), again.capacity(), large.bytes), (0, 90_000, 0));
        assert!(large.take(80_000).is_none());
    }

    #[test]
    fn the_last_that_came_is_the_first_to_go_out() {
        let mut large = open();
        for capacity in [70_000, 70_001, 200_000] {
            large.put(Vec::with_capacity(capacity));
        }
        let taken = [0, 0].map(|_| large.take(70_000).map(|buffer| buffer.capacity()));
        assert_eq!(taken, [Some(70_001), Some(70_000)]);
    }

    #[test]
    fn it_is_bounded_in_bytes_and_in_number_and_drops_the_oldest() {
        let mut large = open();
        for nth in 0..limits::LARGE_COUNT + 3 {
            large.put(Vec::with_capacity(20_000 + nth));
        }
        assert_eq!(large.buffers.len(), limits::LARGE_COUNT);
        assert_eq!(large.buffers[0].buffer.capacity(), 20_003);
        large.put(Vec::with_capacity(limits::LARGE_BUFFERS));
        assert_eq!((large.buffers.len(), large.bytes), (1, limits::LARGE_BUFFERS));
        assert_eq!(large.put(Vec::with_capacity(limits::LARGE_BUFFERS + 1)).len(), 1, "never kept");
    }

    #[test]
    fn what_is_not_used_between_two_sweeps_goes_and_then_it_is_closed() {
        let (mut large, start) = (open(), Instant::now());
        let sweep =
            |large: &mut Large, nth| large.sweep(start + nth * limits::LARGE_KEPT).expect("it is time").len();
        large.put(Vec::with_capacity(20_000));
        large.put(Vec::with_capacity(30_000));
        assert_eq!(sweep(&mut large, 0), 0, "they have just come");
        let used = large.take(20_000).unwrap();
        large.put(used);
        assert!(large.sweep(start + limits::LARGE_KEPT / 2).is_none(), "a moment ago");
        assert_eq!(sweep(&mut large, 1), 1);
        assert_eq!(large.bytes, 20_000);
        assert_eq!(sweep(&mut large, 2), 1);
        large.put(Vec::with_capacity(20_000));
        assert_eq!(sweep(&mut large, 3), 0, "it was still open");
        assert_eq!(sweep(&mut large, 4), 1);
        assert_eq!(sweep(&mut large, 5), 0);
        assert_eq!(large.put(Vec::with_capacity(20_000)).len(), 1, "nobody moves large bodies any more");
    }
}
