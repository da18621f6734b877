//! Owns [`Phase`] and [`Farewells`]: how far a connection's life is. Does not move it: `connection` does.

use std::time::Instant;

use crate::limits;
use crate::proto::ConnectionError;

/// A connection's life.
///
/// ```text
///   Handshaking ──peer's HELLO──▶ Open ──nothing left after a GOAWAY──▶ Closed
///        │                         │                                      ▲
///        └────────── a fault ──────┴──────────▶ Failing ──flushed, or 1 s─┤
///        └─────── transport gone, or a peer that cannot hear ─────────────┘
/// ```
///
/// Draining is not a phase of its own: either side may have said GOAWAY or not, and the connection goes on with
/// what it has ([`Farewells`]).
#[derive(Debug)]
pub(super) enum Phase {
    /// The peer's HELLO is not here yet.
    Handshaking,
    /// Calls flow.
    Open,
    /// The last GOAWAY is on its way; nothing is read any more.
    Failing {
        /// Why.
        error: ConnectionError,
        /// Since when.
        since: Instant,
    },
    /// It is over.
    Closed,
}

impl Phase {
    /// Whether what the peer sends still counts.
    pub(super) const fn is_alive(&self) -> bool {
        matches!(self, Self::Handshaking | Self::Open)
    }

    pub(super) fn farewell_timeout(&self) -> Option<Instant> {
        match self {
            Self::Failing { since, .. } => Some(*since + limits::FAREWELL),
            _ => None,
        }
    }
}

/// Which orderly GOAWAYs there have been.
#[derive(Debug, Default)]
pub(super) struct Farewells {
    /// The highest id that this side accepts of the peer.
    pub(super) said: Option<u32>,
    /// The highest id that the peer accepts of this side.
    pub(super) heard: Option<u32>,
}

impl Farewells {
    /// Whether the connection ends as soon as it has nothing left to do.
    pub(super) const fn any(&self) -> bool {
        self.said.is_some() || self.heard.is_some()
    }
}
