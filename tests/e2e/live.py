"""Configuration that changes while the gateway runs: what differs changes, all else goes on, and what is wrong changes
nothing."""

import contextlib
import json
import re
import socket
import subprocess
import time

import traffic
from harness import Skip, expect, expect_equal, need_program, scenario, wait_until
from network import PORT_LAST
from sites import Pair, Service, Site
from traffic import Background, Server, scaled

GROUP = "live"
EXIT_INVALID = 2


class Talk:
    """A connection that has to live: a word goes there and back whenever asked."""

    def __init__(self, context, service):
        self._client = service.connect()
        self._words = 0
        context.defer(self._client.close)
        self.check()

    def check(self):
        self._words += 1
        traffic.echo_once(self._client, f"word {self._words}".encode())


def connects(host, port):
    """Whether a port is open, as a client sees it."""
    try:
        with host.connect(port, seconds=10):
            return True
    except OSError:
        return False


def who_answers(service):
    """The first line that the server says; each server says its name."""
    with service.connect(seconds=10) as client:
        return traffic.read_to_end(client).decode()


def say(name):
    def handler(connection):
        connection.sendall(name.encode())
        connection.shutdown(socket.SHUT_WR)
        traffic.read_to_end(connection)
    return handler


def reload(site, ok=True):
    """What `fairlead system reload` prints, and its exit code. Where the gateway was faster than the command, it names
    the change all the same."""
    done = site.command("system", "reload", ok=ok)
    return done.stdout.decode(), done.stderr.decode(), done.returncode


@scenario(GROUP)
def services_come_and_go(context):
    """A listener and a connector are added and taken away under an open connection of another service. A connection of
    what is taken away goes on to its own end; new ones are refused."""
    pair = Pair(context, forward=1, backward=0).start()
    Server(context, pair.forward[0].server, pair.forward[0].server_port, traffic.echo)
    talk = Talk(context, pair.forward[0])
    for round_number in range(3):
        added = Service("added", pair.west, pair.east)
        server = Server(context, added.server, added.server_port, traffic.echo)
        began = time.monotonic()
        pair.west.wait_matched("added")
        context.note(f"round {round_number}: live after {(time.monotonic() - began) * 1000:.0f} ms")
        own = Talk(context, added)
        talk.check()
        pair.west.remove("Listener-added.yaml")
        wait_until("the port to be closed", lambda port=added.port: not connects(pair.west.host, port))
        own.check()
        pair.east.remove("Connector-added.yaml")
        pair.east.wait_until("the connector to be gone",
                             lambda: "added" not in pair.east.snapshot()["network"]["keys"])
        own.check()
        talk.check()
        server.close()
    expect(not (pair.west.root / "runtime" / "resources" / "Listener-added.yaml").exists(),
           "the status of a listener that is gone")
    expect_equal(pair.west.link()["ups"], 1, "times the link came up")


@scenario(GROUP)
def listener_changes(context):
    """Another routing key: the port stays open, and no client is refused. Another port: the old one closes. Two
    listeners change ports. Connections that are open stay."""
    pair = Pair(context, forward=2, backward=0).start()
    first, second = pair.forward
    for service in (first, second):
        Server(context, service.server, service.server_port, traffic.echo)
    talk = Talk(context, first)
    west = pair.west
    spec = {"host": west.host.local, "port": first.port}

    told = Service("told", west, pair.east)
    others = {name: pair.east.add_connector(name) for name in ("one", "other")}
    for name, port in {"told": told.server_port, **others}.items():
        Server(context, told.server, port, say(name))
    for name in ("told", *others):
        pair.west.wait_until(f"{name} to be known", lambda name=name: pair.west.candidates(name) == 1)
    pair.west.wait_matched("told")
    stop = []
    def keep_asking():
        answers = []
        while not stop:
            answers.append(who_answers(told))
        return answers
    clients = Background(keep_asking)
    for key in ("one", "other", "one", "told"):
        west.add("Listener", "told", {**spec, "routingKey": key, "port": told.port})
        out, _, _ = reload(west)
        expect(f"Listener told: routing key {key}" in out, out)
        wait_until(f"{key} to answer", lambda key=key: who_answers(told) == key)
    stop.append(True)
    answers = clients.join()
    expect(set(answers) <= {"told", *others}, lambda: f"answers {set(answers)}")
    context.note(f"{len(answers)} clients while the key changed four times, none refused")

    old = first.port
    first.port = west.host.free_port()
    west.add("Listener", first.key, {"routingKey": first.key, **spec, "port": first.port})
    reload(west)
    expect(not connects(west.host, old), "the old port is open")
    talk.check()
    more = Talk(context, first)

    first.port, second.port = second.port, first.port
    for service in (first, second):
        west.add("Listener", service.key, {"routingKey": service.key, **spec, "port": service.port})
    out, _, _ = reload(west)
    expect_equal(out.count("port "), 2, "ports that changed")
    for service in (first, second):
        Talk(context, service)
    talk.check()
    more.check()


