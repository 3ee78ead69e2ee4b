"""What a listener or connector does besides carrying bytes: TLS with the application at either end."""

import contextlib
import socket
import ssl

import traffic
from certificates import Authority
from harness import expect, expect_equal, need_program, scenario, wait_until
from sites import Service
from traffic import Server, scaled

GROUP = "edges"
BULK_SIZE = scaled(64 * 1024 * 1024)
TURN_SIZE = 256 * 1024
SILENT_CLIENTS = 20


def tls_context(server=False, trust=None, bundle=None, folder=None, ask=False):
    """One of OpenSSL's, for TLS 1.3."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = not server
    if trust:
        made.load_verify_locations(cadata=trust)
    if ask:
        made.verify_mode = ssl.CERT_REQUIRED
    if bundle:
        for file in ("tls.crt", "tls.key"):
            (folder / file).write_text(bundle[file])
        made.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return made


class Edge:
    """A service between two linked sites, with TLS at the listener, the connector, or both."""

    def __init__(self, context, name, listener=None, connector=None):
        need_program("openssl")
        self.context = context
        self.pair = context.group.pair()
        self.name = name
        self.authority = Authority(context, f"ca-{name}")
        west, east = self.pair.west, self.pair.east
        self.credentials = f"tls-{name}"
        if listener is not None:
            west.add_credentials(self.credentials, self.authority.issue("front", hosts=[west.host.local, "front.test"]))
            listener = {"tlsCredentials": self.credentials, **listener}
        if connector is not None:
            east.add_credentials(self.credentials, {"ca.crt": self.authority.certificate})
            connector = {"tlsCredentials": self.credentials, **connector}
        self.service = Service(name, west, east, listener, connector)
        self.shown(west, "Listener", lambda status: status["listening"])

    def shown(self, site, kind, holds):
        def seen():
            try:
                status = site.resource(kind, self.name)["status"]
                return status if holds(status) else None
            except KeyError:
                return None
        return site.wait_until(f"{kind} {self.name} to show it", seen)

    def server(self, handler, tls=None):
        def secured(connection):
            with tls.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as wrapped:
                result = handler(wrapped)
                with contextlib.suppress(OSError):
                    wrapped.unwrap()
                return result
        return Server(self.context, self.service.server, self.service.server_port, secured if tls else handler)

    def folder(self, name):
        made = self.context.path(f"{self.name}-{name}")
        made.mkdir(exist_ok=True)
        return made

    def client(self, tls=None, host="front.test"):
        tls = tls or tls_context(trust=self.authority.certificate)
        made = self.service.client.connect(self.service.port)
        return tls.wrap_socket(made, server_hostname=host, suppress_ragged_eofs=False)

    def expect_refused(self, tls=None, says=()):
        """No connection for this client; the status says why."""
        try:
            with self.client(tls) as client:
                client.recv(1)
        except (ssl.SSLError, ConnectionResetError):
            pass
        else:
            raise AssertionError("the client came in")
        found = self.shown(self.pair.west, "Listener", lambda status: all(
            word.lower() in status.get("lastRefused", {}).get("message", "").lower() for word in says))
        self.context.note(found["lastRefused"]["message"])

    def expect_server_refused(self, tls, says):
        """No connection to this server: the client is reset, and the status of the connector says why."""
        server = self.server(lambda connection: None, tls)
        with contextlib.suppress(ConnectionResetError), self.service.connect() as client:  # it may come that early
            traffic.expect_reset(client, "the client of a server that is not trusted")
        server.close()
        found = self.shown(self.pair.east, "Connector", lambda status: all(
            word.lower() in status.get("lastError", {}).get("message", "").lower() for word in says))
        self.context.note(found["lastError"]["message"])


def exchange_tls(connection):
    """Bulk there and back; what came has the checksum of what was sent. Python's TLS does not send and receive at the
    same time, so it takes turns, with less than what fits between the two."""
    source, took = traffic.Source(BULK_SIZE), traffic.Sink()
    for chunk in source.chunks():
        for at in range(0, len(chunk), TURN_SIZE):
            turn = chunk[at:at + TURN_SIZE]
            connection.sendall(turn)
            took.take(connection, len(turn))
    expect_equal(took.digest(), source.digest(), "checksum of what came back")


def hasty_echo(plain, tls, message):
    """Sends the end of the handshake and the message at once, and takes the echo."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.wrap_bio(incoming, outgoing, server_hostname="front.test")

    def do(work, *arguments):
        while True:
            try:
                return work(*arguments)
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
    do(client.do_handshake)
    client.write(message)
    expect_equal(do(client.read, len(message)), message, "echo")


