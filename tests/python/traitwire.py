"""A client of the traitwire protocol, written from docs/PROTOCOL.md alone. Standard library only.

    with Client.connect("tcp://127.0.0.1:7000") as client:
        print(client.call("Calculator.add", [2, 3], timeout=1.0))

Owns: the socket, its two threads, the clock and the one lock around the machine (connection.py).
Not here: what the frames mean. Calls may come from any number of threads; they share the connection.
"""

import os
import socket
import threading
import time
from urllib.parse import urlsplit

import calls
import frames
import msgpack
from calls import AppError, RpcError
from connection import Connection
from frames import PROPAGATE, SECRET, Marked, NotTraitwire, ProtocolError
from streams import StreamCall, deadline_after

__all__ = ["AppError", "Client", "Marked", "NotTraitwire", "PROPAGATE", "ProtocolError", "RpcError", "SECRET"]

HELLO_WAIT = 10.0
"""Seconds that the peer has for its preface and HELLO."""
PING_AFTER, PONG_WAIT = 20.0, 10.0
"""Seconds of silence before a PING, and after it."""
FRAME_WAIT, FRAME_PROGRESS = 10.0, 1_024
"""A frame that has begun brings so many bytes in so many seconds, or its end."""
WRITE_WAIT = 30.0
"""Seconds that a write may stand still."""
LAST_WORDS = 1.0
"""Seconds that the final GOAWAY has to get out."""

MAX_METHOD = 16 << 10
"""Bytes of a method's name. A callee refuses names of more than 256; tests may send longer ones, and a head has to fit its first frame."""

_TICK = 0.1
_READ = 64 << 10


