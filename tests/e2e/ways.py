"""Ways in and out besides plain TCP: Unix sockets, IPv6, the PROXY protocol; and what ends or refuses connections that
are of no use."""

import contextlib
import json
import os
import re
import socket
import stat
import struct
import threading
import time

import traffic
from admin import metrics_of
from harness import Skip, expect, expect_equal, need_program, scenario, wait_until
from sites import Service, Site
from traffic import Server, scaled

GROUP = "ways"
CONGESTION_CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"
V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def unix_connect(path):
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(30)
    made.connect(str(path))
    return made


class UnixServer(Server):
    """The same as Server at a path. Made in the test's own namespace: sockets of the file system know none."""

    class Place:
        def __init__(self, path):
            self.path = path

        def listen(self, _port, _address):
            made = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            made.bind(str(self.path))
            made.listen(128)
            return made

    def __init__(self, context, path, handler):
        super().__init__(context, self.Place(path), 0, handler)


def connections_of_shards(context, site):
    told = metrics_of(context, site)
    return [int(each) for each in re.findall(r"^fairlead_shard_connections{.*} (\d+)$", told, re.M)]


def exchange(connection, size=scaled(8 * 1024 * 1024)):
    traffic.exchange(size)(connection)


def take_v2(connection):
    """Addresses (None without any) and details of a header of version 2."""
    fixed = traffic.read_exactly(connection, 16)
    expect_equal(fixed[:12], V2_SIGNATURE, "signature")
    command, family, size = struct.unpack("!BBH", fixed[12:])
    expect_equal(command, 0x21, "version and command")
    rest = traffic.read_exactly(connection, size)
    sizes = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}
    addresses = None
    if family in sizes:
        kind, ip = sizes[family]
        ports = struct.unpack("!HH", rest[2 * ip:2 * ip + 4])
        addresses = ((socket.inet_ntop(kind, rest[:ip]), ports[0]),
                     (socket.inet_ntop(kind, rest[ip:2 * ip]), ports[1]))
        rest = rest[2 * ip + 4:]
    details = {}
    while rest:
        size = struct.unpack("!H", rest[1:3])[0]
        details[rest[0]] = rest[3:3 + size]
        rest = rest[3 + size:]
    return addresses, details


def take_v1(connection):
    line = b""
    while not line.endswith(b"\r\n"):
        line += traffic.read_exactly(connection, 1)
    return line.decode()


@scenario(GROUP)
def unix_sockets(context):
    """A listener and a connector at unix:/path: traffic, both shards in turn, the file comes and goes with the port, a
    file that a killed gateway left is replaced, and one that is no socket is not."""
    pair = context.group.pair()
    way_in, way_out = context.path("in.sock"), context.path("out.sock")
    pair.west.add("Listener", "unix", {"routingKey": "unix", "host": f"unix:{way_in}"})
    pair.east.add("Connector", "unix", {"routingKey": "unix", "host": f"unix:{way_out}"})
    server = UnixServer(context, way_out, traffic.echo)
    pair.west.wait_matched("unix")
    wait_until("the socket to be there", way_in.exists)
    expect_equal(stat.S_IMODE(way_in.stat().st_mode), 0o666, "who may connect")
    with unix_connect(way_in) as client:
        exchange(client)
    clients = []

    def both_have_some():
        # Whichever shard comes first accepts: a few clients may all be those of one.
        fresh = [unix_connect(way_in) for _ in range(16)]
        for client in fresh:
            traffic.echo_once(client, b"word")
        clients.extend(fresh)
        return min(connections_of_shards(context, pair.west)) > 0

    wait_until("both shards to have clients", both_have_some)
    for client in clients:
        client.close()
    # Nobody serves the key any more: whoever connects knows at once.
    pair.east.remove("Connector-unix.yaml")
    wait_until("the socket to be gone", lambda: not way_in.exists())
    # What is left behind is replaced; what is no socket is not.
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(way_in))
    left.close()
    pair.east.add("Connector", "unix", {"routingKey": "unix", "host": f"unix:{way_out}"})

    def served():
        try:
            with unix_connect(way_in) as client:
                traffic.echo_once(client, b"again")
                return True
        except OSError:
            return False
    wait_until("the listener to be there again", served)
    other = context.path("file")
    other.write_text("precious")
    done = pair.west.command("listener", "create", "on-a-file", f"unix:{other}", "-r", "unix", ok=False)
    expect(done.returncode != 0 and b"no socket" in done.stderr, done.stderr.decode())
    expect_equal(other.read_text(), "precious", "what is in the file")
    server.close()


