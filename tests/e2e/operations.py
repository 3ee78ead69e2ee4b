"""What an operator does: the commands that change a site and look after its gateway, and the README as it stands."""

import json
import os
import pathlib
import re
import shlex
import socket
import tarfile
import time

import traffic
from certificates import Authority
from harness import Skip, expect, expect_equal, need_program, scenario, wait_until
from sites import Site
from traffic import Server

GROUP = "operations"
README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
EXIT_FAILED = 1
EXIT_INVALID = 2


class Operator:
    """At a machine where there is nothing yet but the program."""

    def __init__(self, context, host, name):
        self.context = context
        self.site = Site.bare(context, host, name)
        context.defer(self.end)

    def __call__(self, *words, ok=True, stdin=None, seconds=60):
        options = {} if stdin is None else {"input": stdin.encode()}
        done = self.context.run([self.context.binary, *words], host=self.site.host, env=self.site.environment(), ok=ok,
                                cwd=self.site.home, seconds=seconds, **options)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def refused(self, *words, code=EXIT_INVALID, says=""):
        found, out, err = self(*words, ok=False)
        expect(found == code and says in err, lambda: f"{words}: exit code {found}, {out} {err}")

    def file(self, name, text):
        path = self.site.home / name
        path.write_text(text)
        path.chmod(0o600)

    def end(self):
        self("system", "stop", "--timeout", "0", ok=False)


@scenario(GROUP)
def the_readme_as_it_stands(context):
    """Two machines with nothing but the program, the README's files, its commands: then there is traffic."""
    text = README.read_text().partition("## Two sites in four commands")[2].partition("\n## ")[0]
    network = context.network
    hosts = {"east": network.east, "west": network.west}
    operators = {name: Operator(context, host, name) for name, host in hosts.items()}
    ports = {"5432": network.east.free_port(), "15432": network.west.free_port()}

    def here(words):
        """Addresses and ports that are free here, in the place of the README's."""
        words = words.replace("10.0.0.2", network.east.address).replace("127.0.0.1", network.east.local)
        return re.sub(r"(port: )(\d+)", lambda found: found.group(1) + str(ports[found.group(2)]), words)

    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        name = re.search(r"# (\S+)\.yaml", block).group(1)
        operators[name].file(f"{name}.yaml", here(block))
    commands = re.findall(r"^(\w+)\$ fairlead (.*?)(?: +#.*)?$", text, re.MULTILINE)
    expect(0 < len(commands) <= 5, f"{len(commands)} commands")
    for name, words in commands:
        operators[name](*shlex.split(here(words)))
        token = operators["east"].site.home / "token.yaml"
        if token.exists() and name == "east":
            operators["west"].file("token.yaml", token.read_text())
    Server(context, network.east, ports["5432"], traffic.echo)
    client = wait_until("the port to be open", lambda: network.west.connect(ports["15432"]))
    with client:
        traffic.echo_once(client, b"as the README says")


