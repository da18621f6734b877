"""Holds the document to its examples: reads every hex block of docs/PROTOCOL.md with this client's code.

Owns: what each example means, in the words of the document. An example that is not listed here is a failure, so that
a new one cannot go unread. Those that this client writes are written again and compared byte for byte.
"""

import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the scripts of the tests leave nothing in the tree

import calls
import frames
import msgpack
from connection import Connection

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "PROTOCOL.md"

SAYS = {
    "message": 16_777_216,
    "eager": 131_072,
    "in_flight": 1_024,
    "streams": 128,
    "credit": 262_144,
    "names": 1_024,
    "keepalive_ms": 20_000,
    "instance": 7,
    "name": "demo",
    "features": [],
}
BLUE = {"tenant": frames.Marked("blue", frames.PROPAGATE)}
SPLIT = msgpack.encode([b"abcdefghi"])


def main():
    examples = read_examples(DOCUMENT.read_text(encoding="utf-8"))
    if set(examples) != set(CHECKS):
        raise AssertionError("examples without a check, or the reverse: %s" % sorted(set(examples) ^ set(CHECKS)))
    for title, data in examples.items():
        try:
            CHECKS[title](data)
        except Exception as error:
            raise AssertionError("example %s: %s: %s" % (title, type(error).__name__, error)) from error
    talk(examples["conversation-client"], examples["conversation-server"])
    print("vectors: %d examples read" % len(examples))


def read_examples(text):
    """Hex blocks by title. A line's bytes end where something else begins: the document explains beside them."""
    found = {}
    pattern = r"\*\*Example `([^`]+)`\*\*[^\n]*\n(?:(?!```)[^\n]*\n)*?```hex\n(.*?)```"
    for title, block in re.findall(pattern, text, re.S):
        lines = (re.match(r"\s*((?:[0-9a-fA-F]{2}(?:\s+|$))*)", line).group(1) for line in block.splitlines())
        if title in found:
            raise AssertionError("two examples are called %s" % title)
        found[title] = bytes.fromhex("".join(lines))
    if len(found) != text.count("```hex"):
        raise AssertionError("%d hex blocks, %d with a title" % (text.count("```hex"), len(found)))
    preface = re.search(r"^(C1(?: [0-9A-F]{2}){4}) ", text, re.M)
    same("preface", bytes.fromhex(preface.group(1)), frames.PREFACE)
    return found


def hello(data):
    body = only(data, frames.HELLO)
    same("map", dict(frames.Body(body).pairs()), SAYS)
    same("as read", frames.read_hello(body), SAYS)
    same("written", frames.hello(SAYS), data)


def name(data):
    body = frames.Body(only(data, frames.NAME))
    same("binds", (body.uint(), body.str()), (0, "Calculator.add"))
    same("written", frames.name(0, "Calculator.add"), data)


def call(data):
    check_call(data, 1, "Calculator.add", 10_000_000, {})


def call_bound(data):
    check_call(data, 3, 0, 250_000, BLUE)


def check_call(data, call_id, method, remaining, metadata):
    body = frames.Body(only(data, frames.CALL, call_id))
    head = (body.method(), body.uint(optional=True), frames.metadata_of(body.pairs()))
    same("head", head, (method, remaining, metadata))
    same("arguments", msgpack.decode(body.rest()), [2, 3])
    head = frames.call_head(method, remaining, frames.metadata_bytes(metadata))
    same("written", frames.first(frames.CALL, 0, call_id, head, msgpack.encode([2, 3])), data)


def call_stream(data):
    body = frames.Body(only(data, frames.CALL, 1, frames.TAKES))
    head = (body.method(), body.uint(), body.uint(optional=True), body.uint(optional=True), body.pairs())
    same("head", head, ("Clock.countdown", 10_000_000, 60_000_000, None, None))
    same("arguments", msgpack.decode(body.rest()), [2])
    head = frames.call_head("Clock.countdown", 10_000_000, b"\xc0", (60_000_000, None))
    same("written", frames.first(frames.CALL, frames.TAKES, 1, head, msgpack.encode([2])), data)


def item(data):
    same("item", msgpack.decode(only(data, frames.ITEM, 1)), 2)
    same("written", frames.item(1, msgpack.encode(2)), data)


def item_open(data):
    same("metadata", frames.Body(only(data, frames.ITEM, 1, frames.OPEN)).pairs(), None)


def item_first_part(data):
    body = frames.Body(only(data, frames.ITEM, 1, frames.MORE))
    whole = msgpack.encode(b"abcdefghij")
    same("total", body.total(), len(whole))
    same("part", bytes(body.rest()), whole[:5])


def end(data):
    same("metadata", frames.Body(only(data, frames.END, 1)).pairs(), None)
    same("written", frames.end(1), data)


def reply(data):
    body = frames.Body(only(data, frames.REPLY, 1))
    same("metadata", body.pairs(), None)
    same("value", msgpack.decode(body.rest()), 5)
    same("the caller has", outcome(data), 5)


def error(data):
    body = frames.Body(only(data, frames.ERROR, 1, frames.RESEND))
    same("head", (body.uint(), body.str(), body.pairs()), (14, "draining", None))
    same("written", frames.error(1, frames.RESEND, 14, "draining"), data)
    end = outcome(data)
    same("the caller has", (end.code, end.delivery, end.resend), (14, "refused", True))


