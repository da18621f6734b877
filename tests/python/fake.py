"""A server that is just good enough to try the client and check.py against: `python3 fake.py [port]`.

Owns: a thread for each connection and each call, the methods of `Conformance` as Python functions.
Not here: the limits and timers that a real server owes the protocol. It trusts its peer and is for tests only.
"""

import socket
import sys
import threading
import time

sys.dont_write_bytecode = True

import frames
import msgpack


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class AppFailure(Exception):
    def __init__(self, value):
        super().__init__()
        self.value = value


class Fake:
    def __init__(self, says=None, port=0):
        self.says = says or {}
        self.listener = socket.create_server(("127.0.0.1", port))
        self.uri = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.peers = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        for peer in self.peers:
            peer.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.peers.append(Peer(sock, self.says))


class Incoming:
    def __init__(self, method, deadline, metadata, total):
        self.method, self.deadline, self.metadata, self.total = method, deadline, metadata, total
        self.payload = bytearray()
        self.over = threading.Event()
        self.credit = threading.Event()


class Peer:
    """One connection, from the server's end."""

    def __init__(self, sock, says):
        self.sock, self.own = sock, dict(frames.DEFAULTS, **says)
        self.peer, self.names, self.open, self.counts = None, [], {}, {}
        self.seen = []
        """Every frame that arrived, for tests."""
        self._writing = threading.Lock()
        self.send(frames.PREFACE + frames.hello(says))
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def send(self, data):
        with self._writing:
            try:
                self.sock.sendall(data)
            except OSError:
                pass

    def _run(self):
        with self.sock:
            self._read()

    def _read(self):
        buffer = bytearray()
        while True:
            try:
                data = self.sock.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            buffer += data
            if len(self.seen) == 0 and len(buffer) >= 5 and frames.check_preface(buffer):
                del buffer[:5]
            found = frames.read(buffer) if buffer[:1] != b"\xc1" else None
            while found:
                del buffer[: found[1]]
                self.seen.append(found[0])
                self._on_frame(found[0])
                found = frames.read(buffer)

    def _on_frame(self, frame):
        body = frames.Body(frame.body)
        if frame.kind == frames.HELLO:
            self.peer = frames.read_hello(frame.body)
        elif frame.kind == frames.NAME:
            assert body.uint() == len(self.names)
            self.names.append(body.str())
        elif frame.kind == frames.PING:
            self.send(frames.pong(body.uint()))
        elif frame.kind == frames.CANCEL and frame.id in self.open:
            self.open[frame.id].over.set()
            self._finish(frame.id, frames.error(frame.id, frames.STARTED, 1, "cancelled"))
        elif frame.kind == frames.CREDIT and frame.id in self.open:
            assert body.uint() == self.open[frame.id].total
            self.open[frame.id].credit.set()
        elif frame.kind == frames.CALL:
            self._on_call(frame, body)

    def _on_call(self, frame, body):
        call = self.open.get(frame.id)
        if call is None:
            total = body.total() if frame.flags & frames.MORE else None
            method, remaining, metadata = body.method(), body.uint(optional=True), frames.metadata_of(body.pairs())
            method = self.names[method] if type(method) is int else method
            deadline = None if remaining is None else time.monotonic() + remaining / 1e6
            call = self.open[frame.id] = Incoming(method, deadline, metadata, total)
            call.payload += body.rest()
            assert len(self.open) <= self.own["in_flight"], "too many calls"
            if total is not None and total > self.own["eager"]:
                assert len(call.payload) <= self.own["eager"], "a part beyond eager"
                self.send(frames.credit(frame.id, total))
        else:
            call.payload += frame.body
        if not frame.flags & frames.MORE:
            assert call.total in (None, len(call.payload))
            threading.Thread(target=self._serve, args=(frame.id, call), daemon=True).start()

    def _serve(self, call_id, call):
        service, _, name = call.method.partition(".")
        method = METHODS.get(name) if service == "Conformance" else None
        try:
            if method is None:
                raise Refused(12, "no such method")
            try:
                args = msgpack.decode(bytes(call.payload))
            except msgpack.Malformed as error:
                raise Refused(3, str(error)) from None
            value = method(self, call, args)
        except Refused as error:
            return self._finish(call_id, frames.error(call_id, 0, error.code, str(error)))
        except AppFailure as error:
            head = msgpack.encode(2) + msgpack.encode("") + b"\xc0"
            return self._reply(call_id, call, frames.ERROR, frames.APP | frames.STARTED, head, error.value)
        except TimeoutError:
            return self._finish(call_id, frames.error(call_id, frames.STARTED, 4, "over"))
        except (ArithmeticError, RuntimeError) as error:
            return self._finish(call_id, frames.error(call_id, frames.STARTED, 13, str(error)))
        head = frames.metadata_bytes(call.metadata if name == "metadata" else None)
        return self._reply(call_id, call, frames.REPLY, 0, head, value)

    def _reply(self, call_id, call, kind, flags, head, value):
        payload = msgpack.encode(value)
        call.total = len(payload)
        if call.total > self.peer["message"]:
            return self._finish(call_id, frames.error(call_id, frames.STARTED, 8, "too large a reply"))
        if call.total <= min(self.peer["eager"], frames.MAX_BODY - len(head)):
            return self._finish(call_id, frames.first(kind, flags, call_id, head, payload))
        at = min(self.peer["eager"], 60_000)
        self.send(frames.first(kind, flags, call_id, head, payload[:at], call.total))
        while at < call.total:
            if at == self.peer["eager"] and not call.credit.wait(5):
                return None
            end = at + 60_000 if call.credit.is_set() else min(at + 60_000, self.peer["eager"])
            part, at = payload[at:end], min(end, call.total)
            data = frames.write(kind, flags | (frames.MORE if at < call.total else 0), call_id, part)
            if at == call.total:
                return self._finish(call_id, data)
            self.send(data)
        return None

    def _finish(self, call_id, data):
        if self.open.pop(call_id, None) is not None:
            self.send(data)