@scenario(GROUP)
def a_site_by_commands(context):
    """Every kind is created, changed and deleted under a gateway that runs, and each command waits for its word."""
    operator = Operator(context, context.network.west, "west")
    west = context.network.west
    port = west.free_port()
    operator("listener", "create", "db", str(port), "--host", west.local)
    code, out, err = operator("site", "create", "west")
    expect("Site west is created." in out and "system start" in err, out + err)
    code, out, _ = operator("system", "start")
    expect("site west runs" in out, out)
    server_port = context.network.west.free_port()
    server = Server(context, context.network.west, server_port, traffic.echo)
    code, out, _ = operator("connector", "create", "db", str(server_port), "--host", west.local, "--wait", "ready")
    expect("Connector db is created and ready." in out, out)
    client = wait_until("the port to be open", lambda: context.network.west.connect(port))
    traffic.echo_once(client, b"first")

    code, out, _ = operator("connector", "update", "db", "--port", str(server_port))
    expect("unchanged" in out, out)
    other = context.network.west.free_port()
    code, out, _ = operator("listener", "update", "db", "--port", str(other), "--wait", "ready")
    expect("updated and ready" in out, out)
    traffic.echo_once(client, b"the connection that was open lives on")
    with context.network.west.connect(other) as more:
        traffic.echo_once(more, b"at the new port")
    expect(not context.network.west.listens(port), "the old port is open")
    client.close()

    operator.refused("listener", "create", "db", "1", says="change it with update")
    operator.refused("connector", "update", "bd", "--port", "1", says="did you mean 'db'")
    operator.refused("connector", "update", "db", says="nothing to change")
    operator.refused("listener", "create", "two", str(other), says="already taken by")
    operator.refused("listener", "create", "Two", "1", says="lower-case")
    operator.refused("listener", "create", "two", "70000", says="PORT")
    operator.refused("link", "delete", "nowhere", says="no Link 'nowhere'")
    operator.refused("site", "delete", says="end it before")
    server.close()
    operator.refused("connector", "update", "db", "--port", "1", "--wait", "ready", "--timeout", "1", code=EXIT_FAILED,
                     says="refused")
    files = {each.name for each in operator.site.inputs.iterdir()}
    expect_equal(files, {"Site-west.yaml", "Listener-db.yaml", "Connector-db.yaml"}, "files")

    for kind in ("listener", "connector"):
        code, out, _ = operator(kind, "delete", "db")
        expect("deleted" in out, out)
    operator.site.wait_ready_status(lambda kinds: kinds == {"Site"})
    code, out, _ = operator("listener", "generate", "x", "99", "-r", "key", "-o", "json")
    expect_equal(json.loads(out)["spec"], {"routingKey": "key", "host": "0.0.0.0", "port": 99}, "what is generated")
    expect_equal(operator("system", "stop")[0], 0, "exit code of stop")
    operator("site", "delete")
    expect_equal(list(operator.site.inputs.iterdir()), [], "files that are left")


@scenario(GROUP)
def files_are_applied(context):
    """Documents of a file go where their resources are, or get files of their own; what else is in those stays."""
    operator = Operator(context, context.network.west, "west")
    operator("site", "create", "west")
    operator("system", "start")
    operator.file("many.yaml", "# ours\nkind: Listener\nmetadata: {name: a}\nspec: {routingKey: a, host: 127.0.0.1, "
                  f"port: {context.network.west.free_port()}}}\n---\n# theirs\nkind: Connector\nmetadata: {{name: a}}\n"
                  "spec: {routingKey: a, host: 127.0.0.1, port: 1, healthProbe: none}\n")
    code, out, _ = operator("system", "apply", "-f", "many.yaml")
    expect_equal(out, "Listener a created\nConnector a created\n", "what apply says")
    code, out, _ = operator("system", "apply", "-f", "-", stdin=(operator.site.home / "many.yaml").read_text())
    expect_equal(out, "Listener a unchanged\nConnector a unchanged\n", "what apply says the second time")
    both = operator.site.inputs / "both.yaml"
    both.write_text((operator.site.home / "many.yaml").read_text())
    for kind in ("Listener", "Connector"):
        operator.site.remove(f"{kind}-a.yaml")
    operator.file("one.yaml", "kind: Connector\nmetadata: {name: a}\nspec: {routingKey: a, host: 127.0.0.1, port: 2, "
                  "healthProbe: none}\n")
    code, out, _ = operator("system", "apply", "-f", "one.yaml")
    expect_equal(out, "Connector a changed\n", "what apply says")
    text = both.read_text()
    for part in ("# ours\nkind: Listener\nmetadata: {name: a}\n", "# theirs\n", "port: 2\n"):
        expect(part in text, text)
    operator.site.wait_until("the connector to change",
                             lambda: operator.site.resource("Connector", "a")["spec"]["port"] == 2)
    operator.file("bad.yaml", "kind: Connector\nmetadata: {name: a}\n"
                  "spec: {routingKey: a, host: 127.0.0.1, port: 0}\n---\n"
                  "kind: Listener\nmetadata: {name: b}\nspec: {routingKey: a, host: 127.0.0.1, port: 3}\n")
    operator.refused("system", "apply", "-f", "bad.yaml", says="spec.port")
    expect_equal(both.read_text(), text, "the file after what was refused")
    operator.refused("system", "apply", "-f", "missing.yaml", says="missing.yaml")
    code, out, _ = operator("system", "delete", "-f", "many.yaml")
    expect_equal(out, "Listener a deleted\nConnector a deleted\n", "what delete says")
    expect(not both.exists(), "an empty file is left")


