"""What a gateway tells of itself: the admin API by curl, and metrics that promtool takes and that are true."""

import contextlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import stat
import subprocess
import termios
import threading

import traffic
from harness import Skip, expect, expect_equal, need_program, scenario, wait_until
from sites import Service
from traffic import Server

GROUP = "admin"
SIZE = 3_000_000
GREETING = b"Whoever you are: welcome."


def ask(context, site, path, *options, ok=True, user=None):
    """curl's exit code, the status and the body."""
    socket = site.root / "runtime" / "gateway.sock"
    argv = ["curl", "--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}", *options,
            "--unix-socket", str(socket), f"http://gateway{path}"]
    if user:
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]
    done = context.run(argv, ok=ok)
    body, _, status = done.stdout.decode().rpartition("\n")
    return int(status or 0), body


@scenario(GROUP)
def admin_api_by_curl(context):
    """Status, resources, reload, a trace line by line, a log level; and errors that say what there is."""
    need_program("curl")
    pair = context.group.pair()
    west = pair.west
    service = pair.service()
    server = Server(context, service.server, service.server_port, traffic.echo)

    def get(path):
        status, body = ask(context, west, path)
        expect_equal(status, 200, f"status of {path}")
        return json.loads(body)
    expect_equal(get("/v1/health")["status"], "ok", "health")
    expect_equal(get("/v1/status")["site"], west.snapshot()["site"], "site")
    expect_equal(get(f"/v1/resources/Listener/{service.key}")["spec"]["port"], service.port, "port")
    expect_equal(sorted(site["name"] for site in get("/v1/network")["sites"]), ["east", "west"], "sites")
    expect(get("/v1/version")["version"] in west.command("version").stdout.decode(), "version")

    status, body = ask(context, west, "/v1/trace", "--data", json.dumps({"routingKey": service.key}))
    lines = [json.loads(line) for line in body.splitlines()]
    expect_equal((status, [line["hop"]["siteName"] for line in lines[:-1]], lines[-1]),
                 (200, ["west", "east"], {"done": True}), "trace")
    west.write("one-more.yaml", json.dumps({"kind": "Listener", "metadata": {"name": "one-more"}, "spec": {
        "routingKey": "one-more", "host": west.host.local, "port": west.host.free_port()}}))
    status, body = ask(context, west, "/v1/reload", "--request", "POST")
    told = json.loads(body)
    expect(told["changes"] + told["earlierChanges"] == ["Listener one-more: added"], body)
    west.remove("one-more.yaml")
    status, body = ask(context, west, "/v1/log-level", "--request", "PUT", "--data", '{"level": "debug"}')
    expect_equal((status, get("/v1/log-level")), (200, {"level": "debug"}), "log level")
    ask(context, west, "/v1/log-level", "--request", "PUT", "--data", '{"level": "info"}')
    for path, options, wanted, says in (("/v2", (), 404, "/v1/status"), ("/v1/reload", (), 405, "POST"),
                                        ("/v1/trace", ("--data", "{}"), 400, "routingKey"),
                                        ("/v1/resources/Listener/none", (), 404, "no Listener none"),
                                        ("/v1/trace", ("--data", "x" * 100_000), 413, "")):
        status, body = ask(context, west, path, *options)
        expect_equal(status, wanted, f"status of {path}")
        expect(says in body, body)
    server.close()


@scenario(GROUP)
def the_api_is_not_for_everybody(context):
    """0600, and the user that connects is looked at: even who can reach the socket is refused."""
    need_program("curl", "setpriv")
    if os.geteuid() != 0:
        raise Skip("to ask as another user takes root")
    west = context.group.pair().west
    socket = west.root / "runtime" / "gateway.sock"
    expect_equal(stat.S_IMODE(socket.stat().st_mode), 0o600, "mode of the socket")
    opened = []
    try:
        for path in [socket, *socket.parents]:
            mode = stat.S_IMODE(path.stat().st_mode)
            if path == pathlib.Path("/") or mode & 0o007 == 0o007:
                continue
            opened.append((path, mode))
            path.chmod(mode | 0o007)
        status, body = ask(context, west, "/v1/status", user=65534, ok=False)
        expect_equal(status, 403, "status for another user")
        expect("the user that runs the gateway" in body, body)
        expect_equal(ask(context, west, "/v1/health")[0], 200, "status for the user")
    finally:
        for path, mode in opened:
            path.chmod(mode)


