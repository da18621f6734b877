"""Frames to bytes and back: sections 2 to 4 and 9 of docs/PROTOCOL.md.

Owns: the preface, HELLO's map, a frame's header and flags, each kind's head, metadata.
Not here: which frame may come when (connection.py), and payloads, which are opaque bytes on this floor.
"""

import re
import struct
from collections import namedtuple

import msgpack

PREFACE = b"\xc1RPC\x01"

HELLO, NAME, CALL, REPLY, ERROR, CANCEL = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
ITEM, END = 0x07, 0x08
CREDIT, PING, PONG, GOAWAY = 0x09, 0x0A, 0x0B, 0x0C
FIRST_SKIPPED = 0x80
"""Unknown kinds from here on are skipped, unknown ones below cost the connection."""

MORE, APP, STARTED, RESEND, OPEN, SENDS, TAKES = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
_FLAGS = {CALL: MORE | SENDS | TAKES, REPLY: MORE, ERROR: MORE | APP | STARTED | RESEND, ITEM: MORE | OPEN}

MAX_LENGTH = 262_208
MAX_BODY = MAX_LENGTH - 6
MAX_NAME = 256

DEFAULTS = {
    "message": 16_777_216,
    "eager": 131_072,
    "in_flight": 1_024,
    "streams": 128,
    "credit": 262_144,
    "names": 1_024,
    "keepalive_ms": 0,
    "instance": 0,
    "name": "",
    "features": [],
}

PROPAGATE, SECRET = 0x01, 0x02
"""Marks of a metadata entry: calls made while this one is served carry it too; it is not to be logged."""

Frame = namedtuple("Frame", "kind flags id body")
Marked = namedtuple("Marked", "value marks")
"""A metadata value with its marks. Without marks the value stands alone."""


class ProtocolError(ConnectionError):
    """The connection cannot go on. `code` is what GOAWAY says; None if the peer would not understand one."""

    def __init__(self, text, code=13):
        super().__init__(text)
        self.code = code


class NotTraitwire(ProtocolError):
    """Whoever listens there speaks something else, or another version."""


def check_preface(data):
    """Takes the bytes so far and says whether the preface is whole. The first wrong byte is enough to give up."""
    known = data[:4]
    if known != PREFACE[: len(known)]:
        raise NotTraitwire("the peer is not traitwire: it began with %r%s" % (bytes(data[:5]), _guess(data)), None)
    if len(data) < 5:
        return False
    if data[4] != PREFACE[4]:
        raise NotTraitwire("the peer speaks version %d of traitwire, this is version 1" % data[4], 12)
    return True


def _guess(data):
    first = data[0]
    if first in (0x15, 0x16):
        return " (TLS?)"
    if first in (0x93, 0x94):
        return " (MessagePack-RPC?)"
    return " (HTTP?)" if data[:1].isalpha() else ""


def write(kind, flags, call_id, *body):
    size = sum(map(len, body))
    if size > MAX_BODY:
        raise ValueError("a body of %d bytes does not fit a frame" % size)
    return b"".join((struct.pack(">IBBI", 6 + size, kind, flags, call_id),) + body)


def read(data):
    """The first frame in `data` and where it ends; None while it is not whole."""
    if len(data) < 4:
        return None
    (length,) = struct.unpack_from(">I", data)
    if not 6 <= length <= MAX_LENGTH:
        raise ProtocolError("a frame of length %d" % length)
    if len(data) < 4 + length:
        return None
    kind, flags, call_id = struct.unpack_from(">BBI", data, 4)
    frame = Frame(kind, flags, call_id, bytes(data[10 : 4 + length]))
    _check_flags(frame)
    return frame, 4 + length


def _check_flags(frame):
    if frame.kind >= FIRST_SKIPPED:
        return
    flags = frame.flags
    if flags & ~_FLAGS.get(frame.kind, 0):
        raise ProtocolError("flags %02x on a frame of kind %02x" % (flags, frame.kind))
    if frame.kind == ITEM and flags & MORE and flags & OPEN:
        raise ProtocolError("an ITEM with MORE and OPEN")
    if frame.kind == ERROR:
        if flags & MORE and not flags & APP:
            raise ProtocolError("an ERROR with MORE but without APP")
        if flags & RESEND and flags & (APP | STARTED):
            raise ProtocolError("an ERROR with RESEND beside APP or STARTED")


# What a side writes.


def hello(says):
    return write(HELLO, 0, 0, msgpack.encode(says))


def name(number, method):
    return write(NAME, 0, 0, msgpack.encode(number), msgpack.encode(method))


def call_head(method, remaining, metadata, times=()):
    """`method` is a name or a bound number; `metadata` is already encoded, see `metadata_bytes`. `times` are `idle` and
    `total` of a call with streams."""
    return b"".join([msgpack.encode(value) for value in (method, remaining, *times)]) + metadata