@scenario(GROUP)
def connector_changes_its_server(context):
    """Clients that come meanwhile reach the one or the other server; none is refused. With and without health probe."""
    for probe in ("tcp", "none"):
        own = context.nested(probe)
        pair = Pair(own, forward=1, backward=0)
        service, east = pair.forward[0], pair.east
        ports = {"old": service.server_port, "new": service.server.free_port()}
        for name, port in ports.items():
            Server(own, service.server, port, say(name))
        east.add("Connector", service.key, {"routingKey": service.key, "host": east.host.local,
                                            "port": ports["old"], "healthProbe": probe})
        pair.start()
        stop = []
        def keep_asking(service=service, stop=stop):
            answers = []
            while not stop:
                answers.append(who_answers(service))
            return answers
        clients = Background(keep_asking)
        for name in ("new", "old", "new"):
            east.add("Connector", service.key, {"routingKey": service.key, "host": east.host.local,
                                                "port": ports[name], "healthProbe": probe})
            reload(east)
            wait_until(f"the {name} server to answer", lambda name=name, service=service: who_answers(service) == name)
        stop.append(True)
        answers = clients.join()
        expect_equal(set(answers), {"old", "new"}, "answers")
        expect_equal(who_answers(service), "new", "the last server")
        own.note(f"healthProbe {probe}: {len(answers)} clients, none refused")
        own.close()


@scenario(GROUP)
def link_leads_elsewhere(context):
    """The accepting site opens another port, the link's endpoint follows, the old port closes: a connection that is
    open stays on the old session until it ends, clients that come are never refused, and then the old session is gone.
    """
    pair = Pair(context, forward=1, backward=0).start()
    service = pair.forward[0]
    Server(context, service.server, service.server_port, traffic.echo)
    talk = Talk(context, service)
    stop = []
    def keep_connecting():
        count = 0
        while not stop:
            with service.connect() as client:
                traffic.echo_once(client, b"?")
            count += 1
        return count
    clients = Background(keep_connecting)
    port = pair.east.host.free_port()
    pair.east.add("RouterAccess", "more", {
        "bindHost": pair.east.host.address, "roles": [{"name": "inter-router", "port": port}],
        "subjectAlternativeNames": [pair.east.host.address]})
    reload(pair.east)
    text = (pair.west.inputs / "link.yaml").read_text()
    expect(str(pair.east.access_port) in text, text)
    pair.west.write("link.yaml", text.replace(str(pair.east.access_port), str(port)))
    out, _, _ = reload(pair.west)
    expect("endpoint" in out, out)
    pair.west.wait_until("the link to be up at its new endpoint",
                         lambda: pair.west.link()["url"].endswith(f":{port}") and pair.west.link()["active"])
    pair.east.remove("RouterAccess-links.yaml")
    reload(pair.east)
    talk.check()
    stop.append(True)
    count = clients.join()
    expect_equal(len(pair.east.snapshot()["incomingLinks"]), 2, "incoming links while a connection is open on the old")
    talk._client.close()  # pylint: disable=protected-access
    wait_until("the old link to end", lambda: len(pair.east.snapshot()["incomingLinks"]) == 1)
    context.note(f"{count} clients meanwhile, none refused")


@scenario(GROUP)
def link_is_removed(context):
    """A link that is taken away takes no new connections; one that is open stays until its end. Added again it is up at
    once."""
    pair = Pair(context, forward=1, backward=0).start()
    service = pair.forward[0]
    Server(context, service.server, service.server_port, traffic.echo)
    talk = Talk(context, service)
    text = (pair.west.inputs / "link.yaml").read_text()
    pair.west.remove("link.yaml")
    out, _, _ = reload(pair.west)
    expect("Link link-east: removed" in out, out)
    wait_until("the listener to close", lambda: not connects(service.client, service.port))
    talk.check()
    talk._client.close()  # pylint: disable=protected-access
    wait_until("the link to end", lambda: not pair.east.snapshot()["incomingLinks"])
    wait_until("east to say why the link is down", lambda: "closed" in pair.east.log())
    pair.west.write("link.yaml", text)
    pair.west.wait_link()
    pair.west.wait_matched(service.key)
    Talk(context, service)