def _typed(*types):
    """Arguments by type, as a decoder with a schema would take them: too few are refused, too many ignored."""

    def wrap(function):
        def method(peer, call, args):
            if not isinstance(args, list) or len(args) < len(types):
                raise Refused(3, "too few arguments")
            for arg, expected in zip(args, types):
                if type(arg) is not expected:
                    raise Refused(3, "%r is no %s" % (arg, expected.__name__))
            return function(peer, call, *args[: len(types)])

        return method

    return wrap


@_typed(int)
def _sleep(peer, call, millis):
    wait = millis / 1000
    if call.deadline is not None and call.deadline < time.monotonic() + wait:
        call.over.wait(call.deadline - time.monotonic())
        raise TimeoutError
    call.over.wait(wait)
    return millis


@_typed(str)
def _count(peer, call, key):
    peer.counts[key] = peer.counts.get(key, 0) + 1
    return peer.counts[key]


@_typed(int, str)
def _fail(peer, call, code, message):
    raise AppFailure({"code": code, "message": message})


@_typed(str)
def _panic(peer, call, message):
    raise RuntimeError(message)


def _tree(peer, call, args):
    def size(tree):
        if tree == "Leaf":
            return 1
        ((name, inner),) = tree.items()
        return 1 + (size(inner) if name == "Not" else sum(map(size, inner)))

    return size(args[0])


def _grow(peer, call, args):
    return args[0] + (args[1] if len(args) > 1 and args[1] is not None else 0)


def _metadata(peer, call, args):
    plain = {key: frames._plain(value) for key, value in call.metadata.items()}
    return {key: value.encode() if isinstance(value, str) else value for key, value in plain.items()}


def _remaining(peer, call, args):
    return None if call.deadline is None else int((call.deadline - time.monotonic()) * 1000)


METHODS = {
    "empty": lambda peer, call, args: None,
    "add": _typed(int, int)(lambda peer, call, a, b: a + b),
    "echo": _typed(bytes)(lambda peer, call, payload: payload),
    "sleep": _sleep,
    "burn": _typed(int)(lambda peer, call, micros: micros),
    "count": _count,
    "count_idempotent": _count,
    "fail": _fail,
    "panic": _panic,
    "tree": _tree,
    "values": lambda peer, call, args: sum(value is not None for value in args[0]),
    "metadata": _metadata,
    "remaining": _remaining,
    "grow": _grow,
    "counters": lambda peer, call, args: {},
}

if __name__ == "__main__":
    fake = Fake(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(fake.uri, flush=True)
    threading.Event().wait()
