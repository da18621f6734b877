//! Owns [`Task`]: the one task of a connection, turn by turn. Does not decide what a frame means or where a socket
//! comes from.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Instant, Sleep};

use crate::call::{Caps, Peer, clear_large, keep_large, sweep_large};
use crate::driver::clock;
use crate::driver::core::{Aftermath, Core};
use crate::driver::dispatch::Serving;
use crate::driver::read::{Found, Reading};
use crate::driver::shared::{Lifecycle, Shared};
use crate::driver::starting::Starting;
use crate::driver::write::{Writing, Wrote};
use crate::limits;
use crate::proto::{Config, Connection, ConnectionError, Side};
use crate::transport::{Io, Link};

/// Makes a connection of a link: what callers share, and the task that is to be spawned.
pub(crate) fn connection(
    side: Side,
    config: Config,
    caps: Caps,
    link: Link,
    address: Arc<str>,
    serving: Serving,
    lifecycle: Arc<dyn Lifecycle>,
) -> (Arc<Shared>, impl Future<Output = ()> + Send + 'static) {
    let mut config = config;
    if !link.can_die_silently() {
        config.keepalive = None;
    }
    let in_flight = config.in_flight as usize;
    let shared = Shared::new(Connection::new(side, config, clock::now()), link.is_private());
    let peer = Peer::new(address, link.identity().cloned());
    let starting = Starting::new(&shared, serving, peer, caps, in_flight);
    let task = Task {
        shared: Arc::clone(&shared),
        io: link.into_io(),
        reading: Reading::default(),
        writing: Writing::default(),
        at_end: false,
        sleep: None,
        sweep: None,
        yielded: false,
        yields: Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread,
        starting,
        lifecycle,
        is_closed: false,
    };
    (shared, task.run())
}

struct Task {
    shared: Arc<Shared>,
    io: Box<dyn Io>,
    reading: Reading,
    writing: Writing,
    /// The peer's end is closed.
    at_end: bool,
    /// Wakes the task for the machine's next timer; never later than that timer, perhaps earlier.
    sleep: Option<Pin<Box<Sleep>>>,
    /// When to give large buffers back that nobody has used.
    sweep: Option<Instant>,
    /// Other tasks have had their turn since there was something to write.
    yielded: bool,
    /// There may be other threads.
    yields: bool,
    starting: Starting,
    lifecycle: Arc<dyn Lifecycle>,
    is_closed: bool,
}

impl Drop for Task {
    /// A runtime that ends drops its tasks: calls that wait for this connection, perhaps in another runtime, must not
    /// wait for ever.
    fn drop(&mut self) {
        if self.is_closed {
            return;
        }
        if self.sweep.is_some() {
            clear_large();
        }
        let error = ConnectionError::Local("the runtime that the connection ran in has ended");
        self.shared.with(|core| core.machine.handle_transport_error(error.clone(), clock::now()));
        let after = self.shared.with(|core| core.take_aftermath());
        self.shared.leave();
        self.lifecycle.closed(Some(&error));
        let failed = after.map(|after| after.failed).unwrap_or_default();
        failed.into_iter().for_each(|failed| self.lifecycle.oneway_failed(failed));
    }
}

impl Task {
    async fn run(mut self) {
        let closed = poll_fn(|cx| self.turn(cx)).await;
        match &closed {
            Some(error) => tracing::debug!(peer = %self.starting.peer(), %error, "connection ended"),
            None => tracing::trace!(peer = %self.starting.peer(), "connection closed"),
        }
        self.shared.leave();
        self.lifecycle.closed(closed.as_ref());
        if self.sweep.is_some() {
            // Other connections fill it again if they need it.
            clear_large();
        }
        // Boxed: while the connection lives, nobody needs the room that this takes.
        Box::pin(self.linger()).await;
    }