@scenario(GROUP)
def wrong_input_changes_nothing(context):
    """A document that is wrong, a port that another program has, a bundle that cannot be read: each is reported by
    reload (exit code 2), log and status, nothing changes, and the next good input is in use at once."""
    pair = Pair(context, forward=1, backward=0).start()
    service, west = pair.forward[0], pair.west
    Server(context, service.server, service.server_port, traffic.echo)
    talk = Talk(context, service)

    def refused(*words):
        _, error, code = reload(west, ok=False)
        expect_equal(code, EXIT_INVALID, f"exit code; {error}")
        for word in (*words, "stay as they are"):
            expect(word in error, f"'{word}' is not in: {error}")
        site = west.resource("Site", "west")["status"]
        expect_equal(site["status"], "Error", "status of the site")
        expect(words[0] in site["message"], f"the status says {site['message']}")
        wait_until("the log to say it", lambda words=words: words[0] in west.log())
        # Opened before the other one failed, perhaps, and taken back.
        wait_until("the other listener of the same change to be closed", lambda: not connects(west.host, other))
        talk.check()
        Talk(context, service)

    other = west.add_listener("other", key=service.key)
    west.write("wrong.yaml", "kind: Listener\nmetadata: {name: wrong}\n"
                             "spec: {routingKey: wrong, host: 127.0.0.1, port: 70000}\n")
    refused("spec.port", "70000", "wrong.yaml:3")
    port = west.host.free_port()
    with west.host.listen(port):
        west.write("wrong.yaml", json.dumps({"kind": "Listener", "metadata": {"name": "wrong"}, "spec": {
            "routingKey": "wrong", "host": west.host.local, "port": port}}))
        refused("Listener wrong", "another program has this port")
    west.remove("wrong.yaml")
    out, _, _ = reload(west)
    expect("Listener other: added" in out, out)
    wait_until("the other listener to open", lambda: connects(west.host, other))
    expect_equal(west.resource("Site", "west")["status"]["status"], "Ready", "status of the site")
    out, _, _ = reload(west)
    expect(out.startswith("Nothing changed. The last change, ") and "Listener other: added" in out, out)
    found = json.loads(west.command("system", "reload", "-o", "json").stdout)
    expect_equal(found["changes"], [], "changes as JSON")


@scenario(GROUP)
def an_unwritable_runtime_folder(context):
    """A gateway that cannot write what it has to says which folder and why, and does not run; neither do commands."""
    mount = need_program("mount")
    site = Site(context, context.network.west, "west")
    site.add_access()
    folder = site.root / "runtime"
    folder.mkdir()
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode != 0:
        raise Skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    context.defer(subprocess.run, ["umount", str(folder)])
    process = site.start(wait=False).process
    expect(process.wait() == 1, lambda: f"it ended with {process.wait()}: {site.log()}")
    said = site.log()
    expect("Read-only file system" in said and str(folder) in said, f"it says: {said}")
    context.note(said.splitlines()[-1].split(" ", 1)[1].strip())
    done = site.command("link", "generate", ok=False)
    expect(done.returncode == 1 and str(folder) in done.stderr.decode(), f"link generate says: {done}")
    subprocess.run([mount, "-o", "remount,rw", str(folder)], check=True)
    site.start()
    expect(site.command("link", "generate").stdout, "no link once the folder can be written to")


