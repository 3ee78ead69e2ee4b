"""What is compared: no gateway at all, and pairs of gateways with mutual TLS 1.3 and the same suite between the halves,
each as well tuned as its manual allows. All on loopback, each half on CPUs of its own."""

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
SUITE = "TLS_AES_128_GCM_SHA256"
SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"


class Failed(Exception):
    """The comparison cannot be made; the message says why."""


class Missing(Failed):
    """A system that this machine has not."""


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


def find_program(name, package):
    found = shutil.which(name, path=os.environ.get("PATH", "") + SBIN)
    if found is None:
        raise Missing(f"{name} is not installed (Debian's package {package})")
    return found


class Program:
    """A process with its children, which end with the bench, and the CPU time they have used."""

    def __init__(self, argv, log, cpus, env=None):
        self.log = log
        with open(log, "wb") as output:
            self.popen = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=output, env=env, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def processes(self):
        found = [self.pid]
        with contextlib.suppress(OSError):
            found += map(int, pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())
        return found

    def cpu_seconds(self):
        ticks = 0
        for pid in self.processes():
            # The command's name, in parentheses, may hold anything; what follows it is fixed.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a child that has ended
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self):
        """What only this program holds: PSS, so that shared pages count once."""
        total = 0
        for pid in self.processes():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def threads(self):
        return [int(name) for pid in self.processes() for name in os.listdir(f"/proc/{pid}/task")]

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

    def memory_bytes(self):
        return sum(program.memory_bytes() for program in self.programs)

    def end(self):
        for program in self.programs:
            program.end()

    def start(self, argv, log, cpus, env=None):
        self.programs.append(Program(argv, log, cpus, env))

    def wait_until(self, what, condition):
        wait_until(what, condition, [program.log for program in self.programs])


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


class Setting:
    """What every system is started with. `way` leads from the near half to the far one's port, perhaps by a detour."""

    def __init__(self, binary, folder, server_port, cpus, threads, way=lambda port: port, router=None, before=None,
                 links=1, servers=1):
        self.binary = binary
        self.folder = folder
        self.server_port = server_port
        self.cpus = cpus
        self.threads = threads
        self.way = way
        self.router = router  # path of a skupper-router, if there is one
        self.before = before  # path of another fairlead, likewise
        self.links = links      # of ours, from each site to the next: each costs more than the one before
        self.servers = servers  # addresses at which the server is reached: each has ports of its own

    def own_folder(self, name):
        folder = self.folder / name
        folder.mkdir()
        return folder


# ---- fairlead


