#!/usr/bin/env python3
"""End-to-end scenarios with the real binary and real programs.

  run.py --binary PATH [--group GROUP] [--network KIND] [NAME...]     runs all, those of a group, or those named
  run.py --list                                                       names them

One line for each scenario; the last line is `N passed, N failed, N skipped`. Exits 1 if anything failed.
"""

import argparse
import os
import pathlib
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback

import harness
import network
import sites

# Imported because each registers its scenarios.
import admin
import applications
import bench
import command_line
import edges
import faults
import flows
import life
import live
import mesh
import operations
import renewal
import tokens
import trust
import ways

GROUPS = [module.GROUP for module in (applications, flows, edges, ways, admin, life, live, trust, faults, command_line,
                                         mesh, renewal, tokens, operations, bench)]


class Group:
    """The pair of sites that scenarios of a group share; made when first asked for, and anew if a gateway is gone."""

    def __init__(self, name, net, binary, folder):
        self.name = name
        self._open = lambda: harness.Context(name, net, binary, folder)
        self._context = None
        self._pair = None

    def pair(self):
        if self._pair is not None and not self._pair.alive():
            self.close()
        if self._pair is None:
            self._context = self._open()
            self._pair = sites.Pair(self._context).start()
        return self._pair

    def settle(self):
        if self._pair is not None:
            self._pair.settle()

    def logs(self):
        """What its sites logged and counted."""
        if self._context is None:
            return
        yield from self._context.logs()
        if self._pair is not None and self._pair.alive():
            yield from (site.faults() for site in (self._pair.west, self._pair.east))

    def close(self):
        if self._context is not None:
            self._context.close()
        self._context = self._pair = None


def run_one(group, function, net, binary, folder):
    """Outcome and what to print behind the name."""
    context = harness.Context(function.__name__, net, binary, folder)
    context.group = group
    try:
        function(context)
        group.settle()
        return "PASS", "; ".join(context.notes)
    except harness.Skip as skip:
        return "SKIP", str(skip)
    except Exception:  # pylint: disable=broad-except; a scenario that broke is a failure, the next ones still run
        lines = [traceback.format_exc().rstrip(), *context.logs(), *group.logs()]
        group.close()
        return "FAIL", "\n".join(lines)
    finally:
        context.close()


def run_all(chosen, net, binary, folder):
    totals = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    group = None
    try:
        for name, function in chosen:
            if group is None or group.name != name:
                if group is not None:
                    group.close()
                group = Group(name, net, binary, folder)
            started = time.monotonic()
            outcome, text = run_one(group, function, net, binary, folder)
            totals[outcome] += 1
            label = f"{outcome} {name}/{function.__name__} ({time.monotonic() - started:.1f} s)"
            print(f"{label}: {text}" if text else label, flush=True)
    finally:
        if group is not None:
            group.close()
    print("{PASS} passed, {FAIL} failed, {SKIP} skipped".format(**totals), flush=True)
    return 1 if totals["FAIL"] else 0


def choose(arguments):
    known = {f"{group}/{function.__name__}": (group, function) for group, function in harness.SCENARIOS}
    wanted = []
    for name in arguments.names:
        found = [entry for full, entry in known.items() if name in (full, full.split("/")[1])]
        if not found:
            sys.exit(f"run.py: there is no scenario '{name}'; --list shows all")
        wanted += found
    chosen = wanted or list(known.values())
    return sorted((entry for entry in chosen if arguments.group in (None, entry[0])),
                  key=lambda entry: GROUPS.index(entry[0]))


SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def on_signal(number, _frame):
    """Unwinds the stack like any error, so that whatever was started is ended; no further one may interrupt that."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def raise_descriptor_limit():
    """Thousands of connections have their ends in this process; the soft limit is often 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--binary", type=pathlib.Path, help="the fairlead binary")
    parser.add_argument("--group", choices=GROUPS)
    parser.add_argument("--network", choices=["auto", "namespaces", "loopback"], default="auto")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        for group, function in harness.SCENARIOS:
            print(f"{group}/{function.__name__}: {(function.__doc__ or '').strip().splitlines()[0]}")
        return 0
    if arguments.binary is None or not arguments.binary.exists():
        parser.error("--binary must be the path of a fairlead binary")
    for number in SIGNALS:
        signal.signal(number, on_signal)
    raise_descriptor_limit()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fairlead-e2e-"))
    folder.chmod(0o755)
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"
    try:
        net = network.open_network(arguments.network)
        print(f"network: {net.description}", flush=True)
        return run_all(choose(arguments), net, arguments.binary.resolve(), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
