"""What an operator does: the commands that change a site and look after its gateway, and the README as it stands."""

import json
import pathlib
import re
import shlex

import traffic
from harness import expect, expect_equal, scenario, wait_until
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
    expect("ready: site west" in (operator.site.root / "runtime" / "gateway.log").read_text(), "the log")
