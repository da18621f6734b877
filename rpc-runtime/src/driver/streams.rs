//! Owns how callers and handlers move items: [`Pump`], from a source to the machine, and what they wait for. Does not own
//! credit (`proto`), nor where a source comes from.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use crate::call::{
    Batch, CallResult, Code, Delivery, ItemSource, Items, Metadata, MethodDescriptor, Payload, Response,
    RpcError,
};
use crate::driver::clock;
use crate::driver::core::Core;
use crate::driver::places::{Ended, Look, Ticket};
use crate::driver::shared::Shared;
use crate::driver::wakers::Known;
use crate::limits;
use crate::proto::{CallId, CallRef, Received, StreamUse, Taken};

/// A call with a stream, as those know it who move its items.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    /// One of this side.
    Own(Ticket),
    /// One of the peer.
    Peer(CallId),
}

// ===== reading =====

/// What there was to take.
#[derive(Debug)]
pub(crate) enum Took {
    Items(Batch),
    /// The sender has ended its items.
    End,
    /// The call of this side has ended.
    Ended(Ended),
    /// The call of the peer is over.
    Gone,
}

impl Shared {
    /// Takes items that have come; the reader is done with those before. After [`Took::Ended`] the ticket
    /// is void.
    pub(crate) fn poll_take(&self, whose: Whose, cx: &Context<'_>) -> Poll<Took> {
        let mut clone = None;
        loop {
            let (took, granted) = self.with(|core| {
                let took = core.take(whose, cx.waker(), clone.take());
                (took, core.machine.wants_write())
            });
            if granted {
                self.task.wake();
            }
            match took {
                Some(took) => return took,
                None => clone = Some(cx.waker().clone()),
            }
        }
    }

    /// Somebody is to read the items of this call, whose time runs out if nothing moves for `idle`; the cost of what is read
    /// is to be added to what comes back. A handler that is patient waits to be dropped when its call is over.
    pub(crate) fn read(&self, whose: Whose, idle: Option<Duration>, is_patient: bool) -> Arc<AtomicU64> {
        self.with(|core| match core.call_of(whose) {
            Some(call) => core.readers.insert(call, idle, is_patient, clock::now()),
            None => Arc::default(),
        })
    }

    /// Waits until the callee has opened its stream; or for the end of the call, after which the ticket is void.
    pub(crate) fn poll_open(&self, ticket: Ticket, cx: &Context<'_>) -> Poll<Result<Metadata, Ended>> {
        let mut clone = None;
        loop {
            let look = {
                let mut core = self.core.lock();
                if let Some(metadata) = core.places.take_opened(ticket) {
                    return Poll::Ready(Ok(metadata));
                }
                core.places.look(ticket, cx.waker(), clone.take())
            };
            match look {
                Look::Done(ended) => return Poll::Ready(Err(ended)),
                Look::Waits(_) => return Poll::Pending,
                Look::Unknown => clone = Some(cx.waker().clone()),
            }
        }
    }
}

impl Core {
    /// None if the waker is not known.
    fn take(&mut self, whose: Whose, caller: &Waker, clone: Option<Waker>) -> Option<Poll<Took>> {
        let call = match whose {
            Whose::Peer(id) => CallRef::Peer(id),
            Whose::Own(ticket) => match self.places.key(ticket) {
                Some(key) => CallRef::Own(key),
                None => return Some(self.take_last(ticket, caller, clone)),
            },
        };
        let done = self.readers.done(call);
        match self.machine.take_items(call, done, clock::now()) {
            Taken::Items(items) => Some(Poll::Ready(Took::Items(items))),
            Taken::End => Some(Poll::Ready(Took::End)),
            // A handler must not take this for an end, nor handle an error that it need not know of: it waits until it is
            // dropped. Whoever else reads hears of it then.
            Taken::Gone if self.readers.will_be_dropped(call) => match self.streams.read(call, caller, clone)
            {
                Known::Yes(_) => Some(Poll::Pending),
                Known::No => None,
            },
            Taken::Gone => Some(Poll::Ready(Took::Gone)),
            Taken::Nothing => match whose {
                Whose::Own(ticket) => match self.places.look(ticket, caller, clone) {
                    Look::Unknown => None,
                    Look::Done(ended) => Some(Poll::Ready(Took::Ended(ended))),
                    Look::Waits(_) => Some(Poll::Pending),
                },
                Whose::Peer(_) => match self.streams.read(call, caller, clone) {
                    Known::Yes(_) => Some(Poll::Pending),
                    Known::No => None,
                },
            },
        }
    }

