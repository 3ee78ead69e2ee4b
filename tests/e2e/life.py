"""Starting, dying, coming back, ending in order."""

import re
import signal
import socket
import time

import traffic
from harness import Failure, expect, expect_equal, scenario, wait_until
from sites import Pair
from traffic import Background, Server, Sink, Source

GROUP = "life"
MIB = 1024 * 1024
RESIDENT_MAX = 64 * MIB


def try_echo(service, message=b"are you there?"):
    try:
        with service.connect(seconds=10) as client:
            client.sendall(message)
            return traffic.read_exactly(client, len(message)) == message
    except (OSError, Failure):
        return False


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


@scenario(GROUP)
def ready_and_idle(context):
    """A gateway of two shards: the time until it is ready is printed; idle it stays below 64 MiB resident."""
    pair = Pair(context, ["--shards", "2"], ["--shards", "2"])
    pair.west.write("link.yaml", pair.east.generate_link())
    for site in (pair.east, pair.west):
        site.start()
        context.note(f"{site.name} ready after {(time.monotonic() - site.started_at) * 1000:.0f} ms")
    pair.wait_linked()
    for site in (pair.east, pair.west):
        resident = resident_bytes(site.process.pid)
        context.note(f"{site.name} {resident / MIB:.1f} MiB resident")
        expect(resident < RESIDENT_MAX, f"{site.name} holds {resident / MIB:.1f} MiB while idle")


@scenario(GROUP)
def shard_counts_differ(context):
    """Sites of one, two and three shards link with as many sessions as the larger has, and all of them carry."""
    for west, east in ((1, 2), (2, 1), (1, 1), (3, 2)):
        own = context.nested(f"{west}-{east}")
        pair = Pair(own, ["--shards", str(west)], ["--shards", str(east)], forward=1, backward=1).start()
        link = pair.west.wait_link()
        expect_equal(link["sessions"], {"up": max(west, east), "wanted": max(west, east)}, "sessions")
        for service in (pair.forward[0], pair.backward[0]):
            server = Server(own, service.server, service.server_port, traffic.sink)
            uploads = []
            for _ in range(12):
                client = service.connect()
                own.defer(client.close)
                uploads.append(Background(traffic.upload, client, 2 * MIB))
            for upload in uploads:
                upload.join()
            server.check(12)
        pair.settle()
        own.close()


@scenario(GROUP)
def peer_killed_and_restarted(context):
    """kill -9 at either end: open connections are reset, the link says why, and is back by itself."""
    pair = Pair(context, forward=1, backward=0).start()
    service = pair.forward[0]
    Server(context, service.server, service.server_port, traffic.echo)
    expect(try_echo(service), "no echo before anything happened")
    for victim, client_sees_reset in ((pair.east, True), (pair.west, False)):
        client = service.connect()
        traffic.echo_once(client, b"before")
        victim.kill()
        killed = time.monotonic()
        if client_sees_reset:
            traffic.expect_reset(client, f"a client when {victim.name} was killed")
        client.close()
        if victim is pair.east:
            down = pair.west.wait_link(active=False)
            seen = time.monotonic() - killed
            expect(down["lastError"]["message"] and down["status"] != "Ready", f"a link that is down: {down}")
            context.note(f"status false for {seen * 1000:.0f} ms")
            expect(not try_echo(service), "an echo without the other site")
        victim.start()
        returned = time.monotonic()
        pair.wait_linked()
        wait_until("an echo after the restart", lambda: try_echo(service))
        context.note(f"{victim.name} killed: echo {(time.monotonic() - returned) * 1000:.0f} ms after its return")
    ups = pair.west.link()["ups"]
    expect_equal(ups, 1, "times the link of the restarted west came up")


@scenario(GROUP)
def link_waits_for_peer(context):
    """West starts long before east exists: it says why the link is down, and is linked once east comes."""
    pair = Pair(context, forward=1, backward=0)
    pair.west.write("link.yaml", pair.east.generate_link())
    pair.west.start()
    reason = pair.west.wait_link_error("refused")
    expect(str(pair.east.access_port) in reason, lambda: f"which address refused? {reason}")
    wait_until("several attempts", lambda: pair.west.link()["dials"] >= 3)
    pair.east.start()
    pair.wait_linked()
    context.note(reason)


