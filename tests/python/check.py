"""Checks a running server that serves `Conformance`: `python3 check.py tcp://127.0.0.1:7000` (or unix:///path).

Owns: what a server has to answer. One line for each check; ends with 1 and the reason at the first that fails.
Not here: the protocol, which traitwire.py speaks, and the server.
"""

import hashlib
import os
import random
import sys
import threading
import time

sys.dont_write_bytecode = True  # the scripts of the tests leave nothing in the tree

import frames
import msgpack
from traitwire import PROPAGATE, SECRET, AppError, Client, Marked, RpcError


class Failed(Exception):
    """A check does not hold."""


def main(uri):
    passed = 0
    with Client.connect(uri) as client:
        for check in CHECKS:
            check(client)
            passed += 1
            print("ok %s" % check.__name__, flush=True)
    print("python client: %d checks passed" % passed)


def call(client, method, *args, **options):
    return client.call("Conformance." + method, args, **options)


def same(what, found, expected):
    if found != expected:
        raise Failed("%s: %.200r instead of %.200r" % (what, found, expected))


def holds(what, condition):
    if not condition:
        raise Failed(what)


def fails(what, run, code, delivery):
    """`run` has to end with this RpcError. `delivery` None: whichever."""
    try:
        value = run()
    except RpcError as error:
        same("%s: code" % what, error.code, code)
        if delivery is not None:
            same("%s: delivery" % what, error.delivery, delivery)
        return error
    raise Failed("%s: answered %.200r instead of failing with code %d" % (what, value, code))


def empty(client):
    same("empty()", call(client, "empty"), None)


def add(client):
    same("add(2, 3)", call(client, "add", 2, 3), 5)
    for number in (0, -1, -33, 127, 128, 1 << 16, 1 << 32, (1 << 63) - 1, -(1 << 31), -(1 << 63)):
        same("add(%d, 0)" % number, call(client, "add", number, 0), number)


def echo(client):
    for size in (0, 1 << 10, 100 << 10, 1 << 20, 10 << 20):
        echo_of(client, size)


def echo_of(client, size):
    payload = os.urandom(size)
    answer = call(client, "echo", payload)
    answer = b"" if answer == [] else answer  # an empty one may be an empty array
    holds("echo of %d bytes answers a %s" % (size, type(answer).__name__), isinstance(answer, bytes))
    same("length of the echo", len(answer), size)
    same("digest of the echo of %d bytes" % size, hashlib.sha256(answer).digest(), hashlib.sha256(payload).digest())


def echo_around_the_limits(client):
    """One byte more or less than what goes in one frame, without a grant, in 64 KiB."""
    for edge in (1 << 8, 1 << 16, client.peer["eager"], 256 << 10):
        for size in range(edge - 8, edge + 3):
            if 0 <= size <= 1 << 20:
                echo_of(client, size)


def echo_in_parallel(client):
    """Large payloads both ways at a time, and small calls between their parts."""
    run_all([lambda: echo_of(client, 1 << 20) for _ in range(8)] + [lambda: add(client) for _ in range(8)])


def app_error(client):
    try:
        value = call(client, "fail", 7, "a reason")
    except AppError as error:
        same("fail(7, ..)", error.value, {"code": 7, "message": "a reason"})
    else:
        raise Failed("fail(7, ..) answered %r" % (value,))


def panic(client):
    fails("panic()", lambda: call(client, "panic", "on purpose"), 13, "executed")
    same("add after a panic", call(client, "add", 1, 1), 2)


def unknown_names(client):
    fails("unknown method", lambda: call(client, "no_such_method"), 12, "refused")
    fails("unknown service", lambda: client.call("NoSuchService.add", [1, 2]), 12, "refused")
    fails("a name without a dot", lambda: client.call("add", [1, 2]), 12, "refused")


def arguments_that_do_not_fit(client):
    fails("add of a str", lambda: call(client, "add", "two", 3), 3, "refused")
    fails("add of one argument", lambda: call(client, "add", 2), 3, "refused")
    fails("add of none", lambda: call(client, "add"), 3, "refused")
    for what, payload in (
        ("bytes after the arguments", b"\x92\x02\x03\x00"),
        ("c1 in the arguments", b"\x92\x02\xc1"),
        ("an extension in the arguments", b"\x92\x02\xd4\x00\x00"),
        ("a length beyond the end", b"\x92\x02\xc6\xff\xff\xff\xff"),
        ("a claim of many elements", b"\x92\x02\xdd\xff\xff\xff\xff"),
        ("no arguments at all", b""),
    ):
        fails(what, lambda: client.start_encoded("Conformance.add", payload).result(), 3, "refused")
    same("add after all that", call(client, "add", 2, 3), 5)


def surplus_and_wide(client):
    same("a surplus argument", call(client, "add", 2, 3, "surplus"), 5)
    wide = b"\xdd\x00\x00\x00\x02" + b"\xcf" + (2).to_bytes(8, "big") + b"\xd3" + (-3).to_bytes(8, "big", signed=True)
    same("wide integers and lengths", client.start_encoded("Conformance.add", wide).result(), -1)


def grow(client):
    one, two, three = call(client, "grow", 5), call(client, "grow", 5, 6), call(client, "grow", 5, 6, 7)
    holds("grow answers %r, %r, %r" % (one, two, three), all(type(value) is int for value in (one, two, three)))
    same("grow with a surplus argument", three, two)
    same("grow with nil for what is optional", call(client, "grow", 5, None), one)


