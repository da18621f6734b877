//! Owns [`Progress`]: whether a frame that has begun goes on, and a write that is blocked moves. A peer that is
//! alive but stands still would otherwise hold buffers for ever.

use std::time::{Duration, Instant};

use crate::limits;

#[derive(Debug)]
pub(super) struct Progress {
    write_stall: Duration,
    /// The bytes of the unfinished frame, and when they were counted.
    frame: Option<(usize, Instant)>,
    /// Since when the transport has taken next to nothing, and how many bytes it took.
    blocked: Option<(Instant, usize)>,
}

impl Progress {
    pub(super) const fn new(write_stall: Duration) -> Self {
        Self { write_stall, frame: None, blocked: None }
    }

    /// So many bytes of an unfinished frame are left over, after whole frames were taken or not.
    pub(super) fn left_over(&mut self, bytes: usize, after_whole_frames: bool, now: Instant) {
        match self.frame {
            _ if bytes == 0 => self.frame = None,
            Some((counted, _)) if !after_whole_frames && bytes < counted + limits::FRAME_PROGRESS_BYTES => {}
            _ => self.frame = Some((bytes, now)),
        }
    }

    /// Whether the input ends inside a frame.
    pub(super) const fn is_inside_a_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// The transport takes no more for now.
    pub(super) fn blocked(&mut self, now: Instant) {
        self.blocked.get_or_insert((now, 0));
    }

    /// The transport took so many bytes, and perhaps all that there were; says whether it had been blocked.
    pub(super) fn wrote(&mut self, bytes: usize, all: bool) -> bool {
        let Some((_, taken)) = &mut self.blocked else { return false };
        *taken = taken.saturating_add(bytes);
        if all || *taken >= limits::WRITE_PROGRESS_BYTES {
            self.blocked = None;
        }
        true
    }

    pub(super) fn frame_timeout(&self) -> Option<Instant> {
        self.frame.map(|(_, counted)| counted + limits::FRAME_PROGRESS)
    }

    pub(super) fn write_timeout(&self) -> Option<Instant> {
        self.blocked.and_then(|(since, _)| since.checked_add(self.write_stall))
    }
}
