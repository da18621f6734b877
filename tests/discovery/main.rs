//! How servers are found: our registry, etcd, names. Over sockets and with real processes, because these are the subject; what is
//! decided without them is tested where it is decided.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dns;
mod etcd;
mod health;
mod registry;
mod support;
