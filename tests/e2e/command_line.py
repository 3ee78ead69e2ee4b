"""The command line as a user or a script meets it."""

import json
import re
import time

import traffic
from harness import expect, expect_equal, need_program, scenario, wait_until
from sites import Pair, Site
from traffic import Server

GROUP = "command_line"

BAD_RESOURCES = """apiVersion: skupper.io/v2alpha1
kind: Listener
metadata:
  name: web
spec:
  routingKey: web
  host: 127.0.0.1
  port: 80800
---
kind: Connector
metadata: {name: web}
spec: {routingKey: web, hots: 127.0.0.1, host: 127.0.0.1, port: 80}
"""


@scenario(GROUP)
def check_names_file_line_and_field(context):
    """`fairlead check` on bad resources: exit code 2, and every mistake with file, line, field and what is allowed."""
    site = Site(context, context.network.west, "west")
    expect_equal(site.command("check").returncode, 0, "exit code for good resources")
    site.write("bad.yaml", BAD_RESOURCES)
    for words in (["check"], ["check", str(site.inputs / "bad.yaml")]):
        done = site.command(*words, ok=False)
        says = (done.stdout + done.stderr).decode()
        expect_equal(done.returncode, 2, f"exit code; it says {says}")
        for part in ("bad.yaml:8:", "spec.port", "80800", "65535", "bad.yaml:12:", "hots", "host"):
            expect(part in says, lambda part=part: f"'{part}' is missing in: {says}")
    site.write("bad.yaml", "kind: Listener\nmetadata: {name: [\n")
    done = site.command("check", ok=False)
    expect(done.returncode == 2 and b"bad.yaml:" in done.stderr + done.stdout, f"broken YAML: {done}")


@scenario(GROUP)
def run_refuses_bad_input(context):
    """`fairlead run` with one bad resource among good ones: exit code 2, and nothing was started."""
    site = Site(context, context.network.west, "west")
    site.add_access()
    port = site.add_listener("good")
    site.write("bad.yaml", BAD_RESOURCES)
    process = site.start(wait=False).process
    expect_equal(process.wait(), 2, "exit code")
    expect("bad.yaml:8:" in site.log() and "not started" in site.log(), lambda: f"it says: {site.log()}")
    expect(not site.host.listens(port) and not site.host.listens(site.access_port, site.host.address), "it listens")
    expect(not (site.root / "runtime" / "status.json").exists(), "it wrote a status")


@scenario(GROUP)
def generated_link_is_all_it_takes(context):
    """What `link generate` prints makes the link, put into the other site's input; each has its own certificate."""
    pair = Pair(context, forward=1, backward=1)
    first = pair.east.generate_link("--cost", "7", "--name", "to-frankfurt")
    second = pair.east.generate_link()
    expect(first.split("tls.crt")[1][:400] != second.split("tls.crt")[1][:400], "two links share a certificate")
    pair.west.write("link.yaml", first)
    pair.east.start()
    pair.west.start()
    pair.wait_linked()
    link = pair.west.link("to-frankfurt")
    expect_equal((link["cost"], link["site"]), (7, "east"), "cost and site of the link")
    for service in (pair.forward[0], pair.backward[0]):
        server = Server(context, service.server, service.server_port, traffic.echo)
        with service.connect() as client:
            traffic.echo_once(client, b"hello")
        server.check(1)
    late = pair.east.generate_link("--name", "late")
    expect("kind: Secret" in late, f"while the gateway runs it prints: {late[:300]}")
    done = pair.east.command("link", "generate", "--host", "elsewhere.example", ok=False)
    expect(done.returncode == 2 and b"subjectAlternativeNames" in done.stderr, f"a host of no certificate: {done}")
    keys = [path for path in pair.east.root.rglob("*.key")]
    expect(keys and all(path.stat().st_mode & 0o077 == 0 for path in keys), f"modes of {keys}")


