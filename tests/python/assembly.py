"""Payloads that arrive in parts, and who may send the rest of one: section 6 of docs/PROTOCOL.md.

Owns: one payload under way, the budget that grants are taken from, the line of those that wait for one.
Not here: frames; the connection says what arrived and is told what to grant.
"""

from collections import deque

from frames import ProtocolError


class Assembly:
    """One payload under way. `eager` is what its sender may send without a grant."""

    def __init__(self, kind, total, eager, context):
        self.kind = kind
        self.total = total
        self.context = context
        """What the head said; the payload's end brings it back."""
        self.reserved = False
        self._allowed = min(total, eager)
        self._data = bytearray()

    def allow_all(self):
        self.reserved = True
        self._allowed = self.total

    def add(self, part, last, first=False):
        """Takes a part. The first one may be empty (with `eager` 0 it has to be), the others may not."""
        if not part and not first:
            raise ProtocolError("an empty part")
        size = len(self._data) + len(part)
        if size > self._allowed:
            raise ProtocolError("a part beyond what was granted, or beyond its total")
        if last != (size == self.total):
            raise ProtocolError("parts that do not add up to %d bytes" % self.total)
        self._data += part

    @property
    def missing(self):
        return self.total - len(self._data)

    def payload(self):
        return memoryview(self._data)


class Grants:
    """Reserves the totals of large payloads, first come first served, and never more than `budget` at a time."""

    def __init__(self, budget):
        self._free = budget
        self._waiting = deque()

    def ask(self, call):
        self._waiting.append(call)

    def next(self):
        """The next call whose answer may come whole, its total reserved; None if there is none, or no room."""
        while self._waiting:
            assembly = self._waiting[0].assembly
            if assembly is None:  # given up while it waited
                self._waiting.popleft()
                continue
            if assembly.total > self._free:
                return None
            self._free -= assembly.total
            assembly.allow_all()
            return self._waiting.popleft()
        return None

    def drop(self, call):
        """Forgets what arrived for the call and gives its reservation back."""
        if call.assembly is not None and call.assembly.reserved:
            self._free += call.assembly.total
        call.assembly = None
