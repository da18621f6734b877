"""Tests of the client without a real server: `python3 selftest.py`.

Owns: the machine in virtual time, frame by frame, and the sockets where they are the subject.
Not here: the document's examples (vectors.py), what a server answers (check.py).
"""

import random
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

sys.dont_write_bytecode = True  # the scripts of the tests leave nothing in the tree

import calls
import check
import fake
import frames
import msgpack
import traitwire
from connection import Connection
from frames import APP, CALL, CANCEL, CREDIT, ERROR, MORE, REPLY, RESEND, STARTED, ProtocolError

NIL = b"\xc0"


class Values(unittest.TestCase):
    def test_values_come_back(self):
        for value in (
            None, True, False, 0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1,
            -1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**63),
            1.5, -0.0, float("inf"), "", "a" * 31, "ä" * 16, "a" * 255, "a" * 256, "a" * 65_536,
            b"", b"x" * 255, b"x" * 256, b"x" * 65_536, [], [1] * 15, [1] * 16, [0] * 65_536,
            {}, {str(i): i for i in range(15)}, {i: None for i in range(16)}, {i: "x" * 8 for i in range(65_536)},
        ):  # fmt: skip
            self.assertEqual(msgpack.decode(msgpack.encode(value)), value)
        self.assertEqual(msgpack.encode(msgpack.Float32(0.5)), b"\xca\x3f\x00\x00\x00")
        self.assertIs(msgpack.decode(b"\xc3"), True)

    def test_integers_are_as_short_as_they_go(self):
        for value, size in ((127, 1), (128, 2), (256, 3), (65_536, 5), (2**32, 9), (-32, 1), (-33, 2), (-129, 3)):
            self.assertEqual(len(msgpack.encode(value)), size, value)

    def test_what_is_refused(self):
        deep = b"\x91" * 64 + NIL
        msgpack.decode(deep)
        for data in (
            b"", b"\xc1", b"\x00\x00", b"\xd4\x00\x00", b"\xc7\x00\x00", b"\x91" + deep, b"\x81\x00" * 65 + NIL,
            b"\xc6\xff\xff\xff\xff", b"\xdb\x00\x00\x00\x02a", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
            b"\x92\x00", b"\xcd\x00", b"\xa1\xff", b"\xdc\xff\xff" + b"\xdc\xff\xff" * 9 + b"\x00" * 65_600,
        ):  # fmt: skip
            with self.assertRaises(msgpack.Malformed, msg=data[:20].hex()):
                msgpack.decode(data)
        for value in (2**64, -(2**63) - 1, check.nested(65)):
            self.assertRaises(ValueError, msgpack.encode, value)
        self.assertRaises(TypeError, msgpack.encode, object())

    def test_any_key_can_be_read(self):
        self.assertEqual(msgpack.decode(b"\x82\x91\x01\x02\x80\x03"), {(1,): 2, (): 3})

    def test_noise_never_breaks_out(self):
        noise = random.Random(1)
        for _ in range(20_000):
            data = bytes(noise.randrange(256) for _ in range(noise.randrange(40)))
            try:
                msgpack.decode(data)
            except msgpack.Malformed:
                pass

    def test_metadata(self):
        sent = {"a": "x", "b": b"y", "c": frames.Marked("z", 1)}
        self.assertEqual(frames.metadata_of(msgpack.Reader(frames.metadata_bytes(sent)).pairs()), sent)
        for bad in ({"A": ""}, {"": ""}, {"a\n": ""}, {"a" * 129: ""}, {"rpc-attempt": "2"}, {"a": "x" * 16_400}):
            self.assertRaises(ValueError, frames.metadata_bytes, bad)
        self.assertRaises(ValueError, frames.metadata_bytes, {"k%d" % i: "" for i in range(65)})
        self.assertRaises(TypeError, frames.metadata_bytes, {"a": 1})
        for pairs in ([("a", "x"), ("a", "y")], [("a", 1)], [("a", [1])], [(1, "x")], [("a", ["x", 1])]):
            self.assertEqual(frames.metadata_of(pairs), {})


