"""Servers and clients of a few lines, for what real programs do not show: who ends when and how, every byte counted.

As a program, for what must not share this interpreter's lock with bulk:
  traffic.py echo ADDRESS PORT           echoes one connection after the other
  traffic.py ping ADDRESS PORT COUNT     64 bytes there and back COUNT times; prints p50 and p99 in microseconds
"""

import errno
import hashlib
import itertools
import os
import random
import socket
import struct
import sys
import threading
import time

from harness import Failure, expect, expect_equal

CHUNK = 1024 * 1024


class Server:
    """Accepts on a host; each connection gets a thread that runs handler(socket). What a handler raises fails the
    scenario in check(); what it returns is in results."""

    def __init__(self, context, host, port, handler, address=None):
        self.results = []
        self.errors = []
        self._handler = handler
        self._changed = threading.Condition()
        self._sockets = set()
        self.port = port
        self._listening = host.listen(port, address)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        context.defer(self.close)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.settimeout(60)
            self._sockets.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            result, target = self._handler(connection), self.results
        except Exception as error:  # pylint: disable=broad-except; whatever it is, it is the scenario's to judge
            result, target = error, self.errors
        connection.close()
        with self._changed:
            self._sockets.discard(connection)
            target.append(result)
            self._changed.notify_all()

    def wait_served(self, count, seconds=60):
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.results) + len(self.errors) >= count, seconds)
        expect(done, f"{len(self.results)} of {count} connections were served in {seconds} s")
        return self

    def check(self, count):
        self.wait_served(count)
        expect(not self.errors, f"the server failed: {self.errors[:3]}")
        return self.results

    def stop_listening(self):
        """From now on who connects is refused; connections that are open go on."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def close(self):
        # Shut down first: only that wakes a thread that waits in accept().
        for each in [self._listening, *self._sockets]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._listening.close()


# ---- amounts

def scaled(amount):
    """As much of a long test as this machine can bear: FAIRLEAD_E2E_PERCENT of it (less in a virtual machine)."""
    return amount * int(os.environ.get("FAIRLEAD_E2E_PERCENT", "100")) // 100


# ---- bytes with a checksum

class Source:
    """A stream of given length in which every MiB differs, and its checksum when all of it is sent."""

    def __init__(self, size):
        self.size = size
        self._digest = hashlib.sha256()
        self._block = bytearray(os.urandom(CHUNK))

    def chunks(self):
        left, index = self.size, 0
        while left > 0:
            struct.pack_into("<Q", self._block, 0, index)
            piece = memoryview(self._block)[:min(left, CHUNK)]
            self._digest.update(piece)
            yield piece
            left -= len(piece)
            index += 1

    def send(self, connection):
        for piece in self.chunks():
            connection.sendall(piece)
        return self.digest()

    def digest(self):
        return self._digest.hexdigest()


class Sink:
    """Counts and sums what comes, until the peer finishes."""

    def __init__(self):
        self.size = 0
        self._digest = hashlib.sha256()
        self._buffer = bytearray(CHUNK)

    def take(self, connection, size_max=None):
        """Until the end of the stream, or size_max bytes more."""
        view = memoryview(self._buffer)
        taken = 0
        while size_max is None or taken < size_max:
            wanted = CHUNK if size_max is None else min(CHUNK, size_max - taken)
            count = connection.recv_into(view[:wanted])
            if count == 0:
                break
            self._digest.update(view[:count])
            self.size += count
            taken += count
        return self

    def digest(self):
        return self._digest.hexdigest()


def read_exactly(connection, size):
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise Failure(f"the stream ended after {len(data)} of {size} bytes")
        data += piece
    return bytes(data)


def read_to_end(connection):
    data = bytearray()
    while piece := connection.recv(CHUNK):
        data += piece
    return bytes(data)


# ---- handlers

def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def echo_once_served(connection):
    """The server's side of echo_once() with one byte."""
    connection.sendall(read_exactly(connection, 1))


def send_until_gone(connection):
    """What the connection ended with."""
    block = bytes(CHUNK)
    try:
        while True:
            connection.sendall(block)
    except (ConnectionResetError, BrokenPipeError) as error:
        return error


def numbered_blocks():
    """For ever the same, and no two alike."""
    block = bytearray(random.Random(7).randbytes(CHUNK))
    for number in itertools.count():
        struct.pack_into("<Q", block, 0, number)
        yield block


def send_numbered_until_gone(connection):
    """What the connection ended with."""
    try:
        for block in numbered_blocks():
            connection.sendall(block)
    except (ConnectionResetError, BrokenPipeError) as error:
        return error


def take_numbered_until_reset(connection):
    """Checks every byte. How many there were."""
    taken = 0
    try:
        for block in numbered_blocks():
            found = read_exactly(connection, len(block))
            expect(found == block, f"block {taken // CHUNK} is not what was sent")
            taken += len(found)
    except ConnectionResetError:
        return taken


def sink(connection):
    """Takes everything, answers with size and checksum."""
    took = Sink().take(connection)
    connection.sendall(f"{took.size} {took.digest()}".encode())
    connection.shutdown(socket.SHUT_WR)
    return took.size


def upload(connection, size):
    """The client's side of sink()."""
    source = Source(size)
    source.send(connection)
    connection.shutdown(socket.SHUT_WR)
    expect_equal(read_to_end(connection).decode(), f"{size} {source.digest()}", "size and checksum at the server")


def echo_once(connection, message):
    connection.sendall(message)
    expect_equal(read_exactly(connection, len(message)), message, "echo")


# ---- ends

def reset(connection):
    """Closes with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def expect_reset(connection, who):
    """Reads until the peer is known to be gone; an orderly end is a failure."""
    try:
        while connection.recv(CHUNK):
            pass
    except ConnectionResetError:
        return
    except TimeoutError:
        raise Failure(f"{who} neither got data nor was it reset") from None
    except OSError as error:
        expect(error.errno in (errno.EPIPE, errno.ECONNRESET), f"{who} got {error}")
        return
    raise Failure(f"{who} saw an orderly end of a stream that was reset")


class Background:
    """Work in a thread; join() gives its result or raises what it raised."""

    def __init__(self, work, *arguments):
        self._result = None
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(work, arguments), daemon=True)
        self._thread.start()

    def _run(self, work, arguments):
        try:
            self._result = work(*arguments)
        except BaseException as error:  # pylint: disable=broad-except; handed to whoever joins
            self._error = error

    def join(self, seconds=90):
        self._thread.join(seconds)
        expect(not self._thread.is_alive(), f"a transfer did not end within {seconds} s")
        if self._error is not None:
            raise self._error
        return self._result


def exchange(size):
    """A function of one connection: so many bytes each way at the same time, and the checksums of what was sent and
    taken."""
    def run(connection):
        source = Source(size)
        sending = Background(lambda: (source.send(connection), connection.shutdown(socket.SHUT_WR)))
        took = Sink().take(connection)
        sending.join()
        return source.digest(), took.digest()
    return run


# ---- as a program

def serve_echo(address, port):
    with socket.create_server((address, int(port))) as listening:
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                echo(connection)


def ping(address, port, count):
    took = []
    with socket.create_connection((address, int(port)), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(int(count)):
            started = time.monotonic()
            echo_once(connection, struct.pack("<Q", number) * 8)
            took.append(time.monotonic() - started)
    took.sort()
    print(f"{took[len(took) // 2] * 1e6:.0f} {took[len(took) * 99 // 100] * 1e6:.0f}")


if __name__ == "__main__":
    {"echo": serve_echo, "ping": ping}[sys.argv[1]](*sys.argv[2:])
