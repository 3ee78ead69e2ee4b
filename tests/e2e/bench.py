"""`fairlead bench`, and the comparison with other gateways: that what they say is what went over the way."""

import json
import pathlib
import subprocess

import traffic
from harness import Skip, expect, expect_equal, need_program, scenario, wait_until
from sites import Service
from traffic import Server, scaled

GROUP = "bench"
SECONDS = "0.5"


def serve(context, host, port):
    program = context.start("bench-server", [context.binary, "bench", "--serve", f"{host.local}:{port}"], host=host)
    wait_until("the bench's server to say where it is", lambda: "serving on" in program.log())
    return program


def bench(site, target, *words, ok=True):
    done = site.command("bench", target, "--time", SECONDS, "-o", "json", *words, ok=ok, seconds=90)
    return json.loads(done.stdout) if done.stdout else done


@scenario(GROUP)
def bench_over_the_way_of_a_key(context):
    """Requests, bulk each way and connections, between two sites: all answered, and bytes as the link counts them."""
    pair = context.group.pair()
    service = Service("measured", pair.west, pair.east)
    pair.west.wait_matched(service.key)
    serve(context, service.server, service.server_port)
    found = bench(pair.west, service.key, "--streams", "1,8", "--size", "3000")
    expect_equal([run["streams"] for run in found["runs"]], [1, 8], "streams")
    for run in found["runs"]:
        latency = run["latencyMicroseconds"]
        ordered = [latency[name] for name in ("p50", "p90", "p99", "p99.9")]
        expect(run["requests"] >= scaled(20) and run["errors"] == 0 and ordered == sorted(ordered), f"{run}")
    paced = bench(pair.west, service.key, "--rate", "100")["runs"][0]
    expect(45 <= paced["requests"] <= 51, f"a hundred requests a second for half of one: {paced}")
    for direction, ways in (("up", ["up"]), ("down", ["down"]), ("both", ["up", "down"])):
        def carried():
            return dict(pair.west.link()["bytes"])
        before = carried()
        run = bench(pair.west, service.key, "--mode", "bulk", "--streams", "3", "--direction", direction)["runs"][0]
        expect_equal(run["errors"], 0, "errors")
        for way, where in (("up", "out"), ("down", "in")):
            if way not in ways:
                expect_equal(run[way]["bytes"], 0, f"bytes {way} of bulk that goes {direction}")
                continue
            pair.west.wait_until("the link to have counted them",
                                 lambda: carried()[where] - before[where] >= run[way]["bytes"])
            expect(run[way]["bytes"] > 100_000, f"{run}")
    run = bench(pair.west, service.key, "--mode", "connects", "--streams", "4")["runs"][0]
    expect(run["requests"] >= scaled(10) and run["errors"] == 0, f"{run}")
    table = pair.west.command("bench", service.key, "--time", SECONDS, "-o", "benchdog").stdout.decode()
    expect(all(word in table for word in ("CLIENTS", "THROUGHPUT", "LATENCY AVG", "LATENCY 50%", "ops/s")), table)


@scenario(GROUP)
def bench_against_any_server(context):
    """A plain echo and a plain sink; a server that breaks off is counted and fails; what cannot be is said."""
    pair = context.group.pair()
    west = pair.west
    echo = Service("echo", west, pair.east)
    broken = Service("broken", west, pair.east)
    counted = Service("counted", west, pair.east)
    taken = []

    def counting_echo(connection):
        while data := connection.recv(65_536):
            taken.append(len(data))
            connection.sendall(data)
    for service in (echo, broken, counted):
        west.wait_matched(service.key)
    Server(context, counted.server, counted.server_port, counting_echo)
    Server(context, echo.server, echo.server_port, traffic.echo)
    Server(context, broken.server, broken.server_port, lambda connection: connection.sendall(connection.recv(10)))
    run = bench(west, echo.key, "--plain", "--streams", "2", "--size", "100000")["runs"][0]
    expect(run["requests"] > 0 and run["errors"] == 0, f"{run}")
    # Each connection has carried a request before the load begins, which does not count.
    run = bench(west, counted.key, "--plain", "--streams", "20", "--size", "1000", "--rate", "2")["runs"][0]
    expect_equal(run["requests"], 1, "requests that count, two a second for half of one")
    expect_equal(sum(taken), 21 * 1000, "bytes at the server")
    done = west.command("bench", echo.key, "--plain", "--time", SECONDS, "--phases")
    expect_equal(done.stderr, b"begin\nend\n", "the phases")
    found = bench(west, broken.key, "--plain", "--size", "1000", ok=False)
    expect(found["runs"][0]["errors"] > 0, f"{found}")
    for words, says in ((("nowhere",), b"no Listener of this site leads to 'nowhere'"),
                        (("127.0.0.1:1",), b"Connection refused"),
                        ((echo.key, "--plain", "--mode", "bulk", "--direction", "down"), b"only one of ours sends"),
                        (("127.0.0.1:1", "--mode", "connects", "--rate", "5"), b"--rate is for requests"),
                        ((), b"needs a routing key"),
                        (("a:b",), b"'a:b'")):
        done = west.command("bench", *words, "--time", SECONDS, ok=False)
        expect(done.returncode != 0 and says in done.stderr, f"{words}: {done.stderr.decode()}")


@scenario(GROUP)
def the_comparison_runs(context):
    """bench/compare from its start to its figures: every system that is installed, with and without a long way."""
    relay = pathlib.Path(context.binary).resolve().parents[2] / "bench" / "relay"
    if not relay.exists():
        raise Skip("a build with sanitizers has no benchmarks")
    need_program("haproxy", "openssl")
    script = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare"
    output = context.path("figures")
    cases = "bulk-1-down,requests-64-64,paced-1,connects,beside-bulk,far-10,idle-1000,failover-cut,failover-silent"
    done = subprocess.run([script, "--binary", context.binary, "--relay", relay, "--rounds", "1", "--seconds", "0.3",
                           "--systems", "direct,fairlead,haproxy", "--cases", cases, "--output", output],
                          capture_output=True, text=True, timeout=600, check=False)
    expect(done.returncode == 0 and "failed in" not in done.stdout, done.stdout + done.stderr)
    found = json.loads(output.with_suffix(".json").read_text())["figures"]
    expect_equal(sorted(found), sorted(cases.split(",")), f"cases; it said {done.stdout}")
    for case, systems in found.items():
        wanted = (["fairlead"] if case.startswith("failover") else ["fairlead", "haproxy"]
                  if case.startswith(("far", "idle")) else ["direct", "fairlead", "haproxy"])
        expect_equal(sorted(systems), wanted, f"systems of {case}")
    for line in ("fairlead/haproxy", "CPU s/GB", "KiB each", "Linux"):
        expect(line in done.stdout, lambda line=line: f"'{line}' is missing in: {done.stdout}")
