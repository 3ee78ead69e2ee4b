"""Who is let in, and what a user reads when somebody is not: in the status of the link at the side that dials, and in
status and log of the side that accepts."""


import datetime
import json
import signal

import traffic
from certificates import Authority, utc_now
from harness import expect, expect_equal, need_program, scenario, wait_until
from sites import Site
from traffic import Server

GROUP = "trust"
KEY = "echo"


class Linked:
    """West with one link to east, whose credentials are those given: bundles as Authority.issue() makes them."""

    def __init__(self, context, client, server, access=None, link=None, host=None):
        need_program("openssl")
        self.context = context
        self.west = Site(context, context.network.west, "west")
        self.east = Site(context, context.network.east, "east")
        self.east.add_access(tlsCredentials="server", **(access or {}))
        self.east.add_credentials("server", server)
        self.west.add_credentials("client", client)
        self.west.add_link("to-east", self.east.access_port, "client", host=host, **(link or {}))
        self.port = self.west.add_listener(KEY)
        self.server_port = self.east.add_connector(KEY)

    def start(self):
        self.east.start()
        self.west.start()
        return self

    def expect_echo(self):
        self.west.wait_link()
        self.west.wait_matched(KEY)
        server = Server(self.context, self.east.host, self.server_port, traffic.echo)
        with self.west.host.connect(self.port) as client:
            traffic.echo_once(client, b"hello")
        server.check(1)
        server.close()

    def expect_down(self, dialler_says, acceptor_says):
        """Both messages, shown for whoever reads the test's output."""
        if dialler_says:
            self.context.note(f"west: {self.west.wait_link_error(*dialler_says)}")
            shown = self.west.command("link", "status", "to-east").stdout.decode()
            expect(all(word.lower() in shown.lower() for word in dialler_says), lambda: f"link status shows:\n{shown}")
            expect("Ready" not in shown, lambda: f"link status shows:\n{shown}")
        if acceptor_says:
            self.context.note(f"east: {self.east.wait_refusal(*acceptor_says)}")
            wait_until("the log of east to say it",
                       lambda: all(word.lower() in self.east.log().lower() for word in acceptor_says))
        expect(not self.west.link()["active"], "the link is up")


def bundles(context, **server_options):
    authority = Authority(context)
    hosts = server_options.pop("hosts", [context.network.east.address])
    return authority, authority.issue("west"), authority.issue("east", hosts=hosts, **server_options)


@scenario(GROUP)
def certificates_made_with_openssl(context):
    """Credentials from elsewhere, in input/certs of both sites, make a link."""
    _, client, server = bundles(context)
    linked = Linked(context, client, server).start()
    linked.expect_echo()
    tls = linked.east.link(incoming=True)["tls"]
    found = (tls["version"], tls["peerAuthenticated"], tls["peerSubject"])
    expect_equal(found, ("TLSv1.3", True, "west"), "TLS status")


@scenario(GROUP)
def older_spelling_of_a_link(context):
    """A Link with tlsSecret, interRouter and edge instead of tlsCredentials and endpoints makes a link."""
    _, client, server = bundles(context)
    linked = Linked(context, client, server)
    endpoint = {"host": context.network.east.address, "port": linked.east.access_port}
    linked.west.add("Link", "to-east", {"tlsSecret": "client", "cost": 3, "interRouter": endpoint,
                                        "edge": {**endpoint, "port": 45671}})
    linked.start().expect_echo()
    expect_equal(linked.west.link()["cost"], 3, "cost")


@scenario(GROUP)
def wrong_ca(context):
    """West trusts another CA than the one that signed east's certificate."""
    _, client, server = bundles(context)
    other = Authority(context, "other-ca")
    Linked(context, {**client, "ca.crt": other.certificate}, server).start().expect_down(
        ["unknown CA", "test-ca"], ["unknown_ca"])


@scenario(GROUP)
def client_of_another_ca(context):
    """East trusts another CA than the one that signed west's certificate."""
    authority, _, server = bundles(context)
    other = Authority(context, "other-ca")
    client = {**other.issue("west"), "ca.crt": authority.certificate}
    Linked(context, client, server).start().expect_down(["unknown_ca"], ["unknown CA", "other-ca"])


@scenario(GROUP)
def wrong_host_name(context):
    """East's certificate is for another host than the one that west dials."""
    _, client, server = bundles(context, hosts=["gateway.example", "192.0.2.7"])
    Linked(context, client, server).start().expect_down(
        [context.network.east.address, "gateway.example", "192.0.2.7"], ["bad_certificate"])


