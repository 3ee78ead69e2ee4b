"""Real clients and servers, unchanged, on either side of the link."""

import hashlib
import json
import os
import pathlib
import pwd

from harness import Skip, expect, expect_equal, need_program, scenario, wait_until
from traffic import scaled

GROUP = "applications"
LARGE_FILE_SIZE = 100 * 1024 * 1024
UPLOAD_SIZE = 20 * 1024 * 1024
PARALLEL_REQUESTS = 200


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_random(path, size):
    with open(path, "wb") as file:
        for _ in range(size // 1024 // 1024):
            file.write(os.urandom(1024 * 1024))
    return path


def ordinary_user(*names):
    """A user for servers that refuse to run as root, and the words that run a program as it."""
    if os.geteuid() != 0:
        return None, []
    for name in (*names, "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        # The change of user clears what the harness has asked for.
        return name, ["setpriv", "--pdeathsig=KILL", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                      "--init-groups"]
    return None, []


# ---- curl and nginx

NGINX_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  client_max_body_size 0;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/proxied;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {address}:{port};
    root {folder}/files;
    location /taken {{ return 204; }}
    location /upload {{
      client_body_in_file_only on;
      proxy_pass http://{address}:{port}/taken;
      proxy_set_body off;
    }}
  }}
}}
"""


def start_nginx(context, service, name="nginx"):
    """The folder from which it serves; what is uploaded goes to `bodies` beside it."""
    nginx = need_program("nginx")
    need_program("curl")
    host, port = service.server, service.server_port
    folder = context.path(name)
    (folder / "files").mkdir(parents=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX_CONFIGURATION.format(folder=folder, address=host.local, port=port))
    context.start(name, [nginx, "-p", folder, "-e", "stderr", "-c", configuration], host=host)
    wait_until("nginx to listen", lambda: host.listens(port))
    return folder / "files"


def curl(context, service, path, *options):
    url = f"http://{service.client.local}:{service.port}/{path}"
    return context.run(["curl", "--silent", "--show-error", "--fail", "--max-time", "60", *options, url],
                       host=service.client)


@scenario(GROUP)
def curl_nginx_small(context):
    """curl fetches a small file from nginx, also over one connection several times."""
    service = context.group.pair().service()
    files = start_nginx(context, service)
    (files / "hello").write_text("hello from the other side\n")
    expect_equal(curl(context, service, "hello").stdout, b"hello from the other side\n", "body")
    many = curl(context, service, "hello?[1-20]", "--write-out", "%{num_connects} ")
    expect_equal(many.stdout.count(b"hello from"), 20, "bodies over a kept connection")


@scenario(GROUP)
def curl_nginx_100_mib(context):
    """curl fetches 100 MiB from nginx; the checksum is the file's."""
    service = context.group.pair().service()
    files = start_nginx(context, service)
    large = write_random(files / "large", LARGE_FILE_SIZE)
    got = context.path("got")
    curl(context, service, "large", "--output", str(got))
    expect_equal(digest(got), digest(large), "checksum")


@scenario(GROUP)
def curl_nginx_upload(context):
    """curl sends 20 MiB to nginx by POST, in the direction of the request and against it."""
    for direction in ("forward", "backward"):
        service = context.group.pair().service(direction)
        files = start_nginx(context, service, f"nginx-{direction}")
        sent = write_random(files / "to-send", UPLOAD_SIZE)
        curl(context, service, "upload", "--request", "POST", "--header", "Expect:", "--data-binary", f"@{sent}")
        kept = [path for path in (files.parent / "bodies").rglob("*") if path.is_file()]
        expect_equal(len(kept), 1, "files kept by nginx")
        expect_equal(digest(kept[0]), digest(sent), f"checksum {direction}")


