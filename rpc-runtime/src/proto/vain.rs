//! Owns [`Vain`]: how many frames the peer has sent that move nothing. Does not know which those are.

use std::time::Instant;

use crate::limits;
use crate::proto::Misbehaviour;

/// The budget for frames that cost this side its time and bring nobody anything.
///
/// An honest peer sends some: a CANCEL crosses an answer, a CREDIT the end of its stream, and signs of life have to be asked
/// for. So time forgives one after the other, and each frame that moves something forgives some more.
#[derive(Debug)]
pub(super) struct Vain {
    most: u32,
    spent: u32,
    /// Up to when time has forgiven.
    forgiven: Instant,
}

impl Vain {
    pub(super) const fn new(most: u32, now: Instant) -> Self {
        Self { most, spent: 0, forgiven: now }
    }

    /// So many frames have moved something.
    pub(super) const fn forgive(&mut self, frames: u32) {
        self.spent = self.spent.saturating_sub(limits::VAIN_FORGIVEN.saturating_mul(frames));
    }

    /// A frame has moved nothing.
    pub(super) fn count(&mut self, now: Instant) -> Result<(), Misbehaviour> {
        let passed = now.duration_since(self.forgiven).as_nanos() / limits::VAIN_EVERY.as_nanos();
        if passed > 0 {
            self.spent = self.spent.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
            self.forgiven = now;
        }
        if self.spent >= self.most {
            return Err(Misbehaviour::TooManyVain { limit: self.most });
        }
        self.spent += 1;
        Ok(())
    }
}