class SlowDownload:
    """A transfer that goes on exactly as far as it is read."""

    def __init__(self, context, service, size):
        self.source = Source(size)
        self.server = Server(context, service.server, service.server_port, self._serve)
        self.client = service.connect()
        self.took = Sink().take(self.client, MIB)
        context.defer(self.client.close)

    def _serve(self, connection):
        self.source.send(connection)
        connection.shutdown(socket.SHUT_WR)
        traffic.read_to_end(connection)

    def complete(self):
        self.took.take(self.client)
        self.client.shutdown(socket.SHUT_WR)
        expect_equal((self.took.size, self.took.digest()), (self.source.size, self.source.digest()), "the transfer")


def refuses(service):
    """Whether a new client is turned away: by a closed port, or by a reset."""
    try:
        with service.connect(seconds=10) as client:
            client.sendall(b"x")
            return client.recv(1) == b""
    except OSError:
        return True


@scenario(GROUP)
def sigterm_drains(context):
    """SIGTERM at the client's side, then at the server's: new connections are refused, a transfer under way completes,
    the gateway exits 0."""
    for which in ("west", "east"):
        own = context.nested(which)
        pair = Pair(own, forward=2, backward=0).start()
        ending = getattr(pair, which)
        other = pair.forward[1]
        Server(own, other.server, other.server_port, traffic.echo)
        transfer = SlowDownload(own, pair.forward[0], 64 * MIB)
        expect(try_echo(other), "no echo before the end")
        ending.terminate()
        wait_until("new connections to be refused", lambda: refuses(other))
        expect(ending.process.alive(), "the gateway ended with a transfer under way")
        transfer.complete()
        expect_equal(ending.process.wait(), 0, f"exit code of {which}")
        own.close()


@scenario(GROUP)
def sigterm_gives_up(context):
    """A transfer that nobody reads: the drain timeout, or a second signal, ends it by a reset; the exit code is 0."""
    for options, signals in ((["--drain-timeout", "1"], 1), ([], 2)):
        own = context.nested(f"signals-{signals}")
        pair = Pair(own, west_options=options, forward=1, backward=0).start()
        transfer = SlowDownload(own, pair.forward[0], 256 * MIB)
        for _ in range(signals):
            pair.west.terminate()
            wait_until("the signal to be taken", lambda: "SIGTERM" in pair.west.log())
        expect_equal(pair.west.process.wait(), 0, "exit code")
        traffic.expect_reset(transfer.client, "the client")
        transfer.server.wait_served(1)
        expect("stopped" in pair.west.log(), "the log does not say that it stopped")
        own.close()


@scenario(GROUP)
def sigint_of_an_idle_gateway(context):
    """Ctrl-C: exits 0; `link status` then says that nothing runs, and shows no old figures."""
    pair = Pair(context, forward=1, backward=0).start()
    shown = pair.west.command("link", "status").stdout.decode()
    expect("Ready" in shown and "east" in shown, lambda: f"the table of a link that is up:\n{shown}")
    pair.west.process.signal(signal.SIGINT)
    expect_equal(pair.west.process.wait(), 0, "exit code")
    done = pair.west.command("link", "status", ok=False)
    expect(done.returncode != 0 and b"not running" in done.stderr, f"link status says: {done}")
    expect(b"Ready" not in done.stdout, f"a link of a gateway that does not run is shown as {done.stdout.decode()}")


@scenario(GROUP)
def second_gateway_of_a_namespace(context):
    """A gateway for a namespace that has one already says so and starts nothing."""
    pair = Pair(context, forward=1, backward=0).start()
    second = pair.west.run_again()
    expect(second.wait() != 0, "it started")
    expect("runs here already" in second.log(), lambda: f"it says: {second.log()}")
    expect(pair.west.link()["active"], "the first one lost its link")
