"""Links that never wear out: keys and certificates are renewed under load, by the kernel's records and by user space's,
and nothing on the link notices; what must not go on any more ends."""

import os
import socket
import threading

import traffic
from certificates import Authority
from harness import Skip, expect, expect_equal, scenario, wait_until
from life import try_echo
from sites import Pair, Site
from traffic import Background, Server, exchange, scaled

GROUP = "renewal"
KEY = "echo"
MIB = 1024 * 1024
RECORDS_PER_KEY = 64  # a renewal each MiB
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def set_site(site, **spec):
    site.add("Site", site.name, spec)


class Load:
    """Streams both ways over a pair of sites until finish(), which checks every byte of them."""

    def __init__(self, context, services, size):
        self.context = context
        self.size = size
        self.failures = []
        self._stop = threading.Event()
        self._rounds = 0
        self._workers = [Background(self._run, service) for service in services]

    def _run(self, service):
        server = Server(self.context, service.server, service.server_port, exchange(self.size))
        while not self._stop.is_set():
            with service.connect(seconds=120) as client:
                mine = exchange(self.size)(client)
            self._rounds += 1
            theirs = server.check(1).pop()
            if mine != (theirs[1], theirs[0]):
                self.failures.append((mine, theirs))
                return
        server.close()

    def finish(self):
        self._stop.set()
        for worker in self._workers:
            worker.join(seconds=240)
        expect(not self.failures, lambda: f"checksums differ: {self.failures[:1]}")
        expect(self._rounds > 0, "nothing was carried")
        return self._rounds


def protection(site, incoming=False):
    return site.link(incoming=incoming)["tls"]["protection"]


def why_no_kernel_tls(site):
    status = wait_until(f"the status of {site.name}", site.snapshot)
    return next((line for line in status["kernel"]["lacking"] if line.startswith("kernel TLS")), None)


def renewals(pair):
    return sum(site.counter(name) for site in (pair.west, pair.east)
               for name in ("keys_updated", "connections_replaced"))


def pairing(context, west, east):
    """Keys are used up every 64 records, under load both ways; the sites protect as given."""
    pair = Pair(context, forward=2, backward=1)
    set_site(pair.west, recordProtection=west, recordsPerKey=RECORDS_PER_KEY)
    set_site(pair.east, recordProtection=east, recordsPerKey=RECORDS_PER_KEY)
    pair.west.write("link.yaml", pair.east.generate_link())
    pair.east.start()
    if "kernel" in (west, east):
        lacking = why_no_kernel_tls(pair.east)
        if lacking:
            raise Skip(lacking)
    pair.west.start()
    pair.wait_linked()
    for site, incoming, wanted in ((pair.west, False, west), (pair.east, True, east)):
        by = "user space" if wanted == "user" else "kernel (software)" if os.geteuid() == 0 else "kernel"
        found = protection(site, incoming)
        expect(found["send"].startswith(by) and found["receive"].startswith(by), f"{site.name} says {found}")
    load = Load(context, [*pair.forward, *pair.backward], scaled(16 * MIB))
    wanted = scaled(1000)
    wait_until(f"{wanted} renewals", lambda: renewals(pair) >= wanted, seconds=240)
    rounds = load.finish()
    link = pair.west.link()
    expect_equal((link["ups"], "lastError" in link), (1, False), "times the link came up, and errors")
    counts = {name: sum(site.counter(name) for site in (pair.west, pair.east))
              for name in ("keys_updated", "connections_replaced")}
    context.note(f"{counts['keys_updated']} keys updated, {counts['connections_replaced']} connections replaced "
                 f"in {rounds} transfers of {scaled(16 * MIB) // MIB} MiB each way")


@scenario(GROUP)
def keys_user_space(context):
    """Renewals under load with records in user space at both ends."""
    pairing(context, "user", "user")


@scenario(GROUP)
def keys_kernel(context):
    """... in the kernel at both ends."""
    pairing(context, "kernel", "kernel")


@scenario(GROUP)
def keys_kernel_to_user_space(context):
    """... in the kernel where the link is dialled, in user space where it is accepted."""
    pairing(context, "kernel", "user")


@scenario(GROUP)
def keys_user_space_to_kernel(context):
    """... the other way round."""
    pairing(context, "user", "kernel")


@scenario(GROUP)
def kernel_that_is_demanded(context):
    """recordProtection: kernel on a link, on a kernel without: the link stays down and says why."""
    pair = Pair(context, forward=1, backward=0)
    set_site(pair.west, recordProtection="kernel")
    pair.west.write("link.yaml", pair.east.generate_link())
    pair.east.start()
    if not why_no_kernel_tls(pair.east):
        raise Skip("this kernel has TLS")
    pair.west.start()
    context.note(pair.west.wait_link_error("recordProtection demands the kernel", "no TLS"))
    expect(not pair.west.link()["active"], "the link is up")


