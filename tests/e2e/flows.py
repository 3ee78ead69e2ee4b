"""Streams themselves: who ends when and how, how many, how long, and beside what."""

import asyncio
import os
import socket
import struct
import sys
import threading
import time

import traffic
from harness import expect, expect_equal, scenario, wait_until
from traffic import Background, Server, Sink, Source, exchange, scaled

GROUP = "flows"
MIB = 1024 * 1024
GIB = 1024 * MIB


# ---- half close

@scenario(GROUP)
def half_close_client_first(context):
    """The client sends and finishes; only then the server answers, at length."""
    service = context.group.pair().service()
    source = Source(32 * MIB)

    def serve(connection):
        question = traffic.read_to_end(connection)
        source.send(connection)
        connection.shutdown(socket.SHUT_WR)
        return question

    server = Server(context, service.server, service.server_port, serve)
    with service.connect() as client:
        client.sendall(b"what is there?")
        client.shutdown(socket.SHUT_WR)
        answer = Sink().take(client)
    expect_equal(server.check(1), [b"what is there?"], "question")
    expect_equal((answer.size, answer.digest()), (source.size, source.digest()), "size and checksum of the answer")


@scenario(GROUP)
def half_close_server_first(context):
    """The server speaks first and finishes; the client goes on sending for long after."""
    service = context.group.pair().service()

    def serve(connection):
        connection.sendall(b"220 ready\r\n")
        connection.shutdown(socket.SHUT_WR)
        took = Sink().take(connection)
        return took.size, took.digest()

    server = Server(context, service.server, service.server_port, serve)
    with service.connect() as client:
        expect_equal(traffic.read_to_end(client), b"220 ready\r\n", "greeting")
        source = Source(32 * MIB)
        source.send(client)
        client.shutdown(socket.SHUT_WR)
        expect_equal(server.check(1), [(source.size, source.digest())], "size and checksum at the server")


@scenario(GROUP)
def half_close_both_at_once(context):
    """Both ends send and finish before either of them reads."""
    service = context.group.pair().service()
    data = os.urandom(48 * 1024)  # fits into the buffers on the way, so that neither end must read first

    def serve(connection):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return traffic.read_to_end(connection) == data

    server = Server(context, service.server, service.server_port, serve)
    with service.connect() as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        expect(traffic.read_to_end(client) == data, "the server's bytes came otherwise than they were sent")
        expect_equal(server.check(1), [True], "the client's bytes came as they were sent")


@scenario(GROUP)
def half_close_without_a_byte(context):
    """Either end, or both, finish without having sent anything; an empty stream is an orderly one."""
    service = context.group.pair().service()
    sent = []

    def serve(connection):
        expect_equal(traffic.read_to_end(connection), b"", "at the server")
        connection.sendall(sent[-1])

    server = Server(context, service.server, service.server_port, serve)
    for count, answer in enumerate((b"", b"only the server spoke"), 1):
        sent.append(answer)
        with service.connect() as client:
            client.shutdown(socket.SHUT_WR)
            expect_equal(traffic.read_to_end(client), answer, "at the client")
        server.check(count)


# ---- reset

@scenario(GROUP)
def reset_by_client_reaches_server(context):
    """RST from the client arrives at the server as one, in silence as well as amidst a transfer it does not read."""
    for direction in ("forward", "backward"):
        service = context.group.pair().service(direction)

        def serve(connection):
            traffic.echo_once_served(connection)
            traffic.expect_reset(connection, "the server")

        def serve_bulk(connection):
            traffic.read_exactly(connection, 1)
            gone = traffic.send_until_gone(connection)
            expect(isinstance(gone, ConnectionResetError), f"the server amidst a transfer saw {gone!r}")

        server = Server(context, service.server, service.server_port, serve)
        client = service.connect()
        traffic.echo_once(client, b"x")
        traffic.reset(client)
        server.check(1)
        server.close()

        server = Server(context, service.server, service.server_port, serve_bulk)
        client = service.connect()
        client.sendall(b"x")
        traffic.read_exactly(client, MIB)
        traffic.reset(client)
        server.check(1)
        server.close()