@scenario(GROUP)
def the_gateway_is_looked_after(context):
    """start waits until it is up, or says why not; stop waits until it is gone; both can be asked twice."""
    operator = Operator(context, context.network.west, "west")
    operator.refused("system", "start", says="fairlead site create")
    operator.refused("system", "status", code=EXIT_FAILED, says="system start")
    taken = context.network.west.listen(0)
    context.defer(taken.close)
    operator("site", "create", "west")
    operator.file("clash.yaml", "kind: RouterAccess\nmetadata: {name: links}\nspec:\n  bindHost: "
                  f"{context.network.west.local}\n  roles: [{{name: inter-router, port: {taken.getsockname()[1]}}}]\n")
    operator("system", "apply", "-f", "clash.yaml")
    operator.refused("system", "start", code=EXIT_FAILED, says="another program has this port")
    operator("system", "delete", "-f", "clash.yaml")
    operator("system", "start")
    operator.refused("system", "start", code=EXIT_FAILED, says="runs already")
    log = operator.site.root / "runtime" / "gateway.log"
    expect("debug" not in log.read_text(), "debug lines from the beginning")
    operator("system", "log-level", "debug")
    wait_until("the log to say so", lambda: "from now on: debug and above" in log.read_text())
    operator.refused("system", "log-level", "loud", says="allowed is debug|error|info|warning")
    status = json.loads(operator("system", "status", "-o", "json")[1])
    expect(status["running"] and status["site"]["name"] == "west" and status["status"] == "Ready", status)
    code, out, _ = operator("system", "stop")
    expect("is stopped" in out, out)
    code, out, _ = operator("system", "stop")
    expect("is not running" in out, out)
    expect((operator.site.inputs / "Site-west.yaml").exists(), "stop deleted something")
    status = json.loads(operator("system", "status", "-o", "json", ok=False)[1])
    expect_equal(status["running"], False, "running")
    operator("system", "start")
    expect_equal(log.read_text().count("ready: site west"), 2, "starts in the log")


@scenario(GROUP)
def the_unit_is_sound(context):
    """What systemd says of the unit that install makes: nothing is wrong with it, and little is exposed."""
    analyze = need_program("systemd-analyze")
    operator = Operator(context, context.network.west, "west")
    unit = context.path("fairlead-west.service")
    unit.write_text(operator("system", "install", "--print", "-n", "west")[1])
    done = context.run([analyze, "verify", str(unit)], ok=False)
    complaints = [line for line in (done.stdout + done.stderr).decode().splitlines() if unit.name in line]
    expect_equal(complaints, [], "what systemd-analyze verify complains of")
    done = context.run([analyze, "security", "--offline=yes", str(unit)], ok=False)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout.decode())
    if not found:
        raise Skip(f"systemd-analyze cannot judge a unit that is not installed: {done.stderr.decode()[-200:]}")
    context.note(f"exposure {found.group(1)}")
    expect(float(found.group(1)) <= 1.5, done.stdout.decode())
    expect("CAP_NET" not in unit.read_text(), "a capability that nothing needs")
    operator("listener", "create", "low", "80", "-n", "west")
    expect("AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in operator("system", "install", "--print", "-n", "west")[1],
           "port 80 takes a capability")
    expect("-n west" in unit.read_text() and str(operator.site.home) in unit.read_text(), unit.read_text())
    expect_equal(operator("system", "uninstall", "-n", "west-that-is-not-there")[0], 0, "exit code")