@scenario(GROUP)
def unix_sockets_by_command(context):
    """The same by the command line, with its refusals, and an update from a port to a path and back."""
    pair = context.group.pair()
    path = context.path("made.sock")
    server = Server(context, pair.east.host, port := pair.east.host.free_port(), traffic.echo)
    pair.east.command("connector", "create", "by-path", str(port), "--host", pair.east.host.local)
    pair.west.command("listener", "create", "by-path", f"unix:{path}", "--wait", "ready")
    with unix_connect(path) as client:
        traffic.echo_once(client, b"in by a path")
    table = pair.west.command("listener", "status").stdout.decode()
    expect(f"unix:{path}" in table, table)
    again = pair.west.host.free_port()
    pair.west.command("listener", "update", "by-path", "--port", str(again), "--host", pair.west.host.local)
    wait_until("the file to be gone", lambda: not path.exists())
    with pair.west.host.connect(again) as client:
        traffic.echo_once(client, b"in by a port")
    pair.west.command("listener", "update", "by-path", "--port", f"unix:{path}")
    wait_until("the file to be there", path.exists)
    for words, says in (
            (("listener", "create", "bad", "unix:relative"), b"absolute path"),
            (("listener", "create", "bad", "unix:/" + "x" * 200), b"107 bytes"),
            (("listener", "create", "bad", "70000"), b"from 1 to 65535"),
            (("listener", "create", "bad", f"unix:{path}"), b"already taken"),
            (("connector", "create", "bad", f"unix:{path}", "--verify-hostname", "--tls-credentials", "x"),
             b"no host name")):
        done = pair.west.command(*words, ok=False)
        expect(done.returncode == 2 and says in done.stderr, f"{words}: {done.stderr.decode()}")
    pair.west.command("listener", "delete", "by-path")
    pair.east.command("connector", "delete", "by-path")
    wait_until("the file to be gone", lambda: not path.exists())
    server.close()


@scenario(GROUP)
def ipv6_everywhere(context):
    """Clients, servers, and the PROXY header over IPv6."""
    pair = context.group.pair()
    try:
        with contextlib.closing(pair.west.host.socket(socket.AF_INET6)) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        raise Skip(f"this machine has no IPv6: {error}") from None
    port, server_port = pair.west.host.free_port(), pair.east.host.free_port()
    pair.west.add("Listener", "six", {"routingKey": "six", "host": "::1", "port": port})
    pair.east.add("Connector", "six", {"routingKey": "six", "host": "::1", "port": server_port,
                                       "sendProxyProtocol": "v2"})
    seen = []

    def handler(connection):
        seen.append(take_v2(connection)[0])
        traffic.echo(connection)
    server = Server(context, pair.east.host, server_port, handler, address="::1")
    pair.west.wait_matched("six")
    with pair.west.host.connect(port, address="::1") as client:
        here = client.getsockname()[:2]
        exchange(client)
    wait_until("the header", lambda: here in [each[0] for each in seen if each])
    expect((here, ("::1", port)) in seen, f"{seen}")
    server.close()


@scenario(GROUP)
def sites_over_ipv6(context):
    """Two sites with nothing but IPv6 between them: a token over it, the link, traffic, metrics, and a link test."""
    need_program("curl")
    here = context.network.west
    try:
        with contextlib.closing(here.socket(socket.AF_INET6)) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        raise Skip(f"this machine has no IPv6: {error}") from None
    east, west = Site(context, here, "east"), Site(context, here, "west")
    port, metrics = here.free_port(), here.free_port()
    east.add("RouterAccess", "links", {"bindHost": "::1", "subjectAlternativeNames": ["::1"], "roles": [
        {"name": "inter-router", "port": port}]})
    east.add("Site", "east", {"grantServer": {"port": here.free_port(), "bindHost": "::1"},
                              "metrics": {"host": "::1", "port": metrics}})
    server = Server(context, here, east.add_connector("db", host="::1"), traffic.echo, address="::1")
    way_in = west.add_listener("db", host="::1")
    east.start()
    west.start()
    token = context.path("token.yaml")
    east.command("token", "issue", "--host", "::1", "--name", "six", str(token))
    expect("https://[::1]:" in token.read_text(), token.read_text())
    west.command("token", "redeem", str(token))
    west.wait_matched("db")
    with here.connect(way_in, address="::1") as client:
        exchange(client)
    expect_equal(west.link()["url"], f"[::1]:{port}", "address of the link")
    tested = json.loads(west.command("link", "test", "six", "--time", "1", "-o", "json", seconds=90).stdout)
    trial = tested["handshakes"][0]
    expect_equal((trial["step"], trial["address"]), ("done", f"[::1]:{port}"), "trial")
    told = context.run(["curl", "--silent", "--fail", f"http://[::1]:{metrics}/metrics"], host=here).stdout.decode()
    expect("fairlead_link_up" in told, told)
    server.close()


