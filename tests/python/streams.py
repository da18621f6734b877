"""A call with streams as its caller sees it, and the credit of both directions: section 16 of docs/PROTOCOL.md.

Owns: items that wait to be sent and what they may cost, items that have come and what is granted for them.
Not here: which frame may come when (connection.py). Users' methods take the client's lock, the machine's do not.
"""

import struct
import time
from collections import deque

import calls
import frames
import msgpack
from assembly import Assembly
from frames import ProtocolError

OVERHEAD = 16
"""What an item costs of the credit beside its bytes; charged with its first frame."""
MOST_CREDIT = 0xFFFF_FFFF
_AHEAD = 16
"""Items that `send` leaves with the machine before it waits."""


class StreamCall(calls.Call):
    """A call with SENDS, TAKES or both. It is iterated for the callee's items; the end of the iteration is their END,
    and every other end is an exception. Without TAKES, `result` waits for the value."""

    def __init__(self, method, payload, metadata, deadline, give_up, lock, sends, takes, idle, until):
        super().__init__(method, payload, metadata, deadline, give_up)
        self.outgoing = Outgoing() if sends else None
        self.incoming = Incoming() if takes else None
        self.idle, self.until = idle, until
        self.moved = False
        """Something has moved since the last tick."""
        self._lock = lock

    @property
    def flags(self):
        return (frames.SENDS if self.outgoing else 0) | (frames.TAKES if self.incoming else 0)

    @property
    def opened(self):
        return self.incoming is not None and self.incoming.opened

    def tick(self, now):
        """The idle time begins anew with each progress; until the first one the deadline is that of any call."""
        if self.moved:
            self.moved = False
            ends = [end for end in (self.idle and now + self.idle, self.until) if end is not None]
            self.deadline = min(ends) if ends else None

    def send(self, value):
        """Waits while too many wait. False if the call is over: nobody wants further items."""
        payload = msgpack.encode(value)
        with self._lock:
            self._lock.wait_for(lambda: self.done or len(self.outgoing.waiting) < _AHEAD)
            if self.done:
                return False
            self.outgoing.waiting.append(payload)
            self._lock.notify_all()
        return True

    def finish(self):
        """There are no further items. Those of the callee may still come."""
        with self._lock:
            self.outgoing.over = True
            self._lock.notify_all()

    def result(self):
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def __iter__(self):
        return self

    def __next__(self):
        with self._lock:
            self.incoming.asks = True
            self._lock.notify_all()
            self._lock.wait_for(lambda: self.incoming.items or self.done)
            self.incoming.asks = False
            payload = self.incoming.take()
            self._lock.notify_all()
        if payload is None:
            self.result()
            raise StopIteration
        return msgpack.decode(payload)


class Outgoing:
    """Items of the caller. An item that costs at most half of the first credit may wait until there is enough for
    all of it; a larger one goes in parts, as far as the credit does."""

    def __init__(self):
        self.waiting = deque()
        self.over = False
        self.ended = False
        self.credit = 0
        self.framed = 0
        """Bytes of the first one that waits: more than none, or an empty first part, and it is under way."""
        self._whole = 0
        self._begun = False

    def begin(self, credit):
        self.credit, self._whole = credit, credit // 2

    def grant(self, amount):
        if amount == 0 or self.credit + amount > MOST_CREDIT:
            raise ProtocolError("a CREDIT of %d for items" % amount)
        self.credit += amount

    def next_frame(self, call_id, part):
        """The next ITEM or the END; None while there is nothing to send, or no credit for it."""
        if not self.waiting:
            if not self.over or self.ended:
                return None
            self.ended = True
            return frames.end(call_id)
        item = self.waiting[0]
        cost = OVERHEAD + len(item)
        if not self._begun:
            if self.credit <= OVERHEAD or (cost > self.credit and cost <= self._whole):
                return None
            self.credit -= OVERHEAD
            if len(item) <= min(part, self.credit):
                self.credit -= len(item)
                self.waiting.popleft()
                return frames.item(call_id, item)
            total = struct.pack(">I", len(item))
        elif self.credit == 0:
            return None
        else:
            total = b""
        data = item[self.framed : self.framed + min(part, self.credit)]
        self.credit -= len(data)
        self.framed += len(data)
        self._begun = self.framed < len(item)
        if not self._begun:
            self.waiting.popleft()
            self.framed = 0
        return frames.item(call_id, total + data, frames.MORE if self._begun else 0)


class Incoming:
    """Items of the callee. What it may grant is `done + window - granted`."""

    def __init__(self):
        self.opened = False
        self.items = deque()
        self.assembly = None
        self.asks = False
        """The application waits for an item."""
        self.loan = 0
        self._window = self._granted = self._spent = self._done = 0
        self._cost = 0
        """Of the item under way."""

    def begin(self, credit):
        self._window = self._granted = credit

    def on_item(self, body, more, message):
        """False if the item is larger than `message`."""
        first = self.assembly is None
        total, part = len(body), memoryview(body)
        if first and more:
            if len(body) < 4:
                raise ProtocolError("a first part without its total")
            (total,), part = struct.unpack_from(">I", body), part[4:]
        if first:
            if total == 0:
                raise ProtocolError("an item without a byte")
            self.assembly, self._cost = Assembly(frames.ITEM, total, total, None), OVERHEAD + total
        self._spent += len(part) + (OVERHEAD if first else 0)
        if self._spent > self._granted:
            raise ProtocolError("items that cost more than was granted")
        if self._cost - OVERHEAD > message:
            return False
        self.assembly.add(part, last=not more, first=first)
        if not more:
            self.items.append(self.assembly.payload())
            self.assembly = None
        return True

    def take(self):
        if not self.items:
            return None
        item = self.items.popleft()
        self._done += OVERHEAD + len(item)
        return item

    def settle_loan(self, spare):
        """Borrows for an item that is larger than the window, once the application waits for nothing but it, and gives
        back what is not needed any more. Answers what is left to lend."""
        under_way = self.assembly is not None
        if self.loan and not under_way and not self.items:
            spare, self._window, self.loan = spare + self.loan, self._window - self.loan, 0
        lacks = self._cost - self._window
        if under_way and self.asks and not self.items and 0 < lacks <= spare:
            spare, self._window, self.loan = spare - lacks, self._window + lacks, self.loan + lacks
        return spare

    def grant(self):
        """The amount of a CREDIT that is due, else 0."""
        amount = self._done + self._window - self._granted
        missing = self.assembly is not None and self.assembly.missing > self._granted - self._spent
        if amount <= 0 or (amount < (self._window + 1) // 2 and not missing):
            return 0
        self._granted += amount
        return amount


def deadline_after(seconds):
    return None if seconds is None else time.monotonic() + seconds
