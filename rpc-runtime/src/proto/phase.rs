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

/// How far the orderly end of a connection is.
///
/// ```text
///   drain() ─▶ wanted ──a server: at once─────────────────────────▶ said ──no call of the peer is open──▶ retired
///                └─────a client: when its calls so far are over──────▲     (it makes no calls any more)
/// ```
///
/// The two sides differ, because a client that ends has its own calls under way, for which its server may have to call
/// it back, and a server has its client's. So calls back go through as long as a call is open that they may be for:
///
/// 1. A side that has said GOAWAY makes a call only while one of its peer's is open that it has accepted.
/// 2. It frames none after the last frame of the last one: up to that frame the peer has a call open too, so that it
///    cannot close before it has read the call.
/// 3. A side that has heard GOAWAY makes none; so of two sides that have heard each other neither does.
/// 4. A side closes when it has said or heard GOAWAY, no call of either side is open or waits, and all is written.
///
/// It comes to an end if calls do: what a client waits for was asked for before its drain, a GOAWAY lets no further call
/// in, and without those no further call goes out.
#[derive(Debug, Default)]
pub(super) struct Farewells {
    /// This side is to end.
    pub(super) wanted: Option<Wanted>,
    /// The highest id that this side accepts of the peer.
    pub(super) said: Option<u32>,
    /// The highest id that the peer accepts of this side.
    pub(super) heard: Option<u32>,
}

/// Why this side is to end, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) reason: &'static str,
    pub(super) since: Instant,
}

impl Farewells {
    /// Whether the connection ends as soon as it has nothing left to do.
    pub(super) const fn any(&self) -> bool {
        self.said.is_some() || self.heard.is_some()
    }
}
