#!/usr/bin/env python3
"""What tools/demo shows, given a binary: two sites on two loopback addresses, linked, and traffic through the link.

  demo.py BINARY [--keep]            the demo
  demo.py serve-bulk ADDRESS PORT    for the demo: takes or sends as many bytes as the client says
  demo.py serve-echo ADDRESS PORT    for the demo: sends back what comes
"""

import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

WEST, EAST = "127.0.0.1", "127.0.0.2"
MIB = 1024 * 1024
BULK_SIZE = 256 * MIB       # with checksum
THROUGHPUT_SIZE = 1024 * MIB  # without
ROUND_TRIPS = 5000
CHUNK = MIB
START_TIMEOUT_S = 20

PICTURE = """
       site west, {west}                                site east, {east}
  +----------------------------+                  +----------------------------+
  |  client -> :{web}  web     |                  |  web     ->  HTTP  :{web_server}  |
  |  client -> :{bulk}  bulk    |     one link     |  bulk    ->  bulk  :{bulk_server}  |
  |  client -> :{echo}  echo    |  ============>   |  echo    ->  echo  :{echo_server}  |
  |  HTTP  :{notes_server}  <-  notes   |  TLS 1.3, :{access}  |  notes    :{notes} <- client |
  +----------------------------+                  +----------------------------+
"""


class DemoError(Exception):
    """What went wrong, for whoever ran the demo."""


def say(text=""):
    print(text, flush=True)


def step(text):
    say(f"\n--- {text}")


def shown_command(*words):
    say("    $ " + " ".join(words))


# ---- servers behind the sites; each runs as a process of its own

def accept_for_ever(address, port, handle):
    with socket.create_server((address, int(port)), backlog=128) as listening:
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=handle, args=(connection,), daemon=True).start()


def serve_echo(connection):
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(65536):
            connection.sendall(data)


# The question: direction (U or D), whether with checksum, size.
QUESTION = struct.Struct("<cbQ")


def serve_bulk(connection):
    with connection, contextlib.suppress(OSError):
        direction, with_checksum, size = QUESTION.unpack(read_exactly(connection, QUESTION.size))
        work = take_bytes if direction == b"U" else send_bytes
        connection.sendall(work(connection, size, with_checksum).encode())


# ---- bytes

def read_exactly(connection, size):
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise DemoError(f"the connection ended after {len(data)} of {size} bytes")
        data += piece
    return bytes(data)