def write_resource(home, kind, name, spec):
    folder = home / "namespaces" / "default" / "input" / "resources"
    folder.mkdir(parents=True, exist_ok=True)
    document = {"apiVersion": "skupper.io/v2alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    (folder / f"{kind}-{name}.yaml").write_text(json.dumps(document))  # JSON is YAML


def environment(home):
    return {**os.environ, "FAIRLEAD_HOME": str(home)}


def write_sites(setting, homes, protection):
    """A line of sites: clients at the first, the server at the last. Returns the port for clients. The far ends listen
    already when their links are written down, for a detour has to know where they are."""
    port = free_port()
    write_resource(homes[0], "Listener", "load", {"routingKey": "load", "host": LOCAL, "port": port})
    for number in range(setting.servers):
        write_resource(homes[-1], "Connector", f"load-{number}",
                       {"routingKey": "load", "host": f"127.0.0.{1 + number}", "port": setting.server_port})
    for home in homes:
        write_resource(home, "Site", home.name, {"recordProtection": protection})
    for home, following in zip(homes, homes[1:]):
        link_port = free_port()
        write_resource(following, "RouterAccess", "links", {
            "bindHost": LOCAL, "subjectAlternativeNames": [LOCAL],
            "roles": [{"name": "inter-router", "port": link_port}]})
        for number in range(setting.links):
            link = run([setting.binary, "link", "generate", "--host", LOCAL, "--name", f"link-{number}", "--cost",
                        1 + number], env=environment(following))
            place = f'port: "{link_port}"'
            if place not in link:  # else a detour would be left out, and nobody would see it
                raise Failed(f"the link that was generated does not lead to {place}:\n{link}")
            link = link.replace(place, f'port: "{setting.way(link_port)}"')
            (home / "namespaces" / "default" / "input" / "resources" / f"link-{number}.yaml").write_text(link)
    return port


def start_fairlead(setting, name="fairlead", transit=0, protection="auto", doubled=False):
    folder = setting.own_folder(name)
    near, far = halves(setting.cpus)
    homes = [folder / "west", *(folder / f"transit-{i}" for i in range(transit)), folder / "east"]
    system = System(name, write_sites(setting, homes, protection))
    try:
        for home in reversed(homes):
            # What passes through lives on both halves: it is not to wait for one of them.
            half = near if home is homes[0] else far if home is homes[-1] else setting.cpus
            system.start([setting.binary, "run", "--shards", setting.threads * (1 + doubled)],
                         folder / f"fairlead-{home.name}.log", setting.cpus if doubled else half, environment(home))

        def linked(home):
            status = home / "namespaces" / "default" / "runtime" / "status.json"
            if not status.exists() or not all(program.alive() for program in system.programs):
                return False
            resources = json.loads(status.read_text())["resources"]
            def states(kind):
                return [resource["status"] for resource in resources if resource["kind"] == kind]
            return (all(link["active"] and link["sessions"]["up"] == link["sessions"]["wanted"]
                        for link in states("Link"))
                    and all(listener["hasMatchingConnector"] for listener in states("Listener")))
        system.wait_until("the fairlead sites to be linked", lambda: all(linked(home) for home in homes))
    except BaseException:
        system.end()
        raise
    return system


def start_before(setting):
    if setting.before is None:
        raise Missing("no path to another fairlead was given (--before)")
    setting.binary = setting.before
    return start_fairlead(setting, "before", protection="user")


def start_kernel(setting):
    system = start_fairlead(setting, "kernel", protection="auto")
    status = setting.folder / "kernel" / "west" / "namespaces" / "default" / "runtime" / "status.json"
    links = [resource for resource in json.loads(status.read_text())["resources"] if resource["kind"] == "Link"]
    if any("kernel" not in links[0]["status"]["tls"]["protection"][way] for way in ("send", "receive")):
        system.end()
        raise Missing("this kernel has no TLS of its own (modprobe tls)")
    return system


# ---- the others


def make_certificates(folder):
    """A CA, and a P-256 certificate from it for each end, alone and in one file with its key."""
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run(["openssl", "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=bench",
         "-addext", "keyUsage=critical,keyCertSign"], cwd=folder)
    for name in ("near", "far"):
        (folder / "names").write_text(f"subjectAltName=DNS:{name}.test\n")
        run(["openssl", "req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"],
            cwd=folder)
        run(["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
             "-out", f"{name}.crt", "-days", "2", "-extfile", "names"], cwd=folder)
        (folder / f"{name}.pem").write_text((folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text())


def start_pair(setting, name, argv_of, near_config, far_config):
    """Two processes of one program; `argv_of(config file)` is its command line. The texts know {…} below."""
    folder = setting.own_folder(name)
    make_certificates(folder)
    port, tls_port = free_port(), free_port()
    values = {"folder": folder, "port": port, "tls_port": tls_port, "way": setting.way(tls_port), "local": LOCAL,
              "server": setting.server_port, "threads": setting.threads, "suite": SUITE}
    system = System(name, port)
    near, far = halves(setting.cpus)
    try:
        for half, text, cpus in (("far", far_config, far), ("near", near_config, near)):
            config = folder / f"{half}.conf"
            config.write_text(text.format(half=half, **values))
            system.start(argv_of(config), folder / f"{name}-{half}.log", cpus)
        system.wait_until(f"{name} to listen", lambda: accepts(tls_port) and accepts(port))
    except BaseException:
        system.end()
        raise
    return system


HAPROXY_CONFIG = """
global
  nbthread {{threads}}
  tune.bufsize 65536
defaults
  mode tcp
  timeout connect 10s
  timeout client 5m
  timeout server 5m
listen tunnel
  {0}
"""
HAPROXY_TLS = "ssl-min-ver TLSv1.3 ciphersuites {suite}"
HAPROXY_FAR = HAPROXY_CONFIG.format(
    "bind {local}:{tls_port} ssl crt {folder}/far.pem ca-file {folder}/ca.crt verify required " + HAPROXY_TLS +
    "\n  server next {local}:{server}")
HAPROXY_NEAR = HAPROXY_CONFIG.format(
    "bind {local}:{port}\n  server next {local}:{way} ssl crt {folder}/near.pem ca-file {folder}/ca.crt "
    "verify required verifyhost far.test " + HAPROXY_TLS)


def start_haproxy(setting):
    haproxy = find_program("haproxy", "haproxy")
    return start_pair(setting, "haproxy", lambda config: [haproxy, "-db", "-q", "-f", config], HAPROXY_NEAR,
                      HAPROXY_FAR)


NGINX_CONFIG = """
load_module {{{{module}}}};
daemon off;
worker_processes {{threads}};
pid {{folder}}/{{half}}.pid;
error_log {{folder}}/{{half}}-error.log;
events {{{{ worker_connections 40000; }}}}
stream {{{{
  proxy_buffer_size 256k;
  proxy_half_close on;
  proxy_timeout 5m;
  server {{{{
    {0}
  }}}}
}}}}
"""
NGINX_FAR = NGINX_CONFIG.format("""listen {local}:{tls_port} ssl;
    ssl_certificate {folder}/far.crt;
    ssl_certificate_key {folder}/far.key;
    ssl_client_certificate {folder}/ca.crt;
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {suite};
    proxy_pass {local}:{server};""")
NGINX_NEAR = NGINX_CONFIG.format("""listen {local}:{port};
    proxy_pass {local}:{way};
    proxy_ssl on;
    proxy_ssl_certificate {folder}/near.crt;
    proxy_ssl_certificate_key {folder}/near.key;
    proxy_ssl_trusted_certificate {folder}/ca.crt;
    proxy_ssl_verify on;
    proxy_ssl_name far.test;
    proxy_ssl_protocols TLSv1.3;
    proxy_ssl_conf_command Ciphersuites {suite};""")


def start_nginx(setting):
    nginx = find_program("nginx", "nginx-light")
    module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if not module.exists():
        raise Missing("nginx has no stream module (Debian's package libnginx-mod-stream)")
    texts = [text.replace("{{module}}", str(module)) for text in (NGINX_NEAR, NGINX_FAR)]
    return start_pair(setting, "nginx", lambda config: [nginx, "-p", config.parent, "-c", config], *texts)


STUNNEL_CONFIG = """
foreground = yes
pid =
debug = err
cert = {{folder}}/{{half}}.pem
CAfile = {{folder}}/ca.crt
verifyChain = yes
sslVersionMin = TLSv1.3
ciphersuites = {{suite}}
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[tunnel]
{0}
"""
STUNNEL_FAR = STUNNEL_CONFIG.format("accept = {local}:{tls_port}\nconnect = {local}:{server}")
STUNNEL_NEAR = STUNNEL_CONFIG.format(
    "client = yes\naccept = {local}:{port}\nconnect = {local}:{way}\ncheckHost = far.test")


def start_stunnel(setting):
    stunnel = find_program("stunnel", "stunnel4")
    return start_pair(setting, "stunnel", lambda config: [stunnel, config], STUNNEL_NEAR, STUNNEL_FAR)


ROUTER_CONFIG = """
router {{{{ mode: interior
  id: {{half}}
  workerThreads: {{threads}} }}}}
sslProfile {{{{ name: link
  certFile: {{folder}}/{{half}}.crt
  privateKeyFile: {{folder}}/{{half}}.key
  caCertFile: {{folder}}/ca.crt
  protocols: TLSv1.3 }}}}
log {{{{ module: DEFAULT
  enable: warning+ }}}}
{0}
"""
ROUTER_FAR = ROUTER_CONFIG.format("""listener {{ host: {local}
  port: {tls_port}
  role: inter-router
  sslProfile: link
  authenticatePeer: yes
  saslMechanisms: EXTERNAL }}
tcpConnector {{ name: load
  host: {local}
  port: {server}
  address: load }}""")
ROUTER_NEAR = ROUTER_CONFIG.format("""connector {{ host: {local}
  port: {way}
  role: inter-router
  sslProfile: link
  verifyHostname: false
  saslMechanisms: EXTERNAL }}
tcpListener {{ name: load
  host: {local}
  port: {port}
  address: load }}""")


def start_router(setting):
    if setting.router is None:
        raise Missing("no path to a skupper-router was given (--skupper-router)")
    return start_pair(setting, "skupper-router", lambda config: [setting.router, "-c", config], ROUTER_NEAR,
                      ROUTER_FAR)


STARTS = {
    "direct": lambda setting: System("direct", setting.server_port),
    "fairlead": lambda setting: start_fairlead(setting, protection="user"),
    "kernel": start_kernel,
    "before": start_before,
    "doubled": lambda setting: start_fairlead(setting, "doubled", protection="user", doubled=True),
    "transit": lambda setting: start_fairlead(setting, "transit", transit=1),
    "haproxy": start_haproxy,
    "nginx": start_nginx,
    "stunnel": start_stunnel,
    "skupper-router": start_router,
}
DEFAULT_SYSTEMS = ["direct", "fairlead", "kernel", "haproxy", "nginx", "stunnel", "skupper-router"]
OURS = ["fairlead", "kernel", "doubled", "transit"]
TUNNELS = ["haproxy", "nginx", "stunnel"]
