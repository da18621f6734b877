//! Owns [`Pace`], which says when calls are due that come at a fixed rate, whatever became of those before. Makes no call.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// A timer of the kernel's, because tokio's own goes by whole milliseconds. It wakes the runtime as a socket does.
#[derive(Debug)]
pub(crate) struct Pace(AsyncFd<OwnedFd>);

impl Pace {
    /// The first call is due after one gap.
    pub(crate) fn new(gap: Duration) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let gap = Timespec { tv_sec: gap.as_secs() as i64, tv_nsec: gap.subsec_nanos().into() };
        let each = Itimerspec { it_interval: gap, it_value: gap };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &each)?;
        #[expect(
            deprecated,
            reason = "unsound for descriptors that another may close; this one is owned here"
        )]
        Ok(Self(AsyncFd::new(timer)?))
    }

    /// How many calls have become due since it was asked last; waits until there is one.
    pub(crate) async fn due(&self) -> io::Result<u64> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut count = [0; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?));
            if let Ok(read) = read {
                read?;
                return Ok(u64::from_ne_bytes(count));
            }
        }
    }
}