@scenario(GROUP)
def the_service_manager_is_told(context):
    """READY when it is up, STATUS as it changes, RELOADING and READY around a reload, WATCHDOG all the time, STOPPING
    when it is to end."""
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    context.defer(heard.close)
    heard.bind(str(context.path("notify")))
    heard.settimeout(30)
    site = Site(context, context.network.west, "west")
    for i in range(200):
        site.add_connector(f"one-of-many-{i}", port=1)  # to write their status takes a while
    environment = {**site.environment(), "NOTIFY_SOCKET": str(context.path("notify")), "WATCHDOG_USEC": "600000"}
    site.process = context.start("west", [context.binary, "run"], host=site.host, env=environment)
    said = []

    def wait_for(line):
        give_up = time.monotonic() + 30  # signs of life come all the time
        while not any(line in message for message in said):
            expect(time.monotonic() < give_up, lambda: f"no {line}; it said {set(said)}")
            said.append(heard.recv(4096).decode())

    wait_for("READY=1")
    written = len(list((site.root / "runtime" / "resources").glob("Connector-*")))
    expect(written == 200 and (site.root / "runtime" / "status.json").exists(), "READY before the status was written")
    wait_for("STATUS=site west: 0 of 0 links up, 0 connections")
    wait_for("WATCHDOG=1")
    said.clear()
    site.reload()
    wait_for("RELOADING=1\nMONOTONIC_USEC=")
    wait_for("READY=1")
    gaps = []
    for _ in range(4):
        said.clear()
        began = time.monotonic()
        wait_for("WATCHDOG=1")
        gaps.append(time.monotonic() - began)
    expect(min(gaps[1:]) < 0.6, f"it would be taken for dead: {gaps} s between its signs of life")
    site.terminate()
    wait_for("STOPPING=1")
    expect_equal(site.process.wait(), 0, "exit code")


@scenario(GROUP)
def a_gateway_without_privileges(context):
    """It runs as another user, to whom belongs what root's commands write, secrets as well."""
    if os.geteuid() != 0:
        raise Skip("only root can run a gateway as somebody else")
    east = Site(context, context.network.east, "east")
    east.add("Site", "east", {"grantServer": {"port": east.host.free_port()}})
    east.add_access()
    west = Site(context, context.network.west, "west")
    nobody = 65534
    for site in (east, west):
        for path in [site.home, *site.home.rglob("*")]:
            os.chown(path, nobody, nobody)
        if site is east:
            site.generate_link()  # the first to make certificates
        site.start(prefix=["setpriv", "--reuid", str(nobody), "--regid", str(nobody), "--clear-groups"])
    token = context.path("token.yaml")
    east.command("token", "issue", str(token))
    done = west.command("token", "redeem", str(token))
    expect("is up" in done.stdout.decode(), done.stdout.decode())
    for site in (east, west):
        for path in site.home.rglob("*"):
            expect_equal(path.lstat().st_uid, nobody, f"owner of {path}")
    west.terminate()
    expect_equal(west.process.wait(), 0, "exit code")


