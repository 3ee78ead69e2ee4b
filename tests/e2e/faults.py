"""What runs out, and what comes back."""

import contextlib
import os
import signal
import threading

import traffic
from harness import Failure, expect, expect_equal, need_program, scenario, wait_until
from life import refuses, try_echo
from sites import Pair, Site
from traffic import Background, Server

GROUP = "faults"
MIB = 1024 * 1024
DESCRIPTORS = 60  # of which a gateway of one shard takes some twenty for itself
CLIENTS = 120


def limited(count):
    return [need_program("prlimit"), f"--nofile={count}:{count}"]


@scenario(GROUP)
def out_of_descriptors(context):
    """A site without descriptors left, at the client's side and at the server's: it counts that, streams that are open
    live on, and once some are closed new connections work again."""
    for which in ("west", "east"):
        own = context.nested(which)
        pair = Pair(own, ["--shards", "1"], ["--shards", "1"], forward=1, backward=0)
        pair.west.write("link.yaml", pair.east.generate_link())
        for site in (pair.east, pair.west):
            site.start(prefix=limited(DESCRIPTORS) if site.name == which else ())
        pair.wait_linked()
        ups = pair.west.link()["ups"]
        short = getattr(pair, which)
        service = pair.forward[0]
        Server(own, service.server, service.server_port, traffic.echo)
        living = service.connect()
        own.defer(living.close)
        traffic.echo_once(living, b"first")
        clients = []
        for _ in range(CLIENTS):
            # Who comes during the shortage is reset, perhaps before connect() is through.
            with contextlib.suppress(ConnectionResetError):
                clients.append(service.connect())
        for client in clients:
            own.defer(client.close)
        open_now = f"/proc/{short.process.pid}/fd"
        # One or two may be on their way from one use to the next at any time.
        wait_until("all descriptors to be in use", lambda: len(os.listdir(open_now)) >= DESCRIPTORS - 2)
        traffic.echo_once(living, b"amidst the shortage")
        expect(pair.west.link()["active"], "the link went down")
        for client in clients:
            client.close()
        wait_until("new connections to work again", lambda: try_echo(service))
        traffic.echo_once(living, b"after it")
        living.close()
        # The status of a site that cannot open a file is old: what it says is true only now.
        wait_until("the shortage to be counted", lambda: short.counter("descriptors_exhausted") > 0)
        context.note(f"{which}: {short.counter('descriptors_exhausted')} times short")
        link = pair.west.link()
        expect_equal((link["active"], link["ups"]), (True, ups), "the link afterwards: active, times it came up")
        pair.settle()
        own.close()


@scenario(GROUP)
def peer_pauses(context):
    """A peer that stands still (SIGSTOP) is found out, and the link comes back when it goes on."""
    pair = Pair(context, forward=1, backward=0).start()
    service = pair.forward[0]
    Server(context, service.server, service.server_port, traffic.echo)
    client = service.connect()
    traffic.echo_once(client, b"before")
    pair.east.process.signal(signal.SIGSTOP)
    down = pair.west.wait_link(active=False)
    context.note(down["lastError"]["message"])
    traffic.expect_reset(client, "a client of the link that went down")
    client.close()
    pair.east.process.signal(signal.SIGCONT)
    pair.wait_linked()
    wait_until("an echo", lambda: try_echo(service))
    pair.settle()


@scenario(GROUP)
def network_cut_amidst_bulk(context):
    """The network between the sites is cut amidst transfers: they are reset at both ends; with it, all is back."""
    context.network.cut()  # tried before anything is built up: it may be impossible
    context.network.mend()
    pair = Pair(context, forward=2, backward=0).start()
    bulk, service = pair.forward
    Server(context, service.server, service.server_port, traffic.echo)
    server = Server(context, bulk.server, bulk.server_port, lambda served: traffic.expect_reset(served, "the server"))
    clients = [bulk.connect() for _ in range(4)]
    sending = [Background(traffic.send_until_gone, client) for client in clients]
    wait_until("bulk to flow", lambda: pair.west.link()["bytes"]["out"] > 16 * MIB)
    context.network.cut()
    context.defer(context.network.mend)
    context.note(pair.west.wait_link(active=False)["lastError"]["message"])
    for each in sending:
        gone = each.join()
        expect(isinstance(gone, ConnectionResetError), lambda gone=gone: f"a client saw {gone!r}")
    server.check(4)
    expect(not try_echo(service), "an echo across a network that is cut")
    context.network.mend()
    pair.wait_linked()
    wait_until("an echo", lambda: try_echo(service))
    for client in clients:
        client.close()
    pair.settle()


