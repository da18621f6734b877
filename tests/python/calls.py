"""A call as its caller sees it, and the ways in which it ends: sections 7 and 11 of docs/PROTOCOL.md.

Owns: a call's state, what was learnt of its effect, the errors that the user sees.
Not here: who moves a call from state to state (connection.py), and the lock it is done under (traitwire.py).
"""

import threading
import time

CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED = 1, 2, 3, 4
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 8, 12, 13, 14

NAMES = {
    1: "cancelled", 2: "unknown", 3: "invalid_argument", 4: "deadline_exceeded", 5: "not_found",
    6: "already_exists", 7: "permission_denied", 8: "resource_exhausted", 9: "failed_precondition",
    10: "aborted", 11: "out_of_range", 12: "unimplemented", 13: "internal", 14: "unavailable",
    15: "data_loss", 16: "unauthenticated",
}  # fmt: skip

# What is known of a call's effect. "executed" says that a handler was started, finished or not.
NOT_SENT, REFUSED, UNKNOWN_EFFECT, EXECUTED = "not_sent", "refused", "unknown", "executed"

# queued ─▶ sending ─▶ sent ─▶ ended, and from sending and sent also ─▶ abandoned ─▶ ended.
# An abandoned call has its outcome, but its id is open until the callee's last frame.
QUEUED, SENDING, SENT, ABANDONED, ENDED = "queued", "sending", "sent", "abandoned", "ended"


class RpcError(Exception):
    """The call failed, and not by the service's own error."""

    def __init__(self, code, message, delivery, resend=False, metadata=None):
        self.code = code or UNKNOWN  # 0 would be gRPC's OK; the document reads it as 2
        self.name = NAMES.get(self.code, "code %d" % self.code)
        self.message = message
        self.delivery = delivery
        self.resend = resend
        self.metadata = metadata or {}
        self.detail = self.metadata.get("rpc-detail")
        """What the callee says beyond the code: "going_away", or None."""
        super().__init__("%s (%s): %s" % (self.name, delivery, message))


class AppError(Exception):
    """The service answered with an error of its own: `value`."""

    def __init__(self, value, metadata=None):
        self.value = value
        self.metadata = metadata or {}
        super().__init__("the service's own error: %r" % (value,))


class Call:
    """One call. Users have `result`, `cancel`, `done` and `metadata`; the rest is the connection's."""

    flags = 0
    """SENDS and TAKES."""
    opened = False
    """The callee has opened its stream."""

    def __init__(self, method, payload, metadata, deadline, give_up):
        self.method = method
        self.deadline = deadline
        self.metadata = {}
        """The answer's metadata, once there is a result."""

        self.state = QUEUED
        self.id = None
        self.head_metadata = metadata
        self.payload = payload
        self.total = len(payload)
        self.framed = 0
        self.granted = False
        self.parked = False
        self.outgoing = self.incoming = None
        """Its streams; see streams.py."""
        self.assembly = None

        self._give_up = give_up
        self._done = threading.Event()
        self._value = None
        self._error = None

    @property
    def done(self):
        return self._done.is_set()

    def result(self):
        """Waits for the answer, and no longer than the call's time: after it, the call is cancelled."""
        wait = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        if not self._done.wait(wait):
            self._give_up(self, DEADLINE_EXCEEDED, "no answer in time")
            self._done.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self):
        """Gives the call up. It ends at once; what the callee does of it is not known unless it was never sent."""
        self._give_up(self, CANCELLED, "the caller gave up")

    def settle(self, value=None, error=None, metadata=None):
        """The first outcome counts: an answer that crosses a cancellation is dropped."""
        if not self._done.is_set():
            self._value, self._error, self.metadata = value, error, metadata or {}
            self._done.set()