def tree(client):
    """`Not(x)` is one map, `Node([..])` a map and an array."""
    same("tree(Leaf)", call(client, "tree", "Leaf"), 1)
    same("tree nested 10", call(client, "tree", nested(10)), 11)
    wide = {"Node": ["Leaf", {"Not": "Leaf"}, {"Node": []}, {"Node": ["Leaf", "Leaf"]}]}
    same("tree with branches", call(client, "tree", wide), 8)
    deep = msgpack.encode([nested(100)], depth=None)
    fails("tree nested 100", lambda: client.start_encoded("Conformance.tree", deep).result(), 3, "refused")


def nested(depth):
    found = "Leaf"
    for _ in range(depth):
        found = {"Not": found}
    return found


def values(client):
    answer = call(client, "values", [1, None, 3, 2**64 - 1])
    holds("values answers %r" % (answer,), type(answer) is int)


def metadata(client):
    sent = {
        "text": "käse",
        "binary-bin": b"\x00\xff\xc1",
        "tenant.id_1": Marked("blue", PROPAGATE),
        "token": Marked(b"hush", SECRET),
        "both": Marked("x", PROPAGATE | SECRET),
    }
    pending = client.start("Conformance.metadata", [], metadata=sent)
    arrived = pending.result()
    holds("metadata() answers %r" % (arrived,), isinstance(arrived, dict))
    for key, value in sent.items():
        value = value.value if isinstance(value, Marked) else value
        same("metadata %r" % key, arrived.get(key), value.encode() if isinstance(value, str) else value)
    holds("metadata() shows what was not sent", set(arrived) <= set(sent) | {"rpc-attempt"})
    holds("the answer's metadata is a dict", isinstance(pending.metadata, dict))


def remaining(client):
    left = call(client, "remaining", timeout=3.0)
    holds("remaining of 3 s is %r" % (left,), type(left) is int and 2000 <= left <= 3000)
    left = call(client, "remaining", timeout=None)
    holds("remaining without a deadline is %r" % (left,), left is None or (type(left) is int and left > 3000))


def deadline(client):
    begun = time.monotonic()
    fails("sleep(5000) with 0.1 s", lambda: call(client, "sleep", 5000, timeout=0.1), 4, None)
    took = time.monotonic() - begun
    holds("the deadline of 0.1 s took %.2f s" % took, 0.05 <= took < 1.0)
    same("add after a deadline", call(client, "add", 2, 3), 5)
    returns_all(client)


def cancel(client):
    pending = client.start("Conformance.sleep", [5000])
    time.sleep(0.05)
    pending.cancel()
    fails("a cancelled sleep", pending.result, 1, "unknown")
    same("add after a cancel", call(client, "add", 2, 3), 5)
    returns_all(client)


def returns_all(client):
    """The callee still sends its last frame for the id, so that its place is free again."""
    until = time.monotonic() + 1.0
    while client.open_calls and time.monotonic() < until:
        time.sleep(0.01)
    same("calls that are still open", client.open_calls, 0)


def many_in_flight(client):
    seeds = random.Random(7)
    sleeps = [seeds.randrange(300) for _ in range(200)]
    begun = time.monotonic()
    run_all([lambda millis=millis: same("an own answer", call(client, "sleep", millis), millis) for millis in sleeps])
    took = time.monotonic() - begun
    holds("200 sleeps of up to 0.3 s took %.1f s: one after the other?" % took, took < 5.0)


def burn(client):
    same("burn(1000)", call(client, "burn", 1000), 1000)


def counts(client):
    for method in ("count", "count_idempotent"):
        key = "python-%s-%s" % (method, os.urandom(8).hex())
        first, second = call(client, method, key), call(client, method, key)
        same("%s of a key, once more" % method, second, first + 1)
    holds("counters() is a map", isinstance(call(client, "counters"), dict))


def names_bound_once(client):
    """Each method was named once, however often it was called."""
    if not client.peer["names"]:
        return
    before = client.framed(frames.NAME)
    for _ in range(10):
        same("add by number", call(client, "add", 20, 22), 42)
    same("NAME frames for a method that is bound", client.framed(frames.NAME), before)
    holds("NAME frames are as many as methods", before == min(client.bound, client.peer["names"]))
    call(client, "empty")
    same("NAME frames for a method that is bound", client.framed(frames.NAME), before)


def drained(client):
    """A second connection that says goodbye while a call runs still gets its answer."""
    other = Client.connect(sys.argv[1])
    pending = other.start("Conformance.sleep", [100])
    time.sleep(0.02)
    other.close(wait=2.0)
    same("a call that was open at the goodbye", pending.result(), 100)
    fails("a call after the goodbye", lambda: call(other, "empty"), 14, "not_sent")


def run_all(tasks):
    """All at a time, each on a thread of its own; raises what the first to fail raised."""
    errors = []

    def run(task):
        try:
            task()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


CHECKS = (
    empty,
    add,
    echo,
    echo_around_the_limits,
    echo_in_parallel,
    app_error,
    panic,
    unknown_names,
    arguments_that_do_not_fit,
    surplus_and_wide,
    grow,
    tree,
    values,
    metadata,
    remaining,
    deadline,
    cancel,
    many_in_flight,
    burn,
    counts,
    names_bound_once,
    drained,
)

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check.py tcp://host:port | unix:///path")
    try:
        main(sys.argv[1])
    except (Failed, AppError, RpcError, OSError, ValueError) as failure:
        sys.exit("python client: FAILED: %s: %s" % (type(failure).__name__, failure))