@scenario(GROUP)
def proxy_protocol_to_servers(context):
    """The server is told who the client is: its addresses, and by version 2 the site where it came in."""
    pair = context.group.pair()
    for version, take in (("v1", take_v1), ("v2", take_v2)):
        service = Service(f"told-{version}", pair.west, pair.east, None, {"sendProxyProtocol": version})
        pair.west.wait_matched(service.key)

        def handler(connection, take=take):
            told = take(connection)
            traffic.echo(connection)
            return told
        server = Server(context, service.server, service.server_port, handler)
        with service.connect() as client:
            source, target = client.getsockname()[:2], client.getpeername()[:2]
            exchange(client)
        told = server.check(1)[0]
        server.close()
        if version == "v1":
            expect_equal(told, f"PROXY TCP4 {source[0]} {target[0]} {source[1]} {target[1]}\r\n", "line")
            continue
        addresses, details = told
        expect_equal(addresses, (source, target), "addresses")
        expect_equal(details[0xE0].decode(), pair.west.snapshot()["site"]["id"], "site where it came in")
        expect_equal(len(details[5]), 16, "size of the unique id")


@scenario(GROUP)
def proxy_protocol_from_clients(context):
    """A listener takes headers of either version, from whatever pieces, and passes on what they say; a client without
    one is refused with its reason, and holds up nobody."""
    pair = context.group.pair()
    service = Service("taken", pair.west, pair.east, {"acceptProxyProtocol": True}, {"sendProxyProtocol": "v2"})
    pair.west.wait_matched(service.key)

    def handler(connection):
        told = take_v2(connection)[0]
        traffic.echo(connection)
        return told
    server = Server(context, service.server, service.server_port, handler)
    silent = [service.connect() for _ in range(5)]
    told = (("192.0.2.17", 56324), ("203.0.113.9", 443))
    line = b"PROXY TCP4 192.0.2.17 203.0.113.9 56324 443\r\n"
    binary = (V2_SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 12) + socket.inet_aton("192.0.2.17") +
              socket.inet_aton("203.0.113.9") + struct.pack("!HH", 56324, 443))
    for header in (line, binary):
        with service.connect() as client:  # with the first bytes behind it
            client.sendall(header + b"hello")
            expect_equal(traffic.read_exactly(client, 5), b"hello", "what came behind the header")
            exchange(client)
        with service.connect() as client:  # in pieces
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(len(header)):
                client.sendall(header[at:at + 1])
            traffic.echo_once(client, b"piece by piece")
        with service.connect() as client:  # with all that it has to say
            client.sendall(header + b"x" * 14000)
            client.shutdown(socket.SHUT_WR)
            expect_equal(len(traffic.read_to_end(client)), 14000, "bytes that came back")
    with service.connect() as client:  # UNKNOWN: those of the connection itself
        client.sendall(b"PROXY UNKNOWN\r\n")
        traffic.echo_once(client, b"who knows")
        own = (client.getsockname()[:2], client.getpeername()[:2])
    results = server.check(7)
    expect_equal(results[:6], [told] * 6, "addresses that were passed on")
    expect_equal(results[6], own, "addresses of the connection itself")
    for start, says in ((b"GET / HTTP/1.1\r\n\r\n", "does not begin with"), (b"PROXY TCP4 nonsense\r\n", "malformed"),
                        (V2_SIGNATURE + b"\x21\x11\xff\xff", "too long")):
        with service.connect() as client:
            client.sendall(start)
            traffic.expect_reset(client, "a client without a proper header")

        def told_why(says=says):
            status = pair.west.resource("Listener", service.key)["status"]
            return status if says in status.get("lastRefused", {}).get("message", "") else None
        found = pair.west.wait_until("the refusal to be told", told_why)
        context.note(found["lastRefused"]["message"])
    for client in silent:
        traffic.expect_reset(client, "a client that says nothing")
        client.close()
    server.close()


