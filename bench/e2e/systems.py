"""What is compared: no gateway at all, a pair of fairlead sites, three of them in a line, a pair of HAProxies. All on
loopback, with mutual TLS 1.3 and AES-128-GCM between the halves, and each half on CPUs of its own."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

START_SECONDS = 20
LOCAL = "127.0.0.1"


class Failed(Exception):
    """The comparison cannot be made; the message says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return probe.getsockname()[1]


def wait_until(what, condition, process_logs=()):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(pathlib.Path(log).read_text(errors="replace")[-2000:] for log in process_logs)
            raise Failed(f"waited {START_SECONDS} s for {what}\n{logs}")
        time.sleep(0.02)


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex((LOCAL, port)) == 0


class Program:
    """A process that ends with the bench, and the CPU time it has used."""

    def __init__(self, argv, log, cpus, env=None):
        self.log = log
        with open(log, "wb") as output:
            self.popen = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=output, env=env, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def cpu_seconds(self):
        # The command's name, in parentheses, may hold anything; what follows it is fixed.
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        utime, stime = int(fields[11]), int(fields[12])
        return (utime + stime) / os.sysconf("SC_CLK_TCK")

    def threads(self):
        return [int(name) for name in os.listdir(f"/proc/{self.pid}/task")]

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.popen.terminate()
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class System:
    """One way from a client to the server. `port` is where clients connect, `programs` are what is charged for it."""

    def __init__(self, name, port, programs=()):
        self.name = name
        self.port = port
        self.programs = list(programs)

    def cpu_seconds(self):
        return sum(program.cpu_seconds() for program in self.programs)

    def end(self):
        for program in self.programs:
            program.end()


def halves(cpus):
    """The CPUs of the near and of the far half; with one CPU they share it."""
    cpus = sorted(cpus)
    middle = (len(cpus) + 1) // 2
    return set(cpus[:middle]), set(cpus[middle:] or cpus)


def run(argv, **options):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


# ---- fairlead


def write_resource(home, kind, name, spec):
    folder = home / "namespaces" / "default" / "input" / "resources"
    folder.mkdir(parents=True, exist_ok=True)
    document = {"apiVersion": "skupper.io/v2alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    (folder / f"{kind}-{name}.yaml").write_text(json.dumps(document))  # JSON is YAML


def write_sites(binary, homes, server_port, protection):
    """A line of sites: clients at the first, the server at the last. Returns the port for clients."""
    port = free_port()
    write_resource(homes[0], "Listener", "load", {"routingKey": "load", "host": LOCAL, "port": port})
    write_resource(homes[-1], "Connector", "load", {"routingKey": "load", "host": LOCAL, "port": server_port})
    for home in homes:
        write_resource(home, "Site", home.name, {"recordProtection": protection})
    for home, following in zip(homes, homes[1:]):
        write_resource(following, "RouterAccess", "links", {
            "bindHost": LOCAL, "subjectAlternativeNames": [LOCAL],
            "roles": [{"name": "inter-router", "port": free_port()}]})
        link = run([binary, "link", "generate", "--host", LOCAL], env=environment(following))
        (home / "namespaces" / "default" / "input" / "resources" / "link.yaml").write_text(link)
    return port


def environment(home):
    return {**os.environ, "FAIRLEAD_HOME": str(home)}


def start_fairlead(binary, folder, server_port, cpus, shards, name="fairlead", transit=0, protection="auto"):
    near, far = halves(cpus)
    homes = [folder / "west", *(folder / f"transit-{i}" for i in range(transit)), folder / "east"]
    system = System(name, write_sites(binary, homes, server_port, protection))
    try:
        for home in reversed(homes):
            log = folder / f"fairlead-{home.name}.log"
            # What passes through lives on both halves: it is not to wait for one of them.
            half = near if home is homes[0] else far if home is homes[-1] else cpus
            system.programs.append(Program([binary, "run", "--shards", shards], log, half, environment(home)))

        def linked(home):
            status = home / "namespaces" / "default" / "runtime" / "status.json"
            if not status.exists() or not all(program.alive() for program in system.programs):
                return False
            resources = json.loads(status.read_text())["resources"]
            states = {resource["kind"]: resource["status"] for resource in resources}
            sessions = states["Link"]["sessions"] if "Link" in states else {"up": 0, "wanted": 0}
            return (sessions["up"] == sessions["wanted"] and states.get("Link", {}).get("active", True)
                    and states.get("Listener", {}).get("hasMatchingConnector", True))
        wait_until("the fairlead sites to be linked", lambda: all(linked(home) for home in homes),
                   [program.log for program in system.programs])
    except BaseException:
        system.end()
        raise
    return system


# ---- HAProxy

HAPROXY_CONFIG = """
global
  nbthread {threads}
  maxconn 4000
  tune.bufsize 65536
defaults
  mode tcp
  timeout connect 10s
  timeout client 5m
  timeout server 5m
listen tunnel
  bind {bind}
  server next {server}
"""
TLS = "ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256"


def make_certificates(folder):
    """A CA, and a P-256 certificate from it for each end, in one file with its key as HAProxy wants it."""
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run(["openssl", "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=bench",
         "-addext", "keyUsage=critical,keyCertSign"], cwd=folder)
    for name in ("near", "far"):
        (folder / "names").write_text(f"subjectAltName=DNS:{name}.test\n")
        run(["openssl", "req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"],
            cwd=folder)
        run(["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
             "-out",
             f"{name}.crt", "-days", "2", "-extfile", "names"], cwd=folder)
        (folder / f"{name}.pem").write_text((folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text())


def start_haproxy(folder, server_port, cpus, threads):
    haproxy = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if haproxy is None:
        raise Failed("haproxy is not installed: tools/setup --test does it, or use --systems direct,fairlead")
    near, far = halves(cpus)
    make_certificates(folder)
    port, tls_port = free_port(), free_port()
    (folder / "far.cfg").write_text(HAPROXY_CONFIG.format(
        threads=threads, server=f"{LOCAL}:{server_port}",
        bind=f"{LOCAL}:{tls_port} ssl crt {folder}/far.pem ca-file {folder}/ca.crt verify required {TLS}"))
    (folder / "near.cfg").write_text(HAPROXY_CONFIG.format(
        threads=threads, bind=f"{LOCAL}:{port}",
        server=f"{LOCAL}:{tls_port} ssl crt {folder}/near.pem ca-file {folder}/ca.crt verify required "
               f"verifyhost far.test {TLS}"))
    system = System("haproxy", port)
    try:
        for name, half in (("far", far), ("near", near)):
            system.programs.append(Program([haproxy, "-db", "-q", "-f", folder / f"{name}.cfg"],
                                           folder / f"haproxy-{name}.log", half))
        wait_until("HAProxy to listen", lambda: accepts(tls_port) and accepts(port),
                   [program.log for program in system.programs])
    except BaseException:
        system.end()
        raise
    return system