def first(kind, flags, call_id, head, part, total=None):
    """A first frame: the payload whole, or, with `total`, the part of it that comes with the head."""
    if total is None:
        return write(kind, flags, call_id, head, part)
    return write(kind, flags | MORE, call_id, struct.pack(">I", total), head, part)


def error(call_id, flags, code, message):
    return write(ERROR, flags, call_id, msgpack.encode(code), msgpack.encode(message), b"\xc0")


def cancel(call_id):
    return write(CANCEL, 0, call_id)


def item(call_id, payload, flags=0):
    return write(ITEM, flags, call_id, payload)


def end(call_id):
    return write(END, 0, call_id, b"\xc0")


def credit(call_id, amount):
    return write(CREDIT, 0, call_id, msgpack.encode(amount))


def ping(number):
    return write(PING, 0, 0, msgpack.encode(number))


def pong(number):
    return write(PONG, 0, 0, msgpack.encode(number))


def goaway(last, code, text):
    return write(GOAWAY, 0, 0, msgpack.encode(last), msgpack.encode(code), msgpack.encode(text))


# What a side reads.


class Body:
    """A frame's fixed sequence of values. What is left after them is a payload, or for later versions."""

    def __init__(self, body):
        self._reader = msgpack.Reader(memoryview(body))

    def total(self):
        """The u32 before the head of a payload in parts: the one integer in a body that is not MessagePack."""
        at = self._reader.at
        if len(self._reader.data) < at + 4:
            raise ProtocolError("a first part without its total")
        self._reader.at = at + 4
        return struct.unpack_from(">I", self._reader.data, at)[0]

    def uint(self, optional=False):
        value = self._value()
        if value is None and optional:
            return None
        if type(value) is not int or value < 0:
            raise ProtocolError("%r where a uint should be" % (value,))
        return value

    def str(self):
        value = self._value()
        if type(value) is not str:
            raise ProtocolError("%r where a str should be" % (value,))
        return value

    def method(self):
        value = self._value()
        if type(value) is not str and (type(value) is not int or value < 0):
            raise ProtocolError("%r where a method should be" % (value,))
        return value

    def pairs(self):
        try:
            return self._reader.pairs()
        except msgpack.Malformed as error:
            raise ProtocolError("an envelope that cannot be read: %s" % error) from None

    def rest(self):
        return self._reader.data[self._reader.at :]

    def _value(self):
        try:
            return self._reader.value()
        except msgpack.Malformed as error:
            raise ProtocolError("an envelope that cannot be read: %s" % error) from None


def read_hello(body):
    """HELLO's map over the defaults. Unknown keys are dropped."""
    says = dict(DEFAULTS)
    for key, value in Body(body).pairs() or ():
        if type(key) is not str:
            raise ProtocolError("a key of HELLO that is no str")
        if key not in DEFAULTS:
            continue
        fits = type(value) is type(DEFAULTS[key]) and not (type(value) is int and value < 0)
        if not fits:
            raise ProtocolError("HELLO says %r of %r" % (value, key))
        says[key] = value
    return says


# Metadata.

_KEY = re.compile(r"[a-z0-9_.-]{1,128}\Z")
_MAX_ENTRIES = 64
_MAX_METADATA = 16 * 1024


def metadata_bytes(entries):
    """The metadata of a call as it stands in a head. Values: str, bytes or `Marked`. Refuses what a callee would."""
    if not entries:
        return b"\xc0"
    for key, value in entries.items():
        if not isinstance(key, str) or not _KEY.match(key):
            raise ValueError("%r is no metadata key: 1 to 128 of a-z 0-9 - _ ." % (key,))
        if key.startswith("rpc-"):
            raise ValueError("%r: keys that begin with rpc- are the protocol's" % key)
        if not isinstance(_plain(value), (str, bytes)):
            raise TypeError("the metadata value of %r is neither str nor bytes" % key)
    data = msgpack.encode({key: _marked(value) for key, value in entries.items()})
    if len(entries) > _MAX_ENTRIES or len(data) > _MAX_METADATA:
        raise ValueError("metadata of more than 64 entries or 16 KiB")
    return data


def metadata_of(pairs):
    """An answer's metadata. Ill-formed or too much of it counts as none: a caller ignores it."""
    if not pairs or len(pairs) > _MAX_ENTRIES:
        return {}
    found, size = {}, 0
    for key, value in pairs:
        if type(key) is not str or not _KEY.match(key) or key in found:
            return {}
        if type(value) is list:
            if len(value) != 2 or type(value[0]) is not int or value[0] < 0:
                return {}
            value = Marked(value[1], value[0])
        plain = _plain(value)
        if type(plain) not in (str, bytes):
            return {}
        size += len(key) + len(plain)
        found[key] = value
    return found if size <= _MAX_METADATA else {}


def _plain(value):
    return value.value if isinstance(value, Marked) else value


def _marked(value):
    return [value.marks, value.value] if isinstance(value, Marked) else value