class Machine(unittest.TestCase):
    """The peer here is the test: it says HELLO with the limits of each case and hands in frames."""

    def start(self, peer=None, says=None, **options):
        self.machine = Connection(says or {}, **options)
        self.machine.on_frame(frames.Frame(frames.HELLO, 0, 0, msgpack.encode(peer or {})))

    def call(self, size=0, method="S.m", deadline=None):
        payload = msgpack.encode([b"x" * size])
        call = calls.Call(method, payload, NIL, deadline, self.machine.abandon)
        self.machine.enqueue(call)
        return call

    def out(self, now=0.0):
        """All that the machine writes now, as frames."""
        found = []
        while True:
            data = self.machine.next_frame(now)
            if data is None:
                return found
            frame, end = frames.read(data)
            self.assertEqual(end, len(data))
            found.append(frame)

    def into(self, kind, flags, call_id, *body):
        data = frames.write(kind, flags, call_id, *body)
        self.machine.on_frame(frames.read(data)[0])

    def breaks(self, kind, flags, call_id, *body):
        self.assertRaises(ProtocolError, self.into, kind, flags, call_id, *body)

    def end(self, call):
        self.assertTrue(call.done)
        with self.assertRaises(calls.RpcError) as caught:
            call.result()
        return caught.exception.code, caught.exception.delivery, caught.exception.resend

    def test_a_call_waits_for_hello(self):
        self.machine = Connection({})
        self.call()
        self.assertEqual(self.out(), [])
        self.into(frames.HELLO, 0, 0, b"\x80")
        self.assertEqual([frame.kind for frame in self.out()], [frames.NAME, CALL])

    def test_names_are_bound_once_and_within_the_limit(self):
        self.start({"names": 2})
        for method in ("S.a", "S.a", "S.b", "S.c", "S.b", "S.c"):
            self.call(method=method)
        out = self.out()
        self.assertEqual([frame.kind for frame in out].count(frames.NAME), 2)
        methods = [frames.Body(frame.body).method() for frame in out if frame.kind == CALL]
        self.assertEqual(methods, [0, 0, 1, "S.c", 1, "S.c"])
        self.assertEqual([frame.id for frame in out if frame.kind == CALL], [1, 3, 5, 7, 9, 11])

    def test_a_name_too_long_to_bind_is_said_in_full(self):
        self.start()
        self.call(method="S." + "m" * 255)
        self.assertEqual([frame.kind for frame in self.out()], [CALL])

    def test_in_flight_holds_and_an_abandoned_call_counts(self):
        self.start({"in_flight": 2, "names": 0})
        first, second, third = self.call(), self.call(), self.call()
        self.assertEqual([frame.id for frame in self.out()], [1, 3])
        self.machine.abandon(first, 1, "")
        self.assertEqual([(frame.kind, frame.id) for frame in self.out()], [(CANCEL, 1)])
        self.assertEqual(self.end(first), (1, "unknown", False))
        self.into(ERROR, STARTED, 1, b"\x01\xa0\xc0")
        self.assertEqual([(frame.kind, frame.id) for frame in self.out()], [(CALL, 5)])
        self.into(REPLY, 0, 3, NIL, b"\x07")
        self.assertEqual((second.result(), third.done), (7, False))

    def test_a_queued_call_that_is_given_up_was_not_sent(self):
        self.start({"in_flight": 0})
        cancelled, late = self.call(), self.call(deadline=1.0)
        self.machine.abandon(cancelled, 1, "")
        self.machine.expire(1.0)
        self.assertEqual(self.end(cancelled), (1, "not_sent", False))
        self.assertEqual(self.end(late), (4, "not_sent", False))
        self.assertEqual(self.out(), [])
        self.assertTrue(self.machine.idle)

    def test_the_time_left_is_that_of_the_frame(self):
        self.start({"names": 0})
        self.call(deadline=10.0)
        (frame,) = self.out(now=7.5)
        body = frames.Body(frame.body)
        self.assertEqual((body.method(), body.uint()), ("S.m", 2_500_000))

    def test_large_arguments_wait_for_the_grant(self):
        self.start({"eager": 100_000, "names": 0})
        call = self.call(300_000)
        out = self.out()
        body = frames.Body(out[0].body)
        self.assertEqual((body.total(), body.method(), body.uint(True), body.pairs()), (call.total, "S.m", None, None))
        sent = len(body.rest()) + sum(len(frame.body) for frame in out[1:])
        self.assertEqual(sent, 100_000)
        self.assertTrue(all(frame.flags == MORE for frame in out))
        self.assertEqual(call.state, calls.SENDING)
        self.into(CREDIT, 0, 1, msgpack.encode(call.total))
        rest = self.out()
        self.assertEqual(sum(len(frame.body) for frame in rest), call.total - 100_000)
        self.assertEqual([frame.flags for frame in rest], [MORE] * (len(rest) - 1) + [0])
        self.assertEqual(call.state, calls.SENT)
        self.into(CREDIT, 0, 1, msgpack.encode(call.total))  # of no use to anybody, and ignored

    def test_eager_zero_sends_an_empty_first_part(self):
        self.start({"eager": 0, "names": 0})
        self.call(10)
        (frame,) = self.out()
        body = frames.Body(frame.body)
        self.assertEqual((body.total(), body.method(), body.uint(True), body.pairs()), (13, "S.m", None, None))
        self.assertEqual(len(body.rest()), 0)
        self.into(CREDIT, 0, 1, b"\x0d")
        self.assertEqual([(frame.flags, len(frame.body)) for frame in self.out()], [(0, 13)])

    def test_a_credit_before_the_eager_part_is_out(self):
        self.start({"names": 0})
        call = self.call(400_000)
        self.machine.next_frame(0.0)
        self.into(CREDIT, 0, 1, msgpack.encode(call.total))
        self.out()
        self.assertEqual(call.state, calls.SENT)

    def test_credits_that_cost_the_connection(self):
        for size, amount in ((300_000, 300_000), (300_000, 0)):
            self.start()
            self.call(size)
            self.out()
            self.breaks(CREDIT, 0, 1, msgpack.encode(amount))
        self.breaks(CREDIT, 0, 3, b"\x01")
        self.breaks(CREDIT, 0, 2, b"\x01")

    def test_small_calls_go_between_the_parts_of_large_ones(self):
        self.start({"names": 0, "eager": 10_000_000})
        self.call(2_000_000)
        self.call(2_000_000)
        first = [frames.read(self.machine.next_frame(0.0))[0].id for _ in range(6)]
        self.assertIn(1, first[2:])
        self.assertIn(3, first[2:])
        self.call()
        self.assertIn(5, [frames.read(self.machine.next_frame(0.0))[0].id for _ in range(2)])

    def test_an_answer_ends_the_sending_of_arguments(self):
        self.start()
        call = self.call(300_000)
        self.out()
        self.into(ERROR, RESEND, 1, b"\x0e\xa0\xc0")
        self.assertEqual(self.end(call), (14, "refused", True))
        self.into(CREDIT, 0, 1, msgpack.encode(call.total))
        self.assertEqual(self.out(), [])
        self.assertTrue(self.machine.idle)

    def test_a_call_given_up_while_sending_was_not_sent(self):
        self.start()
        call = self.call(300_000)
        self.out()
        self.machine.abandon(call, 1, "")
        self.assertEqual(self.end(call), (1, "not_sent", False))
        self.into(CREDIT, 0, 1, msgpack.encode(call.total))
        self.assertEqual([frame.kind for frame in self.out()], [CANCEL])

    def test_arguments_larger_than_the_peer_takes(self):
        self.start({"message": 1000})
        call = self.call(2000)
        self.out()
        self.assertEqual(self.end(call), (8, "not_sent", False))

    def reply_in_parts(self, payload, cut):
        self.into(REPLY, MORE, 1, struct.pack(">I", len(payload)), NIL, payload[:cut])

    def test_a_reply_in_parts(self):
        self.start()
        call = self.call()
        self.out()
        payload = msgpack.encode("abcdef")
        self.reply_in_parts(payload, 3)
        self.into(REPLY, MORE, 1, payload[3:4])
        self.into(REPLY, 0, 1, payload[4:])
        self.assertEqual(call.result(), "abcdef")
        self.assertEqual(self.out(), [])

    def test_an_app_error_in_parts(self):
        self.start()
        call = self.call()
        self.out()
        self.into(ERROR, MORE | APP | STARTED, 1, b"\x00\x00\x00\x04", b"\x02\xa0\xc0", b"\xa3a")
        self.into(ERROR, APP | STARTED, 1, b"bc")
        with self.assertRaises(calls.AppError) as caught:
            call.result()
        self.assertEqual(caught.exception.value, "abc")

    def test_an_error_ends_a_reply_under_way(self):
        self.start()
        call = self.call()
        self.out()
        self.reply_in_parts(b"\xa3abc", 2)
        self.into(ERROR, STARTED, 1, b"\x0d\xa3bad\xc0")
        self.assertEqual(self.end(call), (13, "executed", False))

    def test_large_replies_are_granted_first_come_first_served(self):
        self.start(says={"eager": 10, "message": 1000}, assembly=1500)
        pending = [self.call() for _ in range(3)]
        self.out()
        payload = msgpack.encode(b"x" * 900)
        for call in pending:
            self.into(REPLY, MORE, call.id, struct.pack(">I", len(payload)), NIL, payload[:10])
        self.assertEqual([(frame.kind, frame.id) for frame in self.out()], [(CREDIT, 1)])
        self.machine.abandon(pending[1], 1, "")
        self.into(REPLY, 0, 1, payload[10:])
        self.assertEqual(len(pending[0].result()), 900)
        self.assertEqual([(frame.kind, frame.id) for frame in self.out()], [(CANCEL, 3), (CREDIT, 5)])
        self.machine.abandon(pending[2], 1, "")
        self.into(REPLY, 0, 5, payload[10:])
        self.assertEqual(self.machine._grants._free, 1500)

    def test_parts_that_cost_the_connection(self):
        first = struct.pack(">I", 100) + NIL
        for parts in (
            [(MORE, first + b"x" * 100)],
            [(MORE, first + b"x" * 101)],
            [(MORE, first + b"x"), (0, b"x")],
            [(MORE, first + b"x"), (MORE, b"")],
            [(MORE, first + b"x"), (MORE, b"x" * 99)],
            [(MORE, first + b"x"), (0, b"x" * 100)],
            [(MORE, struct.pack(">I", 200_000) + NIL + b"x" * 131_073)],
            [(MORE, struct.pack(">I", 0) + NIL)],
            [(MORE, b"\x00\x00")],
            [(0, NIL + b"x" * 131_073)],
            [(0, b"\x07\x07")],
            [(0, b"")],
        ):
            self.start()
            self.call()
            self.out()
            for flags, body in parts[:-1]:
                self.into(REPLY, flags, 1, body)
            self.breaks(REPLY, parts[-1][0], 1, parts[-1][1])

    def test_a_reply_too_large_or_ill_formed_costs_the_call(self):
        self.start(says={"message": 1000, "eager": 100})
        large, bad, empty, deep = (self.call() for _ in range(4))
        self.out()
        self.into(REPLY, MORE, 1, struct.pack(">I", 1001), NIL, b"x")
        self.into(REPLY, 0, 3, NIL, b"\xc1")
        self.into(REPLY, 0, 5, NIL)
        self.into(REPLY, 0, 7, NIL, b"\x91" * 65 + NIL)
        self.assertEqual(self.end(large), (8, "executed", False))
        for call in (bad, empty, deep):
            self.assertEqual(self.end(call), (13, "executed", False))
        self.assertEqual([(frame.kind, frame.id) for frame in self.out()], [(CANCEL, 1)])
        self.assertEqual(self.machine.open_calls, 1)

    def test_metadata_of_an_answer(self):
        self.start()
        good, bad = self.call(), self.call()
        self.out()
        self.into(REPLY, 0, 1, b"\x82\xa1a\xa1x\xa1b\x92\x02\xc4\x01y", NIL)
        self.into(REPLY, 0, 3, b"\x82\xa1a\xa1x\xa1a\xa1y", NIL)
        self.assertEqual(good.metadata, {"a": "x", "b": frames.Marked(b"y", 2)})
        self.assertEqual((bad.result(), bad.metadata), (None, {}))

    def test_frames_that_cost_the_connection(self):
        for kind, flags, call_id, body in (
            (frames.HELLO, 0, 0, b"\x80"), (0x07, 0, 1, b""), (0x7F, 0, 0, b""), (0x00, 0, 0, b""),
            (REPLY, 0, 2, b"\xc0\xc0"), (REPLY, 0, 3, b"\xc0\xc0"), (REPLY, 0, 0, b"\xc0\xc0"),
            (REPLY, APP, 1, b"\xc0\xc0"), (ERROR, MORE, 1, b""), (ERROR, RESEND | STARTED, 1, b"\x01\xa0\xc0"),
            (ERROR, 0, 1, b"\xa0\xa0\xc0"), (ERROR, 0, 1, b"\x01"), (CALL, 0, 1, b"\xa1x\xc0\xc0\x90"),
            (CALL, 0, 2, b"\x00\xc0\xc0\x90"), (CANCEL, 0, 1, b""), (CANCEL, 0, 2, b""),
            (frames.NAME, 0, 0, b"\x01\xa1x"), (frames.NAME, 0, 0, b"\x00\xda\x01\x01" + b"x" * 257),
            (frames.PING, 0, 1, b"\x01"), (frames.PING, MORE, 0, b"\x01"), (frames.GOAWAY, 0, 0, b"\x00\x00"),
        ):  # fmt: skip
            self.start()
            self.call()
            self.out()
            with self.subTest(kind=kind, call_id=call_id, body=body[:8]):
                self.breaks(kind, flags, call_id, body)

    def test_frames_of_later_versions_are_skipped(self):
        self.start()
        call = self.call()
        self.out()
        self.into(0x80, 0xFF, 12_345, b"\xc1")
        self.into(0xFF, 0, 0)
        self.into(frames.PING, 0, 0, b"\x05more")
        self.into(ERROR, 0, 1, b"\x0c\xa0\xc0more")
        self.assertEqual(self.end(call), (12, "refused", False))
        self.assertEqual([frame.kind for frame in self.out()], [frames.PONG])

    def test_hello(self):
        self.start({"message": 5, "unknown": [1, {2: 3}], "features": ["x"]})
        self.assertEqual((self.machine.peer["message"], self.machine.peer["names"]), (5, 1024))
        for bad in ([], {1: 2}, {"message": "x"}, {"eager": -1}, {"name": 1}, {"in_flight": True}):
            self.assertRaises(ProtocolError, frames.read_hello, msgpack.encode(bad))
        self.machine = Connection({})
        self.breaks(frames.PING, 0, 0, b"\x01")
        self.breaks(0x80, 0, 0)

    def test_error_codes(self):
        self.start()
        zero, new = self.call(), self.call()
        self.out()
        self.into(ERROR, 0, 1, b"\x00\xa0\xc0")
        self.into(ERROR, STARTED, 3, b"\xcd\x03\xe7\xa0\xc0")
        self.assertEqual(self.end(zero), (2, "refused", False))
        self.assertEqual(self.end(new), (999, "executed", False))

    def test_pings_are_answered_first_and_not_without_end(self):
        self.start()
        self.call()
        self.into(frames.PING, 0, 0, b"\x2a")
        self.assertEqual(self.out()[0], frames.Frame(frames.PONG, 0, 0, b"\x2a"))
        for number in range(16):
            self.into(frames.PING, 0, 0, msgpack.encode(number))
        self.breaks(frames.PING, 0, 0, b"\x2a")

    def test_calls_of_the_peer_are_refused(self):
        self.start(says={"in_flight": 2})
        self.into(frames.NAME, 0, 0, b"\x00\xa1x")
        self.into(CALL, MORE, 2, b"\x00\x00\x00\x04", b"\x00\xc0\xc0", b"\x93")
        self.into(CALL, 0, 2, b"\x01\x02\x03")
        self.into(CANCEL, 0, 2)
        out = self.out()
        self.assertEqual([(frame.kind, frame.flags, frame.id, frame.body[0]) for frame in out], [(ERROR, 0, 2, 12)])
        self.into(CALL, 0, 4, b"\xa1x\xc0\xc0\x90")
        self.into(CALL, 0, 6, b"\xa1x\xc0\xc0\x90")
        self.breaks(CALL, 0, 8, b"\xa1x\xc0\xc0\x90")

    def test_goaway_drains(self):
        self.start({"in_flight": 2, "names": 0})
        kept, refused, queued = self.call(), self.call(), self.call()
        self.out()
        self.into(frames.GOAWAY, 0, 0, b"\x01\x00\xa3bye")
        self.assertEqual(self.end(refused), (14, "refused", True))
        self.assertEqual(self.end(queued), (14, "not_sent", True))
        self.assertEqual(self.end(self.call()), (14, "not_sent", True))
        self.into(REPLY, 0, 1, NIL, b"\x05")
        self.assertEqual(kept.result(), 5)
        self.into(REPLY, 0, 3, NIL, b"\x05")
        self.assertEqual(self.out(), [])

    def test_goaway_with_a_code_fails(self):
        self.start({"names": 0})
        unknown, sending, refused = self.call(), self.call(300_000), self.call()
        self.out()
        self.into(frames.GOAWAY, 0, 0, b"\x03\x08\xa4more")
        self.assertEqual(self.end(unknown), (14, "unknown", False))
        self.assertEqual(self.end(sending), (14, "not_sent", True))
        self.assertEqual(self.end(refused), (14, "refused", True))
        self.assertIn("resource_exhausted: more", self.machine.lost)

    def test_the_own_goaway(self):
        self.start({"names": 0})
        open_call = self.call()
        self.out()
        self.machine.drain("closing")
        self.assertEqual(self.end(self.call()), (14, "not_sent", True))
        self.into(CALL, 0, 2, b"\xa1x\xc0\xc0\x90")
        self.into(CANCEL, 0, 2)
        self.assertEqual([tuple(frame) for frame in self.out()], [(frames.GOAWAY, 0, 0, b"\x00\x00\xa7closing")])
        self.into(REPLY, 0, 1, NIL, b"\x05")
        self.assertEqual(open_call.result(), 5)
        self.machine.finish()
        self.assertEqual((self.out(), self.machine.finished), ([], True))

    def test_the_queue_is_bounded(self):
        self.machine = Connection({})
        with mock.patch("connection.QUEUE", 1000):
            self.call(2000)
            call = self.call(10)
        self.assertEqual(self.end(call), (8, "not_sent", False))

    def test_noise_never_breaks_out(self):
        noise = random.Random(2)
        kinds = [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 7, 128]
        for _ in range(20_000):
            self.start(says={"eager": 8})
            self.call()
            self.call()
            self.out()
            for _ in range(3):
                alphabet = b"\x00\x01\x02\x80\x81\xa0\xa1\x91\xc0\xc1\xcf\xff"
                body = bytes(noise.choices(alphabet, k=noise.randrange(9)))
                try:
                    self.into(noise.choice(kinds), noise.choice((0, 0, 1, 2, 3, 6)), noise.randrange(5), body)
                except ProtocolError:
                    break
                self.out()