@scenario(GROUP)
def expired_certificate_at_start(context):
    """A gateway whose own certificate has expired does not start; it names file, line and date."""
    last_year = datetime.datetime(2021, 1, 1)
    authority, client, server = bundles(context, ends=last_year)
    linked = Linked(context, authority.issue("west", ends=last_year), server)
    for site, kind in ((linked.east, "RouterAccess-links.yaml:1:"), (linked.west, "Link-to-east.yaml:1:")):
        process = site.start(wait=False).process
        expect_equal(process.wait(), 2, "exit code")
        expect(all(word in site.log() for word in (kind, "expired on 2021-01-01")), lambda: f"it says: {site.log()}")
        context.note(site.log().splitlines()[0].split(" ", 1)[1].strip())


@scenario(GROUP)
def certificates_expire_meanwhile(context):
    """Certificates that expire while the link is up: it stays up; after an interruption both sides say what expired."""
    ends = utc_now() + datetime.timedelta(seconds=25)  # both links have to be up by then
    both = []
    for which in ("server", "client"):
        own = context.nested(which)
        authority = Authority(own)
        client = authority.issue("west", ends=ends if which == "client" else None)
        server = authority.issue("east", [context.network.east.address], ends=ends if which == "server" else None)
        both.append(Linked(own, client, server).start())
    for linked in both:
        linked.expect_echo()
    wait_until("the certificates to expire", lambda: utc_now() > ends + datetime.timedelta(seconds=1),
               seconds=60)
    for linked in both:
        linked.expect_echo()
        # A pause longer than a peer's silence may last, and no restart: that would refuse the certificate.
        linked.east.process.signal(signal.SIGSTOP)
        linked.west.wait_link(active=False)
        linked.east.process.signal(signal.SIGCONT)
        linked.expect_down(["expired"], ["expired"])
        context.notes += linked.context.notes


@scenario(GROUP)
def server_certificate_swapped(context):
    """East comes back with a certificate of another CA: the link that was up stays down and says why; with the first
    certificate again it is up."""
    _, client, server = bundles(context)
    linked = Linked(context, client, server).start()
    linked.expect_echo()
    linked.east.kill()
    linked.west.wait_link(active=False)
    linked.east.add_credentials("server", Authority(context, "other-ca").issue("east", [context.network.east.address]))
    linked.east.start()
    linked.expect_down(["unknown CA", "other-ca"], ["unknown_ca"])
    linked.east.kill()
    linked.east.add_credentials("server", server)
    linked.east.start()
    linked.expect_echo()


@scenario(GROUP)
def anonymous_refused(context):
    """noClientAuth where the RouterAccess does not allow it: both sides say what is missing."""
    _, client, server = bundles(context)
    linked = Linked(context, {"ca.crt": client["ca.crt"]}, server, link={"noClientAuth": True}).start()
    linked.expect_down(["presented none"], ["presented no certificate"])


@scenario(GROUP)
def anonymous_allowed(context):
    """noClientAuth where the RouterAccess allows it: the link is up, and known as not authenticated."""
    _, client, server = bundles(context)
    linked = Linked(context, {"ca.crt": client["ca.crt"]}, server, access={"allowAnonymousLinks": True},
                    link={"noClientAuth": True}).start()
    linked.expect_echo()
    expect_equal(linked.east.link(incoming=True)["tls"]["peerAuthenticated"], False, "peerAuthenticated")


@scenario(GROUP)
def name_that_does_not_resolve(context):
    """The link's host is no host: west says which name."""
    _, client, server = bundles(context)
    linked = Linked(context, client, server, host="no-such-host.invalid").start()
    context.note(linked.west.wait_link_error("no-such-host.invalid"))


# ---- strangers at the port

def accepting_site(context):
    authority, client, server = bundles(context)
    linked = Linked(context, client, server)
    linked.east.start()
    return authority, linked


def s_client(context, site, *words, ok=True):
    return context.run(["openssl", "s_client", "-connect", f"{site.host.address}:{site.access_port}", *words],
                       host=context.network.west, ok=ok, input=b"", seconds=20)


def write_bundle(context, bundle):
    paths = []
    for file, option in (("ca.crt", "-CAfile"), ("tls.crt", "-cert"), ("tls.key", "-key")):
        path = context.path(file)
        path.write_text(bundle[file])
        paths += [option, path]
    return paths