@scenario(GROUP)
def each_cipher(context):
    """Each cipher suite, chosen at the site that accepts, by whoever protects records here: bulk both ways, keys
    renewed."""
    for suite in SUITES:
        own = context.nested(suite)
        pair = Pair(own, forward=1, backward=1)
        set_site(pair.east, cipherSuites=[suite], recordsPerKey=RECORDS_PER_KEY)
        pair.start()
        for site, incoming in ((pair.west, False), (pair.east, True)):
            expect_equal(site.link(incoming=incoming)["tls"]["cipher"], suite, f"the cipher that {site.name} names")
        load = Load(own, [*pair.forward, *pair.backward], scaled(64 * MIB))
        wait_until("renewals", lambda pair=pair: renewals(pair) >= scaled(200), seconds=240)
        load.finish()
        expect_equal(pair.west.link()["ups"], 1, "times the link came up")
        own.close()


def connected(service):
    """A client that hears its server. Right after a peer is back its port may still be closed, or closing."""
    client = service.connect()
    try:
        if client.recv(1, socket.MSG_PEEK):
            return client
    except OSError:
        pass
    client.close()
    return None


@scenario(GROUP)
def peer_lost_in_renewal(context):
    """kill -9 while keys are renewed all the time, at either end: streams are reset, what came of them is right to the
    byte, and the link comes back."""
    pair = Pair(context, forward=2, backward=0)
    for site in (pair.west, pair.east):
        set_site(site, recordsPerKey=16)
    pair.start()
    bulk, other = pair.forward
    Server(context, other.server, other.server_port, traffic.echo)
    server = Server(context, bulk.server, bulk.server_port, traffic.send_numbered_until_gone)
    for turn in range(6):
        victim = (pair.east, pair.west)[turn % 2]
        before = renewals(pair)
        client = wait_until("bytes of the server", lambda: connected(bulk))
        taking = Background(traffic.take_numbered_until_reset, client)
        wait_until("renewals", lambda before=before: renewals(pair) >= before + 20)
        expect(not server.errors and len(server.results) == turn, "the server's end of the stream is over already")
        victim.kill()
        if victim is pair.east:  # the client's own site lives, and has to tell it
            context.note(f"{taking.join() // MIB} MiB")
        expect(isinstance(server.check(turn + 1)[turn], OSError), "the server's stream ended in order")
        client.close()
        victim.start()
        pair.wait_linked()
        wait_until("an echo", lambda: try_echo(other))
    pair.settle()


class Linked:
    """West and east with credentials `client` and `server` of an authority: folders of input/certs, or Secrets."""

    def __init__(self, context, give=Site.add_credentials):
        self.give = give
        self.context = context
        self.authority = Authority(context)
        self.pair = Pair(context, forward=2, backward=0)
        self.west, self.east = self.pair.west, self.pair.east
        self.east.add_access(tlsCredentials="server")
        give(self.east, "server", self.issue("east-1"))
        give(self.west, "client", self.issue("west-1"))
        self.west.add_link("to-east", self.east.access_port, "client")
        self.east.start()
        self.west.start()
        self.pair.wait_linked()

    def issue(self, name):
        return self.authority.issue(name, hosts=[self.context.network.east.address])

    def wait_peers(self, west, east):
        """Until each end names the other's new certificate."""
        wait_until(f"east to see {west}", lambda: self.east.link(incoming=True)["tls"]["peerSubject"] == west)
        wait_until(f"west to see {east}", lambda: self.west.link()["tls"]["peerSubject"] == east)


@scenario(GROUP)
def certificates_replaced_under_load(context):
    """New files for both ends, one after the other and at once: used without restart, and no byte is lost."""
    linked = Linked(context)
    load = Load(context, linked.pair.forward, scaled(16 * MIB))
    linked.wait_peers("west-1", "east-1")
    linked.west.add_credentials("client", linked.issue("west-2"))
    linked.wait_peers("west-2", "east-1")
    linked.east.add_credentials("server", linked.issue("east-2"))
    linked.wait_peers("west-2", "east-2")
    linked.west.add_credentials("client", linked.issue("west-3"))
    linked.east.add_credentials("server", linked.issue("east-3"))
    linked.wait_peers("west-3", "east-3")
    load.finish()
    expect_equal(linked.west.link()["ups"], 1, "times the link came up")
    days = linked.west.link()["credentials"]["certificateDaysLeft"]
    expect(28 <= days <= 30, f"days left: {days}")
    wait_until("the log to warn", lambda: "its certificate west-3 expires in" in linked.west.log())


