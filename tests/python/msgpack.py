"""Values to MessagePack and back: what section 10 of docs/PROTOCOL.md needs of it, and no more.

Owns: nil, bool, int, float, str, bin, array and map, the bound on nesting, the bound on elements.
Not here: frames and heads (frames.py). Extension types and c1 are refused, as the protocol refuses them.
"""

import struct

DEPTH = 64
"""How many arrays and maps may lie in each other."""


class Malformed(ValueError):
    """The bytes are not what section 10 allows."""


class Float32(float):
    """A float that is written in four bytes. Python's own are all float 64."""


def encode(value, depth=DEPTH):
    """The value's bytes, integers and lengths as short as they go. `depth=None` leaves the nesting to the receiver."""
    out = []
    _put(out, value, depth)
    return b"".join(out)


def decode(data):
    """The one value that `data` holds, within the bounds that a receiver of payloads has."""
    reader = Reader(data, elements=min(max(len(data) // 4, 65_536), 1_048_576))
    value = reader.value()
    if reader.at != len(data):
        raise Malformed("%d bytes after the value" % (len(data) - reader.at))
    return value


class Reader:
    """Reads values one after the other. `at` is where the next one begins."""

    def __init__(self, data, at=0, elements=None):
        self.data = data
        self.at = at
        self._elements = elements

    def value(self, depth=DEPTH):
        tag = self._take(1)[0]
        if tag <= 0x7F:
            return tag
        if tag >= 0xE0:
            return tag - 256
        if tag <= 0x8F:
            return self._map(tag & 0x0F, depth)
        if tag <= 0x9F:
            return self._array(tag & 0x0F, depth)
        if tag <= 0xBF:
            return self._str(tag & 0x1F)
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag in _NUMBERS:
            return self._number(_NUMBERS[tag])
        if tag in _SIZED:
            kind, width = _SIZED[tag]
            size = self._number(width)
            if kind == "bin":
                return bytes(self._take(size))
            if kind == "str":
                return self._str(size)
            return self._array(size, depth) if kind == "array" else self._map(size, depth)
        raise Malformed("byte %02x begins no value" % tag)

    def pairs(self, depth=DEPTH):
        """A map as a list, so that a repeated key can be seen; None for nil."""
        tag = self._take(1)[0]
        if tag == 0xC0:
            return None
        if 0x80 <= tag <= 0x8F:
            return self._pairs(tag & 0x0F, depth)
        if tag in (0xDE, 0xDF):
            return self._pairs(self._number(_SIZED[tag][1]), depth)
        raise Malformed("byte %02x where a map or nil should be" % tag)

    def _map(self, size, depth):
        return {_hashable(key): value for key, value in self._pairs(size, depth)}

    def _pairs(self, size, depth):
        self._enter(2 * size, depth)
        return [(self.value(depth - 1), self.value(depth - 1)) for _ in range(size)]

    def _array(self, size, depth):
        self._enter(size, depth)
        return [self.value(depth - 1) for _ in range(size)]

    def _enter(self, count, depth):
        """Counts before anything is built: a claimed length costs a hostile peer as many bytes."""
        if depth == 0:
            raise Malformed("nested deeper than %d" % DEPTH)
        if count > len(self.data) - self.at:
            raise Malformed("a length beyond the end")
        if self._elements is not None:
            self._elements -= count
            if self._elements < 0:
                raise Malformed("too many elements")

    def _str(self, size):
        try:
            return str(self._take(size), "utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("a str that is not UTF-8: %s" % error) from None

    def _number(self, layout):
        return layout.unpack(self._take(layout.size))[0]

    def _take(self, size):
        end = self.at + size
        if end > len(self.data):
            raise Malformed("a length beyond the end")
        part = self.data[self.at : end]
        self.at = end
        return part


_U8, _U16, _U32, _U64 = (struct.Struct(layout) for layout in (">B", ">H", ">I", ">Q"))
_I8, _I16, _I32, _I64 = (struct.Struct(layout) for layout in (">b", ">h", ">i", ">q"))
_F32, _F64 = struct.Struct(">f"), struct.Struct(">d")

_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {
    0xCA: _F32, 0xCB: _F64,
    0xCC: _U8, 0xCD: _U16, 0xCE: _U32, 0xCF: _U64,
    0xD0: _I8, 0xD1: _I16, 0xD2: _I32, 0xD3: _I64,
}  # fmt: skip
_SIZED = {
    0xC4: ("bin", _U8), 0xC5: ("bin", _U16), 0xC6: ("bin", _U32),
    0xD9: ("str", _U8), 0xDA: ("str", _U16), 0xDB: ("str", _U32),
    0xDC: ("array", _U16), 0xDD: ("array", _U32),
    0xDE: ("map", _U16), 0xDF: ("map", _U32),
}  # fmt: skip


def _hashable(key):
    """Arrays and maps may be keys on the wire. In a dict they stand as tuples."""
    if isinstance(key, dict):
        key = list(key.items())
    return tuple(_hashable(item) for item in key) if isinstance(key, (list, tuple)) else key


def _put(out, value, depth):
    if value is None:
        out.append(b"\xc0")
    elif isinstance(value, bool):  # before int, which it is too
        out.append(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int):
        out.append(_int(value))
    elif isinstance(value, Float32):
        out.append(b"\xca" + _F32.pack(value))
    elif isinstance(value, float):
        out.append(b"\xcb" + _F64.pack(value))
    elif isinstance(value, str):
        data = value.encode("utf-8")
        out.append(_length(len(data), (0xA0, 32), (0xD9, 0xDA, 0xDB)))
        out.append(data)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        out.append(_length(len(data), None, (0xC4, 0xC5, 0xC6)))
        out.append(data)
    elif isinstance(value, (list, tuple)):
        inner = _deeper(depth)
        out.append(_length(len(value), (0x90, 16), (None, 0xDC, 0xDD)))
        for item in value:
            _put(out, item, inner)
    elif isinstance(value, dict):
        inner = _deeper(depth)
        out.append(_length(len(value), (0x80, 16), (None, 0xDE, 0xDF)))
        for key, item in value.items():
            _put(out, key, inner)
            _put(out, item, inner)
    else:
        raise TypeError("a %s has no MessagePack value here" % type(value).__name__)


def _deeper(depth):
    if depth is None:
        return None
    if depth == 0:
        raise ValueError("nested deeper than %d" % DEPTH)
    return depth - 1


def _int(value):
    if -32 <= value <= 127:
        return _I8.pack(value)
    if value > 0:
        widths = ((0xCC, _U8), (0xCD, _U16), (0xCE, _U32), (0xCF, _U64))
    else:
        widths = ((0xD0, _I8), (0xD1, _I16), (0xD2, _I32), (0xD3, _I64))
    for tag, layout in widths:
        try:
            return bytes((tag,)) + layout.pack(value)
        except struct.error:
            continue
    raise ValueError("%d has more than 64 bits; as an i128 it is 16 bytes, big-endian" % value)


def _length(size, short, tags):
    """`short` is the tag that holds a length itself, and its limit; `tags` have a u8, u16, u32 behind them."""
    if short and size < short[1]:
        return bytes((short[0] | size,))
    for tag, layout, limit in zip(tags, (_U8, _U16, _U32), (1 << 8, 1 << 16, 1 << 32)):
        if tag is not None and size < limit:
            return bytes((tag,)) + layout.pack(size)
    raise ValueError("%d is no length that MessagePack can say" % size)