@scenario(GROUP)
def status_on_a_full_disk(context):
    """No room for the files of the status: traffic and changes go on, the log says why; with room all is there."""
    mount = need_program("mount")
    pair = Pair(context, forward=1, backward=0).start()
    west, service = pair.west, pair.forward[0]
    server = Server(context, service.server, service.server_port, traffic.echo)
    talk = Talk(context, service)
    folder = west.root / "runtime" / "resources"
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=8k,mode=0755", "tmpfs", str(folder)], capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise Skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    context.defer(subprocess.run, ["umount", str(folder)])
    filler = folder / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    port = west.host.free_port()
    west.add("Listener", "another", {"routingKey": service.key, "host": west.host.local, "port": port})
    wait_until("the listener to be open", lambda: connects(west.host, port))
    with west.host.connect(port) as client:
        traffic.echo_once(client, b"by the new one")
    wait_until("the log to say why", lambda: "No space left" in west.log())
    talk.check()
    for _ in range(2):
        before = (west.root / "runtime" / "status.json").stat().st_mtime_ns
        west.wait_until("it to be tried again",
                        lambda: (west.root / "runtime" / "status.json").stat().st_mtime_ns != before)
    filler.unlink()
    file = folder / "Listener-another.yaml"
    wait_until("the status to be written", lambda: file.exists() and f"port: {port}" in file.read_text())
    expect_equal(west.log().count("the status is not up to date"), 1, "how often the log says so")
    talk.check()
    server.close()


@scenario(GROUP)
def thousand_changes_under_load(context):
    """Listeners, connectors, costs and an access change all the time, while connections that are not theirs carry bulk
    and small messages: none of them is lost."""
    pair = Pair(context, forward=2, backward=1).start()
    bulk, small, back = pair.forward[0], pair.forward[1], pair.backward[0]
    for service in (bulk, back):
        Server(context, service.server, service.server_port, traffic.sink)
    Server(context, small.server, small.server_port, traffic.echo)
    talk = Talk(context, small)
    stop = []
    def keep_uploading(service):
        count = 0
        while not stop:
            traffic.upload(service.connect(), 4 * 1024 * 1024)
            count += 1
        return count
    uploads = [Background(keep_uploading, service) for service in (bulk, back)]
    ports = [pair.west.host.free_port() for _ in range(4)]
    for number in range(1, scaled(340) + 1):
        name = f"extra-{number % 3}"
        pair.west.add("Listener", name, {"routingKey": f"key-{number % 5}", "host": pair.west.host.local,
                                         "port": ports[number % 3]})
        pair.west.set_link_cost("link-east", 1 + number % 7)
        if number % 4 == 0:
            pair.west.remove(f"Listener-{name}.yaml")
        pair.east.add("Connector", name, {"routingKey": f"key-{number % 2}", "host": pair.east.host.local,
                                          "port": small.server_port + number % 2, "healthProbe": "none"})
        for site in (pair.west, pair.east):
            reload(site)
        talk.check()
    stop.append(True)
    transfers = sum(upload.join() for upload in uploads)
    link = pair.west.link()
    expect_equal((link["ups"], "lastError" in link), (1, False), "times the link came up, and errors")
    talk.check()
    made = sum(int(count) for site in (pair.west, pair.east)
               for count in re.findall(r": (\d+) changes?$", site.log(), re.MULTILINE))
    expect(made > scaled(900), f"only {made} changes")
    context.note(f"{made} changes during {transfers} transfers of 4 MiB")


@scenario(GROUP)
def thousand_listeners(context):
    """1,000 listeners and 1,000 connectors: the time until they are loaded, and until one more is live, is printed."""
    pair = Pair(context, forward=1, backward=0)
    count = scaled(1000)
    def document(kind, index, port, host):
        return json.dumps({"kind": kind, "metadata": {"name": f"many-{index}"}, "spec": {
            "routingKey": f"many-{index}", "host": host, "port": port, **(
                {"healthProbe": "none"} if kind == "Connector" else {})}})
    first = PORT_LAST + 1  # nobody else is given these
    for index in range(count):
        pair.west.write(f"many-{index}.yaml", document("Listener", index, first + index, pair.west.host.local))
        pair.east.write(f"many-{index}.yaml", document("Connector", index, first + index, pair.east.host.local))
    pair.start()
    for site in (pair.east, pair.west):
        took = next(line for line in site.log().splitlines() if "ready: " in line).rsplit("started in ", 1)[1]
        context.note(f"{site.name} started in {took}")
    pair.west.wait_matched(f"many-{count - 1}")
    Server(context, pair.forward[0].server, pair.forward[0].server_port, traffic.echo)
    took = []
    for _ in range(5):
        port = pair.west.host.free_port()
        began = time.monotonic()
        pair.west.add("Listener", "one-more", {"routingKey": pair.forward[0].key, "host": pair.west.host.local,
                                               "port": port})
        wait_until("one more listener", lambda port=port: connects(pair.west.host, port), seconds=20)
        took.append(time.monotonic() - began)
    context.note(f"one more among {count} is live after {sorted(took)[2] * 1000:.0f} ms "
                 f"({min(took) * 1000:.0f} to {max(took) * 1000:.0f})")