@scenario(GROUP)
def secret_replaced_under_load(context):
    """A new certificate as a resource: the file with the Secret is written anew."""
    linked = Linked(context, Site.add_secret)
    load = Load(context, linked.pair.forward, scaled(16 * MIB))
    linked.wait_peers("west-1", "east-1")
    linked.give(linked.west, "client", linked.issue("west-2"))
    linked.wait_peers("west-2", "east-1")
    linked.give(linked.east, "server", linked.issue("east-2"))
    linked.wait_peers("west-2", "east-2")
    load.finish()
    expect_equal(linked.west.link()["ups"], 1, "times the link came up")


@scenario(GROUP)
def authority_replaced_under_load(context):
    """Old and new CA are both in the bundles for a while; then the old one is taken out, and the link went on all the
    time."""
    linked = Linked(context)
    load = Load(context, linked.pair.forward, scaled(16 * MIB))
    old = linked.authority.certificate
    new = Authority(context, "new-ca")
    hosts = [context.network.east.address]

    def bundle(authority, name, *trusted):
        return {**authority.issue(name, hosts=hosts), "ca.crt": "".join(trusted)}
    both = (old, new.certificate)
    linked.west.add_credentials("client", bundle(linked.authority, "west-2", *both))
    linked.east.add_credentials("server", bundle(linked.authority, "east-2", *both))
    linked.wait_peers("west-2", "east-2")
    linked.west.add_credentials("client", bundle(new, "west-3", *both))
    linked.east.add_credentials("server", bundle(new, "east-3", *both))
    linked.wait_peers("west-3", "east-3")
    linked.west.add_credentials("client", bundle(new, "west-4", new.certificate))
    linked.east.add_credentials("server", bundle(new, "east-4", new.certificate))
    linked.wait_peers("west-4", "east-4")
    load.finish()
    expect_equal(linked.west.link()["ups"], 1, "times the link came up")


@scenario(GROUP)
def bundle_of_no_use_is_refused(context):
    """A key that does not fit, and a text that is no certificate: said in log and status, and the old ones stay."""
    linked = Linked(context)
    good = linked.issue("west-2")
    for spoiled, words in (({**good, "tls.key": linked.issue("other")["tls.key"]}, "does not belong"),
                           ({**good, "tls.crt": "nonsense"}, "no certificate")):
        linked.west.add_credentials("client", spoiled)
        wait_until("the status to say it", lambda words=words: words in linked.west.link()["credentials"]["refused"])
        wait_until("the log to say it", lambda words=words: words in linked.west.log())
        expect(linked.west.link()["active"], "the link is down")
    context.note(linked.west.link()["credentials"]["refused"])
    linked.west.add_credentials("client", good)
    linked.wait_peers("west-2", "east-1")
    wait_until("the reason to be gone", lambda: "refused" not in linked.west.link()["credentials"])
    expect_equal(linked.west.link()["ups"], 1, "times the link came up")


@scenario(GROUP)
def revoked_peer_is_cut_off(context):
    """A certificate that gets on the list of its CA: its link ends, and does not come back until it has another."""
    linked = Linked(context)
    revoked = linked.issue("west-2")
    linked.west.add_credentials("client", revoked)
    linked.wait_peers("west-2", "east-1")
    server = linked.issue("east-2")
    linked.east.add_credentials("server", {**server, "ca.crl": linked.authority.revoke()})
    linked.wait_peers("west-2", "east-2")  # a list without it changes nothing
    linked.east.add_credentials("server", {**server, "ca.crl": linked.authority.revoke(revoked)})
    context.note(linked.west.wait_link_error("revoked"))
    context.note(linked.east.wait_refusal("revoked by ca.crl"))
    expect(not linked.west.link()["active"], "the link is up")
    linked.west.add_credentials("client", linked.issue("west-3"))
    linked.wait_peers("west-3", "east-2")
    with Service(linked) as echo:
        echo()


class Service:
    """One echo over the first service of a pair."""

    def __init__(self, linked):
        self.linked = linked
        service = linked.pair.forward[0]
        self.server = Server(linked.context, service.server, service.server_port, traffic.echo)
        self.service = service

    def __enter__(self):
        return self.once

    def once(self):
        with self.service.connect() as client:
            traffic.echo_once(client, b"hello")

    def __exit__(self, *_):
        self.server.close()