def error_going_away(data):
    body = frames.Body(only(data, frames.ERROR, 1, frames.STARTED))
    same("head", (body.uint(), body.str(), body.pairs()), (14, "closing", [("rpc-detail", "going_away")]))
    end = outcome(data)
    same("the caller has", (end.code, end.delivery, end.detail), (14, "executed", "going_away"))


def error_app(data):
    body = frames.Body(only(data, frames.ERROR, 1, frames.APP | frames.STARTED))
    same("head", (body.uint(), body.str(), body.pairs()), (2, "", None))
    same("detail", msgpack.decode(body.rest()), "ByZero")
    same("the caller has", outcome(data).value, "ByZero")


def cancel(data):
    same("body", only(data, frames.CANCEL, 1), b"")
    same("written", frames.cancel(1), data)


def credit(data):
    same("amount", frames.Body(only(data, frames.CREDIT, 1)).uint(), 1_048_576)
    same("written", frames.credit(1, 1_048_576), data)


def ping(data):
    same("number", frames.Body(only(data, frames.PING)).uint(), 42)
    same("written", frames.ping(42), data)


def pong(data):
    same("number", frames.Body(only(data, frames.PONG)).uint(), 42)
    same("written", frames.pong(42), data)


def goaway(data):
    body = frames.Body(only(data, frames.GOAWAY))
    same("says", (body.uint(), body.uint(), body.str()), (5, 0, "closing"))
    same("written", frames.goaway(5, 0, "closing"), data)


def first_part(data):
    body = frames.Body(only(data, frames.CALL, 1, frames.MORE))
    head = (body.total(), body.method(), body.uint(), body.pairs())
    same("head", head, (len(SPLIT), "S.pu", 10_000_000, None))
    same("part", bytes(body.rest()), SPLIT[:5])
    head = frames.call_head("S.pu", 10_000_000, b"\xc0")
    same("written", frames.first(frames.CALL, 0, 1, head, SPLIT[:5], len(SPLIT)), data)


def last_part(data):
    same("part", only(data, frames.CALL, 1), SPLIT[5:])
    same("written", frames.write(frames.CALL, 0, 1, SPLIT[5:]), data)


def conversation(data):
    same("preface", frames.check_preface(data), True)
    kinds = [frame.kind for frame in all_frames(data[5:])]
    if kinds not in ([frames.HELLO, frames.CALL], [frames.HELLO, frames.REPLY]):
        raise AssertionError("kinds %s" % kinds)


def countdown(data):
    same("preface", frames.check_preface(data), True)
    kinds = [(frame.kind, frame.flags) for frame in all_frames(data[5:])]
    asked = [(frames.HELLO, 0), (frames.CALL, frames.TAKES)]
    given = [(frames.HELLO, 0), (frames.ITEM, frames.OPEN), (frames.ITEM, 0), (frames.ITEM, 0), (frames.END, 0)]
    if kinds not in (asked, given):
        raise AssertionError("kinds %s" % kinds)


def talk(client, server):
    """The conversation, by the machine that the client runs on: its bytes are the document's."""
    machine, call = machine_with_call("Echo.echo", ["hi"])
    first_frame, reply_frame = all_frames(server[5:])
    machine.on_frame(first_frame)
    written = frames.PREFACE + frames.hello({}) + machine.next_frame(0.0)
    same("conversation-client", written, client)
    same("nothing more is written", machine.next_frame(0.0), None)
    machine.on_frame(reply_frame)
    same("conversation-server", call.result(), "hi")


def outcome(data):
    """What the caller of call 1 has after these frames."""
    machine, call = machine_with_call("Calculator.add", [2, 3])
    machine.on_frame(frames.Frame(frames.HELLO, 0, 0, b"\x80"))
    machine.next_frame(0.0)
    for frame in all_frames(data):
        machine.on_frame(frame)
    try:
        return call.result()
    except (calls.AppError, calls.RpcError) as end:
        return end


def machine_with_call(method, args):
    machine = Connection({}, bind_names=False)
    call = calls.Call(method, msgpack.encode(args), b"\xc0", 10.0, None)
    machine.enqueue(call)
    return machine, call


def all_frames(data):
    found = []
    while data:
        frame, end = frames.read(data)
        found.append(frame)
        data = data[end:]
    return found


def only(data, kind, call_id=0, flags=0):
    """The body of the one frame that `data` is."""
    (frame,) = all_frames(data)
    same("header", frame[:3], (kind, flags, call_id))
    return frame.body


def same(what, found, expected):
    if found != expected:
        show = [item.hex(" ") if isinstance(item, bytes) else repr(item) for item in (found, expected)]
        raise AssertionError("%s: %s instead of %s" % (what, show[0], show[1]))


CHECKS = {
    "hello": hello,
    "name": name,
    "call": call,
    "call-bound": call_bound,
    "call-stream": call_stream,
    "reply": reply,
    "error": error,
    "error-going-away": error_going_away,
    "error-app": error_app,
    "cancel": cancel,
    "item": item,
    "item-open": item_open,
    "item-first-part": item_first_part,
    "end": end,
    "credit": credit,
    "ping": ping,
    "pong": pong,
    "goaway": goaway,
    "call-first-part": first_part,
    "call-last-part": last_part,
    "conversation-client": conversation,
    "conversation-server": conversation,
    "countdown-client": countdown,
    "countdown-server": countdown,
}

if __name__ == "__main__":
    try:
        main()
    except (AssertionError, calls.RpcError, frames.ProtocolError) as failure:
        sys.exit("vectors: %s" % failure)