@scenario(GROUP)
def peers_that_vanish(context):
    """A client or a server of another machine that is gone without a word: keepalive finds out where nothing is sent,
    userTimeout where something is; the other end is reset."""
    context.network.cut()  # tried before anything is built up: it may be impossible
    context.network.mend()
    here, there = context.network.west, context.network.east
    site = Site(context, here, "west")
    ports = {name: there.free_port() for name in ("asked", "unanswered")}
    gone = threading.Event()
    context.defer(gone.set)
    servers = [Server(context, there, port, lambda _: gone.wait(120), address=there.address) for port in ports.values()]
    ways = {}
    for name, options in (("asked", {"keepalive": "1s"}), ("unanswered", {"keepalive": "0s", "userTimeout": "1s"})):
        site.add_connector(name, port=ports[name], **{"host": there.address, **options})
        ways[name] = site.add_listener(name)
    local_port = site.add_connector("here")
    from_there = here.free_port()
    site.add("Listener", "here", {"routingKey": "here", "host": here.address, "port": from_there, "keepalive": "1s"})
    site.start()
    for name in (*ways, "here"):
        site.wait_matched(name)
    local = Server(context, here, local_port, lambda served: traffic.expect_reset(served, "its server"))
    clients = {name: here.connect(port) for name, port in ways.items()}
    away = there.connect(from_there, address=here.address)
    away.sendall(b"hello")

    def open_at(name):
        return site.resource("Connector", name)["status"]["connections"]["open"]
    for name, client in clients.items():
        client.sendall(b"hello")
        wait_until(f"{name} to be connected", lambda name=name: open_at(name) == 1)
    wait_until("the client from there", lambda: open_at("here") == 1)
    context.network.cut()
    context.defer(context.network.mend)
    clients["unanswered"].sendall(b"is anybody there?")
    for name, client in clients.items():
        traffic.expect_reset(client, f"the client of a server that vanished ({name})")
    local.check(1)
    away.close()
    for each in servers:
        each.close()


@scenario(GROUP)
def listener_without_connector(context):
    """No connector anywhere: the port is closed, and the listener's status says that none matches. The port of another
    listener of the site is open."""
    pair = Pair(context, forward=1, backward=0)
    port = pair.west.add_listener("nowhere")
    pair.start()
    try:
        pair.west.host.connect(port).close()
        raise Failure("the port of a key that nobody serves is open")
    except ConnectionRefusedError:
        pass
    status = pair.west.resource("Listener", "nowhere")["status"]
    expect_equal((status["hasMatchingConnector"], status["listening"], status["status"]), (False, False, "Pending"),
                 "status of the listener")
    wait_until("the port of a key that is served to be open", lambda: pair.west.host.listens(pair.forward[0].port))


@scenario(GROUP)
def listener_while_link_is_down(context):
    """Clients that come while the link is down are turned away at once, not left hanging."""
    pair = Pair(context, forward=1, backward=0).start()
    service = pair.forward[0]
    Server(context, service.server, service.server_port, traffic.echo)
    expect(try_echo(service), "no echo before")
    pair.east.kill()
    pair.west.wait_link(active=False)
    expect(refuses(service), "a client was served without the other site")


@scenario(GROUP)
def port_taken(context):
    """A listener whose port another program has: run says which port, exits 1 and leaves nothing running."""
    pair = Pair(context, forward=1, backward=0)
    service = pair.forward[0]
    pair.west.write("link.yaml", pair.east.generate_link())
    taken = service.client.listen(service.port)
    context.defer(taken.close)
    process = pair.west.start(wait=False).process
    expect_equal(process.wait(), 1, "exit code")
    says = pair.west.log()
    expect(str(service.port) in says and "another program has this port" in says, f"it says: {says}")
    context.note(says.strip().splitlines()[-1].split(" ", 1)[1].strip())