@scenario(GROUP)
def top_tells_what_happens(context):
    """Rates of the very traffic, for programs and for people; and a screen that a key ends."""
    pair = context.group.pair()
    west = pair.west
    service = pair.service()
    server = Server(context, service.server, service.server_port, traffic.echo)
    stop = threading.Event()

    def load():
        with service.connect() as client:
            while not stop.is_set():
                traffic.echo_once(client, bytes(1000))
    loader = traffic.Background(load)
    try:
        lines = west.command("top", "--interval", "2", "--count", "2", "-o", "json").stdout.decode().splitlines()
        table = west.command("top", "--interval", "1").stdout.decode()
        screen = screen_of_top(west)
    finally:
        stop.set()
        loader.join()
    expect_equal(len(lines), 2, "lines of JSON")
    rates = json.loads(lines[1])
    key = next(key for key in rates["keys"] if (key["routingKey"], key["side"]) == (service.key, "listener"))
    expect(key["inBitsPerSecond"] > 0 and key["outBitsPerSecond"] > 0 and key["connections"] == 1, key)
    link = next(link for link in rates["links"] if link["siteName"] == "east")
    # What is measured a moment apart differs.
    expect(0.3 < link["outBitsPerSecond"] / key["inBitsPerSecond"] < 3, (link, key))
    expect(any(shard["turnsPerSecond"] > 0 and shard["completionsPerTurn"] > 0 and shard["linkOut"]["bytesPerCall"] > 0
               and shard["wakeUpsPerSecond"] + shard["preemptionsPerSecond"] > 0 for shard in rates["shards"]),
           rates["shards"])
    for words in ("site west", "WAKE-UPS/S", "QUEUED-P99", service.key):
        expect(words in table, table)
        expect(words in screen, screen)
    server.close()


def screen_of_top(site):
    """What it draws on a terminal of its own until it has drawn rates, and then is told to end by q."""
    keys, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (50, 200))
    argv = [site.context.binary, "top", "--interval", "1"]
    process = subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal,
                               env={**site.environment(), "TERM": "xterm"}, start_new_session=True)
    os.close(terminal)
    drawn = b""
    try:
        while b"QUEUED-P99" not in drawn or site.name.encode() not in drawn:
            ready, _, _ = select.select([keys], [], [], 30)
            expect(ready and process.poll() is None, lambda: f"top drew only {drawn}")
            drawn += os.read(keys, 65536)
        os.write(keys, b"q")
        with contextlib.suppress(OSError):  # its other end is closed
            while data := os.read(keys, 65536):
                drawn += data
        expect_equal(process.wait(20), 0, "exit code of top")
    finally:
        process.kill()
        os.close(keys)
    return drawn.decode(errors="replace")


def metrics_of(context, site):
    status, text = ask(context, site, "/v1/metrics")
    expect_equal(status, 200, "status")
    return text