@scenario(GROUP)
def shells_and_the_manual_know_the_commands(context):
    """What completes in bash, and what man shows, comes from the command line's own definitions."""
    bash = need_program("bash")
    script = context.path("completion.bash")
    script.write_bytes(context.run([context.binary, "completion", "bash"]).stdout)

    def completed(*words):
        ask = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _fairlead; '
               'printf "%s\\n" "${COMPREPLY[@]}"')
        return set(context.run([bash, "-c", ask, str(script), "fairlead", *words]).stdout.decode().split())

    expect({"link", "site", "token", "system", "--namespace"} <= completed(""), completed(""))
    expect_equal(completed("li"), {"link", "listener"}, "what li becomes")
    expect({"issue", "redeem", "status", "delete"} <= completed("-n", "west", "token", ""), "verbs of token")
    expect_equal(completed("link", "status", "-o", ""), {"table", "json", "yaml"}, "formats")
    expect_equal(completed("listener", "create", "--rou"), {"--routing-key"}, "an option")
    expect_equal(completed("link", "update", "--cost", ""), set(), "a number is the user's to know")
    expect({"bash", "zsh", "fish"} <= completed("completion", ""), "shells")
    for shell in ("zsh", "fish"):
        text = context.run([context.binary, "completion", shell]).stdout.decode()
        expect("redemptions-allowed" in text, f"{shell} does not know the options of token issue")
    manual = context.run([context.binary, "manual"]).stdout.decode()
    for command in ("token issue FILE", "listener create NAME PORT", "system stop", "run"):
        expect(f".SS fairlead {command}\n" in manual, f"the manual does not have {command}")


@scenario(GROUP)
def the_manual_is_well_formed(context):
    """The formatter of man has nothing to say about it."""
    groff = need_program("groff")
    done = context.run([groff, "-man", "-Tascii", "-ww"], input=context.run([context.binary, "manual"]).stdout)
    expect_equal(done.stderr, b"", "what groff complains of")
    plain = re.sub(rb".\x08|\x1b\[[0-9;]*m", b"", done.stdout)  # as terminals show bold
    expect(b"fairlead token issue FILE" in plain, "the commands are not there")


@scenario(GROUP)
def a_site_moves_in_a_bundle(context):
    """system generate-bundle: resources and certificates of a site as a script, and as a tarball, which set it up where
    there is nothing but the program, write a Link for others, and take it all back."""
    maker = Operator(context, context.network.east, "maker")
    maker.refused("system", "generate-bundle", "none.sh", says="there are no resources")
    maker("site", "create", "moved", "--enable-link-access")
    maker("connector", "create", "db", "5432", "--host", "10.0.0.8")
    authority = Authority(context, "of-the-user")
    maker.site.add_credentials("web", authority.issue("front", hosts=["front.test"]))
    maker("listener", "create", "web", "8443", "-r", "db", "--host", context.network.west.local, "--tls-credentials",
          "web")
    script, tarball = maker.site.home / "moved.sh", maker.site.home / "moved.tar.gz"
    maker("system", "generate-bundle", str(script), "--type", "shell-script")
    maker("system", "generate-bundle", str(tarball))
    expect_equal((script.stat().st_mode & 0o777, tarball.stat().st_mode & 0o777), (0o700, 0o600), "modes")

    taker = Operator(context, context.network.west, "taker")
    environment = {**taker.site.environment(), "PATH": f"{context.path('bin')}:{os.environ['PATH']}"}
    context.path("bin").mkdir()
    (context.path("bin") / "fairlead").symlink_to(context.binary)

    def sh(*words, ok=True):
        done = context.run(["sh", *words], host=taker.site.host, env=environment, ok=ok, cwd=taker.site.home)
        return done.returncode, done.stdout.decode() + done.stderr.decode()
    links = taker.site.home / "links"
    code, out = sh(str(script), "-d", str(links))
    expect("link-moved.yaml is for one other site" in out, out)
    link = (links / "link-moved.yaml").read_text()
    expect("kind: Link" in link and "PRIVATE KEY" not in link, "a Link with its Secret")
    expect_equal((links / "link-moved.yaml").stat().st_mode & 0o777, 0o600, "mode of the Link")
    code, out, _ = taker("listener", "status", "web", "-o", "json")
    found = json.loads(out)
    expect("front" in json.dumps(found), f"the certificate is not in use: {out}")
    expect_equal(sorted(each["kind"] for each in taker.site.snapshot()["resources"]),
                 ["Connector", "Listener", "RouterAccess", "Site"], "resources")
    code, out = sh(str(script), "-x")
    expect("Site moved deleted" in out, out)
    code, out, _ = taker("system", "status", ok=False)
    expect_equal(code, EXIT_FAILED, f"exit code of status: {out}")

    folder = taker.site.home / "unpacked"
    folder.mkdir()
    with tarfile.open(tarball) as archive:
        expect_equal(sorted(each.name for each in archive.getmembers() if each.isfile()),
                     ["./install.sh", "./resources.yaml"], "files of the tarball")
        archive.extractall(folder)
    sh(str(folder / "install.sh"), "-n", "other")
    code, out, _ = taker("-n", "other", "connector", "status", "-o", "json")
    expect_equal([each["metadata"]["name"] for each in json.loads(out)], ["db"], "connectors")
    sh(str(folder / "install.sh"), "-n", "other", "-x")
    code, out = sh(str(script), "-q", ok=False)
    expect(code == EXIT_INVALID and "usage" in out, out)

    # Of a folder of files, and one that is wrong.
    lone = maker.site.home / "lone"
    lone.mkdir()
    (lone / "site.yaml").write_text("kind: Site\nmetadata: {name: lone, namespace: elsewhere}\n")
    maker("system", "generate-bundle", "lone.sh", "--type", "shell-script", "--input", str(lone))
    expect("elsewhere" not in (maker.site.home / "lone.sh").read_text(), "the namespace is that of where it goes")
    (lone / "site.yaml").write_text("kind: Site\nmetadata: {name: Lone}\n")
    maker.refused("system", "generate-bundle", "lone.sh", "--input", str(lone), says="site.yaml:2:")