@scenario(GROUP)
def two_hundred_links(context):
    """A site with two hundred links: all are up, a connection finds the cheapest, and one that comes or goes leaves the
    others alone."""
    pair = Pair(context, forward=1, backward=0).start()
    service, west = pair.forward[0], pair.west
    Server(context, service.server, service.server_port, traffic.echo)
    talk = Talk(context, service)
    text = (west.inputs / "link.yaml").read_text()
    name = west.links()[0]["metadata"]["name"]
    began = time.monotonic()
    # One change of the input, however many files: the gateway takes what is there once nothing more comes.
    for number in range(199):
        other = text.replace(name, f"more-{number}").replace("cost: 1", f"cost: {2 + number}")
        west.write(f"link-{number}.yaml", other)
    west.wait_until("two hundred links to be up",
                    lambda: sum(link["status"].get("active", False) for link in west.links()) == 200)
    context.note(f"199 more links were up after {time.monotonic() - began:.1f} s")
    talk.check()
    west.remove("link-7.yaml")
    west.wait_until("one of them to be gone", lambda: len(west.links()) == 199)
    with service.connect() as client:
        traffic.echo_once(client, b"over the cheapest of many")
    talk.check()

    def links():
        return {link["metadata"]["name"]: link["status"] for link in west.links()}
    west.wait_until("both connections to be counted on the cheapest link",
                    lambda: links()[name]["streams"]["total"] == 2)
    expect_equal({link["ups"] for link in links().values()}, {1}, "times the links came up")


@scenario(GROUP)
def site_changes(context):
    """Fields of the Site under an open connection: the metrics move to another address of their port, to another port,
    and go; latency changes; linkTimeout and cipherSuites change, and the running link gets the other cipher without a
    stream noticing; a change of edge is refused."""
    pair = Pair(context, forward=1, backward=0).start()
    service, west, east = pair.forward[0], pair.west, pair.east
    Server(context, service.server, service.server_port, traffic.echo)
    talk = Talk(context, service)
    port, other = west.host.free_port(), west.host.free_port()

    def has_metrics(address, at):
        done = context.run(["curl", "--silent", "--max-time", "5", f"http://{address}:{at}/metrics"], host=west.host,
                           ok=False)
        return b"fairlead_build_info" in done.stdout

    for host, at in ((west.host.local, port), ("0.0.0.0", port), (west.host.local, other)):
        west.add("Site", "west", {"metrics": {"host": host, "port": at}})
        out, _, _ = reload(west)
        expect("Site: metrics changed" in out, out)
        expect(has_metrics(west.host.local, at), f"no metrics at {host}:{at}")
    expect(not has_metrics(west.host.local, port), "metrics at the port before")
    with west.host.listen(port):
        west.add("Site", "west", {"metrics": {"host": west.host.local, "port": port}})
        _, error, code = reload(west, ok=False)
        expect_equal(code, EXIT_INVALID, f"exit code; {error}")
    expect(has_metrics(west.host.local, other), "the metrics are gone after a change that was refused")
    west.add("Site", "west", {})
    reload(west)
    expect(not has_metrics(west.host.local, other), "metrics that were taken away")

    for latency in ("low", "normal"):
        west.add("Site", "west", {"latency": latency})
        out, _, _ = reload(west)
        expect("Site: latency changed" in out, out)
        talk.check()

    suite = "TLS_CHACHA20_POLY1305_SHA256"
    before = west.link()["tls"]["cipher"]
    expect(before != suite, f"the cipher was {suite} before")
    east.add("Site", "east", {"cipherSuites": [suite], "linkTimeout": "3s"})
    reload(east)
    west.wait_until("the link to have the other cipher", lambda: west.link()["tls"]["cipher"] == suite)
    talk.check()
    expect_equal(west.link()["ups"], 1, "times the link came up")

    text = (west.inputs / "link.yaml").read_text()
    west.write("link.yaml", text.replace("name: inter-router", "name: edge"))
    west.add("Site", "west", {"edge": True})
    _, error, code = reload(west, ok=False)
    expect_equal(code, EXIT_INVALID, f"exit code; {error}")
    expect("edge" in error and "next start" in error, error)
    talk.check()
