//! Owns [`Task`]: the one task of a connection, turn by turn. Does not decide what a frame means or where a socket
//! comes from.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::ReadBuf;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

use crate::call::{
    self, Caps, Code, Deadline, Delivery, Items, Metadata, Payload, Peer, Request, Response, RpcError,
};
use crate::driver::clock;
use crate::driver::dispatch::{Dispatch, Route, Serving};
use crate::driver::places::nil;
use crate::driver::read::{Found, Reading};
use crate::driver::shared::{Lifecycle, Shared};
use crate::driver::streams::{Inflow, Whose, mismatch};
use crate::driver::work::Work;
use crate::driver::write::{Writing, Wrote};
use crate::limits;
use crate::proto::{Config, Connection, ConnectionError, IncomingCall, MethodName, Refusal, Side};
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
    let shared = Shared::new(Connection::new(side, config, clock::now()));
    let peer = Peer::new(address, link.identity().cloned());
    let task = Task {
        shared: Arc::clone(&shared),
        io: link.into_io(),
        reading: Reading::default(),
        writing: Writing::default(),
        at_end: false,
        sleep: None,
        yielded: false,
        peer,
        serving,
        routes: Vec::new(),
        starts: VecDeque::new(),
        spawned: false,
        in_flight,
        caps,
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
    /// Other tasks have had their turn since there was something to write.
    yielded: bool,
    peer: Peer,
    serving: Serving,
    /// What the numbers that the peer bound to names were found to mean.
    routes: Vec<Option<Option<Route>>>,
    /// Calls that are to be started in this turn.
    starts: VecDeque<IncomingCall>,
    /// The last handler that became a task in this turn may still be where only this thread finds it.
    spawned: bool,
    in_flight: usize,
    caps: Caps,
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
        let error = ConnectionError::Local("the runtime that the connection ran in has ended");
        self.shared.with(|core| core.machine.handle_transport_error(error.clone(), clock::now()));
        let after = self.shared.with(|core| core.take_aftermath());
        self.lifecycle.closed(Some(&error));
        after.failed.into_iter().for_each(|failed| self.lifecycle.oneway_failed(failed));
    }
}

impl Task {
    async fn run(mut self) {
        let closed = poll_fn(|cx| self.turn(cx)).await;
        match &closed {
            Some(error) => tracing::debug!(peer = %self.peer, %error, "connection ended"),
            None => tracing::trace!(peer = %self.peer, "connection closed"),
        }
        self.lifecycle.closed(closed.as_ref());
        self.linger().await;
    }