class Client:
    """One connection. It is not made again when it is lost: its calls then end as `unavailable`."""

    @classmethod
    def connect(cls, uri, timeout=HELLO_WAIT, limits=None, bind_names=True):
        """`uri` is tcp://host:port or unix:///path. Returns when the peer's HELLO is there; raises OSError or
        ProtocolError (NotTraitwire if something else listens there). `limits` are entries of the own HELLO."""
        client = cls(_dial(uri, timeout), limits, bind_names)
        client.wait_for_hello(timeout)
        return client

    def __init__(self, sock, limits=None, bind_names=True):
        says = {
            "keepalive_ms": int(PING_AFTER * 1000),
            "instance": int.from_bytes(os.urandom(8), "big"),
            "name": "python",
        }
        says.update(limits or {})
        sock.settimeout(_TICK)  # both directions: each wait is cut into ticks, in which the timers are looked at
        self._sock = sock
        self._buffer = bytearray()
        self._lock = threading.Condition()
        self._connection = Connection(says, bind_names)
        self._hello = frames.hello(says)
        self._ready = threading.Event()
        self._failure = None

        now = time.monotonic()
        self._born = self._heard = self._wrote = self._ticked = now
        self._pinged = None
        self._write_failed = None
        self._writer = threading.Thread(target=self._write_all, name="traitwire-writer", daemon=True)
        self._reader = threading.Thread(target=self._read_all, name="traitwire-reader", daemon=True)
        self._writer.start()
        self._reader.start()

    def wait_for_hello(self, timeout):
        if not self._ready.wait(timeout):
            self._failure = ProtocolError("the peer sent no HELLO within %g s" % timeout)
        if self._failure is not None:
            self.close()
            raise self._failure

    def call(self, method, args=(), timeout=10.0, metadata=None):
        """The method's value. Raises AppError, RpcError; ValueError or TypeError for what cannot be sent at all."""
        return self.start(method, args, timeout, metadata).result()

    def start(self, method, args=(), timeout=10.0, metadata=None):
        """Begins a call and returns it: it has `result()`, `cancel()`, `done`, `metadata` (the answer's)."""
        return self.start_encoded(method, msgpack.encode(list(args)), timeout, metadata)

    def stream(
        self, method, args=(), sends=False, takes=False, timeout=10.0, idle=60.0, total=None, metadata=None
    ):
        """Begins a call with a stream of items from the caller, from the callee, or both; see streams.StreamCall.
        `timeout` holds until something moves, then `idle` from each progress to the next; `total` is for all of it."""
        until = deadline_after(total)
        deadline = min((end for end in (deadline_after(timeout), until) if end is not None), default=None)
        head = frames.metadata_bytes(metadata)
        payload = msgpack.encode(list(args))
        call = StreamCall(method, payload, head, deadline, self._give_up, self._lock, sends, takes, idle, until)
        with self._lock:
            self._connection.enqueue(call)
            self._lock.notify_all()
        return call

    def start_encoded(self, method, payload, timeout=10.0, metadata=None):
        """As `start`, with the arguments as bytes. They are sent as they are: a test may send what no caller should."""
        if len(method.encode("utf-8")) > MAX_METHOD:
            raise ValueError("a method's name of more than %d bytes" % MAX_METHOD)
        deadline = None if timeout is None else time.monotonic() + timeout
        call = calls.Call(method, payload, frames.metadata_bytes(metadata), deadline, self._give_up)
        with self._lock:
            self._connection.enqueue(call)
            self._lock.notify_all()
        return call

    def close(self, wait=0.0):
        """Says goodbye. Calls have `wait` seconds to end, then they are cancelled."""
        machine = self._connection
        with self._lock:
            if machine.lost is None and not machine.finished:
                machine.drain("closing")
                self._lock.notify_all()
                self._lock.wait_for(lambda: machine.idle or machine.lost, wait)
                machine.give_up_all(calls.CANCELLED, "the client was closed")
            machine.finish()
            self._lock.notify_all()
        self._writer.join(LAST_WORDS)
        self._shut()
        self._reader.join(LAST_WORDS)
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def peer(self):
        """What the peer's HELLO says, over the defaults."""
        return self._connection.peer

    @property
    def lost(self):
        """Why the connection is gone, None while it is there."""
        return self._connection.lost

    @property
    def open_calls(self):
        """How many ids are taken, abandoned calls included."""
        return self._connection.open_calls

    @property
    def bound(self):
        """How many methods have a number here."""
        return len(self._connection.names)

    def framed(self, kind):
        """How many frames of a kind were sent, for tests."""
        return self._connection.framed[kind]

    def _give_up(self, call, code, message):
        with self._lock:
            self._connection.abandon(call, code, message)
            self._lock.notify_all()

    # The writer's thread.

    def _write_all(self):
        try:
            self._write(frames.PREFACE + self._hello)
            while True:
                data = self._next_frame()
                if data is None:
                    return
                self._write(data)
        except OSError as error:
            # What the peer said before it closed may still lie there, a GOAWAY with the reason above all: the
            # reader gets a moment to find it.
            self._write_failed = (time.monotonic(), "writing failed: %s" % error)

    def _next_frame(self):
        machine = self._connection
        with self._lock:
            while True:
                data = machine.next_frame(time.monotonic())
                if data is not None or machine.finished:
                    self._lock.notify_all()
                    return data
                self._lock.wait()

    def _write(self, data):
        rest = memoryview(data)
        self._wrote = time.monotonic()
        while rest:
            try:
                rest = rest[self._sock.send(rest) :]
                self._wrote = time.monotonic()
            except socket.timeout:
                if time.monotonic() - self._wrote > WRITE_WAIT:
                    raise OSError("no progress for %g s" % WRITE_WAIT) from None

    # The reader's thread.

    def _read_all(self):
        try:
            while not frames.check_preface(self._buffer):
                self._receive()
            del self._buffer[: len(frames.PREFACE)]
            while self._connection.lost is None:
                self._take(self._whole_frame())
        except ProtocolError as error:
            self._end(error, lambda machine: machine.fail(error.code, str(error)))
        except (EOFError, OSError) as error:
            text = "%s%s" % (error, "" if self.peer else " before its HELLO; it may not be traitwire")
            self._end(ProtocolError(text), lambda machine: machine.lose(text))
        else:
            self._end(ProtocolError(self.lost), lambda machine: machine.finish())
        finally:
            # A defect of this client comes by here too: nobody is to wait for an answer that is not read any more.
            self._end(None, lambda machine: machine.lose("the reader ended"))
            self._ready.set()
            self._writer.join(LAST_WORDS)
            self._shut()
            self._writer.join(LAST_WORDS)
            self._sock.close()

    def _end(self, failure, how):
        with self._lock:
            self._failure = self._failure or failure or ProtocolError("the reader ended")
            how(self._connection)
            self._connection.finish()
            self._lock.notify_all()

    def _take(self, frame):
        with self._lock:
            self._connection.on_frame(frame)
            self._lock.notify_all()
        self._ready.set()  # the first frame that passes is HELLO

    def _whole_frame(self):
        since, had = time.monotonic(), len(self._buffer)
        while True:
            found = frames.read(self._buffer)
            if found is not None:
                frame, end = found
                del self._buffer[:end]
                return frame
            self._receive()
            now = time.monotonic()
            if had == 0 or len(self._buffer) >= had + FRAME_PROGRESS:
                since, had = now, len(self._buffer)
            elif now - since > FRAME_WAIT:
                raise ProtocolError("a frame stands still", calls.UNAVAILABLE)

    def _receive(self):
        """Some bytes, or a tick without any."""
        try:
            data = self._sock.recv(_READ)
        except socket.timeout:
            data = None
        now = time.monotonic()
        if data == b"":
            raise EOFError(self._what_eof_means())
        if data:
            self._buffer += data
            self._heard, self._pinged = now, None
        if now - self._ticked >= _TICK:
            self._ticked = now
            self._tick(now)

    def _what_eof_means(self):
        if self._write_failed is not None:
            return self._write_failed[1]
        return "the peer closed the connection%s" % (" in the middle of a frame" if self._buffer else "")

    def _tick(self, now):
        machine = self._connection
        with self._lock:
            machine.expire(now)
            if self._pinged is None and now - self._heard >= PING_AFTER:
                self._pinged = now
                machine.ping(int(now))
            self._lock.notify_all()
        if machine.peer is None and now - self._born > HELLO_WAIT:
            raise ProtocolError("the peer sent no HELLO within %g s" % HELLO_WAIT, calls.UNAVAILABLE)
        if self._pinged is not None and now - max(self._pinged, self._wrote) >= PONG_WAIT:
            raise ProtocolError("the peer is silent", calls.UNAVAILABLE)
        if self._write_failed is not None and now - self._write_failed[0] > LAST_WORDS:
            raise OSError(self._write_failed[1])

    def _shut(self):
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is shut already


def _dial(uri, timeout):
    parts = urlsplit(uri)
    if parts.scheme == "tcp" and parts.hostname and parts.port:
        sock = socket.create_connection((parts.hostname, parts.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    if parts.scheme == "unix" and not parts.netloc and parts.path:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(parts.path)
        except OSError:
            sock.close()
            raise
        return sock
    raise ValueError("%r is neither tcp://host:port nor unix:///path" % uri)