@scenario(GROUP)
def openssl_client_completes_handshake(context):
    """`openssl s_client` with the right certificates: TLS 1.3, mutual, ALPN agreed, each of our ciphers."""
    authority, linked = accepting_site(context)
    bundle = write_bundle(context, authority.issue("stranger"))
    for cipher in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"):
        done = s_client(context, linked.east, *bundle, "-alpn", "fairlead/1", "-verify_return_error", "-verify_ip",
                        linked.east.host.address, "-ciphersuites", cipher, "-tls1_3")
        text = done.stdout.decode()
        for line in ("Verify return code: 0 (ok)", "ALPN protocol: fairlead/1", f"New, TLSv1.3, Cipher is {cipher}"):
            expect(line in text, lambda line=line: f"'{line}' is missing:\n{text}{done.stderr.decode()}")
    # The handshake alone is no link: it ends without HELLO, and that is said.
    wait_until("the log of east to say it", lambda: "tried the handshake only" in linked.east.log())


@scenario(GROUP)
def plain_http_at_the_link_port(context):
    """curl http:// at the link's port is refused at once, and the log tells what came."""
    _, linked = accepting_site(context)
    done = context.run([need_program("curl"), "--silent", "--max-time", "10",
                        f"http://{linked.east.host.address}:{linked.east.access_port}/"],
                       host=context.network.west, ok=False)
    expect(done.returncode not in (0, 28), f"curl ended with {done.returncode}; 28 is its time-out")
    context.note(f"east: {linked.east.wait_refusal('plain text', 'GET / HTTP/1.1')}")


@scenario(GROUP)
def tls_1_2_at_the_link_port(context):
    """A client that speaks TLS 1.2 at most gets an alert, and the log names the version."""
    _, linked = accepting_site(context)
    done = s_client(context, linked.east, "-tls1_2", ok=False)
    expect(done.returncode != 0 and b"alert" in done.stderr + done.stdout, f"openssl says: {done}")
    context.note(f"east: {linked.east.wait_refusal('does not speak TLS 1.3')}")


@scenario(GROUP)
def other_protocol_at_the_link_port(context):
    """A TLS client that wants HTTP (ALPN h2) is refused, and the log says so."""
    authority, linked = accepting_site(context)
    done = s_client(context, linked.east, *write_bundle(context, authority.issue("browser")), "-alpn", "h2", ok=False)
    expect(b"ALPN protocol: h2" not in done.stdout, "it agreed on h2")
    context.note(f"east: {linked.east.wait_refusal('no common protocol')}")


@scenario(GROUP)
def strangers_do_not_disturb(context):
    """Hundreds of connections that say nothing, or garbage, at the link's port: a link comes up beside them."""
    _, linked = accepting_site(context)
    strangers = []
    for number in range(400):
        stranger = context.network.west.connect(linked.east.access_port, linked.east.host.address)
        context.defer(stranger.close)
        strangers.append(stranger)
        if number % 2:
            stranger.sendall(bytes([number % 256]) * 100)
    linked.west.start()
    linked.expect_echo()
    for stranger in strangers[1::2]:
        try:
            while stranger.recv(4096):
                pass
        except ConnectionResetError:
            pass
    expect(linked.east.process.alive(), "the gateway ended")


def link_test(site, *words, ok=True):
    done = site.command("link", "test", "to-east", "--time", "1", "-o", "json", *words, ok=ok, seconds=90)
    return done.returncode, json.loads(done.stdout)


