//! When a call is over, whatever other policies do for it: `caller` fixes its end before any attempt is made.
//!
//! How long a call may take is said in several places (see [the order](super#what-holds-for-a-call)); that the time is kept is
//! the connection's work, on both sides. Here the time becomes an instant, at the call's first poll, so that waits between
//! attempts come out of the same time.

mod caller;

pub(crate) use caller::Deadlined;