@scenario(GROUP)
def reset_by_server_reaches_client(context):
    """RST from the server arrives at the client as one, in silence as well as amidst a transfer."""
    service = context.group.pair().service()

    def serve(connection):
        traffic.echo_once_served(connection)
        traffic.read_exactly(connection, 1)
        traffic.reset(connection)

    server = Server(context, service.server, service.server_port, serve)
    with service.connect() as client:
        traffic.echo_once(client, b"x")
        client.sendall(b"x")
        traffic.expect_reset(client, "the client")
    with service.connect() as client:
        # The server's question for a second byte is answered with many; it resets with most of them unread.
        gone = traffic.send_until_gone(client)
        expect(isinstance(gone, ConnectionResetError), lambda: f"the client amidst a transfer saw {gone!r}")
    server.check(2)


@scenario(GROUP)
def server_that_refuses_resets_client(context):
    """Nobody listens behind the connector: clients are reset, also with data under way, and the connector says why."""
    pair = context.group.pair()
    service = pair.service()
    for data in (b"", b"early", bytes(MIB)):
        try:
            # The reset may be faster than the end of connect().
            with service.connect() as client:
                client.sendall(data)
                traffic.expect_reset(client, "the client")
        except (ConnectionResetError, BrokenPipeError):
            pass

    def reason():
        return pair.east.resource("Connector", service.key)["status"]["lastError"]["message"]
    wait_until("the connector to say why", lambda: "refused" in reason())
    expect(f":{service.server_port}" in reason(), lambda: f"the address is missing: {reason()}")
    context.note(reason())


# ---- many

async def one_echo(loop, make_socket, address, message):
    """Connects, sends, finishes, and must get exactly the same back and then the end."""
    connection = make_socket()
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, address)
        await loop.sock_sendall(connection, message)
        connection.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while piece := await loop.sock_recv(connection, 65536):
            answer += piece
        return bytes(answer) == message
    finally:
        connection.close()