@scenario(GROUP)
def curl_nginx_200_parallel(context):
    """200 parallel requests of 256 KiB by one curl, each complete."""
    service = context.group.pair().service()
    files = start_nginx(context, service)
    for i in range(PARALLEL_REQUESTS):
        (files / f"f{i}").write_bytes(os.urandom(256 * 1024))
    got = context.path("got")
    got.mkdir()
    curl(context, service, f"f[0-{PARALLEL_REQUESTS - 1}]", "--parallel", "--parallel-immediate", "--parallel-max",
         str(PARALLEL_REQUESTS), "--output", str(got / "f#1"))
    for i in range(PARALLEL_REQUESTS):
        expect_equal(digest(got / f"f{i}"), digest(files / f"f{i}"), f"checksum of f{i}")


# ---- databases

@scenario(GROUP)
def postgresql_pgbench(context):
    """pgbench against PostgreSQL: fills its tables, runs transactions on 16 connections, no failure."""
    installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    programs = installed[-1].parent if installed else pathlib.Path(need_program("initdb")).parent
    pgbench = need_program("pgbench")
    user, as_user = ordinary_user("postgres")
    folder = context.folder_for(user, "postgres")
    service = context.group.pair().service()
    host, port = service.server, service.server_port
    context.run([*as_user, programs / "initdb", "-D", folder / "data", "-U", "bench", "--auth=trust", "--no-sync",
                 "--no-instructions"], cwd=folder)
    context.start("postgres", [*as_user, programs / "postgres", "-D", folder / "data", "-h", host.local,
                               "-p", str(port), "-k", folder, "-c", "fsync=off", "-c", "max_connections=50"],
                  host=host, cwd=folder)
    ready = [programs / "pg_isready", "-h", host.local, "-p", str(port), "-d", "postgres"]
    wait_until("PostgreSQL to be ready", lambda: context.run(ready, host=host, ok=False).returncode == 0)
    bench = [pgbench, "-h", service.client.local, "-p", str(service.port), "-U", "bench"]
    context.run([*bench, "-i", "-s", "2", "--quiet", "postgres"], host=service.client, cwd=folder)
    for mode, count, words in (("read and write", 60, []), ("select, prepared", 300, ["-S", "-M", "prepared"]),
                               ("a connection each", 10, ["-C", "-S"])):
        words = ["-c", "16", "-j", "2", "-n", "-t", str(scaled(count) + 1), *words]
        done = context.run([*bench, *words, "postgres"], host=service.client, cwd=folder)
        text = done.stdout.decode()
        expect("number of failed transactions: 0 (0.000%)" in text, f"pgbench, {mode}:\n{text}")
        rate = next(line for line in text.splitlines() if line.startswith("tps"))
        context.note(f"{mode} {rate.split()[2].split('.')[0]}/s")


@scenario(GROUP)
def redis_benchmark(context):
    """redis-benchmark with 50 connections, also pipelined, and a 16 MiB value."""
    server, bench, client = need_program("redis-server"), need_program("redis-benchmark"), need_program("redis-cli")
    service = context.group.pair().service()
    host, port = service.server, service.server_port
    context.start("redis", [server, "--bind", host.local, "--port", str(port), "--save", "", "--appendonly", "no",
                            "--dir", context.folder], host=host)
    wait_until("redis to listen", lambda: host.listens(port))
    at = ["-h", service.client.local, "-p", str(service.port)]
    for count, words in ((5000, ["-t", "set,get,lpush,lrange_100"]), (100000, ["-P", "32", "-t", "set,get"])):
        done = context.run([bench, *at, "-c", "50", "--csv", "-n", str(scaled(count)), *words], host=service.client)
        rows = [line for line in done.stdout.decode().splitlines() if line.startswith('"') and '"test"' not in line]
        expect(rows and b"rror" not in done.stdout + done.stderr, f"redis-benchmark: {done}")
        context.note(" ".join(f"{row.split(',')[0]} {row.split(',')[1]}" for row in rows[:2]).replace('"', ""))
    value = write_random(context.path("value"), 16 * 1024 * 1024)
    with open(value, "rb") as file:
        context.run([client, *at, "-x", "set", "large"], host=service.client, stdin=file)
    got = context.run([client, *at, "--raw", "get", "large"], host=service.client).stdout
    expect_equal(hashlib.sha256(got[:-1]).hexdigest(), digest(value), "checksum of the large value")