    /// One turn: see the [module](super). Ready when the connection is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<ConnectionError>> {
        self.shared.task.register(cx.waker());
        // What has come may be the sign of life that a timer waits for.
        let more = self.read(cx);
        self.tell_time(cx);
        self.start(cx);
        self.write(cx);
        self.count();
        if let Some(closed) = self.after() {
            self.is_closed = true;
            return Poll::Ready(closed);
        }
        self.arm(cx);
        if more || self.shared.can_start() {
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
        if let Some(dispatch) = self.serving.as_ref().filter(|_| read + written > 0) {
            dispatch.moved(read, written);
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.at_end = true;
        let error = ConnectionError::Transport(error.to_string());
        self.shared.with(|core| core.machine.handle_transport_error(error, clock::now()));
    }

    /// Starts the calls that wait, until there are none or the output is full.
    fn start(&mut self, cx: &mut Context<'_>) {
        let began = clock::now();
        self.spawned = false;
        loop {
            let starts = &mut self.starts;
            self.shared.with(|core| {
                let now = clock::now();
                while starts.len() < limits::STARTS
                    && let Some(call) = core.machine.poll_start(now)
                {
                    starts.push_back(call);
                }
            });
            if self.starts.is_empty() {
                return;
            }
            while let Some(call) = self.starts.pop_front() {
                let inline = clock::now().duration_since(began) < limits::INLINE_TIME;
                self.start_one(call, inline);
            }
            // Answers may fill the output, and calls wait then until it has been written.
            self.write(cx);
        }
    }

    fn start_one(&mut self, call: IncomingCall, inline: bool) {
        let IncomingCall { id, method, deadline, metadata, arguments, stream } = call;
        let Some(dispatch) = self.serving.clone() else {
            self.shared.with(|core| core.machine.release(arguments, clock::now()));
            let text = format!("`{}` is not served here: this side only calls", method.name);
            let error = RpcError::new(Code::UNIMPLEMENTED, Delivery::Refused, text);
            return self.shared.answer(id, Err(error), Metadata::new());
        };
        let route = self.route(&method, &*dispatch);
        let descriptor = route.map(|route| route.method);
        let arguments = Payload::received(arguments.into_parts(), &self.shared, self.caps);
        if let Some(error) = descriptor.and_then(|method| mismatch(method, stream)) {
            drop(arguments);
            dispatch.refused(Refusal::BadStreams);
            return self.shared.answer(id, Err(error), Metadata::new());
        }
        // Calls that a handler makes while its streams move are bound by what bounds those.
        let bound = stream.map_or(deadline, |stream| stream.total);
        let context = self.context(&method, bound, metadata.clone());
        // Known names are static: only an unknown one is copied.
        let name =
            descriptor.map_or_else(|| method.name.to_string().into(), |method| method.full_name.into());
        let mut request = Request::received(name, arguments, metadata, bound, self.peer.clone());
        if let Some(route) = route {
            request.set_route(route.service, route.method);
        }
        if let Some(stream) = stream {
            let first = deadline.map(|deadline| deadline.remaining(clock::now()));
            request.set_stream(stream.takes, first, stream.idle);
        }
        if let Some(stream) = stream.filter(|stream| stream.sends) {
            // One that blocks its thread may wait for an item there, and would never be dropped.
            let is_patient = !descriptor.is_some_and(|method| method.blocking);
            let taken = self.shared.read(Whose::Peer(id), stream.idle, is_patient);
            request.set_items(Items::received(Inflow::new(Arc::clone(&self.shared), id), self.caps, taken));
        }
        let mut work = Work::new(id, context, &self.shared, &dispatch);
        if descriptor.is_some_and(|method| method.oneway) {
            if !self.accept_oneway(id) {
                return work.refused();
            }
            work.set_oneway();
        }
        if !work.begin(|| dispatch.handle(request)) {
            return;
        }
        let blocking = descriptor.is_some_and(|method| method.blocking);
        if inline && !blocking {
            if std::mem::take(&mut self.spawned) {
                self.shared.keeper.make_way();
            }
            let mut cx = Context::from_waker(Waker::noop());
            if work.poll_handler(&mut cx).is_ready() {
                return;
            }
        }
        // The end of a oneway call is not the end of its handler; any other one may have been stopped meanwhile.
        let oneway = descriptor.is_some_and(|method| method.oneway);
        if !oneway && !self.shared.with(|core| core.note_running(id, work.stop_signal())) {
            return drop(work);
        }
        // The machine watches over the time of a call until it is over, which a oneway call is already.
        let until = deadline.filter(|_| oneway).map(|deadline| Instant::from_std(deadline.instant()));
        let work = async move {
            match until {
                Some(until) => drop(tokio::time::timeout_at(until, work).await),
                None => work.await,
            }
        };
        if blocking {
            let runtime = Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(work));
        } else {
            tokio::spawn(work);
            self.spawned = true;
        }
    }

    fn context(&self, method: &MethodName, bound: Option<Deadline>, metadata: Metadata) -> call::Context {
        let (name, peer) = (Arc::clone(&method.name), self.peer.clone());
        call::Context::new(name, bound, metadata, peer, clock::now, Some(self.shared.clone()))
    }

    /// Answers a oneway call before its handler runs, unless too many of them are at work.
    fn accept_oneway(&self, id: crate::proto::CallId) -> bool {
        let limit = self.in_flight;
        let accepted = self.shared.with(|core| {
            let room = core.oneway < limit;
            core.oneway += usize::from(room);
            room
        });
        let answer = if accepted {
            Ok(Response::value(Payload::new(nil())))
        } else {
            let text = format!("{limit} oneway calls of this connection are at work already (`in_flight`)");
            Err(RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, text).with_resend())
        };
        self.shared.answer(id, answer, Metadata::new());
        accepted
    }

    fn route(&mut self, method: &MethodName, dispatch: &dyn Dispatch) -> Option<Route> {
        let Some(number) = method.number else { return dispatch.route(&method.name) };
        let at = number as usize;
        if at >= self.routes.len() {
            self.routes.resize(at + 1, None);
        }
        *self.routes[at].get_or_insert_with(|| dispatch.route(&method.name))
    }

    /// Writes what is framed.
    fn write(&mut self, cx: &mut Context<'_>) {
        if !self.shared.wants_write() && self.writing.is_idle() {
            self.yielded = false;
            return;
        }
        // On a multi-threaded scheduler this task runs before the other callers that are ready too, and would write
        // one frame at a time; one yield lets them all put theirs in. A single call in flight waits for nobody.
        if !self.yielded && self.shared.has_company() {
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
    fn after(&mut self) -> Option<Option<ConnectionError>> {
        let after = self.shared.with(|core| core.take_aftermath());
        if let Some(hello) = after.ready {
            self.peer.introduce(&hello.name, hello.instance);
        }
        if after.retired {
            self.lifecycle.retired();
        }
        after.failed.into_iter().for_each(|failed| self.lifecycle.oneway_failed(failed));
        if let Some(dispatch) = &self.serving {
            after.refused.into_iter().for_each(|why| dispatch.refused(why));
        }
        after.closed
    }

    /// Sees to it that the task is woken for the machine's next timer.
    fn arm(&mut self, cx: &mut Context<'_>) {
        let Some(due) = self.shared.core.lock().machine.poll_timeout().map(Instant::from_std) else { return };
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