def start_echo_server(context, service):
    """One that stands thousands of connections: all on one thread."""
    listening = service.server.listen(service.server_port)
    loop = asyncio.new_event_loop()

    async def serve(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    loop.run_until_complete(asyncio.start_server(serve, sock=listening, backlog=1024))
    thread = Background(loop.run_forever)

    def stop():
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
    context.defer(stop)


@scenario(GROUP)
def connections_1000_concurrent(context):
    """1,000 connections open at the same time, each echoing several times what is its own."""
    pair = context.group.pair()
    service = pair.service()
    start_echo_server(context, service)
    clients = [service.connect() for _ in range(1000)]
    try:
        messages = [struct.pack("<I", i) + os.urandom(2044) for i in range(len(clients))]
        for turn in range(3):
            for client, message in zip(clients, messages):
                client.sendall(message)
            for i, (client, message) in enumerate(zip(clients, messages)):
                answer = traffic.read_exactly(client, len(message))
                expect(answer == message, f"connection {i}, turn {turn}: other bytes came back")
        wait_until("the status to show 1,000 streams", lambda: pair.west.link()["streams"]["open"] == 1000)
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        for client in clients:
            expect_equal(client.recv(1), b"", "end of the stream")
    finally:
        for client in clients:
            client.close()


@scenario(GROUP)
def connections_10000_short(context):
    """10,000 connections one after the other, 64 at a time: none fails."""
    service = context.group.pair().service()
    start_echo_server(context, service)
    count, at_a_time = scaled(10_000), 64
    address = (service.client.local, service.port)

    async def run_all():
        loop = asyncio.get_running_loop()
        numbers = iter(range(count))
        failed = []

        async def worker():
            for number in numbers:
                try:
                    if not await asyncio.wait_for(
                            one_echo(loop, service.client.socket, address, struct.pack("<Q", number) * 8), 30):
                        failed.append((number, "other bytes"))
                except (OSError, asyncio.TimeoutError) as error:
                    failed.append((number, repr(error)))

        await asyncio.gather(*(worker() for _ in range(at_a_time)))
        return failed

    started = time.monotonic()
    failed = asyncio.run(run_all())
    expect(not failed, lambda: f"{len(failed)} of {count} failed: {failed[:5]}")
    context.note(f"{count / (time.monotonic() - started):.0f} connections/s")


# ---- long

@scenario(GROUP)
def one_stream_4_gib(context):
    """4 GiB in one stream, checksum compared; and each site enters the kernel once a turn, whatever there is to do."""
    pair = context.group.pair()
    service = pair.service()
    before = {site: site.snapshot()["counters"] for site in (pair.west, pair.east)}
    server = Server(context, service.server, service.server_port, traffic.sink)
    started = time.monotonic()
    size = scaled(4 * GIB)
    with service.connect() as client:
        traffic.upload(client, size)
    expect_equal(server.check(1), [size], "bytes at the server")
    context.note(f"{size * 8 / (time.monotonic() - started) / 1e9:.1f} Gbit/s")
    for site, counters in before.items():
        def counted(name, site=site, counters=counters):
            return site.counter(name) - counters[name]
        wait_until("the status to count the bytes", lambda: counted("edge_bytes_in") + counted("edge_bytes_out") >=
                   size)
        turns, enters = counted("ring_turns"), counted("ring_enters")
        # More than one only when requests fill the submission queue within a turn.
        context.note(f"{site.name} entered the kernel {enters} times in {turns} turns")
        expect(0 < turns and enters <= 1.05 * turns, f"{site.name} enters the kernel {enters} times in {turns} turns")


@scenario(GROUP)
def both_directions_at_once(context):
    """Eight streams, four in each direction of opening, all carrying bulk both ways at the same time."""
    pair = context.group.pair()
    size = scaled(48 * MIB)

    transfers = []
    for service in [pair.service("forward"), pair.service("backward")]:
        server = Server(context, service.server, service.server_port, exchange(size))
        clients = [service.connect() for _ in range(4)]
        for client in clients:
            context.defer(client.close)
        transfers.append((server, [Background(exchange(size), client) for client in clients]))
    for server, running in transfers:
        ours = {each.join() for each in running}
        theirs = {(taken, sent) for sent, taken in server.check(4)}
        expect_equal(ours, theirs, "checksums of what was sent and taken")


# ---- beside each other

@scenario(GROUP)
def stalled_reader_stops_only_itself(context):
    """A client that does not read holds up neither others nor its own later reading; both directions."""
    for direction in ("forward", "backward"):
        service = context.group.pair().service(direction)
        size = 64 * MIB
        digests = []

        def serve(connection):
            source = Source(size)
            digests.append(source.send(connection))
            connection.shutdown(socket.SHUT_WR)
            traffic.read_to_end(connection)

        server = Server(context, service.server, service.server_port, serve)
        with service.connect() as stalled:
            begun = traffic.Sink().take(stalled, MIB)
            for number in range(3):
                with service.connect() as other:
                    took = Sink().take(other)
                expect_equal((took.size, took.digest()), (size, digests[number]), f"transfer {number} beside it")
            begun.take(stalled)
            stalled.shutdown(socket.SHUT_WR)
            server.check(4)
            expect_equal((begun.size, begun.digest()), (size, digests[3]), "the stalled one, once it reads")
        server.close()


@scenario(GROUP)
def ping_pong_beside_bulk(context):
    """1,000 requests of 64 bytes beside four bulk streams: each is answered, in order, with its own bytes."""
    pair = context.group.pair()
    bulk, requests = pair.service(), pair.service()
    expect(bulk is not requests, "two services are needed")
    server = Server(context, bulk.server, bulk.server_port, traffic.sink)
    context.start("echo", [sys.executable, traffic.__file__, "echo", requests.server.local, str(requests.server_port)],
                  host=requests.server)
    wait_until("the echo server to listen", lambda: requests.server.listens(requests.server_port))
    going_on = threading.Event()
    going_on.set()

    def stream():
        with bulk.connect() as client:
            source = Source(1 << 50)
            sent = 0
            for piece in source.chunks():
                client.sendall(piece)
                sent += len(piece)
                if not going_on.is_set():
                    break
            client.shutdown(socket.SHUT_WR)
            expect_equal(traffic.read_to_end(client).decode(), f"{sent} {source.digest()}", "bulk beside requests")
            return sent

    streams = [Background(stream) for _ in range(4)]
    try:
        pinged = context.run([sys.executable, traffic.__file__, "ping", requests.client.local, str(requests.port),
                              str(scaled(900) + 100)], host=requests.client)
    finally:
        going_on.clear()
    sent = sum(each.join() for each in streams)
    server.check(4)
    p50, p99 = pinged.stdout.split()
    context.note(f"round trip p50 {p50.decode()} us, p99 {p99.decode()} us beside {sent / MIB:.0f} MiB")
