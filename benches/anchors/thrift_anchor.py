"""Apache Thrift: framed and binary, with its threaded server. A connection carries one call at a time, so each caller has one.
What its compiler would write from an IDL is written here with the parts that generated code is made of."""

import socket

from thrift.Thrift import TMessageType, TProcessor, TType
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated, TBinaryProtocolAcceleratedFactory
from thrift.server.TServer import TThreadedServer
from thrift.transport.TSocket import TServerSocket, TSocket
from thrift.transport.TTransport import TFramedTransport, TFramedTransportFactory

import child


def write(protocol, name, kind, sequence, fields):
    protocol.writeMessageBegin(name, kind, sequence)
    protocol.writeStructBegin("Message")
    for number, value in enumerate(fields, 1):
        type_ = TType.STRING if isinstance(value, bytes) else TType.I64
        protocol.writeFieldBegin("", type_, number)
        if type_ == TType.STRING:
            protocol.writeBinary(value)
        else:
            protocol.writeI64(value)
        protocol.writeFieldEnd()
    protocol.writeFieldStop()
    protocol.writeStructEnd()
    protocol.writeMessageEnd()
    protocol.trans.flush()


def read(protocol):
    name, _, sequence = protocol.readMessageBegin()
    fields = []
    protocol.readStructBegin()
    while True:
        _, type_, _ = protocol.readFieldBegin()
        if type_ == TType.STOP:
            break
        fields.append(protocol.readBinary() if type_ == TType.STRING else protocol.readI64())
        protocol.readFieldEnd()
    protocol.readStructEnd()
    protocol.readMessageEnd()
    return name, sequence, fields


class Bench(TProcessor):
    def process(self, incoming, outgoing):
        name, sequence, fields = read(incoming)
        answer = [sum(fields)] if name == "add" else fields
        write(outgoing, name, TMessageType.REPLY, sequence, answer)
        return True


def serve(listening):
    listener = TServerSocket("127.0.0.1", 0)
    server = TThreadedServer(
        Bench(), listener, TFramedTransportFactory(), TBinaryProtocolAcceleratedFactory(), daemon=True
    )
    listener.listen()
    # It has been asked to listen; the server asks again, which changes nothing.
    listener.listen = lambda: None
    listening(listener.handle.getsockname()[1])
    server.serve()


def call(port, load):
    def open_caller():
        connection = TSocket("127.0.0.1", port)
        connection.open()
        connection.handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        protocol = TBinaryProtocolAccelerated(TFramedTransport(connection))

        def ask(name, *fields):
            write(protocol, name, TMessageType.CALL, 1, fields)
            return read(protocol)[2][0]

        return lambda a, b: ask("add", a, b), lambda body: ask("echo", body)

    child.in_threads(load, open_caller)


child.main(serve, call)
