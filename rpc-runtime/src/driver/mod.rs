//! Moves bytes and time: the only floor that knows both the machine and the transport. One task for each connection
//! reads, feeds the machine, starts handlers and writes; callers reach the machine through [`Shared`].
//!
//! # One turn of the task
//!
//! 1. Read what is there, and feed all of it to the machine.
//! 2. Tell the machine what time it is, if one of its timers is due.
//! 3. Deliver events: wake callers whose calls have ended, stop handlers.
//! 4. Start calls. Each handler is polled once, here; if it has to wait it becomes a task of its own.
//! 5. Write what is framed, a segment at a time.
//!
//! # Who computes here
//!
//! A handler that answers at once never becomes a task: that saves an allocation, a queue and two thread hops a
//! call. A handler that computes for long would stall its connection, so one turn polls handlers for
//! [`INLINE_TIME`](crate::limits::INLINE_TIME) at most. If those were so many that they must be light, what is left of the
//! batch waits for the next turn, after all others have had theirs; else it is given to tasks at once. So is every
//! `#[rpc(blocking)]` method, to tokio's pool of blocking threads. On a current-thread runtime tasks share
//! the one thread, so there a long computation still delays everything: mark it as blocking.
//!
//! # Deadlines
//!
//! The connection's task tells the machine the time. Since it may have no turn for long, a second small task, the
//! `timekeeper`, ends calls at their deadlines as well, and a caller in another runtime watches over its own.
//!
//! # Locks
//!
//! The machine is behind one short lock. No handler, waker, layer or `Serialize` of a user runs under it.

mod answer;
mod clock;
mod core;
mod dispatch;
mod leaving;
mod panics;
mod places;
mod read;
mod readers;
mod shared;
mod starting;
mod stop;
mod streams;
mod sync;
mod task;
mod timekeeper;
mod wakers;
mod work;
mod write;

pub(crate) use self::core::Failed;
pub(crate) use clock::now;
pub(crate) use dispatch::{Dispatch, Finish, Route};
pub(crate) use panics::discard;
pub(crate) use places::{Ended, Ticket};
pub(crate) use shared::{Lifecycle, Shared};
pub(crate) use stop::StopSignal;
pub(crate) use streams::{Pump, Pumped, Took, Whose};
pub(crate) use task::connection;