    /// Takes what is left of a call that has ended, and then its end.
    fn take_last(&mut self, ticket: Ticket, caller: &Waker, clone: Option<Waker>) -> Poll<Took> {
        if let Some(items) = self.places.take_unread(ticket) {
            return Poll::Ready(Took::Items(items));
        }
        match self.places.look(ticket, caller, clone) {
            Look::Done(ended) => Poll::Ready(Took::Ended(ended)),
            Look::Waits(_) | Look::Unknown => Poll::Ready(Took::Gone),
        }
    }

    fn call_of(&self, whose: Whose) -> Option<CallRef> {
        match whose {
            Whose::Peer(id) => Some(CallRef::Peer(id)),
            Whose::Own(ticket) => self.places.key(ticket).map(CallRef::Own),
        }
    }
}

// ===== writing =====

/// Moves items from their source to the machine, as fast as credit allows.
///
/// ```text
///   Filling ◀──────────▶ Pushing        an empty batch is filled, a full one is pushed
///      └── the source has ended ──▶ Over
/// ```
#[derive(Debug)]
pub(crate) struct Pump {
    /// None once it has ended.
    items: Option<Items>,
    batch: Batch,
    /// What the batch has cost the stream that it came by, if a peer's stream is sent on.
    cost: u64,
}

/// How far a pump has come.
#[derive(Debug)]
pub(crate) enum Pumped {
    /// All items are with the machine, and this is how their source ended.
    End(CallResult),
    /// The call is over: nobody wants further items.
    Over,
}

impl Pump {
    pub(crate) const fn new(items: Items) -> Self {
        Self { items: Some(items), batch: Batch::new(), cost: 0 }
    }

    /// Moves what can be moved. `poll` polls the source, in whatever surroundings that needs.
    pub(crate) fn poll(
        &mut self,
        shared: &Shared,
        whose: Whose,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Items, &mut Context<'_>, &mut Batch) -> Poll<ControlFlow<CallResult>>,
    ) -> Poll<Pumped> {
        for _ in 0..limits::BATCHES {
            if !self.batch.is_empty() {
                match ready!(shared.poll_push(whose, &mut self.batch, cx)) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Ready(Pumped::Over),
                    Err(error) => return Poll::Ready(Pumped::End(Err(error))),
                }
            }
            let Some(items) = &mut self.items else { return Poll::Ready(Pumped::End(Ok(nothing()))) };
            // So a receiver that stands still holds up the sender behind this side too.
            items.took_cost(std::mem::take(&mut self.cost));
            match poll(items, cx, &mut self.batch) {
                Poll::Ready(ControlFlow::Continue(())) => self.cost = items.cost(&self.batch),
                Poll::Ready(ControlFlow::Break(Ok(end))) => {
                    // The source is done with: it is dropped where it was polled.
                    self.items = None;
                    return Poll::Ready(Pumped::End(Ok(end)));
                }
                Poll::Ready(ControlFlow::Break(Err(error))) => return Poll::Ready(Pumped::End(Err(error))),
                // The end of the call wakes a pump that waits for its source, too.
                Poll::Pending if shared.is_over(whose, cx) => return Poll::Ready(Pumped::Over),
                Poll::Pending => return Poll::Pending,
            }
        }
        // Others want their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn nothing() -> Response {
    Response::value(Payload::default())
}