@scenario(GROUP)
def proxy_protocol_with_haproxy(context):
    """HAProxy in front of a listener (send-proxy-v2) and behind a connector (accept-proxy): it shows the client's
    address in its log."""
    need_program("haproxy")
    pair = context.group.pair()
    service = Service("haproxy", pair.west, pair.east, {"acceptProxyProtocol": True}, {"sendProxyProtocol": "v1"})
    pair.west.wait_matched(service.key)
    front, back = service.client.free_port(), service.server.free_port()
    server = Server(context, service.server, back, traffic.echo)

    def start(name, host, port, listen, to):
        config = context.path(f"{name}.cfg")
        config.write_text(f"""
global
  log stdout format raw local0 info
defaults
  mode tcp
  log global
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen {name}
  bind {host.local}:{port}{listen}
  log-format "client %ci:%cp"
  server next {to}
""")
        return context.start(name, ["haproxy", "-db", "-f", str(config)], host=host)
    behind = start("behind", service.server, service.server_port, " accept-proxy", f"{service.server.local}:{back}")
    start("before", service.client, front, "", f"{service.client.local}:{service.port} send-proxy-v2")
    wait_until("haproxy to listen",
               lambda: service.client.listens(front) and service.server.listens(service.server_port))
    with service.client.connect(front) as client:
        source = client.getsockname()
        traffic.echo_once(client, b"through both")
        exchange(client)
    wait_until("haproxy to log the client", lambda: f"client {source[0]}:{source[1]}" in behind.log())
    server.close()


@scenario(GROUP)
def idle_connections_end(context):
    """idleTimeout and halfClosedTimeout: who carries nothing is reset at both ends, who says a word now and then stays,
    and a change goes for connections that come."""
    pair = context.group.pair()
    service = Service("idle", pair.west, pair.east, {"idleTimeout": "1s"})
    pair.west.wait_matched(service.key)

    def handler(connection):
        try:
            traffic.echo(connection)
            return "end"
        except ConnectionResetError:
            return "reset"
    server = Server(context, service.server, service.server_port, handler)
    with service.connect() as idle, service.connect() as lively:
        traffic.echo_once(idle, b"hello")
        began = time.monotonic()
        while True:
            traffic.echo_once(lively, b"word")
            idle.settimeout(0.2)
            try:
                idle.recv(1)
            except ConnectionResetError:
                break
            except TimeoutError:
                expect(time.monotonic() - began < 30, "an idle connection was not ended")
        expect(time.monotonic() - began > 0.9, "an idle connection was ended too early")
        traffic.echo_once(lively, b"still here")
    wait_until("the server to see both ends", lambda: sorted(server.results) == ["end", "reset"])
    pair.west.wait_until("it to be counted", lambda: pair.west.counter("edges_idle") >= 1)
    server.close()

    pair.west.command("listener", "update", service.key, "--idle-timeout", "0s", "--half-closed-timeout", "1s")
    over = threading.Event()
    context.defer(over.set)
    server = Server(context, service.server, service.server_port, lambda connection: (
        connection.sendall(traffic.read_exactly(connection, 5)), over.wait(60)))
    with service.connect() as idle, service.connect() as half_closed:
        for client in (idle, half_closed):
            traffic.echo_once(client, b"hello")
        half_closed.shutdown(socket.SHUT_WR)
        traffic.expect_reset(half_closed, "a client that has said its last word")
        idle.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            raise AssertionError(f"a connection that may be idle ended: {idle.recv(1)}")
        over.set()
    server.close()


