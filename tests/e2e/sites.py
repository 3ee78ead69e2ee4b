"""A site under test: its folder of resources, its gateway, and what that says about itself; and two of them, linked."""

import base64
import json
import os
import re
import signal
import time

from harness import Failure, expect, wait_until
from traffic import scaled


class Site:
    def __init__(self, context, host, name, options=(), bare=False):
        self.context = context
        self.host = host
        self.name = name
        self.options = list(options)
        self.home = context.path(f"home-{name}")
        self.root = self.home / "namespaces" / "default"
        self.inputs = self.root / "input" / "resources"
        (self.home if bare else self.inputs).mkdir(parents=True)
        self.process = None
        self.starts = 0
        self.started_at = 0.0
        self.access_port = None
        self.edge_port = None
        if not bare:
            self.add("Site", name, {})

    @classmethod
    def bare(cls, context, host, name):
        """No file is there yet."""
        return cls(context, host, name, bare=True)

    # ---- resources

    def add(self, kind, name, spec):
        # In a virtual machine a gateway may not run for half a second.
        if kind == "Site" and scaled(100) < 100:
            spec = {"linkTimeout": "2s", **spec}
        document = {"apiVersion": "skupper.io/v2alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.write(f"{kind}-{name}.yaml", json.dumps(document))  # JSON is YAML

    def write(self, file, text):
        (self.inputs / file).write_text(text)

    def remove(self, file):
        (self.inputs / file).unlink()

    def add_access(self, edge=False, **more):
        self.access_port = self.host.free_port()
        roles = [{"name": "inter-router", "port": self.access_port}]
        if edge:
            self.edge_port = self.host.free_port()
            roles.append({"name": "edge", "port": self.edge_port})
        self.add("RouterAccess", "links", {"bindHost": self.host.address, "roles": roles,
                                           "subjectAlternativeNames": [self.host.address], **more})

    def add_listener(self, name, key=None, **more):
        port = self.host.free_port()
        self.add("Listener", name, {"routingKey": key or name, "host": self.host.local, "port": port, **more})
        return port

    def add_connector(self, name, key=None, port=None, probe=False, **more):
        """Not probed unless asked for: most scenarios start their server when the sites have long been linked."""
        port = port or self.host.free_port()
        self.add("Connector", name, {"routingKey": key or name, "host": self.host.local, "port": port,
                                     "healthProbe": "tcp" if probe else "none", **more})
        return port

    def add_link(self, name, port, credentials, host=None, **more):
        """One whose credentials are in input/certs (see add_credentials)."""
        self.add("Link", name, {"tlsCredentials": credentials, **more, "endpoints": [
            {"name": "inter-router", "host": host or self.context.network.east.address, "port": str(port)}]})

    def add_credentials(self, name, files):
        folder = self.root / "input" / "certs" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / file).write_text(text)

    def add_secret(self, name, files):
        """The same as a resource."""
        data = {file: base64.b64encode(text.encode()).decode() for file, text in files.items()}
        self.write(f"Secret-{name}.yaml", json.dumps(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}))

    # ---- the command line

    def environment(self):
        return {**os.environ, "FAIRLEAD_HOME": str(self.home)}

    def command(self, *words, ok=True, seconds=30):
        return self.context.run([self.context.binary, *words], host=self.host, env=self.environment(), ok=ok,
                                seconds=seconds)

    def generate_link(self, *words):
        return self.command("link", "generate", *words).stdout.decode()

    def links(self):
        """What `fairlead link status -o json` says, outgoing and incoming: a list of objects."""
        done = self.command("link", "status", "-o", "json", ok=False)
        return json.loads(done.stdout) if done.returncode == 0 else []

    # ---- life

    def start(self, *options, prefix=(), wait=True):
        self.starts += 1
        self.started_at = time.monotonic()
        argv = [*prefix, self.context.binary, "run", *self.options, *options]
        name = self.name if self.starts == 1 else f"{self.name}-{self.starts}"
        self.process = self.context.start(name, argv, host=self.host, env=self.environment())
        if wait:
            self.wait_ready()
        return self

    def run_again(self):
        """A second gateway for the same namespace."""
        return self.context.start(f"{self.name}-second", [self.context.binary, "run"], host=self.host,
                                  env=self.environment())

    def wait_ready(self):
        self.wait_until(f"{self.name} to be ready", lambda: "ready: " in self.process.log())

    def wait_until(self, what, condition):
        """What a gateway that ended will never do is not waited for."""
        def looked_at():
            expect(self.process is None or self.process.alive(),
                   lambda: f"{self.name} ended with {self.process.popen.returncode} instead; waited for {what}")
            return condition()
        return wait_until(what, looked_at)

    def kill(self):
        self.process.kill()

    def terminate(self):
        self.process.signal(signal.SIGTERM)

    def log(self):
        return self.process.log()

    # ---- status

    def snapshot(self):
        return json.loads((self.root / "runtime" / "status.json").read_text())

    def resource(self, kind, name):
        """KeyError if there is none (yet)."""
        found = {(r["kind"], r["metadata"]["name"]): r for r in self.snapshot()["resources"]}
        return found[kind, name]

    def link(self, name=None, incoming=False):
        """Status of one link, from the status file."""
        if incoming:
            return self.wait_until(f"{self.name} to show an incoming link",
                                   lambda: self.snapshot()["incomingLinks"][0]["status"])
        found = [r for r in self.snapshot()["resources"]
                 if r["kind"] == "Link" and (name is None or r["metadata"]["name"] == name)]
        return found[0]["status"]

    def candidates(self, key):
        """How many sites serve the key, as this one sees it."""
        return len(self.snapshot()["network"]["keys"].get(key, []))

    def set_link_cost(self, name, cost):
        """In its file; reload() makes it so."""
        for path in self.inputs.iterdir():
            text = path.read_text()
            if f"name: {name}\n" in text and "kind: Link" in text:
                path.write_text(re.sub(r"\bcost: \d+", f"cost: {cost}", text))
                return
        raise Failure(f"{self.name} has no link {name}")

    def reload(self):
        self.process.signal(signal.SIGHUP)

    def counter(self, name):
        return self.snapshot()["counters"][name]

    def wait_link(self, active=True, name=None, sessions=True):
        def seen():
            link = self.link(name)
            if link["active"] != active:
                return None
            complete = not active or not sessions or link["sessions"]["up"] == link["sessions"]["wanted"]
            return link if complete else None
        return self.wait_until(f"the link of {self.name} to be {'up' if active else 'down'}", seen)

    def wait_link_error(self, *words):
        """Until the link says, as the reason why it is down, something with all these words in it."""
        def seen():
            error = self.link()["lastError"]["message"]
            return error if all(word.lower() in error.lower() for word in words) else None
        try:
            return self.wait_until(f"{self.name} to say why", seen)
        except Failure as failure:
            raise Failure(f"{failure}; wanted {words}, the link says: {self.link().get('lastError')}") from None

    def wait_refusal(self, *words):
        """The same of a site that refused somebody; the log must say it too."""
        def seen():
            refused = self.resource("RouterAccess", "links")["status"]["lastRefused"]["message"]
            return refused if all(word.lower() in refused.lower() for word in words) else None
        try:
            message = self.wait_until(f"{self.name} to say why it refused", seen)
        except Failure as failure:
            status = self.resource("RouterAccess", "links")["status"]
            raise Failure(f"{failure}; wanted {words}, found {status.get('lastRefused')}") from None
        return message

    def wait_matched(self, listener):
        self.wait_until(f"listener {listener} to find a connector",
                        lambda: self.resource("Listener", listener)["status"]["hasMatchingConnector"])

    def wait_ready_status(self, wanted):
        """Until the set of kinds in the status is as wanted."""
        return wait_until("the status to follow",
                          lambda: wanted({each["kind"] for each in self.snapshot()["resources"]}))

    def faults(self):
        """One line: what was counted and what failed, for a scenario that failed."""
        snapshot = self.snapshot()
        counted = [f"{name} {count}" for name, count in snapshot["counters"].items() if count]
        failed = [f"{each['metadata']['name']}: {each['status']['lastError']}" for each in snapshot["resources"]
                  if "lastError" in each["status"]]
        return f"{self.name}: {', '.join(counted)}; {'; '.join(failed)}"

    def wait_idle(self):
        """Until nothing is open: a stream or socket that is forgotten shows here."""
        def idle():
            snapshot = self.snapshot()
            links = [r for r in snapshot["resources"] if r["kind"] == "Link"] + snapshot["incomingLinks"]
            return snapshot["connections"] == 0 and all(link["status"]["streams"]["open"] == 0 for link in links)
        self.wait_until(f"no connection to be left open at {self.name}", idle)