# ---- bulk

@scenario(GROUP)
def iperf3_both_directions(context):
    """iperf3 up, down, and both with four connections each."""
    iperf = need_program("iperf3")
    service = context.group.pair().service()
    host, port = service.server, service.server_port
    server = context.start("iperf3", [iperf, "--server", "--forceflush", "--bind", host.local, "--port", str(port)],
                           host=host)
    for number, words in enumerate(([], ["-R"], ["-P", "4"], ["-P", "4", "-R"]), 1):
        # Between two tests it closes its port, and resets whoever came too early.
        wait_until("iperf3 to listen", lambda number=number: f"listening on {port} (test #{number})" in server.log())
        done = context.run([iperf, "-c", service.client.local, "-p", str(service.port), "-t", "1", "--json", *words],
                           host=service.client)
        report = json.loads(done.stdout)
        expect("error" not in report, f"iperf3 {words}: {report.get('error')}")
        sent, received = report["end"]["sum_sent"], report["end"]["sum_received"]
        expect(received["bytes"] > 0, f"iperf3 {words}: nothing arrived")
        context.note(f"{' '.join(words) or 'up'} {received['bits_per_second'] / 1e9:.1f} Gbit/s")
        expect(received["bytes"] <= sent["bytes"] or "-R" in words, f"iperf3 {words}: more arrived than was sent")


# ---- a server that speaks first, and half close

SSHD_CONFIGURATION = """
Port {port}
ListenAddress {address}
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/user-key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
"""


@scenario(GROUP)
def ssh_server_first_and_half_close(context):
    """ssh: the server speaks first; `ssh host cat < file` ends by half close; a command's output comes whole."""
    sshd, ssh, keygen = need_program("sshd"), need_program("ssh"), need_program("ssh-keygen")
    service = context.group.pair().service()
    host, port = service.server, service.server_port
    for key in ("host-key", "user-key"):
        context.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", context.path(key)])
    configuration = context.path("sshd_config")
    configuration.write_text(SSHD_CONFIGURATION.format(port=port, address=host.local, folder=context.folder))
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # where sshd's unprivileged part lives; else made by init
    daemon = context.start("sshd", [sshd, "-D", "-e", "-f", configuration], host=host)
    wait_until("sshd to listen", lambda: "listening" in daemon.log())
    login = [ssh, "-F", "none", "-p", str(service.port), "-i", context.path("user-key"),
             "-o", f"UserKnownHostsFile={context.path('known')}", "-o", "StrictHostKeyChecking=accept-new",
             "-o", "BatchMode=yes", f"{pwd.getpwuid(os.geteuid()).pw_name}@{service.client.local}"]
    sent = write_random(context.path("sent"), UPLOAD_SIZE)
    with open(sent, "rb") as file:
        done = context.run([*login, "cat"], host=service.client, stdin=file, ok=False)
    if "not allowed because" in daemon.log():
        raise Skip(f"sshd lets nobody in: {daemon.log().strip().splitlines()[-2]}")
    expect_equal(done.returncode, 0, f"exit code of ssh, which says {done.stderr[-500:]}")
    echoed = done.stdout
    expect_equal(hashlib.sha256(echoed).hexdigest(), digest(sent), "checksum of what cat sent back")
    counted = context.run([*login, "cat > /dev/null; seq 1 200000; exit 3"], host=service.client, ok=False)
    expect_equal(counted.returncode, 3, f"exit code of the remote command ({counted.stderr[-300:]})")
    expect_equal(counted.stdout.split(b"\n")[-2], b"200000", "last line")