    /// One turn: see the [module](super). Ready when the connection is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<ConnectionError>> {
        self.shared.task.register(cx.waker());
        self.shared.begin_turn();
        // What has come may be the sign of life that a timer waits for.
        let more = self.read(cx);
        self.tell_time(cx);
        self.start(cx);
        self.write(cx);
        self.count();
        let (after, due, can_start, has_begun) = {
            let mut core = self.shared.core.lock();
            let Core { machine, .. } = &mut *core;
            let (due, can_start, has_begun) =
                (machine.poll_timeout(), machine.can_start(), machine.take_begun());
            (core.take_aftermath(), due, can_start, has_begun)
        };
        if has_begun {
            self.keep();
        }
        if let Some(closed) = after.and_then(|after| self.after(*after)) {
            self.is_closed = true;
            return Poll::Ready(closed);
        }
        let due = [due.map(Instant::from_std), self.sweep].into_iter().flatten().min();
        if let Some(due) = due {
            self.arm(due, cx);
        }
        if more || can_start {
            make_way(cx);
        }
        Poll::Pending
    }

    /// Lets the machine's timers fire, if the time has come.
    fn tell_time(&mut self, cx: &mut Context<'_>) {
        let due = self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if due {
            self.sleep = None;
            self.shared.with(|core| {
                let now = clock::now();
                core.look(now);
                core.machine.handle_timeout(now);
            });
            self.sweep();
        }
    }

    /// A large payload has begun to come or to leave: buffers are kept for the next ones, for a while.
    fn keep(&mut self) {
        keep_large();
        self.sweep.get_or_insert_with(|| Instant::from_std(clock::now()) + limits::LARGE_KEPT);
    }

    /// Gives large buffers back that nobody has used for a while, if the time has come.
    fn sweep(&mut self) {
        let now = clock::now();
        if self.sweep.is_some_and(|due| due.into_std() <= now) {
            self.sweep = sweep_large(now).then(|| Instant::from_std(now) + limits::LARGE_KEPT);
        }
    }

    /// Reads what is there; says whether there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..limits::READS {
            if self.at_end {
                return false;
            }
            match self.reading.poll(&mut *self.io, &self.shared, cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(Found::Bytes)) => {}
                Poll::Ready(Ok(Found::End)) => {
                    self.at_end = true;
                    self.shared.with(|core| core.machine.handle_eof(clock::now()));
                }
                Poll::Ready(Err(error)) => self.failed(&error),
            }
        }
        true
    }

    /// Tells how many bytes have moved since it was last told.
    fn count(&mut self) {
        let (read, written) = (self.reading.take_count(), self.writing.take_count());
        if let Some(dispatch) = self.starting.serving().filter(|_| read + written > 0) {
            dispatch.moved(read, written);
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.at_end = true;
        let error = ConnectionError::Transport(error.to_string());
        self.shared.with(|core| core.machine.handle_transport_error(error, clock::now()));
    }

    /// Starts the calls that wait, until there are none, the output is full, or others are to have their turn.
    fn start(&mut self, cx: &mut Context<'_>) {
        self.starting.begin_turn();
        while self.starting.start_some() {
            // Answers may fill the output, and calls wait then until it has been written.
            let began = clock::now();
            self.write(cx);
            self.starting.skip(clock::now().saturating_duration_since(began));
        }
        self.starting.end_turn();
    }

    /// Writes what is framed.
    fn write(&mut self, cx: &mut Context<'_>) {
        let (wants_write, has_company) = self.shared.wants_write();
        if !wants_write && self.writing.is_idle() {
            self.yielded = false;
            return;
        }
        // On a multi-threaded scheduler this task runs before the other callers that are ready too, and would write
        // one frame at a time; one yield lets them all put theirs in. A single call in flight waits for nobody. In one thread
        // tasks run in the order in which they were woken: those callers have had their turns.
        if self.yields && !self.yielded && has_company {
            self.yielded = true;
            cx.waker().wake_by_ref();
            return;
        }
        match self.writing.poll(&mut *self.io, &self.shared, cx) {
            Ok(Wrote::All) => self.yielded = false,
            Ok(Wrote::Blocked) => {}
            Ok(Wrote::Large) => make_way(cx),
            Err(error) => self.failed(&error),
        }
    }

    /// Does what events ask for beyond waking and stopping; tells the end if it has come.
    fn after(&mut self, after: Aftermath) -> Option<Option<ConnectionError>> {
        if let Some(hello) = after.ready {
            self.starting.introduce(&hello.name, hello.instance);
            self.lifecycle.introduced();
        }
        if after.retired {
            self.lifecycle.retired();
        }
        if after.leaving {
            self.shared.leave();
        }
        after.failed.into_iter().for_each(|failed| self.lifecycle.oneway_failed(failed));
        if let Some(dispatch) = self.starting.serving() {
            after.refused.into_iter().for_each(|why| dispatch.refused(why));
        }
        after.closed
    }

    /// Sees to it that the task is woken for the machine's next timer.
    fn arm(&mut self, due: Instant, cx: &mut Context<'_>) {
        let early = self.sleep.as_ref().is_some_and(|sleep| sleep.deadline() <= due);
        if early {
            return;
        }
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                sleep.as_mut().reset(due);
                sleep
            }
            None => self.sleep.insert(Box::pin(tokio::time::sleep_until(due))),
        };
        // Registers the waker; if the time has come already, the next turn is now.
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Closes the transport and waits a moment for the peer to do so too: data that it has sent and nobody has read
    /// would make the kernel reset the connection, and take our last GOAWAY with it.
    async fn linger(mut self) {
        let lingering = async {
            let closed = poll_fn(|cx| Pin::new(&mut *self.io).poll_shutdown(cx)).await;
            let mut discarded = [0; 1024];
            while closed.is_ok() && !self.at_end {
                let mut buffer = ReadBuf::new(&mut discarded);
                let read = poll_fn(|cx| Pin::new(&mut *self.io).poll_read(cx, &mut buffer)).await;
                self.at_end = read.is_err() || buffer.filled().is_empty();
            }
        };
        // A peer that neither reads nor closes is left alone after this.
        let _ = tokio::time::timeout(limits::FAREWELL, lingering).await;
    }
}

/// Has this task polled again after other tasks have had their turn and the runtime has looked what came in. A task that
/// wakes itself keeps its runtime from looking for 61 polls: a small call would wait for megabytes of a large one.
fn make_way(cx: &mut Context<'_>) {
    // It is ready, by its waker, when the runtime has looked; this one is done with it.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}