class Service:
    """A routing key: clients dial `port` at `client`, the server listens on `server_port` at `server`."""

    def __init__(self, key, client, server, listener=None, connector=None):
        """listener, connector: what their specs have besides."""
        self.key = key
        self.client = client.host
        self.server = server.host
        self.port = client.add_listener(key, **(listener or {}))
        self.server_port = server.add_connector(key, **(connector or {}))

    def connect(self, seconds=30):
        return self.client.connect(self.port, seconds=seconds)


class Pair:
    """West dials east. Services go both ways: `forward` ones have their clients at west."""

    def __init__(self, context, west_options=(), east_options=(), forward=4, backward=2):
        self.context = context
        self.west = Site(context, context.network.west, "west", west_options)
        self.east = Site(context, context.network.east, "east", east_options)
        self.east.add_access()
        self.forward = [Service(f"to-east-{i}", self.west, self.east) for i in range(forward)]
        self.backward = [Service(f"to-west-{i}", self.east, self.west) for i in range(backward)]
        self._given = {"forward": 0, "backward": 0}

    def start(self):
        self.west.write("link.yaml", self.east.generate_link())
        self.east.start()
        self.west.start()
        self.wait_linked()
        return self

    def wait_linked(self):
        self.west.wait_link()
        if self.forward:
            self.west.wait_matched(self.forward[-1].key)
        if self.backward:
            self.east.wait_matched(self.backward[-1].key)

    def service(self, direction="forward"):
        """One that no scenario before has used lately."""
        services = getattr(self, direction)
        self._given[direction] += 1
        return services[self._given[direction] % len(services)]

    def alive(self):
        return self.west.process.alive() and self.east.process.alive()

    def settle(self):
        """After a scenario: both run, and have forgotten what was."""
        for site in (self.west, self.east):
            expect(site.process.alive(), f"the gateway of {site.name} ended: {site.process.popen.poll()}")
            site.wait_idle()