@scenario(GROUP)
def link_status_in_every_format(context):
    """`link status` as table, details, JSON and YAML tells remote site, RTT, TLS, sessions and bytes, at both ends."""
    pair = Pair(context, forward=1, backward=0).start()
    service = pair.forward[0]
    server = Server(context, service.server, service.server_port, traffic.echo)
    with service.connect() as client:
        traffic.echo_once(client, bytes(100_000))
    server.check(1)
    wait_until("the status to show the bytes", lambda: pair.west.link()["bytes"]["out"] >= 100_000)
    wait_until("the RTT to be measured", lambda: pair.west.link()["rttMicroseconds"] > 0)
    sessions = pair.west.wait_link()["sessions"]
    table = pair.west.command("link", "status").stdout.decode()
    for part in ("NAME", "STATUS", "link-east", "Ready", "TLSv1.3", "AES_128_GCM",
                 f"{sessions['up']}/{sessions['wanted']}"):
        expect(part in table, lambda part=part: f"'{part}' is missing in:\n{table}")
    incoming = pair.east.command("link", "status").stdout.decode()
    expect("Incoming links:" in incoming and "west" in incoming, lambda: f"east shows:\n{incoming}")
    details = pair.west.command("link", "status", "link-east").stdout.decode()
    expect("user space" in details or "kernel" in details, lambda: f"protection is missing in:\n{details}")
    links = json.loads(pair.west.command("link", "status", "-o", "json").stdout)
    status = links[0]["status"]
    expect(status["active"] and status["configured"] and status["bytes"]["out"] >= 100_000, f"status: {status}")
    expect(status["remoteSiteId"] and status["url"] and status["rttMicroseconds"] > 0, f"status: {status}")
    yaml = pair.west.command("link", "status", "-o", "yaml").stdout.decode()
    expect("kind: Link" in yaml and "BEGIN" not in yaml, lambda: f"as YAML:\n{yaml}")
    done = pair.west.command("link", "status", "link-wset", ok=False)
    expect(done.returncode == 1 and b"link-wset" in done.stderr, f"a link that is not there: {done}")


def scrape(site, port):
    """Value by series, of `fairlead_` left out."""
    words = [need_program("curl"), "-sSf", "--noproxy", "*", f"http://{site.host.local}:{port}/metrics"]
    text = site.context.run(words, host=site.host).stdout.decode()
    samples = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("fairlead_"): float(value) for name, value in samples}


@scenario(GROUP)
def metrics_tell_what_the_status_tells(context):
    """curl of /metrics while a link carries bytes: up, bytes, who protects its records, when its certificates end."""
    pair = Pair(context, forward=1, backward=0)
    port = pair.west.host.free_port()
    pair.west.add("Site", "west", {"metrics": {"host": pair.west.host.local, "port": port}})
    pair.start()
    service = pair.forward[0]
    server = Server(context, service.server, service.server_port, traffic.echo)
    with service.connect() as client:
        traffic.echo_once(client, bytes(100_000))
    server.check(1)
    status = wait_until("the bytes to be told",
                        lambda: (link := pair.west.link()) and link["bytes"]["out"] >= 100_000 and link)
    found = scrape(pair.west, port)
    remote = f'remote_site="east",remote_site_id="{status["remoteSiteId"]}"'
    mark = f'link="link-east",direction="outgoing",{remote},number="0"'
    expect_equal(found[f"link_up{{{mark}}}"], 1, "link_up")
    expect(found[f"link_sent_bytes_total{{{mark}}}"] >= 100_000, f"bytes: {found}")
    protection = status["tls"]["protection"]
    for records in ("send", "receive"):
        expect(any(name.startswith("link_record_protection_info") and f'records="{records}"' in name
                   and f'by="{protection[records]}"' in name for name in found), f"{records} of {protection}: {found}")
    days = [(value - time.time()) / 86400 for name, value in found.items()
            if name.startswith("certificate_expiry_timestamp_seconds") and 'whose="own"' in name]
    told = status["credentials"]["certificateDaysLeft"]  # whole days, a moment ago
    expect(len(days) == 1 and told - 0.1 < days[0] < told + 1, f"days left: {days}, and {told} in the status")