impl Shared {
    /// Gives the machine items; true once it has all of them, false if the call is over.
    fn poll_push(&self, whose: Whose, items: &mut Batch, cx: &Context<'_>) -> Poll<Result<bool, RpcError>> {
        let mut clone = None;
        loop {
            let (pushed, wants_write) = self.with(|core| {
                let pushed = core.push(whose, items, cx.waker(), clone.take());
                (pushed, core.machine.wants_write())
            });
            if wants_write {
                self.task.wake();
            }
            match pushed {
                Some(pushed) => return pushed,
                None => clone = Some(cx.waker().clone()),
            }
        }
    }

    /// Whether the call is over; if it is not, its end will wake the caller.
    fn is_over(&self, whose: Whose, cx: &Context<'_>) -> bool {
        let mut clone = None;
        loop {
            let known = {
                let mut core = self.core.lock();
                let Some(call) = core.call_of(whose) else { return true };
                core.streams.write(call, cx.waker(), clone.take())
            };
            match known {
                Known::Yes(_) => return false,
                Known::No => clone = Some(cx.waker().clone()),
            }
        }
    }

    /// The caller has no further items.
    pub(crate) fn finish_items(&self, ticket: Ticket) {
        self.with(|core| {
            if let Some(key) = core.places.key(ticket) {
                core.machine.finish_items(key, clock::now());
            }
        });
        self.task.wake();
    }

    /// Ends a call of this side because its items cannot be had.
    pub(crate) fn fail(&self, ticket: Ticket, error: RpcError) {
        self.with(|core| {
            if let Some(key) = core.places.key(ticket) {
                core.stream_over(CallRef::Own(key));
                core.machine.cancel(key, clock::now());
                let waker = core.places.fail(ticket, Ended::new(Received::Error(error)));
                core.wake(waker);
            }
        });
        self.task.wake();
    }
}

impl Core {
    /// None if the waker is not known.
    fn push(
        &mut self,
        whose: Whose,
        items: &mut Batch,
        caller: &Waker,
        clone: Option<Waker>,
    ) -> Option<Poll<Result<bool, RpcError>>> {
        let Some(call) = self.call_of(whose) else { return Some(Poll::Ready(Ok(false))) };
        if let Err(error) = self.machine.push_items(call, items, clock::now()) {
            return Some(Poll::Ready(Err(error)));
        }
        if items.is_empty() {
            return Some(Poll::Ready(Ok(true)));
        }
        match self.streams.write(call, caller, clone) {
            Known::Yes(_) => Some(Poll::Pending),
            Known::No => None,
        }
    }
}

// ===== the items of the peer's call =====

/// What is wrong with the streams of a call of this method, as its caller has them.
pub(super) fn mismatch(method: &MethodDescriptor, stream: Option<StreamUse>) -> Option<RpcError> {
    let (sends, takes) = stream.map_or((false, false), |stream| (stream.sends, stream.takes));
    let text = match (sends, method.sends, takes, method.takes) {
        (true, false, ..) => "the caller sends items, and the method takes none",
        (false, true, ..) => "the caller sends no items, and the method takes some",
        (.., true, false) => "the caller takes items, and the method returns none",
        (.., false, true) => "the caller takes no items, and the method returns some",
        _ => return None,
    };
    let text = format!("{}: {text}: the two sides have other versions of the trait", method.full_name);
    Some(RpcError::new(Code::UNIMPLEMENTED, Delivery::Refused, text))
}

/// The items that the caller sends, for its handler.
pub(super) struct Inflow {
    shared: Arc<Shared>,
    id: CallId,
}

impl Inflow {
    pub(super) const fn new(shared: Arc<Shared>, id: CallId) -> Self {
        Self { shared, id }
    }
}

impl ItemSource for Inflow {
    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        match ready!(self.shared.poll_take(Whose::Peer(self.id), cx)) {
            Took::Items(taken) => {
                *items = taken;
                Poll::Ready(ControlFlow::Continue(()))
            }
            Took::End => Poll::Ready(ControlFlow::Break(Ok(nothing()))),
            Took::Ended(_) | Took::Gone => {
                let text = "the call is over: its caller gave it up, or the connection is lost";
                let error = RpcError::new(Code::CANCELLED, Delivery::Executed, text);
                Poll::Ready(ControlFlow::Break(Err(error)))
            }
        }
    }
}
