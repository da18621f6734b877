"""The caller's side of one connection as a machine, frames in and frames out: sections 4 to 7, 11, 13 of PROTOCOL.md.

Owns: which frame may come when, ids, bound names, the open calls, whose turn it is to send, the drain.
Not here: no socket, no clock (`now` is an argument), no thread and no lock: traitwire.py holds one around each call
of a method. It serves nothing: a call of the peer is answered with `unimplemented`.
"""

from collections import Counter, deque

import calls
import frames
import msgpack
from assembly import Assembly, Grants
from frames import ProtocolError

ASSEMBLY = 64 << 20
"""Bytes that granted answers may hold at a time."""

SPARE = 32 << 20
"""Bytes of credit that are lent to items larger than their stream's window."""

QUEUE = 64 << 20
"""Bytes of arguments that wait or are being sent. A single call may be larger when nothing else is there."""

PONGS = 16
"""PONGs that may wait for a peer that sends PINGs and does not read."""

_MAX_ID = 0xFFFF_FFFF
_PART, _PART_ALONE = 64 << 10, 256 << 10


class Connection:
    def __init__(self, says, bind_names=True, assembly=ASSEMBLY):
        self.own = dict(frames.DEFAULTS, **says)
        self.peer = None
        """What the peer's HELLO says, over the defaults; None before it."""
        self.names = {}
        """The numbers that are bound, by method."""
        self.framed = Counter()
        """How many frames of each kind were handed out, for tests."""
        self.lost = None
        """Why nothing goes on any more."""
        self.finished = False

        self._bind_names = bind_names
        self._queue = deque()
        self._open = {}
        self._bulk = deque()
        self._bulk_next = False
        self._queued_bytes = 0
        self._next_id = 1
        self._grants = Grants(max(assembly, self.own["message"]))
        self._spare = max(SPARE, self.own["message"])
        self._sending = deque()
        self._streams = 0
        self._item_next = False

        self._peer_id = 0
        self._accepted = 0
        self._peer_names = 0
        self._pongs = deque()
        self._refusals = deque()
        self._control = deque()
        self._going = None
        self._draining = False
        self._finishing = False

    # What the user wants.

    @property
    def open_calls(self):
        return len(self._open)

    @property
    def idle(self):
        return not self._queue and not self._open

    def enqueue(self, call):
        if self.lost or self._going:
            _end(call, calls.UNAVAILABLE, self.lost or self._going, calls.NOT_SENT, resend=True)
        elif self._queued_bytes and self._queued_bytes + call.total > QUEUE:
            _end(call, calls.RESOURCE_EXHAUSTED, "too many bytes wait to be sent", calls.NOT_SENT)
        else:
            self._queued_bytes += call.total
            self._queue.append(call)

    def abandon(self, call, code, message):
        """The caller gives the call up. Its place on the connection stays taken until the callee's last frame."""
        if call.state == calls.QUEUED:
            self._queue.remove(call)
            self._drop_payload(call)
            _end(call, code, message, calls.NOT_SENT)
        elif call.state in (calls.SENDING, calls.SENT):
            delivery = _known(call, calls.UNKNOWN_EFFECT if call.state == calls.SENT else calls.NOT_SENT)
            self._let_go(call)
            call.state = calls.ABANDONED
            call.settle(error=calls.RpcError(code, message, delivery))
            self._control.append(frames.cancel(call.id))
            self._grant()

    def expire(self, now):
        for call in list(self._queue) + list(self._open.values()):
            if call.flags:
                call.tick(now)
            if call.deadline is not None and call.deadline <= now:
                self.abandon(call, calls.DEADLINE_EXCEEDED, "no answer in time")

    def ping(self, number):
        self._control.append(frames.ping(number))

    def drain(self, text):
        """The own wish to stop: no new calls, and the peer is told."""
        self._going, self._draining = text, True
        self._control.append(frames.goaway(self._accepted, 0, text))

    def finish(self):
        """Nothing more is to be framed; `finished` is set once what waits has been handed out."""
        self._finishing = True

    def give_up_all(self, code, message):
        for call in list(self._queue) + list(self._open.values()):
            self.abandon(call, code, message)

    # How it ends.

    def fail(self, code, text):
        """The peer broke the protocol or fell silent: the last word is a GOAWAY, then the caller hangs up."""
        self.lose(text)
        for line in (self._pongs, self._refusals, self._control):
            line.clear()
        if code is not None:
            self._control.append(frames.goaway(self._accepted, code, text[:512]))
        self.finish()

    def lose(self, text):
        """The connection is gone. What a call knows then: not sent if its last byte was never handed out."""
        if self.lost:
            return
        self.lost = text
        for call in list(self._queue) + list(self._open.values()):
            sent = call.state == calls.SENT
            delivery = _known(call, calls.UNKNOWN_EFFECT if sent else calls.NOT_SENT)
            self._let_go(call)
            _end(call, calls.UNAVAILABLE, text, delivery, resend=not sent)
        self._queue.clear()
        self._open.clear()
        self._bulk.clear()

    # What goes out.

    def next_frame(self, now):
        """The bytes to write next, or None. A call counts as sent when its last byte has been handed out here: from
        then on nobody can say any more that it was not."""
        self._grant_items()
        data = self._answer() or (None if self._finishing else self._carry(now))
        if data is None:
            self.finished = self._finishing
        else:
            self.framed[data[4]] += 1
        return data

    def _answer(self):
        if self._pongs:  # before anything else that this side has to say
            return frames.pong(self._pongs.popleft())
        if self._control:
            return self._control.popleft()
        if self._refusals:
            return frames.error(self._refusals.popleft(), 0, calls.UNIMPLEMENTED, "this client serves no methods")
        return None

    def _carry(self, now):
        """Calls and items take turns."""
        if self.peer is None or self.lost:
            return None
        turns = [self._carry_calls, self._carry_items]
        if self._item_next:
            turns.reverse()
        for turn in turns:
            data = turn(now)
            if data is not None:
                self._item_next = turn == self._carry_calls
                return data
        return None

    def _carry_items(self, _now):
        """The next item, or END, of a call whose turn it is."""
        for _ in range(len(self._sending)):
            call = self._sending.popleft()
            if call.state != calls.SENT:
                continue
            data = call.outgoing.next_frame(call.id, _PART)
            if not call.outgoing.ended:
                self._sending.append(call)
            if data is not None:
                call.moved = True
                return data
        return None

    def _carry_calls(self, now):
        """New calls and the parts of large ones take turns, so neither starves the other."""
        turns = [self._begin, self._go_on]
        if self._bulk_next:
            turns.reverse()
        for turn in turns:
            data = turn(now)
            if data is not None:
                self._bulk_next = turn == self._begin
                return data
        return None

    def _begin(self, now):
        while self._queue and len(self._open) < self.peer["in_flight"]:
            call = self._queue[0]
            if call.flags and self._streams >= min(self.peer["streams"], self.own["streams"]):
                call = next((call for call in self._queue if not call.flags), None)
                if call is None:
                    return None
            if call.deadline is not None and call.deadline <= now:
                self.abandon(call, calls.DEADLINE_EXCEEDED, "the time was over before the call was sent")
                continue
            if call.total > min(self.peer["message"], 0xFFFF_FFFF):
                self.abandon(call, calls.RESOURCE_EXHAUSTED, "the peer takes no payload of %d bytes" % call.total)
                continue
            number = self._bound(call.method)
            if number is None:
                return self._bind(call.method)
            self._queue.remove(call)
            return self._first_frame(call, number, now)
        return None

    def _bound(self, method):
        """What a CALL says of its method: a number, its name if it can have none, None if NAME has to go first."""
        if method in self.names:
            return self.names[method]
        can_bind = (
            self._bind_names
            and len(self.names) < self.peer["names"]
            and len(method.encode("utf-8")) <= frames.MAX_NAME
        )
        return None if can_bind else method

    def _bind(self, method):
        number = self.names[method] = len(self.names)
        return frames.name(number, method)

    def _first_frame(self, call, method, now):
        call.id = self._next_id
        self._next_id += 2
        if self._next_id > _MAX_ID:
            self._going = "the ids of this connection are used up"
        self._open[call.id] = call
        remaining = _micros(call.deadline, now)
        times = ()
        if call.flags:
            self._streams += 1
            times = (None if call.idle is None else int(call.idle * 1e6), _micros(call.until, now))
            if call.outgoing is not None:
                call.outgoing.begin(self.peer["credit"])
            if call.incoming is not None:
                call.incoming.begin(self.own["credit"])
        head = frames.call_head(method, remaining, call.head_metadata, times)
        room = frames.MAX_BODY - len(head)
        if call.total <= min(room, self._part(), self.peer["eager"]):
            data = frames.first(frames.CALL, call.flags, call.id, head, call.payload)
            self._sent(call)
            return data
        size = min(room - 4, self._part(), self._sendable(call))
        data = frames.first(frames.CALL, call.flags, call.id, head, call.payload[:size], call.total)
        call.state = calls.SENDING
        call.framed = size
        self._take_turn(call)
        return data

    def _go_on(self, now):
        while self._bulk:
            call = self._bulk.popleft()
            if call.state != calls.SENDING:
                continue
            end = min(call.framed + self._part(), self._sendable(call))
            part = call.payload[call.framed : end]
            call.framed = end
            more = frames.MORE if end < call.total else 0
            data = frames.write(frames.CALL, more | call.flags, call.id, part)
            if more:
                self._take_turn(call)
            else:
                self._sent(call)
            return data
        return None

    def _part(self):
        return _PART if self._bulk or self._queue else _PART_ALONE

    def _sendable(self, call):
        return call.total if call.granted else min(call.total, self.peer["eager"])

    def _take_turn(self, call):
        call.parked = call.framed == self._sendable(call)
        if not call.parked:
            self._bulk.append(call)

    def _sent(self, call):
        call.state = calls.SENT
        self._drop_payload(call)
        if call.outgoing is not None:
            self._sending.append(call)

    def _drop_payload(self, call):
        if call.payload is not None:
            self._queued_bytes -= call.total
            call.payload = None

    def _let_go(self, call):
        self._drop_payload(call)
        self._grants.drop(call)
        if call.incoming is not None:
            self._spare += call.incoming.loan
            call.incoming.loan = 0

    # What comes in.

    def on_frame(self, frame):
        """Raises ProtocolError if the frame costs the connection."""
        if frame.kind == frames.HELLO or self.peer is None:
            return self._on_hello(frame)
        if frame.kind >= frames.FIRST_SKIPPED:
            return None
        if frame.kind in _OF_A_CALL:
            if frame.id == 0:
                raise ProtocolError("a frame of kind %02x for id 0" % frame.kind)
            return _OF_A_CALL[frame.kind](self, frame)
        if frame.kind not in _OF_THE_CONNECTION:
            raise ProtocolError("a frame of the unknown kind %02x" % frame.kind)
        if frame.id != 0:
            raise ProtocolError("a frame of kind %02x for id %d" % (frame.kind, frame.id))
        return _OF_THE_CONNECTION[frame.kind](self, frames.Body(frame.body))

    def _on_hello(self, frame):
        if frame.kind != frames.HELLO or self.peer is not None or frame.id != 0:
            raise ProtocolError("the first frame, and no other, is HELLO")
        self.peer = frames.read_hello(frame.body)

    def _on_answer(self, frame):
        call = self._own_call(frame)
        if call is None:
            return
        more = bool(frame.flags & frames.MORE)
        if frame.kind == frames.REPLY and call.flags & frames.TAKES and call.state != calls.ABANDONED:
            raise ProtocolError("a REPLY to call %d, which takes items" % call.id)
        if call.state == calls.ABANDONED:  # its parts are ignored, and only its last frame counts
            if not more:
                self._close(call)
        elif frame.kind == frames.ERROR and not frame.flags & frames.APP:
            self._on_error(call, frame)
        elif call.assembly is None:
            self._on_first(call, frame, more)
        elif call.assembly.kind != frame.kind:
            raise ProtocolError("call %d goes on as another kind of answer" % call.id)
        else:
            call.assembly.add(memoryview(frame.body), last=not more)
            if not more:
                self._on_payload(call, frame.kind, call.assembly.payload(), call.assembly.context)
        self._grant()

    def _on_error(self, call, frame):
        body = frames.Body(frame.body)
        code, message, metadata = body.uint(), body.str(), frames.metadata_of(body.pairs())
        delivery = calls.EXECUTED if frame.flags & frames.STARTED else calls.REFUSED
        resend = bool(frame.flags & frames.RESEND)
        self._close(call)
        call.settle(error=calls.RpcError(code, message, delivery, resend, metadata), metadata=metadata)

    def _on_first(self, call, frame, more):
        body = frames.Body(frame.body)
        total = body.total() if more else None
        if frame.kind == frames.ERROR:
            body.uint()
            body.str()
        metadata = frames.metadata_of(body.pairs())
        part = body.rest()
        total = len(part) if total is None else total
        assembly = Assembly(frame.kind, total, self.own["eager"], metadata)
        assembly.add(part, last=not more, first=True)
        if total > self.own["message"]:
            message = "the answer has %d bytes, more than this client takes" % total
            call.settle(error=calls.RpcError(calls.RESOURCE_EXHAUSTED, message, calls.EXECUTED))
            if more:
                self.abandon(call, calls.RESOURCE_EXHAUSTED, message)
            else:
                self._close(call)
        elif more:
            call.assembly = assembly
            if total > self.own["eager"]:
                self._grants.ask(call)
        else:
            self._on_payload(call, frame.kind, part, metadata)

    def _on_payload(self, call, kind, payload, metadata):
        value = error = None
        try:
            value = msgpack.decode(payload)
        except msgpack.Malformed as reason:
            message = "the answer cannot be decoded: %s" % reason
            error = calls.RpcError(calls.INTERNAL, message, calls.EXECUTED, metadata=metadata)
        else:
            if kind == frames.ERROR:
                error = calls.AppError(value, metadata)
        self._close(call)
        call.settle(value, error, metadata)

    def _on_item(self, frame):
        call = self._stream_of(frame)
        if call is None:
            return
        incoming, opens = call.incoming, bool(frame.flags & frames.OPEN)
        if opens == incoming.opened:
            raise ProtocolError("an ITEM that opens a stream again, or one that is not open")
        call.moved = True
        if opens:
            call.metadata = frames.metadata_of(frames.Body(frame.body).pairs())
            incoming.opened = True
        elif not incoming.on_item(frame.body, bool(frame.flags & frames.MORE), self.own["message"]):
            self.abandon(call, calls.RESOURCE_EXHAUSTED, "an item has more bytes than this client takes")

    def _on_end(self, frame):
        call = self._stream_of(frame)
        if call is None:
            if frame.id in self._open:  # of a call that was given up it is the last frame
                self._close(self._open[frame.id])
            return
        if not call.incoming.opened or call.incoming.assembly is not None:
            raise ProtocolError("END of call %d before OPEN, or inside an item" % call.id)
        metadata = frames.metadata_of(frames.Body(frame.body).pairs())
        self._close(call)
        call.settle(None, None, metadata)

    def _stream_of(self, frame):
        """The call whose stream the frame is of; None if it is of no interest any more."""
        if frame.id % 2 == 0:
            if frame.id > self._peer_id:
                raise ProtocolError("a frame of kind %02x for call %d, which was never opened" % (frame.kind, frame.id))
            return None  # refused already
        call = self._own_call(frame)
        if call is None or call.state == calls.ABANDONED:
            return None
        if not call.flags & frames.TAKES:
            raise ProtocolError("a frame of kind %02x for call %d, which takes no items" % (frame.kind, call.id))
        return call

    def _grant_items(self):
        """CREDIT for the items that the application has taken, and loans for those that it waits for."""
        for call in list(self._open.values()):
            if call.incoming is None or call.state == calls.ABANDONED:
                continue
            self._spare = call.incoming.settle_loan(self._spare)
            amount = call.incoming.grant()
            if amount:
                self._control.append(frames.credit(call.id, amount))

    def _grant(self):
        call = self._grants.next()
        while call is not None:
            self._control.append(frames.credit(call.id, call.assembly.total))
            call = self._grants.next()

    def _on_credit(self, frame):
        amount = frames.Body(frame.body).uint()
        if frame.id % 2 == 0:  # this side's answers are small and need no grant
            if frame.id > self._peer_id:
                raise ProtocolError("CREDIT for call %d, which was never opened" % frame.id)
            return
        call = self._own_call(frame)
        if call is None or call.state == calls.ABANDONED:
            return
        call.moved = bool(call.flags) and call.state == calls.SENT
        if call.state == calls.SENT:  # with SENDS it is for items, else nothing has use for it any more
            if call.outgoing is not None and not call.outgoing.ended:
                call.outgoing.grant(amount)
            return
        if call.granted or amount != call.total or call.total <= self.peer["eager"]:
            raise ProtocolError("a CREDIT of %d that call %d has no use for" % (amount, call.id))
        call.granted = True
        if call.parked:
            self._take_turn(call)

    def _own_call(self, frame):
        if frame.id % 2 == 0:
            raise ProtocolError("a frame of kind %02x for id %d, which is the peer's" % (frame.kind, frame.id))
        if frame.id >= self._next_id:
            raise ProtocolError("a frame of kind %02x for call %d, which was never opened" % (frame.kind, frame.id))
        return self._open.get(frame.id)

    def _close(self, call):
        del self._open[call.id]
        self._streams -= 1 if call.flags else 0
        self._let_go(call)
        call.state = calls.ENDED

    def _on_name(self, body):
        number, method = body.uint(), body.str()
        if number != self._peer_names or number >= self.own["names"]:
            raise ProtocolError("NAME binds number %d" % number)
        if len(method.encode("utf-8")) > frames.MAX_NAME:
            raise ProtocolError("NAME binds a name of more than %d bytes" % frames.MAX_NAME)
        self._peer_names += 1

    def _on_call(self, frame):
        """Refuses. Of a call in parts the rest is ignored: it is not open any more."""
        if frame.id % 2:
            raise ProtocolError("a CALL with id %d, which is this side's" % frame.id)
        if frame.id <= self._peer_id:
            return
        more = bool(frame.flags & frames.MORE)
        body = frames.Body(frame.body)
        total = body.total() if more else None
        method = body.method()
        for _ in range(3 if frame.flags & (frames.SENDS | frames.TAKES) else 1):
            body.uint(optional=True)
        body.pairs()
        part = body.rest()
        if type(method) is int and method >= self._peer_names:
            raise ProtocolError("a CALL of number %d, which is not bound" % method)
        Assembly(frames.CALL, len(part) if total is None else total, self.own["eager"], None).add(part, not more, True)
        if len(self._refusals) >= self.own["in_flight"]:
            raise ProtocolError("more open calls than allowed", calls.RESOURCE_EXHAUSTED)
        self._peer_id = frame.id
        if not self._draining:  # those above the GOAWAY's `last` are ignored
            self._accepted = frame.id
            self._refusals.append(frame.id)

    def _on_cancel(self, frame):
        if frame.id % 2 or frame.id > self._peer_id:
            raise ProtocolError("CANCEL for call %d" % frame.id)

    def _on_ping(self, body):
        if len(self._pongs) >= PONGS:
            raise ProtocolError("more than %d PONGs wait to be read" % PONGS, calls.RESOURCE_EXHAUSTED)
        self._pongs.append(body.uint())

    def _on_pong(self, body):
        body.uint()

    def _on_goaway(self, body):
        last, code, text = body.uint(), body.uint(), body.str()
        self._going = "the peer goes away: %s" % text
        for call in list(self._queue):
            self._let_go(call)
            _end(call, calls.UNAVAILABLE, self._going, calls.NOT_SENT, resend=True)
        self._queue.clear()
        for call in [call for call in self._open.values() if call.id > last]:
            self._close(call)
            call.settle(error=calls.RpcError(calls.UNAVAILABLE, self._going, calls.REFUSED, resend=True))
        if code != 0:
            self.lose("the peer failed the connection: %s: %s" % (calls.NAMES.get(code, code), text))


_OF_A_CALL = {
    frames.CALL: Connection._on_call,
    frames.REPLY: Connection._on_answer,
    frames.ERROR: Connection._on_answer,
    frames.CANCEL: Connection._on_cancel,
    frames.CREDIT: Connection._on_credit,
    frames.ITEM: Connection._on_item,
    frames.END: Connection._on_end,
}
_OF_THE_CONNECTION = {
    frames.NAME: Connection._on_name,
    frames.PING: Connection._on_ping,
    frames.PONG: Connection._on_pong,
    frames.GOAWAY: Connection._on_goaway,
}


def _known(call, delivery):
    """OPEN says that a handler was started."""
    return calls.EXECUTED if call.opened else delivery


def _micros(deadline, now):
    return None if deadline is None else max(0, int((deadline - now) * 1e6))


def _end(call, code, message, delivery, resend=False):
    call.state = calls.ENDED
    call.settle(error=calls.RpcError(code, message, delivery, resend))
