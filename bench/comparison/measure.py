"""One measurement after the other: each round takes every case over every system in turn, so that a slow minute of the
machine meets all of them. What others on the machine took part in is measured again."""

import concurrent.futures
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time

from machine import Watch
from systems import LOCAL, STARTS, Failed, Missing, Program, Setting, System, wait_until

# Beyond its seconds a load only waits for its connections, and for what is under way.
GRACE_SECONDS = 120
GRACE_SECONDS_EACH = 0.02  # connection
DESCRIPTORS_BESIDE = 500  # that a gateway, or the load, has besides those of its connections
ATTEMPTS = 400
ATTEMPT_INTERVAL_SECONDS = 0.005
ATTEMPT_SECONDS = 5
PREAMBLE_BYTES = 9  # tools/load/protocol.h
FOREIGN_SHARE_MAX = 0.1
DESCRIPTORS = 65_536
TRIES = 3
MEMORY_INTERVAL_SECONDS = 0.2
REST_INTERVAL_SECONDS = 0.1
REST_SECONDS_MAX = 20
REST_CPU_SECONDS = 0.02  # of all systems in an interval; the kernel counts in hundredths


def raise_descriptor_limit(cases):
    """As far as one of them needs it, or as may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(DESCRIPTORS, *(case.connections + DESCRIPTORS_BESIDE for case in cases))
    if wanted > hard:
        with contextlib.suppress(ValueError, PermissionError):  # beyond the hard limit only root may go
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


@contextlib.contextmanager
def on_one_cpu(programs, cpu):
    """Moves all threads of the programs there for a while."""
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


def children_cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Peak:
    """The most memory that a system had while this ran, beyond what it had before."""

    def __init__(self, system):
        self._system = system
        self._before = system.memory_bytes()
        self._peak = self._before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stop.wait(MEMORY_INTERVAL_SECONDS):
            self._look()

    def _look(self):
        with contextlib.suppress(OSError):
            self._peak = max(self._peak, self._system.memory_bytes())

    def end(self):
        self._stop.set()
        self._thread.join()
        self._look()
        return self._peak - self._before


class Bench:
    def __init__(self, arguments, folder, say):
        self.arguments = arguments
        self.folder = folder
        self.say = say
        self.cpus = os.sched_getaffinity(0)
        self.stack = contextlib.ExitStack()
        self.folders = 0
        self.server, self.server_port = self._start_server()
        self.running = []   # systems
        self.missing = {}   # those that cannot be here, and why
        self.left_out = {}  # cases, likewise
        self.repeated = 0
        self.restless = 0  # measurements

    def close(self):
        self.stack.close()

    def _start(self, argv, name):
        program = Program(argv, self.folder / f"{name}.log", self.cpus)
        self.stack.callback(program.end)
        return program

    def _start_server(self):
        server = self._start([self.arguments.binary, "bench", "--serve", "0.0.0.0:0"], "server")
        wait_until("the load's server", lambda: server.log.read_text().endswith("\n"), [server.log])
        return server, int(server.log.read_text().split(":")[-1])

    def start_system(self, name, way=lambda port: port, links=1, servers=1):
        """None if this machine has not got it; why is in `missing`."""
        self.folders += 1
        folder = self.folder / f"{self.folders}"
        folder.mkdir()
        setting = Setting(self.arguments.binary, folder, self.server_port, self.cpus, self.arguments.threads, way,
                          self.arguments.skupper_router, self.arguments.before, links, servers)
        try:
            system = STARTS[name](setting)
        except Missing as missing:
            self.missing[name] = str(missing)
            return None
        self.running.append(system)
        return system

    def end_system(self, system):
        self.running.remove(system)
        system.end()

    # ---- one load over one system

    def _argv(self, system, words):
        return [str(self.arguments.binary), "bench", f"{LOCAL}:{system.port}", *words, "--phases", "--time",
                str(self.arguments.seconds), "-o", "json"]

    def _launch(self, system, words, cpus):
        return subprocess.Popen(self._argv(system, words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cpus))

    def _result_of(self, process, what, connections, on_phase=lambda phase: None):
        patience = self.arguments.seconds + GRACE_SECONDS + GRACE_SECONDS_EACH * connections
        killer = threading.Timer(patience, process.kill)
        killer.daemon = True
        killer.start()
        errors = []
        with process:
            try:
                for line in process.stderr:
                    if line.strip() in ("begin", "end"):
                        on_phase(line.strip())
                    else:
                        errors.append(line)
                out, err = process.stdout.read(), "".join(errors)
            except BaseException:
                process.kill()
                raise
            finally:
                killer.cancel()
        if process.returncode == -signal.SIGKILL:
            raise Failed(f"{what}: the load did not end")
        if process.returncode < 0:
            raise Failed(f"{what}: the load ended by {signal.Signals(-process.returncode).name}")
        if not out:
            raise Failed(f"{what}: {err.strip()}")
        run = json.loads(out)["runs"][0]
        if run["errors"] > 0:
            raise Failed(f"{what}: {run['errors']} connections broke, or were answered wrongly or not in time")
        return run

    def _cpu_seconds(self):
        return self.server.cpu_seconds() + sum(system.cpu_seconds() for system in self.running)

    def _rest(self):
        """Until the measurement before is over for everybody: some take seconds to close ten thousand connections."""
        deadline = time.monotonic() + REST_SECONDS_MAX
        while time.monotonic() < deadline:
            before = self._cpu_seconds()
            time.sleep(REST_INTERVAL_SECONDS)
            if self._cpu_seconds() - before <= REST_CPU_SECONDS:
                return
        self.restless += 1

    def _measure_once(self, case, system):
        what = f"{case.name} over {system.name}"
        with contextlib.ExitStack() as stack:
            cpus = self.cpus
            if case.one_cpu:
                cpus = stack.enter_context(on_one_cpu([self.server, *system.programs], min(self.cpus)))
            peak = Peak(system) if "memory" in case.figures else None
            used, children = {}, children_cpu_seconds()
            watch = Watch(lambda: system.cpu_seconds() + self.server.cpu_seconds() + children_cpu_seconds())
            way = System("direct", self.server_port) if case.elsewhere else system
            other = self._launch(way, case.beside, cpus) if case.beside else None
            try:
                result = self._result_of(self._launch(system, case.words, cpus), what, case.connections,
                                         lambda phase: used.update({phase: system.cpu_seconds()}))
            except BaseException:
                if other is not None:
                    other.kill()
                    other.communicate()
                raise
            if other is not None:
                self._result_of(other, f"{what}, the load beside it", 0)
            result["gatewayCpuSeconds"] = used["end"] - used["begin"]
            result["loadCpuSeconds"] = children_cpu_seconds() - children
            result["foreignShare"] = round(watch.foreign_share(), 3)
            if peak is not None:
                result["gatewayMemoryBytes"] = peak.end()
        return result

    def measure(self, case, system):
        for _ in range(TRIES):
            self._rest()
            result = self._measure_once(case, system)
            if result["foreignShare"] <= FOREIGN_SHARE_MAX:
                break
            self.repeated += 1
        return result

    def has_descriptors(self, case):
        """Else the case is left out."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        enough = case.connections + DESCRIPTORS_BESIDE <= limit
        if not enough:
            self.left_out[case.name] = f"a process may have {limit:,} descriptors here (ulimit -n)"
        return enough

    def measure_apart(self, case, name):
        """With a system for this case alone, whose links go by relays if it needs them. None: missing."""
        relays = []

        def by_relay(port):
            """It holds everything for half of the round trip, each way."""
            relay = Program([self.arguments.relay, f"{LOCAL}:0", f"{LOCAL}:{port}", str(case.round_trip_ms / 2)],
                            self.folder / f"relay-{self.folders}-{len(relays)}.log", self.cpus)
            relays.append(relay)
            wait_until("the relay", lambda: relay.log.read_text().endswith("\n"), [relay.log])
            return int(relay.log.read_text().split()[-1])
        relayed = case.round_trip_ms or case.failure
        try:
            system = self.start_system(name, by_relay if relayed else lambda port: port,
                                       links=2 if case.failure else 1, servers=case.addresses)
            if system is None:
                return None
            try:
                return self._fail_over(case, system, relays[0]) if case.failure else self.measure(case, system)
            finally:
                self.end_system(system)
        finally:
            for relay in relays:
                relay.end()

    def _fail_over(self, case, system, relay):
        """The longest that a client waited for its answer which came after the link failed; if some got none, from
        when it failed until clients came that did, and all behind them. One comes every few milliseconds."""
        def served():
            began = time.monotonic()
            where = (LOCAL, system.port)
            with contextlib.suppress(OSError), socket.create_connection(where, ATTEMPT_SECONDS) as client:
                client.sendall(b"x" * PREAMBLE_BYTES)  # to what is none of its own the server is a plain echo
                if client.recv(1) == b"x":
                    return time.monotonic() - began
            return None
        wait_until("a connection over the cheaper link", served)
        self._rest()
        attempts = []
        failed = time.monotonic()
        os.kill(relay.pid, signal.SIGKILL if case.failure == "cut" else signal.SIGSTOP)
        try:
            with concurrent.futures.ThreadPoolExecutor(max_workers=ATTEMPTS) as pool:
                for number in range(ATTEMPTS):
                    time.sleep(max(failed + number * ATTEMPT_INTERVAL_SECONDS - time.monotonic(), 0))
                    attempts.append((time.monotonic() - failed, pool.submit(served)))
        finally:
            os.kill(relay.pid, signal.SIGCONT)  # else it would not end
        took = [attempt.result() for _, attempt in attempts]
        lost = [number for number, seconds in enumerate(took) if seconds is None]
        first = lost[-1] + 1 if lost else 0
        if first == len(attempts):
            raise Failed(f"{case.name} over {system.name}: nothing was served again within {attempts[-1][0]:.1f} s")
        return {"gapSeconds": max(attempts[first][0], *took[first:]), "foreignShare": 0}