@scenario(GROUP)
def silent_peers_are_asked(context):
    """Keepalive and TCP_USER_TIMEOUT are set on both sides, as ss shows them, and follow a change."""
    need_program("ss")
    pair = context.group.pair()
    service = Service("kept", pair.west, pair.east, {"keepalive": "77s"})
    pair.west.wait_matched(service.key)
    server = Server(context, service.server, service.server_port, traffic.echo)

    def timer(host, port, side):
        """Seconds that ss shows until the keepalive of the gateway's connection."""
        done = context.run(["ss", "-Htno", "state", "established", f"( {side} = :{port} )"], host=host)
        found = re.findall(r"timer:\(keepalive,(?:(\d+)min)?(?:([\d.]+)sec)?", done.stdout.decode())
        return [60 * int(minutes or 0) + float(seconds or 0) for minutes, seconds in found]
    with service.connect() as client:
        traffic.echo_once(client, b"hello")
        kept = timer(service.client, service.port, "sport")
        expect(any(60 < seconds <= 77 for seconds in kept), f"listener's keepalive: {kept}")
    # Towards a server of another machine; one of the same machine does not vanish without a word.
    there = pair.west.host.address
    if not there.startswith("127."):
        away = Server(context, pair.west.host, port := pair.west.host.free_port(), traffic.echo, address=there)
        pair.east.add("Connector", "away", {"routingKey": "away", "host": there, "port": port, "keepalive": "33s",
                                            "userTimeout": "9s"})
        way_in = pair.west.add_listener("away")
        pair.west.wait_matched("away")
        with pair.west.host.connect(way_in) as client:
            traffic.echo_once(client, b"hello")
            kept = timer(pair.east.host, port, "dport")
            expect(any(20 < seconds <= 33 for seconds in kept), f"connector's keepalive: {kept}")
        away.close()
    pair.west.command("listener", "update", service.key, "--keepalive", "11s")
    with service.connect() as client:
        traffic.echo_once(client, b"hello")
        kept = timer(service.client, service.port, "sport")
        expect(any(5 < seconds <= 11 for seconds in kept), f"listener's keepalive after the change: {kept}")
    server.close()


@scenario(GROUP)
def nothing_is_paced_on_loopback(context):
    """Congestion control of a gateway's connections: Reno on loopback, else the system's choice."""
    need_program("ss")
    pair = context.group.pair()
    service = Service("near", pair.west, pair.east)
    pair.west.wait_matched(service.key)
    server = Server(context, service.server, service.server_port, traffic.echo)
    with service.connect() as client:
        traffic.echo_once(client, b"hello")
        seen = set()
        for site, ports in ((pair.west, [service.port]), (pair.east, [service.server_port])):
            usual = context.run(["cat", CONGESTION_CONTROL], host=site.host).stdout.decode().strip()
            done = context.run(["ss", "-HtniOp", "state", "established"], host=site.host)
            if b" rto:" not in done.stdout:
                raise Skip("ss is told nothing of connections but their addresses here")
            for line in done.stdout.decode().splitlines():
                if f"pid={site.process.pid}," not in line:
                    continue
                words = line.split()
                local = all(end.startswith(("127.", "[::1]")) for end in words[2:4])
                expect(("reno" if local else usual) in words, f"{usual} is usual: {line}")
                seen |= {port for port in ports if any(end.endswith(f":{port}") for end in words[2:4])}
        expect(len(seen) == 2, f"connections of the ports {seen} only")
    server.close()


@scenario(GROUP)
def no_more_than_allowed(context):
    """maxConnections of a listener: the next one is reset, the status says why, and there is room again at once."""
    pair = context.group.pair()
    service = Service("few", pair.west, pair.east, {"maxConnections": 4})
    pair.west.wait_matched(service.key)
    server = Server(context, service.server, service.server_port, traffic.echo)
    clients = []
    for _ in range(4):
        clients.append(service.connect())
        traffic.echo_once(clients[-1], b"hello")
    for _ in range(3):
        with contextlib.suppress(ConnectionResetError), service.connect() as client:
            traffic.expect_reset(client, "one connection more than maxConnections")

    def counted():
        status = pair.west.resource("Listener", service.key)["status"]
        return status if status["refused"] == 3 else None
    found = pair.west.wait_until("the refusals to be counted", counted)
    expect("maxConnections" in found["lastRefused"]["message"], json.dumps(found))
    context.note(found["lastRefused"]["message"])
    clients.pop().close()

    def room():
        try:
            with service.connect() as client:
                traffic.echo_once(client, b"room")
                return True
        except OSError:
            return False
    wait_until("room for one", room)
    pair.west.command("listener", "update", service.key, "--max-connections", "0")
    clients += [service.connect() for _ in range(6)]
    for client in clients:
        traffic.echo_once(client, b"all of us")
        client.close()
    server.close()