@scenario(GROUP)
def what_is_wrong_is_found_and_told(context):
    """check says what is not as it should be, with an exit code; dump has all that a helper needs, and no secret."""
    operator = Operator(context, context.network.west, "west")
    operator("site", "create", "west", "--enable-link-access")
    operator("connector", "create", "db", "1", "--host", context.network.west.local)
    operator.file("secret.yaml", "kind: Secret\nmetadata: {name: own}\n"
                  "stringData: {tls.key: my-own-secret, ca.crt: a-ca}\ndata: {more.key: bW9yZS1zZWNyZXRz}\n---\n"
                  "kind: AccessGrant\nmetadata: {name: one}\nspec: {code: my-own-secret-code}\n")
    operator("system", "apply", "-f", "secret.yaml")
    operator("system", "start")
    operator.site.wait_until("the connector to fail",
                             lambda: operator.site.resource("Connector", "db")["status"]["status"] == "Error")
    code, out, _ = operator("debug", "check", "-o", "json", ok=False)
    found = {each["what"]: each for each in json.loads(out)}
    expect_equal(code, EXIT_FAILED, "exit code of check")
    verdicts = [found[what]["is"] for what in ("kernel", "gateway", "Connector db")]
    expect_equal(verdicts, ["ok", "ok", "fault"], "verdicts")
    expect("refused" in found["Connector db"]["message"], found["Connector db"])
    operator("connector", "delete", "db")
    code, out, _ = operator("debug", "check")
    expect("running" in out and "fault" not in out, out)

    dump = operator.site.home / "dump.tar.gz"
    operator("debug", "dump", str(dump))
    expect_equal(dump.stat().st_mode & 0o777, 0o600, "mode of the dump")
    with tarfile.open(dump) as archive:
        files = [each for each in archive.getmembers() if each.isfile()]
        texts = {each.name: archive.extractfile(each).read().decode() for each in files}
    for name in ("./machine.txt", "./status.json", "./gateway.log", "./check.txt", "./input/Site-west.yaml",
                 "./input/Secret-own.yaml", "./certs/west/tls.crt", "./process/limits"):
        expect(texts.get(name), f"{name} is not among {sorted(texts)}")
    everything = "".join(texts.values())
    for secret in ("my-own-secret", "bW9yZS1zZWNyZXRz", "PRIVATE KEY"):
        expect(secret not in everything, f"{secret} is in the dump")
    expect("a-ca" in texts["./input/Secret-own.yaml"], "what is no secret")
