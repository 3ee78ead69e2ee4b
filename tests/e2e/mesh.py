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


def time_until_echo_works(mesh, port, since):
    """Seconds from `since` until a client that came later got its echo. One comes every 10 ms, as clients do who do not
    wait for each other."""
    done, came = threading.Event(), []

    def client():
        if echo_works(mesh, port):
            came.append(time.monotonic() - since)
            done.set()
    started = time.monotonic()
    while not done.is_set():
        expect(time.monotonic() < started + 20, "no new connection works")
        threading.Thread(target=client, daemon=True).start()
        done.wait(0.01)
    return came[0]


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
        times[how] = time_until_echo_works(mesh, port, cut)
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
    are equal; with strategy lowest-cost the near one gets all. A link's cost is changed under load: streams go on, new
    ones follow it, and no request fails."""
    mesh = Mesh(context, ["west", "near", "far"])
    mesh.link("west", "near", cost=1)
    mesh.link("west", "far", cost=5)
    mesh.serve("key", "near", traffic.echo)
    mesh.serve("key", "far", traffic.echo)
    port = mesh.listen("key", "west")
    strict = mesh.listen("key", "west", "strict", strategy="lowest-cost")
    busy = [mesh.serve("busy", name, traffic.echo) for name in ("near", "far")]
    busy_port = mesh.listen("busy", "west")
    mesh.start()
    west = mesh["west"]
    for name in ("key", "strict", "busy"):
        mesh.wait_matched("west", name)
    for name in ("near", "far"):
        west.wait_link(name=f"west-to-{name}")
    for key in ("key", "busy"):
        west.wait_until("both providers to be known", lambda k=key: west.candidates(k) == 2)
    stop, requests = threading.Event(), []

    def one_connection():
        with mesh.connect(busy_port) as client:
            while not stop.is_set():
                traffic.echo_once(client, bytes(20_000))
                requests.append("held")

    def many_connections():
        while not stop.is_set():
            with mesh.connect(busy_port) as client:
                traffic.echo_once(client, b"new")
                requests.append("new")
    load = [Background(work) for work in (one_connection, one_connection, many_connections, many_connections)]

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
    seen = {name: len(each.results) for name, each in zip(("near", "far"), busy)}
    wait_until("new connections to follow the cost", lambda: len(busy[1].results) > seen["far"] + 50)
    stop.set()
    for each in load:
        each.join()  # a request that failed is raised here
    context.note(f"{requests.count('held')} requests on streams that were held, {requests.count('new')} on new ones; "
                 f"since the new cost {len(busy[0].results) - seen['near']} at the near and "
                 f"{len(busy[1].results) - seen['far']} at the far site")
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


def planned(site, key, *words):
    """What `route` says."""
    return json.loads(site.command("route", key, "-o", "json", *words).stdout)


def open_in_all(site, key, *words):
    return sum(each["open"] for each in planned(site, key, *words)["candidates"])


@scenario(GROUP)
def routes_seen_from_every_site(context):
    """What one site works out for another is what that one says itself; what it works out for a link that costs more,
    or a site that is gone, is what then happens. A saved network gives the same answers without a gateway."""
    interior = ["west", "east", "north"]
    mesh = Mesh(context, [*interior, "shop"], edges=["shop"])
    for dialler, acceptor, cost in (("west", "east", 1), ("north", "west", 5), ("east", "north", 2),
                                    ("shop", "west", 2), ("shop", "north", 4)):
        mesh.link(dialler, acceptor, cost)
    for key, at in (("db", "east"), ("db", "north"), ("web", "north"), ("till", "shop"), ("db", "shop")):
        mesh.serve(key, at, probe=False)
    port = mesh.listen("db", "east")
    mesh.start()
    west, shop = mesh["west"], mesh["shop"]

    def candidates(site, key):
        return len(mesh[site].snapshot()["network"]["keys"].get(key, []))
    for name in interior:
        mesh[name].wait_until(f"{name} to know of all", lambda: [candidates(name, k) for k in ("db", "web", "till")]
                              == [3, 1, 1])
    shop.wait_until("shop to be told", lambda: [candidates("shop", k) for k in ("db", "web", "till")] == [2, 1, 1])
    mesh.wait_matched("east", "db")
    held = [mesh.connect(port) for _ in range(7)]
    for each in held:
        context.defer(each.close)
        traffic.echo_once(each, b"held open")
    mesh["east"].wait_until("what is open to be in its status", lambda: open_in_all(mesh["east"], "db") == 7)
    compared = 0
    for asked in interior:
        for name in interior:
            for key in ("db", "web", "till"):
                own = planned(mesh[name], key)["candidates"]
                expect_equal(planned(mesh[asked], key, "--from", name)["candidates"], own,
                             f"{key} from {name} as {asked} works it out")
                compared += len(own)
    for key in ("db", "web", "till"):
        told = json.loads(shop.command("route", key, "-o", "json").stdout)["candidates"]
        seen = planned(west, key, "--from", "shop")["candidates"]
        expect_equal([min(each["cost"] for each in seen), sum(each["instances"] for each in seen)],
                     [min(each["cost"] for each in told), sum(each["instances"] for each in told)],
                     f"least cost and instances of {key} from shop")
    refused = shop.command("route", "db", "--from", "west", ok=False)
    expect_equal(refused.returncode, 1, "exit code of a question that an edge site cannot answer")
    expect(b"west" in refused.stderr and b"north" in refused.stderr, refused.stderr)

    expect_equal(open_in_all(west, "db", "--from", "east"), 7, "what east has open, as west is told")
    network = json.loads(west.command("network", "status", "-o", "json").stdout)
    unknown = [(site["name"], link["siteName"]) for site in network["sites"] for link in site["links"]
               if "rttMicroseconds" not in link]
    expect_equal(unknown, [], "links without an RTT, of all sites")
    for each in held:
        each.close()
    mesh["east"].wait_until("nothing to be open", lambda: open_in_all(mesh["east"], "db") == 0)
    saved = context.path("network.yaml")
    saved.write_bytes(west.command("network", "status", "-o", "yaml").stdout)
    dearer = planned(west, "db", "--cost", "west/east=9")["after"]
    expect_equal(planned(shop, "db", "--topology", str(saved), "--cost", "east/west=9")["after"], dearer,
                 "the same from a file")
    west.set_link_cost("west-to-east", 9)
    west.reload()
    west.wait_until("the cost that was asked about",
                    lambda: planned(west, "db", "--cost", "west/east=9")["before"] == dearer)
    expect_equal(planned(west, "db")["candidates"], dearer, "what then happens")

    lost = {key: planned(west, key, "--without", "north") for key in ("db", "till")}
    mesh["north"].kill()
    west.wait_until("north to be gone", lambda: candidates("west", "db") == 2)
    for key in ("db", "till"):
        west.wait_until(f"{key} as it was worked out",
                        lambda: planned(west, key)["candidates"] == lost[key]["after"])
    table = west.command("network", "status").stdout.decode()
    expect("unreachable" in table and "down" in table, table)
    picture = west.command("network", "status", "-o", "svg").stdout.decode()
    for name in (*interior, "shop"):
        expect(f">{name}</text>" in picture, f"{name} in the picture")
    rtts = [link.get("rttMicroseconds") for site in west.snapshot()["network"]["sites"] for link in site["links"]
            if "west" in (site["name"], link["siteName"]) and link["up"]]
    expect(rtts and all(rtts), f"an RTT of each of this site's links: {rtts}")
    context.note(f"{compared} candidates compared")