@scenario(GROUP)
def link_test_explains_the_handshake(context):
    """`link test` names the step that fails and why: host, port, protocol, their certificate, ours."""
    authority, client, server = bundles(context)
    other = Authority(context, "other-ca")
    linked = Linked(context, client, server)
    west, east = linked.west, linked.east

    def expect_failure(step, *words):
        code, found = link_test(west, ok=False)
        trial = found["handshakes"][0]
        expect_equal((code, trial["step"]), (1, step), f"exit code and step; it says: {trial}")
        message = trial["error"]
        expect(all(word in message for word in words), lambda: f"it says: {message}")
        shown = west.command("link", "test", "to-east", "--time", "1", ok=False, seconds=90).stdout.decode()
        expect("FAILED" in shown and message in shown, lambda: f"the table says:\n{shown}")
        context.note(f"{step}: {message}")
        return found
    found = expect_failure("connect", "refused")
    expect("is not running" in found["error"], lambda: f"without a gateway: {found}")
    unknown = west.command("link", "test", "nowhere", ok=False)
    expect(unknown.returncode == 1 and b"no Link nowhere" in unknown.stderr, f"it says: {unknown}")
    west.write("wrong.yaml", "kind: Listener\nmetadata: {name: x}\nspec: {}\n")
    expect_equal(west.command("link", "test", "to-east", ok=False).returncode, 2, "exit code of bad resources")
    west.remove("wrong.yaml")
    web = Server(context, east.host, east.access_port, lambda connection: connection.sendall(b"HTTP/1.1 400 No\r\n"),
                 address=context.network.east.address)
    expect_failure("handshake", "HTTP/1.1 400 No")
    web.close()
    east.start()
    west.add_credentials("client", {**client, "ca.crt": other.certificate})
    expect_failure("handshake", "other-ca")
    west.add_credentials("client", {**other.issue("west"), "ca.crt": authority.certificate})
    found = expect_failure("verdict", "unknown_ca")
    expect_equal(found["handshakes"][0]["chain"][0]["subject"], "east", "subject of the certificate")
    east.wait_refusal("unknown CA")

    def refused_by_east():
        status = east.resource("RouterAccess", "links")["status"]
        return status["lastRefused"] if status["refused"] == 4 else None
    refused = wait_until("east to count two refusals of each kind", refused_by_east)
    west.add_credentials("client", client)
    code, found = link_test(west, ok=False)
    trial = found["handshakes"][0]
    expect_equal((code, trial["step"], found["ourCertificate"]["issuer"]), (1, "done", "test-ca"), f"result: {found}")
    expect_equal((trial["tls"]["version"], trial["tls"]["alpn"]), ("TLSv1.3", "fairlead/1"), "TLS")
    expect_equal(trial["chain"][0]["names"], [context.network.east.address], "names of the certificate")
    said = wait_until("east to say what it was",
                      lambda: [line for line in east.log().splitlines() if "tried the handshake only" in line])
    expect("refused" not in said[0] and refused_by_east() == refused, f"a trial is no refusal: {said}")
    west.add("Link", "to-east", {"tlsCredentials": "client", "endpoints": [
        {"name": "inter-router", "host": "no-such-host.invalid", "port": str(east.access_port)}]})
    expect_failure("resolve", "no-such-host.invalid")


@scenario(GROUP)
def link_test_measures_a_link(context):
    """`link test` at the end that dials and at the other: round trips idle and under load, bytes that went each way."""
    _, client, server = bundles(context)
    linked = Linked(context, client, server).start()
    linked.west.wait_link()
    code, found = link_test(linked.west)
    expect_equal((code, found["site"], found["handshakes"][0]["step"]), (0, "east", "done"), f"result: {found}")
    for name in ("east", "to-east"):
        shown = linked.west.command("link", "test", name, "--time", "1", seconds=90).stdout.decode()
        expect(all(word in shown for word in ("Handshake with", "their certificate", "the other end accepts it",
                                              "P99", "to east", "from east", "bit/s")), lambda: f"it shows:\n{shown}")
    done = linked.east.command("link", "test", "west", "--time", "1", "-o", "json", seconds=90)
    for result in (found, json.loads(done.stdout)):
        for phase in ("idle", "upload", "download"):
            samples = result["roundTrips"][phase]
            ordered = [samples[f"{at}Microseconds"] for at in ("min", "p50", "p90", "p99", "max")]
            expect(samples["samples"] >= 10 and ordered == sorted(ordered) and ordered[0] > 0, lambda: f"{result}")
        for way in ("upload", "download"):
            transfer = result["throughput"][way]
            expect(transfer["bytes"] > 1_000_000 and transfer["seconds"] > 0.5, lambda: f"{result}")
    counted = linked.west.link()["bytes"]
    for way, where in (("upload", "out"), ("download", "in")):
        expect(counted[where] > found["throughput"][way]["bytes"], lambda: f"the link carried {counted}: {found}")
    shown = linked.east.command("link", "test", "west", "--time", "1", seconds=90).stdout.decode()
    expect("The other end dials this link" in shown and "to west" in shown, lambda: f"it shows:\n{shown}")
    refused = linked.west.command("link", "test", "nowhere", ok=False)
    expect(refused.returncode == 1 and b"no link nowhere" in refused.stderr, f"it says: {refused}")
    linked.expect_echo()
