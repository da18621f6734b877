"""Checks the streams of a running server that serves `Conformance`: `python3 check_streams.py tcp://127.0.0.1:7000`.

Owns: what a server has to answer to calls with streams. One line for each check; ends with 1 at the first that fails.
Not here: calls without streams (check.py), and the protocol, which traitwire.py speaks.
"""

import sys
import time
import zlib

sys.dont_write_bytecode = True  # the scripts of the tests leave nothing in the tree

import frames
from check import Failed, call, fails, holds, returns_all, same
from traitwire import AppError, Client, RpcError


def main(uri):
    for limits in ({}, {"credit": 1_024}, {"credit": 17, "eager": 100}):
        with Client.connect(uri, limits=limits) as client:
            for check in CHECKS:
                check(client)
                returns_all(client)
                print("ok %s %s" % (check.__name__, limits or ""), flush=True)
    print("python client: streams: %d checks passed" % (3 * len(CHECKS)))


def stream(client, method, *args, **options):
    return client.stream("Conformance." + method, args, **options)


def item(index, size):
    payload = bytes((index + at) % 256 for at in range(size))
    return {"index": index, "payload": payload, "digest": zlib.crc32(payload)}


def generated(client):
    """Small items and large ones, larger than a frame and than any credit."""
    for count, size in ((0, 0), (1, 1), (3_000, 5), (40, 10_000), (3, 1 << 20)):
        found = list(stream(client, "generate", count, size, takes=True))
        same("generate(%d, %d)" % (count, size), found, [item(index, size) for index in range(count)])


def slow_reader(client):
    """Nothing is granted while nobody reads; what is read is granted again, and the others go on meanwhile."""
    before = client.framed(frames.CREDIT)
    items = stream(client, "generate", 1_000, 1_000, takes=True)
    same("the first item", next(items), item(0, 1_000))
    stalled = client.framed(frames.CREDIT)
    for number in range(20):
        same("a call beside a stream that stalls", call(client, "add", number, 1), number + 1)
        same("another stream beside it", len(list(stream(client, "generate", 10, 100, takes=True))), 10)
    holds("the stream is not over", not items.done)
    waiting = len(items.incoming.items)
    holds("%d items wait, more than the credit" % waiting, waiting * 1_016 <= max(client._connection.own["credit"], 2_048))
    same("the rest", [found["index"] for found in items], list(range(1, 1_000)))
    holds("CREDIT was sent: %d, %d" % (before, stalled), client.framed(frames.CREDIT) > stalled)


def summed(client):
    sending = stream(client, "sum", sends=True)
    for number in range(5_000):
        holds("the call takes items", sending.send(number))
    sending.finish()
    same("sum of 0 to 4,999", sending.result(), 12_497_500)
    empty = stream(client, "sum", sends=True)
    empty.finish()
    same("the sum of nothing", empty.result(), 0)


def mirrored(client):
    """One by one: the next item leaves when the last one is back. Then END, and only then theirs."""
    both = stream(client, "mirror", sends=True, takes=True)
    for index, size in enumerate((0, 1, 100, 20_000, 300_000)):
        both.send(item(index, size))
        same("the image of item %d" % index, next(both), item(index, size))
    holds("it is open until both sides have ended", not both.done)
    both.finish()
    same("what comes behind the own END", list(both), [])


def half_closed(client):
    """All items, then END; all of them still come back."""
    both = stream(client, "mirror", sends=True, takes=True)
    for index in range(10):
        both.send(item(index, 10))
    both.finish()
    same("what comes back behind the own END", list(both), [item(index, 10) for index in range(10)])


def failing(client):
    for count in (0, 3, 200):
        found, items = [], stream(client, "fail_after", count, 7, takes=True)
        try:
            for each in items:
                found.append(each["index"])
        except AppError as error:
            same("the error's code", error.value["code"], 7)
        else:
            raise Failed("fail_after(%d, 7) ended as if it were whole" % count)
        same("the items before the error", found, list(range(count)))


def cancelled(client):
    items = stream(client, "generate", 1 << 40, 100, takes=True)
    same("an item of a long stream", next(items), item(0, 100))
    items.cancel()
    fails("the rest of a stream that was cancelled", lambda: list(items), 1, "executed")
    sending = stream(client, "sum", sends=True)
    sending.send(1)
    sending.cancel()
    fails("a sum that was cancelled", sending.result, 1, None)
    holds("nobody wants further items", not sending.send(2))


def out_of_time(client):
    begun = time.monotonic()
    items = stream(client, "mirror", sends=True, takes=True, idle=0.2)
    fails("a mirror that nobody stands before", lambda: next(items), 4, "executed")
    sending = stream(client, "sum", sends=True, total=0.2)
    fails("a sum whose `total` is over", sending.result, 4, None)
    holds("both in time", time.monotonic() - begun < 3.0)


def mismatched(client):
    """A CALL has the streams of its method, or is refused."""
    fails("generate without TAKES", lambda: call(client, "generate", 1, 1), 12, "refused")
    fails("add with TAKES", lambda: list(stream(client, "add", 1, 2, takes=True)), 12, "refused")
    fails("add with SENDS", stream(client, "add", 1, 2, sends=True).result, 12, "refused")
    fails("arguments that do not decode", lambda: list(stream(client, "generate", "x", takes=True)), 3, "refused")


def ill_formed_items(client):
    sending = stream(client, "sum", sends=True)
    sending.send("no number")
    error = fails("an item that is no number", sending.result, 13, None)
    same("the sum has begun", error.delivery, "executed")
    same("add after that", call(client, "add", 2, 3), 5)


def called_back(client):
    """This client serves nothing: it refuses, and the server counts no answer."""
    same("call_back(3)", call(client, "call_back", 3), 0)


CHECKS = (
    generated,
    slow_reader,
    summed,
    mirrored,
    half_closed,
    failing,
    cancelled,
    out_of_time,
    mismatched,
    ill_formed_items,
    called_back,
)

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check_streams.py tcp://host:port | unix:///path")
    try:
        main(sys.argv[1])
    except (Failed, AppError, RpcError, OSError, ValueError) as failure:
        sys.exit("python client: FAILED: %s: %s" % (type(failure).__name__, failure))