@scenario(GROUP)
def mistakes_on_the_command_line(context):
    """An unknown command or option: exit code 2 and what was meant; --help and version: exit code 0."""
    site = Site(context, context.network.west, "west")
    for words, says in ((["lnik", "status"], "link"), (["link", "statsu"], "status"),
                        (["run", "--shrads", "2"], "shards"), (["run", "--shards", "0"], "shards"), ([], "command")):
        done = site.command(*words, ok=False)
        expect_equal(done.returncode, 2, f"exit code of {words}")
        expect(says in done.stderr.decode(), lambda done=done: f"it says: {done.stderr.decode()}")
    expect(b"fairlead" in site.command("version").stdout, "version")
    expect(b"link" in site.command("--help").stdout, "help")


@scenario(GROUP)
def namespaces_side_by_side(context):
    """Two gateways of one machine and data root, in two namespaces, linked to each other."""
    site = Site(context, context.network.west, "west")
    site.add_access()
    other = site.home / "namespaces" / "other" / "input" / "resources"
    other.mkdir(parents=True)
    (other / "site.yaml").write_text("kind: Site\nmetadata: {name: annex}\n")
    (other / "link.yaml").write_text(site.generate_link("-n", "default"))
    site.start()
    second = context.start("annex", [context.binary, "run", "--namespace", "other"], host=site.host,
                           env=site.environment())
    wait_until("the second to link", lambda: "up, site west" in second.log())
    wait_until("its status to say so",
               lambda: b"Ready" in site.command("link", "status", "-n", "other", ok=False).stdout)


def table(site, *words, ok=True):
    """The rows of what a command prints, by column."""
    header, *rows = [re.split(r"  +", line) for line in site.command(*words, ok=ok).stdout.decode().splitlines()]
    return [dict(zip(header, row)) for row in rows]


@scenario(GROUP)
def status_of_resources(context):
    """site, listener and connector status: tables and JSON while the gateway runs, one by name, a name that is not
    there, and without a gateway what is configured, and exit code 1."""
    pair = Pair(context, forward=2, backward=0).start()
    west, east, service = pair.west, pair.east, pair.forward[0]
    west.add("MultiKeyListener", "both", {"host": west.host.local, "port": west.host.free_port(), "strategy": {
        "weighted": {"routingKeys": {service.key: 3, "nobody": 1}}}})
    west.command("system", "reload")
    west.wait_until("the listener of two keys to open", lambda: west.resource(
        "MultiKeyListener", "both")["status"]["hasDestination"])
    expect_equal(table(west, "site", "status"), [{"NAME": "west", "STATUS": "Ready", "MESSAGE": "OK"}], "the site")
    listeners = {row["NAME"]: row for row in table(west, "listener", "status")}
    expect_equal(listeners[service.key], {
        "NAME": service.key, "STATUS": "Ready", "ROUTING-KEY": service.key, "HOST": west.host.local,
        "PORT": str(service.port), "MATCHING-CONNECTOR": "true", "OPEN": "0", "MESSAGE": "OK"}, "a listener")
    expect_equal(listeners["both"]["ROUTING-KEY"], f"{service.key} (3), nobody (1)", "keys of the listener of two")
    [connector] = table(east, "connector", "status", service.key)
    expect_equal((connector["STATUS"], connector["PORT"]), ("Ready", str(service.server_port)), "a connector")
    [found] = json.loads(east.command("connector", "status", service.key, "-o", "json").stdout)
    expect_equal(found["spec"]["routingKey"], service.key, "a connector as JSON")
    done = west.command("listener", "status", "to-east-O", ok=False)
    expect_equal((done.returncode, "did you mean" in done.stderr.decode()), (1, True), done.stderr.decode())
    expect_equal(west.command("connector", "status").stdout.decode(), "There is no connector.\n", "nothing to show")
    east.terminate()
    east.process.wait()
    done = east.command("connector", "status", ok=False)
    expect_equal(done.returncode, 1, "exit code without a gateway")
    expect("is not running" in done.stderr.decode() and "Pending" in done.stdout.decode(), done.stdout.decode())
