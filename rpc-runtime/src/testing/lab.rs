//! Owns [`Lab`], the fabric as everybody shares it, and [`End`], one end of a connection as a transport hands it on. Reads
//! the clock, takes the lock, and wakes whom an operation woke, after it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use crate::call::load;
use crate::driver::now;
use crate::testing::fabric::{Fabric, SideState, Wakers};
use crate::testing::fault::Fault;
use crate::testing::flow::{Ending, Met};

/// A network, shared by its hosts, its connections and the test.
#[derive(Debug)]
pub(super) struct Lab {
    fabric: Mutex<Fabric>,
    /// Something has changed for connects that hang.
    pub(super) changed: Notify,
}

impl Lab {
    pub(super) fn new(seed: u64) -> Self {
        Self { fabric: Mutex::new(Fabric::new(seed, now())), changed: Notify::new() }
    }

    /// Does something with the fabric, at this instant.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Fabric, std::time::Instant) -> R) -> R {
        let (result, wakes) = {
            let mut fabric = self.fabric.lock();
            let result = work(&mut fabric, now());
            (result, std::mem::take(&mut fabric.wakes))
        };
        wakes.iter().for_each(|wakers| wakers.wake());
        result
    }

    pub(super) fn inject(self: &Arc<Self>, fault: Fault) -> usize {
        let lasting = fault.lasting;
        let number = self.with(|fabric, now| fabric.inject(fault, now));
        if let Some(time) = lasting {
            let (lab, until) = (Arc::clone(self), Instant::now() + time);
            tokio::spawn(async move {
                tokio::time::sleep_until(until).await;
                lab.heal(number);
            });
        }
        number
    }

    pub(super) fn heal(&self, number: usize) {
        if let Some(rebirth) = self.with(|fabric, now| fabric.heal(number, now)) {
            rebirth.starts.iter().for_each(|start| start(rebirth.life));
        }
        self.changed.notify_waiters();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        load(None);
    }
}

// ===== impl End =====

/// One end of a connection.
pub(super) struct End {
    lab: Arc<Lab>,
    connection: u64,
    /// Which of the two it is: 0 for the one that connected.
    at: usize,
    wakers: Arc<Wakers>,
    /// Wakes a reader when the next bytes arrive.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl End {
    pub(super) const fn new(lab: Arc<Lab>, connection: u64, at: usize, wakers: Arc<Wakers>) -> Self {
        Self { lab, connection, at, wakers, sleep: None }
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.wakers.readers[this.at].register(cx.waker());
        loop {
            let met = this.lab.with(|fabric, now| fabric.read(this.connection, this.at, now, buffer));
            match met? {
                Met::Bytes | Met::End(Ending::Close) => return Poll::Ready(Ok(())),
                Met::End(Ending::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Met::Nothing => return Poll::Pending,
                Met::Later(until) => {
                    let until = Instant::from_std(until);
                    let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
                    if sleep.deadline() != until {
                        sleep.as_mut().reset(until);
                    }
                    ready!(sleep.as_mut().poll(cx));
                    this.sleep = None;
                }
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wakers.writers[self.at].register(cx.waker());
        match self.lab.with(|fabric, now| fabric.write(self.connection, self.at, now, bytes))? {
            Some(written) => Poll::Ready(Ok(written)),
            None => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.lab.with(|fabric, now| fabric.shut(self.connection, self.at, now)))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.lab.with(|fabric, now| fabric.leave(self.connection, self.at, SideState::Closed, now));
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "End({} of #{})", self.at, self.connection)
    }
}
