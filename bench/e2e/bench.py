#!/usr/bin/env python3
"""bench.py: what a pair of fairlead gateways costs and carries, beside no gateway and two HAProxies with the same TLS.

Everything runs on loopback and ends with the bench. The systems are measured in turn within each round, so that a slow
minute of the machine meets all of them; figures are medians over the rounds with the least and the largest.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import tempfile

from systems import LOCAL, Failed, Program, System, start_fairlead, start_haproxy, wait_until

# Beyond its seconds a client only waits for what is under way, and gives up by itself after 20 s.
CLIENT_GRACE_SECONDS = 40


class Case:
    """What the load generator is told, and how its result is read."""

    def __init__(self, name, arguments, figures, title, one_cpu=False):
        self.name = name
        self.arguments = arguments  # with {seconds}
        self.figures = figures
        self.title = title
        self.one_cpu = one_cpu


# name: (unit, digits, whether more is better, how it follows from a result with its CPU seconds)
FIGURES = {
    "throughput": ("Gbit/s", 2, True, lambda r: r["bytes"] * 8 / 1e9 / r["seconds"]),
    "cpu_per_gb": ("CPU s/GB", 3, False, lambda r: r["cpu_seconds"] / (r["bytes"] / 1e9)),
    "rate": ("1/s", 0, True, lambda r: r["requests"] / r["seconds"]),
    "cpu_per_request": ("CPU µs each", 1, False, lambda r: r["cpu_seconds"] * 1e6 / r["requests"]),
    "p50": ("p50 µs", 0, False, lambda r: r["p50_us"]),
    "p99": ("p99 µs", 0, False, lambda r: r["p99_us"]),
}
BULK = ["throughput", "cpu_per_gb"]
REQUESTS = ["rate", "cpu_per_request", "p50", "p99"]

CASES = [
    Case("bulk-1", ["bulk", "{endpoint}", "1", "{seconds}"], BULK, "one bulk stream"),
    Case("bulk-16", ["bulk", "{endpoint}", "16", "{seconds}"], BULK, "16 bulk streams"),
    Case("requests-64", ["requests", "{endpoint}", "64", "0", "{seconds}"], REQUESTS,
         "64-byte requests, 64 connections, as fast as answers come"),
    Case("paced-16", ["requests", "{endpoint}", "16", "2000", "{seconds}"], REQUESTS,
         "64-byte requests, 16 connections, 2,000 a second, everything on one CPU", one_cpu=True),
    Case("single-8", ["single", "{endpoint}", "8", "{seconds}"], REQUESTS,
         "a connection for each 64-byte request, 8 at a time"),
]


@contextlib.contextmanager
def on_one_cpu(programs, cpu):
    """Moves all threads of the programs there for a while: waking another core is what latency is made of otherwise."""
    before = {}
    try:
        for program in programs:
            for thread in program.threads():
                before[thread] = os.sched_getaffinity(thread)
                os.sched_setaffinity(thread, {cpu})
        yield {cpu}
    finally:
        for thread, cpus in before.items():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cpus)


def run_client(argv, cpus):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=float(argv[-1]) + CLIENT_GRACE_SECONDS,
                          stdin=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(case, system, load, server, seconds, cpus):
    values = {"endpoint": f"{LOCAL}:{system.port}", "seconds": str(seconds)}
    argv = [str(load), *(word.format(**values) for word in case.arguments)]
    with contextlib.ExitStack() as stack:
        client_cpus = cpus
        if case.one_cpu:
            client_cpus = stack.enter_context(on_one_cpu([server, *system.programs], min(cpus)))
        before = system.cpu_seconds()
        result = run_client(argv, client_cpus)
        result["cpu_seconds"] = system.cpu_seconds() - before
    if result["errors"] > 0:
        raise Failed(f"{case.name} over {system.name}: {result['errors']} connections broke or answered wrongly")
    if result["bytes"] + result["requests"] == 0:
        raise Failed(f"{case.name} over {system.name}: nothing came through")
    return result


# What is ours, and how it differs from what a user gets.
OURS = {"fairlead": {}, "transit": {"transit": 1}, "user": {"protection": "user"}, "kernel": {"protection": "kernel"}}


def start_systems(names, arguments, folder, server_port, cpus):
    for name in names:
        own_folder = folder / name
        own_folder.mkdir()
        if name == "direct":
            yield System("direct", server_port)
        elif name in OURS:
            yield start_fairlead(arguments.binary, own_folder, server_port, cpus, arguments.shards, name, **OURS[name])
        else:
            yield start_haproxy(own_folder, server_port, cpus, arguments.shards)


def start_server(load, folder, cpus):
    server = Program([load, "serve", f"{LOCAL}:0"], folder / "server.log", cpus)
    try:
        wait_until("the load generator's server", lambda: "port" in server.log.read_text(), [server.log])
    except BaseException:
        server.end()
        raise
    return server, int(server.log.read_text().split()[-1])


def spread(values, digits):
    text = f"{statistics.median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def summarise(case, results):
    """{system: {figure: [value of each round]}}; a figure that is about the gateways says nothing of `direct`."""
    return {system: {name: [FIGURES[name][3](r) for r in rounds] for name in case.figures
                     if system != "direct" or not name.startswith("cpu_")}
            for system, rounds in results.items()}


def print_case(case, figures):
    print(f"\n{case.name}: {case.title}")
    width = 26
    print(f"  {'':17}" + "".join(f"{FIGURES[name][0]:>{width}}" for name in case.figures))
    for system, values in figures.items():
        cells = [spread(values[name], FIGURES[name][1]) if name in values else "-" for name in case.figures]
        print(f"  {system:17}" + "".join(f"{cell:>{width}}" for cell in cells))
    mine = "fairlead" if "fairlead" in figures else next(iter(figures))
    if mine not in OURS:
        return
    for other in (name for name in figures if name != mine):
        # Of each round, because the two stood next to each other there.
        cells = []
        for name in case.figures:
            ours, theirs = figures[mine].get(name), figures[other].get(name)
            ok = ours and theirs and all(value > 0 for value in theirs)
            cells.append("×" + spread([a / b for a, b in zip(ours, theirs)], 2) if ok else "-")
        print(f"  {mine + '/' + other:17}" + "".join(f"{cell:>{width}}" for cell in cells))


def parse_arguments():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=root / "build/tools/fairlead/fairlead")
    parser.add_argument("--load", type=pathlib.Path, default=root / "build/bench/load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (default 3)")
    parser.add_argument("--shards", type=int, default=1, help="of a gateway, and threads of an HAProxy (default 1)")
    parser.add_argument("--systems", default="direct,fairlead,haproxy")
    parser.add_argument("--cases", default=",".join(case.name for case in CASES))
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all rounds of all figures there")
    arguments = parser.parse_args()
    arguments.systems = arguments.systems.split(",")
    arguments.cases = arguments.cases.split(",")
    if not set(arguments.systems) <= {"direct", *OURS, "haproxy"}:
        parser.error("--systems takes direct, fairlead, transit (a third gateway between the two), user and kernel "
                     "(fairlead with records protected there) and haproxy")
    if not set(arguments.cases) <= {case.name for case in CASES}:
        parser.error("--cases takes " + ", ".join(case.name for case in CASES))
    if arguments.rounds < 1 or not 0 < arguments.seconds <= 600 or arguments.shards < 1:
        parser.error("--rounds and --shards are at least 1, --seconds is above 0 and at most 600")
    for program in [arguments.load] + ([arguments.binary] if set(OURS) & set(arguments.systems) else []):
        if not program.exists():
            parser.error(f"{program} does not exist; bench/README.md says how to build it")
    return arguments


def say_progress(text):
    if sys.stderr.isatty():
        print(f"\r{text:60}\r", end="", file=sys.stderr, flush=True)


def run_bench(arguments, stack, folder):
    cpus = os.sched_getaffinity(0)
    cases = [case for case in CASES if case.name in arguments.cases]
    server, server_port = start_server(arguments.load, folder, cpus)
    stack.callback(server.end)
    systems = []
    for system in start_systems(arguments.systems, arguments, folder, server_port, cpus):
        stack.callback(system.end)
        systems.append(system)
    results = {case.name: {system.name: [] for system in systems} for case in cases}
    for number in range(1, arguments.rounds + 1):
        for case in cases:
            for system in systems:
                say_progress(f"round {number} of {arguments.rounds}: {case.name} {system.name}")
                result = measure(case, system, arguments.load, server, arguments.seconds, cpus)
                results[case.name][system.name].append(result)
    say_progress("")
    return {case.name: summarise(case, results[case.name]) for case in cases}


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    machine = {"machine": platform.machine(), "kernel": platform.release(), "cpus": len(os.sched_getaffinity(0)),
               "rounds": arguments.rounds, "seconds": arguments.seconds, "shards": arguments.shards}
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fairlead-bench-")))
        try:
            figures = run_bench(arguments, stack, folder)
        except (Failed, subprocess.SubprocessError) as error:
            print(f"\nbench.py: {error}", file=sys.stderr)
            return 1
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for case in CASES:
        if case.name in figures:
            print_case(case, figures[case.name])
    if arguments.json:
        arguments.json.write_text(json.dumps({**machine, "figures": figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