def value(text, name, **labels):
    """Of the one series that has these labels among its own."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(rf"fairlead_{name}(?:\{{(.*)\}})? (\S+)", line)
        if match and all(f'{label}="{wanted}"' in (match[1] or "") for label, wanted in labels.items()):
            found.append(float(match[2]))
    expect_equal(len(found), 1, f"series of {name} {labels}")
    return found[0]


@scenario(GROUP)
def metrics_are_true(context):
    """Of a routing key at either end: connections, bytes, failures by reason, how long first bytes and connects took;
    of the link: round trips and queueing; of shards: turns."""
    pair = context.group.pair()
    service = Service("figures", pair.west, pair.east)
    pair.west.wait_matched(service.key)

    def greet(connection):
        connection.sendall(GREETING)  # so that not as much goes one way as the other
        traffic.echo(connection)
    server = Server(context, service.server, service.server_port, greet)
    for _ in range(3):
        with service.connect() as client:
            traffic.read_exactly(client, len(GREETING))
            traffic.exchange(SIZE)(client)
    server.check(3)
    server.close()
    # Nobody listens any more: the reset may come while it connects.
    with contextlib.suppress(ConnectionResetError), service.connect() as refused:
        traffic.expect_reset(refused, "a client whose server is gone")

    def all_of(site, side):
        text = metrics_of(context, site)
        labels = {"routing_key": service.key, "side": side}
        if f'routing_key="{service.key}"' not in text:
            return None
        counted = sum(value(text, f"key_{way}_bytes_total", **labels) for way in ("received", "sent"))
        return text if counted >= to_server + to_client else None
    to_server, to_client = 3 * SIZE, 3 * (SIZE + len(GREETING))
    west = wait_until("west to tell", lambda: all_of(pair.west, "listener"))
    east = wait_until("east to tell", lambda: all_of(pair.east, "connector"))
    for text, side, received, sent in ((west, "listener", to_server, to_client),
                                       (east, "connector", to_client, to_server)):
        labels = {"routing_key": service.key, "side": side}
        expect_equal(value(text, "key_received_bytes_total", **labels), received, f"bytes received at the {side}")
        expect_equal(value(text, "key_sent_bytes_total", **labels), sent, f"bytes sent at the {side}")
    wait_until("the failure to be told", lambda: "connection refused by the server" in metrics_of(context, pair.west))
    west = metrics_of(context, pair.west)
    expect_equal(value(west, "key_failed_total", routing_key=service.key, side="listener",
                       reason="connection refused by the server"), 1, "connections refused")
    expect_equal(value(west, "key_first_byte_seconds_count", routing_key=service.key), 3, "first bytes")
    expect(0 < value(west, "key_first_byte_seconds_sum", routing_key=service.key) < 60, "time of first bytes")
    expect_equal(value(east, "key_connect_seconds_count", routing_key=service.key), 3, "connects")
    link = {"link": "link-east", "direction": "outgoing"}
    expect(value(west, "link_round_trip_time_seconds_count", **link) > 0, "round trips")
    expect(value(west, "link_queueing_seconds_count", **link) > 0, "bytes that waited")
    for shard in range(2):
        expect(value(west, "shard_turn_seconds_count", shard=shard) > 0, f"turns of shard {shard}")


def promtool(context):
    """Of this machine, or of the distribution's package: unpacked and not installed, for that would start a server."""
    found = shutil.which("promtool")
    if found:
        return found
    need_program("apt-get", "dpkg-deb")
    kept = pathlib.Path(context.binary).resolve().parent / "promtool"
    if not kept.exists():
        folder = context.path("package")
        folder.mkdir()
        try:
            subprocess.run(["apt-get", "-qq", "download", "prometheus"], cwd=folder, check=True, timeout=300,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (subprocess.SubprocessError, OSError) as error:
            raise Skip(f"there is no promtool, and its package prometheus cannot be had: {error}") from None
        package = next(folder.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
        new = kept.with_suffix(".new")
        shutil.copy(folder / "usr" / "bin" / "promtool", new)
        new.rename(kept)
        shutil.rmtree(folder)
    return str(kept)


@scenario(GROUP)
def metrics_pass_promtool(context):
    """promtool check metrics finds nothing, with links, listeners and connectors that have seen traffic."""
    program = promtool(context)
    pair = context.group.pair()
    service = pair.service()
    server = Server(context, service.server, service.server_port, traffic.echo)
    with service.connect() as client:
        traffic.echo_once(client, b"hello")
    server.close()
    for site in (pair.west, pair.east):
        done = subprocess.run([program, "check", "metrics"], input=metrics_of(context, site).encode(),
                              capture_output=True, timeout=60, check=False)
        expect(done.returncode == 0 and not done.stderr.strip(), (done.stdout + done.stderr).decode())
