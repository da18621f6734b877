//! Owns [`Timer`]: what a machine waits for. The instants are kept by those who wait.

/// What is to be done when its time has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Timer {
    /// When to give up waiting for the peer's preface and HELLO.
    Handshake,
    /// When to ask a silent peer for a sign of life, and then when to stop waiting for it.
    Keepalive,
    /// When to give up a frame that has begun and does not go on.
    FrameProgress,
    /// When to give up a write that does not move.
    WriteStall,
    /// When to look for calls of this side whose time is over.
    OutboundDeadline,
    /// When to look for calls of the peer whose time is over.
    InboundDeadline,
    /// When to close although the last GOAWAY is not written.
    Farewell,
}

impl Timer {
    /// Those of calls. They need nothing of the transport: whoever has the time may look at them.
    pub(super) const DEADLINES: [Self; 2] = [Self::OutboundDeadline, Self::InboundDeadline];

    pub(super) const ALL: [Self; 7] = [
        Self::Handshake,
        Self::Keepalive,
        Self::FrameProgress,
        Self::WriteStall,
        Self::OutboundDeadline,
        Self::InboundDeadline,
        Self::Farewell,
    ];
}
