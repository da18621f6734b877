//! Hostile peers: an evil client against a `conformance-server` process, and an evil server against a
//! `conformance-client` process, over raw sockets. They write their bytes by hand, from docs/PROTOCOL.md alone.
//!
//! Each case is a row of a table: its name, the fault that it is, what is sent, and the stated effect. Beside each the same
//! things are held: an honest client loses no call and waits for none, the process under attack stays within its memory,
//! and its counters tell what happened and go back to where they were.
//!
//! The programs are those of the same build; `TRAITWIRE_EVIL_BIN=target/release` takes them from there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "what an attack cost is for whoever asks with `--nocapture`")]

mod bodies;
mod bytes;
mod case;
mod client;
mod connections;
mod floods;
mod frames;
mod handshake;
mod honest;
mod ids;
mod items;
mod parts;
mod peer;
mod server;
mod slow;
