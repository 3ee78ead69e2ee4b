"""Many sites: paths by cost over transit routers, edge sites, links and servers that are lost.

All sites live on one host. A link that has to be cut goes through a relay of ours, which can fall silent (packets are
lost, nobody is told) or close its connections.
"""

import json
import socket
import statistics
import threading
import time

import traffic
from harness import Failure, expect, expect_equal, scenario, wait_until
from sites import Site
from traffic import Background, Server, Sink, Source

GROUP = "mesh"
MIB = 1024 * 1024


class Relay:
    """A TCP relay from a port of its own to another one on the same host."""

    def __init__(self, context, host, target):
        self.host = host
        self.target = target
        self.port = host.free_port()
        self._silent = threading.Event()
        self._pairs = []
        self._listening = host.listen(self.port, host.address)
        threading.Thread(target=self._accept, daemon=True).start()
        context.defer(self.close)

    def _accept(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._silent.is_set():
                self._pairs.append((client, None))  # as if its packets were lost: no answer, no refusal
                continue
            try:
                server = self.host.connect(self.target, self.host.address)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        try:
            while piece := source.recv(65536):
                if self._silent.is_set():
                    return  # neither end hears of it
                sink.sendall(piece)
        except OSError:
            pass
        if not self._silent.is_set():
            for each in (source, sink):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def fall_silent(self):
        self._silent.set()

    def close(self):
        for each in [self._listening, *(end for pair in self._pairs for end in pair if end is not None)]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()


class Mesh:
    """Sites by name on the west host, each of one shard: what is shown here does not depend on their number."""

    def __init__(self, context, names, edges=()):
        self.context = context
        self.host = context.network.west
        self.sites = {}
        self.edges = set(edges)
        for name in names:
            site = Site(context, self.host, name, ["--shards", "1"])
            if name in self.edges:
                site.add("Site", name, {"edge": True})
            else:
                site.add_access(edge=True)
            self.sites[name] = site

    def __getitem__(self, name):
        return self.sites[name]

    def link(self, dialler, acceptor, cost=1, relayed=False):
        """The link's file at the dialler; a relay if it is to be cut later."""
        site = self[acceptor]
        text = site.generate_link("--cost", str(cost), "--name", f"{dialler}-to-{acceptor}")
        port = site.edge_port if dialler in self.edges else site.access_port
        relay = None
        if relayed:
            relay = Relay(self.context, self.host, port)
            text = text.replace(str(port), str(relay.port))
        self[dialler].write(f"to-{acceptor}.yaml", text)
        return relay

    def start(self):
        for site in self.sites.values():
            site.start(wait=False)
        for site in self.sites.values():
            site.wait_ready()
        return self

    def serve(self, key, at, handler=traffic.echo, probe=True):
        port = self[at].add_connector(key, probe=probe)
        return Server(self.context, self.host, port, handler)

    def listen(self, key, at, name=None, **more):
        return self[at].add_listener(name or key, key, **more)

    def wait_matched(self, at, name):
        self[at].wait_matched(name)
        self[at].wait_until(f"the port of {name} to be open",
                            lambda: self[at].resource("Listener", name)["status"]["listening"])

    def connect(self, port, seconds=30):
        return self.host.connect(port, seconds=seconds)

    def settle(self):
        for site in self.sites.values():
            expect(site.process.alive(), f"the gateway of {site.name} ended: {site.process.popen.poll()}")
            site.wait_idle()


def echo_works(mesh, port, seconds=2):
    try:
        with mesh.connect(port, seconds=seconds) as client:
            client.settimeout(seconds)
            traffic.echo_once(client, b"a few bytes")
            return True
    except (OSError, Failure):
        return False


@scenario(GROUP)
def line_of_five(context):
    """A client at one end of a line of five sites, its server at the other: requests, bulk with checksums both ways,
    half close; and a reader that stalls behind the line holds up nobody."""
    mesh = Mesh(context, ["a", "b", "c", "d", "e"])
    for dialler, acceptor in (("a", "b"), ("c", "b"), ("c", "d"), ("e", "d")):  # dialled either way
        mesh.link(dialler, acceptor)
    mesh.serve("echo", "e")
    uploads = mesh.serve("sink", "e", traffic.sink, probe=False)
    stalled = threading.Event()
    context.defer(stalled.set)
    mesh.serve("stall", "e", lambda connection: stalled.wait(120), probe=False)
    ports = {key: mesh.listen(key, "a") for key in ("echo", "sink", "stall")}
    mesh.start()
    for key in ports:
        mesh.wait_matched("a", key)
    with mesh.connect(ports["echo"]) as client:
        traffic.echo_once(client, b"over three transit routers")
    trace = json.loads(mesh["a"].command("trace", "echo", "-o", "json").stdout)
    expect_equal([hop["siteName"] for hop in trace["hops"]], ["a", "b", "c", "d", "e"], "the routers of the trace")
    times = [hop["time"]["microseconds"] for hop in trace["hops"]]
    expect(all(times[1:]), f"routers that answer in no time: {times}")
    expect("connectMicroseconds" in trace["hops"][-1]["server"], "the trace did not get to the server")
    context.note("trace: " + ", ".join(f"{hop['siteName']} {hop['time']['microseconds']} us" for hop in trace["hops"]))
    nobody = mesh["c"].command("trace", "nobody", ok=False)
    expect(nobody.returncode == 1 and b"no route" in nobody.stderr, f"a trace of a key that nobody serves: {nobody}")
    stalling = mesh.connect(ports["stall"])
    context.defer(stalling.close)
    stalling.settimeout(2)
    try:
        while True:
            stalling.sendall(bytes(MIB))
    except OSError:
        pass  # the windows along the path are full
    sending = []
    for _ in range(4):
        client = mesh.connect(ports["sink"])
        context.defer(client.close)
        sending.append(Background(traffic.upload, client, 32 * MIB))
    for each in sending:
        each.join()
    uploads.check(4)
    with mesh.connect(ports["echo"]) as client:
        source, sink = Source(8 * MIB), Sink()
        sender = Background(source.send, client)
        sink.take(client, 8 * MIB)
        expect_equal(sink.digest(), sender.join(), "what came back over the line")
    through = mesh["c"].link("c-to-b")["bytes"]
    context.note(f"c took {through['in'] // MIB} MiB from b and gave it {through['out'] // MIB} MiB")
    stalling.close()
    stalled.set()
    mesh.settle()


@scenario(GROUP)
def ring_of_six_cut(context):
    """A ring of six sites under load. A link on the path falls silent, then one closes: new connections take the other
    way round; streams on the lost path are reset, others do not notice."""
    times = {}
    for how in ("silent", "closed"):
        own = context.nested(how)
        names = [f"r{i}" for i in range(6)]
        mesh = Mesh(own, names)
        relay = mesh.link("r0", "r1", cost=1, relayed=True)  # the short way: r0 r1 r2
        for i in (1, 2, 3, 4, 5):
            mesh.link(f"r{i}", f"r{(i + 1) % 6}", cost=1)
        mesh.serve("echo", "r2")
        port = mesh.listen("echo", "r0")
        own_port = mesh.listen("echo", "r3", "echo-r3")
        mesh.start()
        mesh.wait_matched("r0", "echo")
        mesh.wait_matched("r3", "echo-r3")
        mesh["r0"].wait_until("the short way", lambda: echo_works(mesh, port))
        held = mesh.connect(port)
        own.defer(held.close)
        traffic.echo_once(held, b"before")
        other = mesh.connect(own_port)
        own.defer(other.close)
        traffic.echo_once(other, b"before")
        cut = time.monotonic()
        if how == "silent":
            relay.fall_silent()
        else:
            relay.close()
        wait_until("new connections to work again", lambda: echo_works(mesh, port, seconds=0.3))
        times[how] = time.monotonic() - cut
        traffic.expect_reset(held, "the client of a stream whose path is gone")
        traffic.echo_once(other, b"after")
        other.close()
        mesh.settle()
        own.close()
    context.note("; ".join(f"{how}: new connections after {seconds * 1000:.0f} ms" for how, seconds in times.items()))


@scenario(GROUP)
def hub_with_edges(context):
    """Twenty edge sites on one interior site reach each other's services over it, and only over it; an edge site that
    dials the wrong endpoint is told so."""
    edges = [f"e{i}" for i in range(20)]
    mesh = Mesh(context, ["hub", *edges], edges=edges)
    ports = {}
    for i, name in enumerate(edges):
        mesh.link(name, "hub")
        mesh.serve(f"at-{name}", name)
        ports[name] = mesh.listen(f"at-{edges[(i + 1) % len(edges)]}", name, "next")
    hub_port = mesh.listen("at-e7", "hub")
    mesh.start()
    for name in edges:
        mesh.wait_matched(name, "next")
    mesh.wait_matched("hub", "at-e7")
    for port in [*ports.values(), hub_port]:
        with mesh.connect(port) as client:
            traffic.echo_once(client, b"to the next one")
    mesh["e3"].terminate()
    expect_equal(mesh["e3"].process.wait(), 0, "exit code")
    mesh["e2"].wait_until("the port of a key that nobody serves any more to close",
                          lambda: not mesh["e2"].resource("Listener", "next")["status"]["listening"])
    expect(not mesh.host.listens(ports["e2"]), "the port is still open")
    wrong = Site(context, mesh.host, "wrong", ["--shards", "1"])
    wrong.write("link.yaml", mesh["hub"].generate_link())
    wrong.add("Site", "wrong", {"edge": True})
    text = (wrong.inputs / "link.yaml").read_text().replace(str(mesh["hub"].edge_port), str(mesh["hub"].access_port))
    wrong.write("link.yaml", text)
    wrong.start()
    wrong.wait_link_error("edge")


@scenario(GROUP)
def two_providers_at_costs(context):
    """Two sites serve a key, one at cost 1 and one at cost 5: connections are shared so that cost plus open connections
    are equal; with strategy lowest-cost the near one gets all. A link's cost is changed while streams run: they go on,
    and new ones follow it."""
    mesh = Mesh(context, ["west", "near", "far"])
    mesh.link("west", "near", cost=1)
    mesh.link("west", "far", cost=5)
    mesh.serve("key", "near", traffic.echo)
    mesh.serve("key", "far", traffic.echo)
    port = mesh.listen("key", "west")
    strict = mesh.listen("key", "west", "strict", strategy="lowest-cost")
    mesh.start()
    west = mesh["west"]
    mesh.wait_matched("west", "key")
    mesh.wait_matched("west", "strict")
    for name in ("near", "far"):
        west.wait_link(name=f"west-to-{name}")
    west.wait_until("both providers to be known", lambda: west.candidates("key") == 2)

    def open_at(name):
        return mesh[name].resource("Connector", "key")["status"]["connections"]["open"]

    def connect(count, where=port):
        made = [mesh.connect(where) for _ in range(count)]
        for each in made:
            context.defer(each.close)
            traffic.echo_once(each, b"held open")
        return made

    def wait_shares(near, far):
        west.wait_until(f"{near} connections at the near and {far} at the far site",
                        lambda: (open_at("near"), open_at("far")) == (near, far))
    held = connect(20)
    wait_shares(12, 8)
    held += connect(6, strict)
    wait_shares(18, 8)
    west.set_link_cost("west-to-near", 40)
    west.reload()
    west.wait_until("the new cost", lambda: west.link("west-to-near")["cost"] == 40)
    mesh["near"].wait_until("the other end to know", lambda: mesh["near"].link(incoming=True)["cost"] == 40)
    held += connect(4)
    wait_shares(18, 12)
    for each in held:
        traffic.echo_once(each, b"still here")
    for each in held:
        each.close()
    mesh.settle()


@scenario(GROUP)
def several_keys_at_one_port(context):
    """A MultiKeyListener by priority uses the second key only while nobody serves the first; one with weights shares
    connections as they say, and gives all of them to the key that is left."""
    mesh = Mesh(context, ["west", "one", "two"])
    mesh.link("west", "one")
    mesh.link("west", "two")

    def tell(name):
        return lambda connection: connection.sendall(name.encode())
    first = mesh.serve("primary", "one", tell("primary"))
    mesh.serve("standby", "two", tell("standby"))
    ports = {name: mesh.host.free_port() for name in ("ordered", "shared")}
    for name, strategy in (("ordered", {"priority": {"routingKeys": ["primary", "standby", "nobody"]}}),
                           ("shared", {"weighted": {"routingKeys": {"primary": 3, "standby": 1}}})):
        mesh["west"].add("MultiKeyListener", name, {"host": mesh.host.local, "port": ports[name], "strategy": strategy})
    mesh.start()
    west = mesh["west"]

    def reachable(name):
        (strategy,) = west.resource("MultiKeyListener", name)["status"]["strategy"].values()
        return list(strategy["routingKeysReachable"])

    def wait_reachable(*keys):
        for name in ports:
            west.wait_until(f"{name} to reach {keys}", lambda n=name: reachable(n) == list(keys))

    def ask(name):
        with mesh.connect(ports[name]) as client:
            return client.makefile().read()
    wait_reachable("primary", "standby")
    expect_equal({ask("ordered") for _ in range(20)}, {"primary"}, "who is asked while both are there")
    answers = [ask("shared") for _ in range(400)]
    share = answers.count("primary") / len(answers)
    expect(0.65 < share < 0.85, f"primary answered {share:.0%} instead of 75 %")
    first.stop_listening()
    wait_reachable("standby")
    for name in ports:
        expect_equal({ask(name) for _ in range(20)}, {"standby"}, "who is asked while one is gone")
    Server(context, mesh.host, first.port, tell("primary"))
    wait_reachable("primary", "standby")
    expect_equal({ask("ordered") for _ in range(20)}, {"primary"}, "who is asked when it is back")
    context.note(f"primary answered {share:.0%} of 400, configured were 75 %")
    mesh.settle()


@scenario(GROUP)
def provider_killed_under_requests(context):
    """Two servers of one key. One of them goes away under a stream of new connections: no client that comes later sees
    it, its instance is withdrawn, and comes back when the server does."""
    mesh = Mesh(context, ["west", "one", "two"])
    mesh.link("west", "one")
    mesh.link("west", "two")
    first = mesh.serve("key", "one")
    mesh.serve("key", "two")
    port = mesh.listen("key", "west")
    mesh.start()
    west = mesh["west"]
    mesh.wait_matched("west", "key")
    west.wait_until("both providers to be known", lambda: west.candidates("key") == 2)
    stop, failures, latencies = threading.Event(), [], []

    def request_again_and_again():
        while not stop.is_set():
            begun = time.monotonic()
            try:
                with mesh.connect(port, seconds=20) as client:
                    client.settimeout(20)
                    traffic.echo_once(client, b"one request")
            except (OSError, Failure) as error:
                failures.append((begun, error))
            latencies.append(time.monotonic() - begun)
    clients = [Background(request_again_and_again) for _ in range(4)]
    wait_until("requests", lambda: len(latencies) > 200)
    first.stop_listening()
    # Who was connected, or waited in the server's backlog, is reset by it. Nobody after that.
    stopped = time.monotonic()
    mesh["one"].wait_until("the instance to be withdrawn",
                           lambda: not mesh["one"].resource("Connector", "key")["status"]["available"])
    west.wait_until("one provider to be left", lambda: west.candidates("key") == 1)
    seen = len(latencies)
    wait_until("more requests", lambda: len(latencies) > seen + 200)
    again = Server(context, mesh.host, first.port, traffic.echo)
    west.wait_until("the instance to come back", lambda: west.candidates("key") == 2)
    wait_until("requests at the new server", lambda: again.results)
    stop.set()
    for each in clients:
        each.join()
    late = [error for begun, error in failures if begun > stopped]
    expect(not late, lambda: f"{len(late)} of {len(latencies)} requests failed that began later: {late[:3]}")
    context.note(f"{len(latencies)} requests, {len(failures)} failed with their server, "
                 f"slowest {max(latencies) * 1000:.0f} ms, median {statistics.median(latencies) * 1000:.1f} ms; "
                 f"reopened {west.counter('reopened')}")
    mesh.settle()
