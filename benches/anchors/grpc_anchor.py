"""grpcio: asyncio on both sides, where many callers cost it less than as threads, and one channel for all of them. Messages are
two numbers, or bytes, in a form of their own, so that nobody needs protoc; protobuf would cost more."""

import asyncio
import struct

import grpc
from grpc import aio

import child

PAIR = struct.Struct("<qq")
ONE = struct.Struct("<q")


async def add(request, _):
    a, b = PAIR.unpack(request)
    return ONE.pack(a + b)


async def echo(request, _):
    return request


def serve(listening):
    async def run():
        server = aio.server()
        handlers = {
            "Add": grpc.unary_unary_rpc_method_handler(add),
            "Echo": grpc.unary_unary_rpc_method_handler(echo),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Bench", handlers),))
        listening(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await server.wait_for_termination()

    asyncio.run(run())


def call(port, load):
    async def run():
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            adds = channel.unary_unary("/Bench/Add")
            echoes = channel.unary_unary("/Bench/Echo")

            async def add(a, b):
                return ONE.unpack(await adds(PAIR.pack(a, b)))[0]

            await child.in_tasks(load, add, echoes)

    asyncio.run(run())


child.main(serve, call)
