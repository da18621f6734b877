//! Owns [`Starting`]: calls that may start become handlers at work, each polled once here, and those that wait become tasks.
//! Does not say when calls may start (`task`), nor what a handler's end is (`work`).

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::call::{self, Caps, Code, Deadline, Delivery, Items, Metadata, Payload, Peer, Request, RpcError};
use crate::driver::clock;
use crate::driver::dispatch::{Dispatch, Route, Serving};
use crate::driver::places::nil;
use crate::driver::shared::Shared;
use crate::driver::streams::{Inflow, Whose, mismatch};
use crate::driver::work::Work;
use crate::limits;
use crate::proto::{Answer, CallId, IncomingCall, MethodName, Refusal};

thread_local! {
    /// Room for the calls that a turn starts and for their answers: all connections of a thread use the same, one after
    /// the other.
    static ROOM: Cell<Room> = const { Cell::new((VecDeque::new(), Vec::new())) };
    /// The connection that was the last to start calls in this thread.
    static LAST: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

type Room = (VecDeque<IncomingCall>, Vec<(CallId, Answer)>);

/// The calls of the peer on their way to their handlers.
pub(super) struct Starting {
    shared: Arc<Shared>,
    serving: Serving,
    peer: Peer,
    caps: Caps,
    /// Oneway calls that may be at work.
    in_flight: usize,
    /// What the numbers that the peer bound to names were found to mean.
    routes: Vec<Option<Option<Route>>>,
    /// Calls that are to be started.
    line: VecDeque<IncomingCall>,
    /// Small answers of handlers that were polled here: the machine gets them together.
    answers: Vec<(CallId, Answer)>,
    /// What the last of those handlers worked with, for the next one.
    spare: Option<Box<Work>>,
    /// How many handlers were polled here in this turn, and when it began to.
    polled: u32,
    began: Option<Instant>,
    /// How many calls it takes from the machine at a time.
    group: usize,
    /// The last handler that became a task in this turn may still be where only this thread finds it.
    spawned: bool,
}

impl Starting {
    pub(super) fn new(
        shared: &Arc<Shared>,
        serving: Serving,
        peer: Peer,
        caps: Caps,
        in_flight: usize,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            serving,
            peer,
            caps,
            in_flight,
            routes: Vec::new(),
            line: VecDeque::new(),
            answers: Vec::new(),
            spare: None,
            polled: 0,
            began: None,
            group: limits::STARTS,
            spawned: false,
        }
    }

    pub(super) const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The peer has said who it is.
    pub(super) fn introduce(&mut self, name: &str, instance: u64) {
        self.peer.introduce(name, instance);
        // It knows the peer too.
        self.spare = None;
    }

    pub(super) fn serving(&self) -> Option<&dyn Dispatch> {
        self.serving.as_deref()
    }

    /// A turn of the connection's task begins.
    pub(super) fn begin_turn(&mut self) {
        self.spawned = false;
        self.polled = 0;
        self.began = None;
        (self.line, self.answers) = ROOM.take();
    }

    /// All calls that could start in this turn have been started.
    pub(super) fn end_turn(&mut self) {
        ROOM.set((std::mem::take(&mut self.line), std::mem::take(&mut self.answers)));
    }

    /// Starts some of the calls that wait. False if there are none, or if those that are left had better wait for the next
    /// turn: the time of this one is over, and they are too light to be worth tasks.
    pub(super) fn start_some(&mut self) -> bool {
        if !self.shared.core.lock().machine.can_start() {
            return false;
        }
        let now = clock::now();
        let began = self.began.unwrap_or_else(|| self.begin(now));
        if now >= began + limits::INLINE_TIME && self.are_light(now) {
            return false;
        }
        let (line, group) = (&mut self.line, self.group);
        self.shared.with(|core| {
            while line.len() < group
                && let Some(call) = core.machine.poll_start(now)
            {
                line.push_back(call);
            }
        });
        if self.line.is_empty() {
            return false;
        }
        self.start(now, began + limits::INLINE_TIME);
        true
    }

    /// There are calls to be started in this turn, which begins to do so now.
    fn begin(&mut self, now: Instant) -> Instant {
        let own = Arc::as_ptr(&self.shared);
        // Between turns of other connections nothing is gained: their callers and this one's are at work meanwhile.
        let is_alone = LAST.replace(own) == own;
        self.group = match is_alone {
            true => (self.shared.core.lock().machine.waiting_calls() / limits::GROUPS)
                .clamp(limits::STARTS_ALONE, limits::STARTS),
            false => limits::STARTS,
        };
        self.began = Some(now);
        now
    }

    /// So much of this turn went into something else than handlers.
    pub(super) fn skip(&mut self, time: Duration) {
        self.began = self.began.and_then(|began| began.checked_add(time));
    }

    /// Whether the handlers of this turn were so quick that a task for each would cost more than they do.
    fn are_light(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| now.duration_since(began) <= limits::LIGHT * self.polled)
    }

    /// Starts the calls that were taken at this instant. Those whose turn has not come by then become tasks, unless they
    /// are light.
    fn start(&mut self, mut now: Instant, until: Instant) {
        // A look at the clock costs as much as a small handler: where those are light, there is one for several of them.
        let (mut unread, mut patience, mut last) = (0, 1, None);
        while let Some(call) = self.line.pop_front() {
            let (id, number) = (call.id, call.method.number);
            // Of another method nothing is known yet.
            if unread > 0 && (number.is_none() || number != last) {
                (now, unread, patience) = (clock::now(), 0, 1);
            }
            last = number;
            let inline = now < until || self.are_light(now);
            self.polled += u32::from(inline);
            let answer = self.start_one(call, inline);
            unread += 1;
            if unread >= patience {
                now = clock::now();
                patience = if self.are_light(now) { limits::UNTIMED.min(2 * patience) } else { 1 };
                unread = 0;
            }
            if let Some(answer) = answer {
                let is_small = answer.size() <= limits::INLINE_PAYLOAD;
                self.answers.push((id, answer));
                if !is_small {
                    // The machine says when there is no room for more of them.
                    self.shared.answer_all(&mut self.answers, clock::now());
                }
            }
        }
        if !self.answers.is_empty() {
            self.shared.answer_all(&mut self.answers, clock::now());
        }
    }

    /// Starts a call; the answer, if there is one already.
    fn start_one(&mut self, call: IncomingCall, inline: bool) -> Option<Answer> {
        let IncomingCall { id, method, deadline, metadata, arguments, stream } = call;
        let stream = stream.map(|stream| *stream);
        let arguments = Payload::received(arguments.into_parts(), &self.shared, self.caps);
        let Some(dispatch) = &self.serving else {
            let text = format!("`{}` is not served here: this side only calls", method.name);
            return Some(Answer::Error(RpcError::new(Code::UNIMPLEMENTED, Delivery::Refused, text)));
        };
        let route = route(&mut self.routes, &method, &**dispatch);
        let descriptor = route.map(|route| route.method);
        if let Some(error) = descriptor.and_then(|method| mismatch(method, stream)) {
            drop(arguments);
            dispatch.refused(Refusal::BadStreams);
            return Some(Answer::Error(error));
        }
        // Known names are static: only an unknown one is copied.
        let name: Cow<'static, str> =
            descriptor.map_or_else(|| method.name.to_string().into(), |method| method.full_name.into());
        // Calls that a handler makes while its streams move are bound by what bounds those.
        let bound = stream.map_or(deadline, |stream| stream.total);
        let mut work = self.work(id, name.clone(), bound, &metadata)?;
        let mut request = Request::received(name, arguments, metadata, bound, self.peer.clone());
        if let Some(route) = route {
            request.set_route(route.service, route.method);
        }
        if let Some(stream) = stream {
            let first = deadline.map(|deadline| deadline.remaining(clock::now()));
            request.set_stream(stream.takes, first, stream.idle);
        }
        let blocking = descriptor.is_some_and(|method| method.blocking);
        if let Some(stream) = stream.filter(|stream| stream.sends) {
            // One that blocks its thread may wait for an item there, and would never be dropped.
            let taken = self.shared.read(Whose::Peer(id), stream.idle, !blocking);
            request.set_items(Items::received(Inflow::new(Arc::clone(&self.shared), id), self.caps, taken));
        }
        let oneway = descriptor.is_some_and(|method| method.oneway);
        if oneway {
            if !self.accept_oneway(id) {
                work.refused();
                return None;
            }
            work.set_oneway();
        }
        let inline = inline && !blocking;
        if inline && std::mem::take(&mut self.spawned) {
            self.shared.keeper.make_way();
        }
        match work.begin(|dispatch| dispatch.handle(request), inline) {
            Poll::Ready(answer) => {
                self.spare = Some(work);
                answer
            }
            Poll::Pending => {
                self.spawn(id, work, deadline.filter(|_| oneway), blocking);
                None
            }
        }
    }

    /// What a handler works with: what the last one did, if that is done.
    fn work(
        &mut self,
        id: CallId,
        method: Cow<'static, str>,
        bound: Option<Deadline>,
        metadata: &Metadata,
    ) -> Option<Box<Work>> {
        let mut spare = self.spare.take();
        let renewed =
            spare.as_mut().and_then(|work| work.take_context().renewed(method.clone(), bound, metadata));
        let context = renewed.unwrap_or_else(|| {
            let (metadata, peer, origin) = (metadata.clone(), self.peer.clone(), self.shared.clone());
            call::Context::new(method, bound, metadata, peer, clock::now, Some(origin))
        });
        match spare {
            Some(mut work) => {
                work.renew(id, context);
                Some(work)
            }
            None => Some(Box::new(Work::new(id, context, &self.shared, self.serving.as_ref()?))),
        }
    }

    /// Lets a handler that is not done go on as a task; a oneway one for as long as `until`.
    fn spawn(&mut self, id: CallId, mut work: Box<Work>, until: Option<Deadline>, blocking: bool) {
        // The end of a oneway call is not the end of its handler; any other one may have been stopped meanwhile.
        let stop = work.stop_signal();
        if !work.is_oneway() && !self.shared.with(|core| core.note_running(id, stop)) {
            return drop(work);
        }
        // The machine watches over the time of a call until it is over, which a oneway call is already.
        let until = until.map(|deadline| tokio::time::Instant::from_std(deadline.instant()));
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

    /// Answers a oneway call before its handler runs, unless too many of them are at work.
    fn accept_oneway(&self, id: CallId) -> bool {
        let limit = self.in_flight;
        let accepted = self.shared.with(|core| {
            let room = core.oneway < limit;
            core.oneway += usize::from(room);
            room
        });
        let answer = if accepted {
            Answer::Reply { metadata: Metadata::new(), payload: nil().into() }
        } else {
            let text = format!("{limit} oneway calls of this connection are at work already (`in_flight`)");
            Answer::Error(RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, text).with_resend())
        };
        self.shared.answer(id, answer);
        accepted
    }
}

impl Drop for Starting {
    /// Another connection may come to lie in the same place: a simulation must not depend on that.
    fn drop(&mut self) {
        let own = Arc::as_ptr(&self.shared);
        let _ = LAST.try_with(|last| {
            if last.get() == own {
                last.set(std::ptr::null());
            }
        });
    }
}

fn route(
    routes: &mut Vec<Option<Option<Route>>>,
    method: &MethodName,
    dispatch: &dyn Dispatch,
) -> Option<Route> {
    let Some(number) = method.number else { return dispatch.route(&method.name) };
    let at = number as usize;
    if at >= routes.len() {
        routes.resize(at + 1, None);
    }
    *routes[at].get_or_insert_with(|| dispatch.route(&method.name))
}
