"""What a client and a server in Python say to the comparison in lines, as peers/child.rs and peers/load.rs have it."""

import asyncio
import os
import sys
import threading
import time


def say(line):
    print(line, flush=True)


def obey():
    """Answers what the comparison asks, in a thread, and ends the process when it is gone."""

    def listen():
        for line in sys.stdin:
            if line.strip() == "used":
                # Nothing counts allocations here.
                say(f"used {time.process_time() * 1e6} nan")
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()


class Load:
    """Counts calls and, for the workload that has one in flight, their times."""

    WARMING, MEASURING, STOPPING = range(3)

    def __init__(self, workload, warm_up, seconds):
        self.timed = workload == "W1"
        self.body = b"a" * 1024 if workload == "W5" else None
        self.callers = 1 if workload == "W1" else 64
        self.warm_up, self.seconds = warm_up, seconds
        self.phase = self.WARMING
        self.counts = [0] * self.callers
        self.times = []

    def note(self, caller, began):
        """One more call has ended; false when it was the last."""
        self.counts[caller] += 1
        if self.timed and self.phase != self.WARMING:
            self.times.append((time.perf_counter() - began) * 1e6)
        return self.phase != self.STOPPING

    def measure(self):
        """Sleeps through the measurement, says when it begins and ends, and what the rate was."""
        time.sleep(self.warm_up)
        self.phase = self.MEASURING
        say("begin")
        before, cpu, began = sum(self.counts), time.process_time(), time.perf_counter()
        time.sleep(self.seconds)
        elapsed = time.perf_counter() - began
        self.operations = sum(self.counts) - before
        self.cpu_us = (time.process_time() - cpu) * 1e6
        self.rate = self.operations / elapsed
        say("end")
        self.phase = self.STOPPING

    def tell(self):
        metrics = [self.rate]
        if self.timed:
            times = sorted(self.times)
            metrics += [times[int(len(times) * share)] for share in (0.50, 0.99)]
        say(f"result {self.operations} {self.cpu_us} nan " + " ".join(map(str, metrics)))


def in_threads(load, open_caller):
    """Calls from threads, each with what `open_caller` gives it: two functions, `add` and `echo`."""

    failures = []

    def run(caller):
        try:
            add, echo = open_caller()
            at = 0
            going = True
            while going:
                began = time.perf_counter()
                if load.body is None:
                    if add(at, 1) != at + 1:
                        raise RuntimeError("a wrong sum")
                elif len(echo(load.body)) != len(load.body):
                    raise RuntimeError("a wrong echo")
                at += 1
                going = load.note(caller, began)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(caller,)) for caller in range(load.callers)]
    for thread in threads:
        thread.start()
    load.measure()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    load.tell()


async def in_tasks(load, add, echo):
    """Calls from tasks of an event loop, with two coroutines."""

    async def run(caller):
        at = 0
        going = True
        while going:
            began = time.perf_counter()
            if load.body is None:
                if await add(at, 1) != at + 1:
                    raise RuntimeError("a wrong sum")
            elif len(await echo(load.body)) != len(load.body):
                raise RuntimeError("a wrong echo")
            at += 1
            going = load.note(caller, began)

    await asyncio.gather(asyncio.to_thread(load.measure), *(run(caller) for caller in range(load.callers)))
    load.tell()


def main(serve, call):
    """`server`, or `client WORKLOAD ADDRESS WARM_UP TIME`, with times in milliseconds."""
    obey()
    try:
        if sys.argv[1] == "server":
            serve(lambda port: say(f"listening {port}"))
        else:
            workload, address, warm_up, time_ = sys.argv[2:6]
            call(int(address), Load(workload, int(warm_up) / 1e3, int(time_) / 1e3))
    except Exception as error:
        say("failed " + repr(error).replace("\n", " "))
    sys.stdout.flush()
    os._exit(0)