def send_bytes(connection, size, with_checksum):
    """Returns the checksum: 64 characters."""
    digest = hashlib.sha256()
    block = bytearray(os.urandom(CHUNK))
    for index in range(size // CHUNK):
        struct.pack_into("<Q", block, 0, index)  # no two chunks are the same
        if with_checksum:
            digest.update(block)
        connection.sendall(block)
    return digest.hexdigest()


def take_bytes(connection, size, with_checksum):
    digest = hashlib.sha256()
    view = memoryview(bytearray(CHUNK))
    while size > 0:
        count = connection.recv_into(view[:min(size, CHUNK)])
        if count == 0:
            raise DemoError(f"a transfer ended {size} bytes too early")
        if with_checksum:
            digest.update(view[:count])
        size -= count
    return digest.hexdigest()


# ---- clients

def connect(address, port):
    connection = socket.create_connection((address, port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def transfer(address, port, direction, size, with_checksum):
    """Gbit/s and the checksum at either end."""
    with connect(address, port) as connection:
        connection.sendall(QUESTION.pack(direction, with_checksum, size))
        started = time.monotonic()
        work = send_bytes if direction == b"U" else take_bytes
        ours = work(connection, size, with_checksum)
        theirs = read_exactly(connection, 64).decode()
        return size * 8 / (time.monotonic() - started) / 1e9, ours, theirs


def round_trips(address, port):
    """p50 and p99 in microseconds."""
    took = []
    with connect(address, port) as connection:
        for number in range(ROUND_TRIPS):
            message = struct.pack("<Q", number) * 8
            started = time.monotonic()
            connection.sendall(message)
            if read_exactly(connection, len(message)) != message:
                raise DemoError("the echo is not what was sent")
            took.append(time.monotonic() - started)
    took.sort()
    return took[ROUND_TRIPS // 2] * 1e6, took[ROUND_TRIPS * 99 // 100] * 1e6


def fetch(address, port):
    connection = http.client.HTTPConnection(address, port, timeout=20)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


# ---- the two sites

def free_ports(count):
    """Free at both addresses, and below the range from which outgoing connections take theirs."""
    found = set()
    while len(found) < count:
        port = random.randint(10_000, 30_000)
        with contextlib.suppress(OSError):
            for address in (WEST, EAST):
                socket.create_server((address, port)).close()
            found.add(port)
    return found


class Site:
    def __init__(self, binary, folder, name):
        self.binary = binary
        self.name = name
        self.home = folder / name
        self.inputs = self.home / "namespaces" / "default" / "input" / "resources"
        self.inputs.mkdir(parents=True)
        self.log = folder / f"{name}.log"
        self.process = None

    def write(self, file, text):
        (self.inputs / file).write_text(text)

    def run(self, *words):
        return subprocess.run([self.binary, *words], env=self.environment(), capture_output=True, text=True,
                              check=False)

    def command(self, *words):
        done = self.run(*words)
        if done.returncode != 0:
            raise DemoError(f"fairlead {' '.join(words)} failed at {self.name}: {done.stderr.strip()}")
        return done.stdout

    def environment(self):
        return {**os.environ, "FAIRLEAD_HOME": str(self.home)}

    def linked(self):
        done = self.run("link", "status", "-o", "json")
        return done.returncode == 0 and all(link["status"]["active"] for link in json.loads(done.stdout))


def resources(*documents):
    return "---\n".join(f"kind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n" for kind, name, spec in documents)


class Demo:
    def __init__(self, binary):
        self.binary = binary
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fairlead-demo-"))
        self.processes = []
        names = ("web", "bulk", "echo", "notes", "web_server", "bulk_server", "echo_server", "notes_server", "access")
        self.ports = dict(zip(names, free_ports(len(names))))
        self.west = Site(binary, self.folder, "west")
        self.east = Site(binary, self.folder, "east")

    # -- processes

    def start(self, name, argv, log, **options):
        with open(log, "ab") as output:
            # A session of its own, so that Ctrl-C reaches the demo alone, which then ends what it started.
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       start_new_session=True, **options)
        self.processes.append((name, process, log))
        return process

    def wait_for(self, what, condition):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            for name, process, log in self.processes:
                if process.poll() is not None:
                    says = log.read_text().strip()[-600:]
                    raise DemoError(f"{name} ended with exit code {process.returncode}: {says}")
            if time.monotonic() > deadline:
                logs = "\n".join(log.read_text().strip()[-600:] for _, _, log in self.processes[-2:])
                raise DemoError(f"waited {START_TIMEOUT_S} s in vain for {what}; the last lines of the logs:\n{logs}")
            time.sleep(0.02)

    def listens(self, address, port):
        with contextlib.suppress(OSError):
            socket.create_connection((address, port), timeout=1).close()
            return True
        return False

    def end(self):
        """Orderly, the gateways first. Returns the exit codes of those."""
        codes = {}
        for name, process, _ in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                codes[name] = process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        return codes

    # -- the scenes

    def start_servers(self):
        step("Servers behind the sites: HTTP, bulk and echo at east, HTTP at west")
        for site, address, name, text in (
                (self.east, EAST, "web_server", "Hello from east: you came through the link.\n"),
                (self.west, WEST, "notes_server", "Notes of west: a link that west dialled serves east as well.\n")):
            pages = self.folder / f"pages-{site.name}"
            pages.mkdir()
            (pages / "index.html").write_text(text)
            self.start(name, [sys.executable, "-m", "http.server", "--bind", address, "--directory", str(pages),
                              str(self.ports[name])], self.folder / f"{name}.log")
        for kind in ("bulk", "echo"):
            name = f"{kind}_server"
            self.start(name, [sys.executable, __file__, f"serve-{kind}", EAST, str(self.ports[name])],
                       self.folder / f"{name}.log")
        for name in ("web_server", "bulk_server", "echo_server", "notes_server"):
            address = WEST if name == "notes_server" else EAST
            self.wait_for(f"{name} to listen", lambda a=address, n=name: self.listens(a, self.ports[n]))

    def write_resources(self):
        step("Resources: a few lines of YAML for each site")
        ports = self.ports
        self.east.write("site.yaml", resources(
            ("Site", "east", "{}"),
            ("RouterAccess", "links", f"{{bindHost: {EAST}, subjectAlternativeNames: [{EAST}], "
                                      f"roles: [{{name: inter-router, port: {ports['access']}}}]}}"),
            *(("Connector", name, f"{{routingKey: {name}, host: {EAST}, port: {ports[name + '_server']}}}")
              for name in ("web", "bulk", "echo")),
            ("Listener", "notes", f"{{routingKey: notes, host: {EAST}, port: {ports['notes']}}}")))
        self.west.write("site.yaml", resources(
            ("Site", "west", "{}"),
            *(("Listener", name, f"{{routingKey: {name}, host: {WEST}, port: {ports[name]}}}")
              for name in ("web", "bulk", "echo")),
            ("Connector", "notes", f"{{routingKey: notes, host: {WEST}, port: {ports['notes_server']}}}")))
        beginning = (self.west.inputs / "site.yaml").read_text().splitlines()[:7]
        say("\n".join("    " + line for line in [*beginning, "..."]))

    def link_sites(self):
        step("The link: east makes it, with certificates; west only gets the file")
        shown_command(f"FAIRLEAD_HOME={self.east.home}", "fairlead link generate", f"> {self.west.inputs}/link.yaml")
        self.west.write("link.yaml", self.east.command("link", "generate"))
        (self.west.inputs / "link.yaml").chmod(0o600)
        for site in (self.east, self.west):
            shown_command(f"FAIRLEAD_HOME={site.home}", "fairlead run")
            site.process = self.start(site.name, [self.binary, "run"], site.log, env=site.environment())
        self.wait_for("the link", self.west.linked)
        address_ports = [(WEST, "web"), (WEST, "bulk"), (WEST, "echo"), (EAST, "notes")]
        self.wait_for("the services", lambda: all(self.answers(a, self.ports[n], n) for a, n in address_ports))
        say("    linked")

    def answers(self, address, port, name):
        """Whether a connection leads to a server: without a route it would be reset."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            if name in ("web", "notes"):
                return fetch(address, port)[0] == 200
            with connect(address, port) as connection:
                connection.sendall(b"?" if name == "echo" else QUESTION.pack(b"U", 0, 0))
                return bool(connection.recv(1))
        return False

    def show_http(self):
        step("HTTP through the link, west to east, and east to west over the same link")
        for site, address, name in (("west", WEST, "web"), ("east", EAST, "notes")):
            shown_command(f"curl http://{address}:{self.ports[name]}/", f"  # a client at {site}")
            status, body = fetch(address, self.ports[name])
            if status != 200:
                raise DemoError(f"HTTP status {status}")
            say(f"    {status} {body.strip()}")

    def show_bulk(self):
        step(f"{BULK_SIZE // MIB} MiB up and down through the link, checksums (SHA-256) compared")
        for direction, words in ((b"U", "up  "), (b"D", "down")):
            _, ours, theirs = transfer(WEST, self.ports["bulk"], direction, BULK_SIZE, 1)
            if ours != theirs:
                raise DemoError(f"checksums differ: {ours} and {theirs}")
            say(f"    {words}  {ours[:32]}...  the same at both ends")

    def show_figures(self):
        step(f"Throughput of one connection ({THROUGHPUT_SIZE // MIB} MiB) and {ROUND_TRIPS} round trips of 64 bytes")
        say("    (all on this machine: the link shares its CPUs with client and server)")
        rows = [("", "up", "down", "p50", "p99")]
        for label, address, suffix in (("without fairlead", EAST, "_server"), ("through the link", WEST, "")):
            bulk = self.ports["bulk" + suffix]
            up, down = (transfer(address, bulk, way, THROUGHPUT_SIZE, 0)[0] for way in (b"U", b"D"))
            p50, p99 = round_trips(address, self.ports["echo" + suffix])
            rows.append((label, f"{up:.1f} Gbit/s", f"{down:.1f} Gbit/s", f"{p50:.0f} us", f"{p99:.0f} us"))
        for row in rows:
            say("    {:<18}{:>13}{:>13}{:>10}{:>10}".format(*row))

    def show_status(self):
        step("What each site says of the link")
        for site in (self.west, self.east):
            shown_command(f"FAIRLEAD_HOME={site.home}", "fairlead link status")
            say("\n".join("    " + line for line in site.command("link", "status").strip().splitlines()) + "\n")

    def hand_over(self):
        """--keep: what to try, and a script that ends it all."""
        stop = self.folder / "stop"
        pids = " ".join(str(process.pid) for _, process, _ in reversed(self.processes))
        # They write their status to the last: the folder can go once they are gone.
        stop.write_text(f"#!/bin/sh\nkill {pids} 2>/dev/null\nfor pid in {pids}; do\n"
                        f"  while kill -0 $pid 2>/dev/null; do sleep 0.1; done\ndone\nrm -rf '{self.folder}'\n")
        stop.chmod(0o755)
        step("The sites go on running. Try:")
        for command in (f"curl http://{WEST}:{self.ports['web']}/",
                        f"curl http://{EAST}:{self.ports['notes']}/",
                        f"FAIRLEAD_HOME={self.west.home} {self.binary} link status link-east",
                        f"tail -f {self.west.log} {self.east.log}",
                        f"kill -9 {self.east.process.pid}    # the link goes down, and west says why",
                        f"FAIRLEAD_HOME={self.east.home} {self.binary} run    # and is back; Ctrl-C ends it"):
            say(f"    {command}")
        say(f"To stop them and remove everything:\n    {stop}")

    def show(self):
        say(PICTURE.format(west=WEST, east=EAST, **self.ports))
        self.start_servers()
        self.write_resources()
        self.link_sites()
        self.show_http()
        self.show_bulk()
        self.show_figures()
        self.show_status()


SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def on_signal(number, _frame):
    """The first one begins the clean-up, which no further one may interrupt."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def run_demo(binary, keep):
    for number in SIGNALS:
        signal.signal(number, on_signal)
    demo = Demo(binary)
    kept = False
    try:
        demo.show()
        if keep:
            demo.hand_over()
            kept = True
            return 0
        step("Cleaning up")
        codes = demo.end()
        for name in ("west", "east"):
            if codes[name] != 0:
                raise DemoError(f"the gateway of {name} ended with exit code {codes[name]}")
        say("    both gateways drained and exited with 0; nothing is left behind")
        return 0
    except (DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        if not kept:
            demo.end()


def main(arguments):
    servers = {"serve-bulk": serve_bulk, "serve-echo": serve_echo}
    if len(arguments) == 3 and arguments[0] in servers:
        return accept_for_ever(arguments[1], arguments[2], servers[arguments[0]])
    if arguments and set(arguments[1:]) <= {"--keep"}:
        return run_demo(arguments[0], "--keep" in arguments)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
