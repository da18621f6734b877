"""Pyro5 with its threaded server and its default format, serpent. A proxy belongs to one thread, so each caller has one.
Bytes are text to serpent (base64), and so they come back."""

import Pyro5.api
import serpent

import child


@Pyro5.api.expose
@Pyro5.api.behavior(instance_mode="single")
class Bench:
    def add(self, a, b):
        return a + b

    def echo(self, body):
        return body


def serve(listening):
    Pyro5.config.THREADPOOL_SIZE = 128
    daemon = Pyro5.api.Daemon(host="127.0.0.1", port=0)
    daemon.register(Bench, "bench")
    listening(daemon.locationStr.rsplit(":", 1)[1])
    daemon.requestLoop()


def call(port, load):
    def open_caller():
        proxy = Pyro5.api.Proxy(f"PYRO:bench@127.0.0.1:{port}")
        return proxy.add, lambda body: serpent.tobytes(proxy.echo(body))

    child.in_threads(load, open_caller)


child.main(serve, call)