def echo_until_end(connection):
    """The same, and how it ended."""
    try:
        while data := connection.recv(65536):
            connection.sendall(data)
        return "close"
    except ssl.SSLEOFError:
        return "cut"
    except ConnectionResetError:
        return "reset"


@scenario(GROUP)
def tls_from_clients(context):
    """A listener with tlsCredentials speaks TLS 1.3: bulk both ways is whole, and the end of either side arrives."""
    edge = Edge(context, "from", listener={})
    server = edge.server(echo_until_end)
    with edge.client() as client:
        expect_equal(client.version(), "TLSv1.3", "version")
        expect_equal(client.getpeercert()["subject"], ((("commonName", "front"),),), "subject")
        exchange_tls(client)
        client.unwrap()  # close_notify there and, once the server has seen the end, back
    server.check(1)
    expect_equal(server.results, ["close"], "what the server saw")
    with edge.service.client.connect(edge.service.port) as plain:
        hasty_echo(plain, tls_context(trust=edge.authority.certificate), b"here at once")
    server.close()
    ending = edge.server(lambda connection: connection.sendall(b"the end"))
    with edge.client() as client:
        expect_equal(traffic.read_to_end(client), b"the end", "all of it, and then close_notify")
    ending.close()
    edge.shown(edge.pair.west, "Listener", lambda status: "certificateSubject" in status["credentials"])


@scenario(GROUP)
def a_cut_is_no_end(context):
    """A client that closes without close_notify may have been cut off: its server gets a reset, and no end."""
    edge = Edge(context, "cut", listener={})
    server = edge.server(echo_until_end)
    client = edge.client()
    traffic.echo_once(client, b"hello")
    raw = socket.socket(fileno=client.detach())
    raw.shutdown(socket.SHUT_RDWR)
    raw.close()
    server.check(1)
    expect_equal(server.results, ["reset"], "what the server saw")
    server.close()


@scenario(GROUP)
def clients_that_do_not_fit(context):
    """Plain text, old TLS, no certificate or one of another CA where one is required: refused with a reason that the
    status tells. Clients that say nothing are in nobody's way."""
    edge = Edge(context, "refuse", listener={"requireClientCert": True})
    server = edge.server(traffic.echo)
    silent = [edge.service.client.connect(edge.service.port) for _ in range(SILENT_CLIENTS)]
    with edge.service.client.connect(edge.service.port) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        traffic.expect_reset(plain, "a client that speaks plain text")
    edge.shown(edge.pair.west, "Listener", lambda status: "plain text" in status["lastRefused"]["message"])
    old = tls_context(trust=edge.authority.certificate)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    edge.expect_refused(old, says=("TLS 1.3",))
    edge.expect_refused(says=("presented no certificate",))
    stranger = Authority(context, "ca-of-others").issue("stranger")
    edge.expect_refused(tls_context(trust=edge.authority.certificate, bundle=stranger, folder=edge.folder("stranger")),
                        says=("unknown CA",))
    own = tls_context(trust=edge.authority.certificate, bundle=edge.authority.issue("known"),
                      folder=edge.folder("known"))
    with edge.client(own) as client:
        traffic.echo_once(client, b"hello")
    for connection in silent:
        connection.close()
    server.close()


@scenario(GROUP)
def tls_to_servers(context):
    """A connector with tlsCredentials speaks TLS with its server, verifies its CA, and its name if asked to; the server
    may ask for our certificate."""
    edge = Edge(context, "to", connector={})
    own = edge.authority.issue("server", hosts=["elsewhere.test"])
    trusted = tls_context(server=True, bundle=own, folder=edge.folder("server"))
    server = edge.server(echo_until_end, trusted)
    with edge.service.connect() as client:
        exchange_tls(client)
        client.shutdown(socket.SHUT_WR)
        expect_equal(client.recv(1), b"", "the end")
    server.check(1)
    expect_equal(server.results, ["close"], "what the server saw")
    server.close()
    other = Authority(context, "ca-of-another").issue("server", hosts=["elsewhere.test"])
    edge.expect_server_refused(tls_context(server=True, bundle=other, folder=edge.folder("other")), ("unknown CA",))
    edge.expect_server_refused(None, ("closed the connection",))


