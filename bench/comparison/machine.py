"""The machine that figures are of, and whether somebody else used it meanwhile."""

import contextlib
import os
import pathlib
import platform
import re
import shutil
import subprocess

FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def cpu_times():
    """Seconds of all CPUs since boot, by kind."""
    values = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:1 + len(FIELDS)]
    return {field: int(value) / os.sysconf("SC_CLK_TCK") for field, value in zip(FIELDS, values)}


def busy(times):
    return sum(times.values()) - times["idle"] - times["iowait"]


class Watch:
    """What share of the machine others took while a measurement ran: steal (other guests of the host), and processes
    that are none of the bench's. Only of CPUs that the bench may use, as far as that can be told."""

    def __init__(self, own_seconds):
        self._own_seconds = own_seconds
        self._own = own_seconds()
        self._before = cpu_times()

    def foreign_share(self, extra_own=0.0):
        """`extra_own`: CPU seconds of own processes that have ended meanwhile."""
        now = cpu_times()
        passed = {field: now[field] - self._before[field] for field in FIELDS}
        total = sum(passed.values())
        own = self._own_seconds() - self._own + extra_own
        foreign = max(busy(passed) - passed["steal"] - own, 0) + passed["steal"]
        return foreign / total if total > 0 else 0.0


def version_of(argv, pattern):
    program = shutil.which(argv[0], path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if program is None:
        return None
    done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, timeout=20, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def congestion_control():
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return "unknown"


def describe(binary):
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    versions = {
        "fairlead": version_of([str(binary), "version"], r"(\d+\.\d+\.\d+\S*)"),
        "haproxy": version_of(["haproxy", "-v"], r"version (\S+)"),
        "nginx": version_of(["nginx", "-v"], r"nginx/(\S+)"),
        "stunnel": version_of(["stunnel", "-version"], r"stunnel (\S+)"),
        "openssl": version_of(["openssl", "version"], r"OpenSSL (\S+)"),
    }
    memory = re.search(r"MemTotal:\s+(\d+) kB", pathlib.Path("/proc/meminfo").read_text())
    return {
        "processor": model.group(1) if model else platform.processor() or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memoryGiB": round(int(memory.group(1)) / 1024 / 1024, 1) if memory else None,
        "vaes": " vaes" in flags,
        "kernel": platform.release(),
        "congestionControl": congestion_control(),
        "versions": {name: version for name, version in versions.items() if version},
    }