class Sockets(unittest.TestCase):
    def pair(self, **options):
        """A client and the bare other end, which has sent nothing yet."""
        left, right = socket.socketpair()
        right.settimeout(5)
        client = traitwire.Client(left, **options)
        self.addCleanup(right.close)
        self.addCleanup(client.close)
        return client, right

    def served(self, says=None):
        server = fake.Fake(says)
        self.addCleanup(server.close)
        client = traitwire.Client.connect(server.uri)
        self.addCleanup(client.close)
        return server, client

    def until(self, condition):
        end = time.monotonic() + 5
        while not condition():
            self.assertLess(time.monotonic(), end, "it never came to be")
            time.sleep(0.005)

    def read_until_closed(self, sock):
        data = b""
        while True:
            try:
                more = sock.recv(1 << 16)
            except ConnectionError:
                more = b""
            if not more:
                break
            data += more
        self.assertEqual(data[:5], frames.PREFACE)
        data, found = data[5:], []
        while data:
            frame, end = frames.read(data)
            found.append(frame)
            data = data[end:]
        return found

    def test_every_check_against_the_fake(self):
        for says in ({}, {"eager": 100, "names": 3, "in_flight": 20}):
            server, client = self.served(says)
            for each in check.CHECKS:
                if each is not check.drained:  # it reads the command line
                    with self.subTest(check=each.__name__, says=says):
                        each(client)

    def test_strangers(self):
        strangers = ((b"HTTP/1.1 400 Bad\r\n\r\n", "HTTP"), (b"\x15\x03\x01", "TLS"), (b"\x94\x01", "MessagePack"))
        for greeting, hint in strangers:
            client, peer = self.pair()
            peer.sendall(greeting)
            with self.assertRaisesRegex(traitwire.NotTraitwire, "not traitwire.*" + hint):
                client.wait_for_hello(5)
        client, peer = self.pair()
        peer.close()
        with self.assertRaisesRegex(ProtocolError, "may not be traitwire"):
            client.wait_for_hello(5)
        client, peer = self.pair()
        with self.assertRaisesRegex(ProtocolError, "no HELLO"):
            client.wait_for_hello(0.05)

    def test_another_version_is_told(self):
        client, peer = self.pair()
        peer.sendall(b"\xc1RPC\x02")
        with self.assertRaisesRegex(traitwire.NotTraitwire, "version 2"):
            client.wait_for_hello(5)
        hello, goaway = self.read_until_closed(peer)
        self.assertEqual((hello.kind, goaway.kind, goaway.body[:2]), (frames.HELLO, frames.GOAWAY, b"\x00\x0c"))

    def test_a_broken_frame_ends_with_goaway(self):
        for broken in (b"\x00\x00\x00\x05\x0a", b"\xff\xff\xff\xff", frames.write(0x20, 0, 0)):
            client, peer = self.pair()
            peer.sendall(frames.PREFACE + frames.hello({}))
            client.wait_for_hello(5)
            pending = client.start("S.m")
            self.until(lambda: client.open_calls)
            peer.sendall(broken)
            with self.assertRaises(traitwire.RpcError) as caught:
                pending.result()
            self.assertEqual((caught.exception.code, caught.exception.delivery), (14, "unknown"))
            self.assertEqual(self.read_until_closed(peer)[-1].kind, frames.GOAWAY)

    def test_the_reason_of_a_goaway_reaches_the_caller(self):
        client, peer = self.pair()
        peer.sendall(frames.PREFACE + frames.hello({}) + frames.goaway(0, 8, "too many") + b"rest")
        with self.assertRaises(traitwire.RpcError) as caught:
            client.call("S.m", timeout=2)
        self.assertIn("too many", str(caught.exception))

    def test_bytes_one_at_a_time(self):
        client, peer = self.pair()
        data = frames.PREFACE + frames.hello({"name": "slow"}) + frames.ping(7)
        for at in range(len(data)):
            peer.sendall(data[at : at + 1])
        client.wait_for_hello(5)
        self.assertEqual(client.peer["name"], "slow")

    def test_silence(self):
        with mock.patch.multiple(traitwire, PING_AFTER=0.2, PONG_WAIT=0.3):
            client, peer = self.pair()
            peer.sendall(frames.PREFACE + frames.hello({}))
            kinds = [frame.kind for frame in self.read_until_closed(peer)]
        self.assertEqual(kinds, [frames.HELLO, frames.PING, frames.GOAWAY])
        self.assertIn("silent", client.lost)

    def test_a_frame_that_stands_still(self):
        with mock.patch.object(traitwire, "FRAME_WAIT", 0.3):
            client, peer = self.pair()
            peer.sendall(frames.PREFACE + frames.hello({}) + b"\x00\x00\x01\x00\x04")
            self.assertEqual(self.read_until_closed(peer)[-1].kind, frames.GOAWAY)
        self.assertIn("stands still", client.lost)

    def test_a_peer_that_does_not_read(self):
        with mock.patch.object(traitwire, "WRITE_WAIT", 0.3):
            client, peer = self.pair()
            peer.sendall(frames.PREFACE + frames.hello({"eager": 16 << 20}))
            with self.assertRaises(traitwire.RpcError) as caught:
                client.call("S.m", [bytes(8 << 20)], timeout=8)
        self.assertEqual((caught.exception.code, caught.exception.delivery), (14, "not_sent"))

    def test_a_deadline_nobody_waits_for_is_kept(self):
        client, peer = self.pair()
        peer.sendall(frames.PREFACE + frames.hello({}))
        pending = client.start("S.m", timeout=0.2)
        self.until(lambda: pending.done)

    def test_a_drained_client_ends_its_calls(self):
        server, client = self.served()
        pending = client.start("Conformance.sleep", [200])
        other = client.start("Conformance.sleep", [5000])
        self.until(lambda: client.open_calls == 2)
        client.close(wait=0.5)
        self.assertEqual(pending.result(), 200)
        with self.assertRaises(traitwire.RpcError) as caught:
            other.result()
        self.assertEqual((caught.exception.code, caught.exception.delivery), (1, "unknown"))
        for thread in (client._reader, client._writer):
            thread.join(2)
            self.assertFalse(thread.is_alive())
        self.until(lambda: frames.GOAWAY in [frame.kind for frame in server.peers[0].seen])

    def test_unix_sockets(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(folder + "/socket")
            listener.listen()
            threading.Thread(target=lambda: fake.Peer(listener.accept()[0], {}), daemon=True).start()
            with traitwire.Client.connect("unix://%s/socket" % folder) as client:
                self.assertEqual(client.call("Conformance.add", [2, 3]), 5)

    def test_bad_addresses(self):
        for uri in ("http://x:1", "tcp://x", "unix://relative", "x"):
            self.assertRaises(ValueError, traitwire.Client.connect, uri)
        self.assertRaises(OSError, traitwire.Client.connect, "unix:///nonexistent/socket")

    def test_many_threads_on_a_large_load(self):
        server, client = self.served({"in_flight": 8, "eager": 1000})
        rng = random.Random(3)
        sizes = [rng.randrange(200_000) for _ in range(100)]
        check.run_all([lambda size=size: check.echo_of(client, size) for size in sizes])
        self.assertEqual(client.open_calls, 0)


if __name__ == "__main__":
    threading.stack_size(512 << 10)
    unittest.main()