@scenario(GROUP)
def servers_are_verified_by_name(context):
    """verifyHostname demands that the server's certificate names the connector's host; useClientCert presents ours."""
    edge = Edge(context, "name", connector={"verifyHostname": True, "useClientCert": False})
    east = edge.pair.east
    wrong = edge.authority.issue("server", hosts=["elsewhere.test"])
    edge.expect_server_refused(tls_context(server=True, bundle=wrong, folder=edge.folder("wrong")),
                               ("not valid for host", "elsewhere.test"))
    right = edge.authority.issue("server", hosts=[east.host.local])
    asking = tls_context(server=True, bundle=right, folder=edge.folder("right"), ask=True,
                         trust=edge.authority.certificate)
    edge.expect_server_refused(asking, ("certificate",))
    east.add_credentials(edge.credentials, edge.authority.issue("the-connector"))
    done = east.command("connector", "update", edge.name, "--use-client-cert")
    context.note(done.stdout.decode().strip())
    server = edge.server(lambda connection: connection.sendall(
        connection.getpeercert()["subject"][0][0][1].encode()), asking)
    with edge.service.connect() as client:
        expect_equal(traffic.read_to_end(client), b"the-connector", "whom the server saw")
    server.close()


@scenario(GROUP)
def tls_at_both_ends_by_curl(context):
    """curl speaks TLS with the listener, the connector with a server of openssl: two sessions of TLS, and plain bytes
    only between the two within the link."""
    edge = Edge(context, "both", listener={}, connector={})
    bundle = edge.authority.issue("web", hosts=["web.test"])
    folder = edge.folder("web")
    for file, text in {**bundle, "page": "from the server of openssl\n" * 1000}.items():
        (folder / file).write_text(text)
    service = edge.service
    place = f"{service.server.local}:{service.server_port}"
    context.start("s_server", ["openssl", "s_server", "-accept", place, "-cert",
                               "tls.crt", "-key", "tls.key", "-WWW", "-quiet"],
                  host=service.server, cwd=folder)
    (folder / "trust").write_text(edge.authority.certificate)

    def fetched():
        return context.run(["curl", "--silent", "--show-error", "--max-time", "20", "--http1.0", "--cacert",
                            str(folder / "trust"), "--resolve", f"front.test:{service.port}:{service.client.local}",
                            f"https://front.test:{service.port}/page"], host=service.client, ok=False)
    done = wait_until("openssl to answer", lambda: (lambda run: run if run.returncode == 0 else None)(fetched()))
    expect_equal(done.stdout.count(b"\n"), 1000, "lines of the page")


@scenario(GROUP)
def certificates_of_listeners(context):
    """Without a bundle of that name the listener's certificate is made, and signed by skupper-service-ca; a bundle that
    comes, or changes, is put to use at once, and connections that are open stay."""
    edge = Edge(context, "made", listener={})
    west = edge.pair.west
    made = west.add_listener("made-too", key="made", tlsCredentials="made-too")
    west.wait_matched("made-too")
    trust = (west.root / "runtime" / "issuers" / "skupper-service-ca" / "tls.crt").read_text()
    server = edge.server(traffic.echo)
    with tls_context(trust=trust).wrap_socket(west.host.connect(made), server_hostname=west.host.local) as client:
        traffic.echo_once(client, b"hello")
    old = edge.client()
    traffic.echo_once(old, b"before")
    west.add_credentials(edge.credentials, edge.authority.issue("renewed", hosts=["front.test"]))

    def subject():
        with edge.client() as client:
            return client.getpeercert()["subject"][0][0][1]
    wait_until("the new certificate to be used", lambda: subject() == "renewed")
    traffic.echo_once(old, b"behind")
    west.add_credentials(edge.credentials, {"tls.crt": "no certificate"})
    found = edge.shown(west, "Listener", lambda status: "refused" in status["credentials"])
    context.note(found["credentials"]["refused"])
    expect_equal(subject(), "renewed", "certificate in use")
    old.close()
    server.close()


@scenario(GROUP)
def tls_that_makes_no_sense(context):
    """What only has a meaning with TLS is refused without it, before anything changes."""
    east = context.group.pair().east
    done = east.command("connector", "create", "senseless", "9999", "--verify-hostname", ok=False)
    expect(done.returncode == 2 and b"there is no TLS" in done.stderr, done.stderr.decode())
    done = east.command("connector", "create", "senseless", "9999", "--tls-credentials", "nowhere", ok=False)
    expect(done.returncode == 2 and b"no Secret of this name" in done.stderr, done.stderr.decode())
