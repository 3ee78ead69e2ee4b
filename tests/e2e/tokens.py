"""Sites that link themselves: grants are redeemed for links, each as often as it may be and never more often, whoever
asks, how often, and whenever a gateway is killed."""

import base64
import json
import pathlib
import re
import ssl
import subprocess
import threading

import traffic
from harness import Skip, expect, expect_equal, need_program, scenario, wait_until
from sites import Pair, Service, Site
from traffic import Server

GROUP = "tokens"
EXIT_FAILED = 1
EXIT_INVALID = 2
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


class Token:
    """What is in a token's file."""

    def __init__(self, text):
        self.text = text
        self.name = re.search(r"name: (\S+)", text).group(1)
        self.url = re.search(r'url: "?(https:[^"\s]+)', text).group(1)
        self.code = re.search(r'code: "?([^"\s]+)', text).group(1)
        self.ca = re.sub(r"^ +", "", CERTIFICATE.search(re.sub(r"(?m)^ +", "", text)).group(0), flags=re.M)
        self.host, self.port, self.path = re.match(r"https://([^/]+):(\d+)(/.*)", self.url).groups()


def issuer(context, host=None, name="east", **spec):
    """A site that issues tokens, running."""
    host = host or context.network.east
    site = Site(context, host, name)
    site.grant_port = host.free_port()
    site.add("Site", name, {"grantServer": {"port": site.grant_port}, **spec})
    site.add_access()
    return site.start()


def issue(site, *words):
    return Token(site.command("token", "issue", "-", *words).stdout.decode())


def save(context, token, name="token.yaml"):
    path = context.path(name)
    path.write_text(token.text)
    path.chmod(0o600)
    return str(path)


def ask(host, token, request=None, **headers):
    """Status and body of what the grant server says: to a redemption as Skupper asks for one, unless told otherwise."""
    fields = {"name": "a-link", "subject": "a-site", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if request is None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = (f"POST {token.path} HTTP/1.1\r\nHost: {token.host}:{token.port}\r\n{lines}"
                   f"Content-Length: {len(token.code)}\r\n\r\n{token.code}").encode()
    trust = ssl.create_default_context(cadata=token.ca)
    trust.minimum_version = ssl.TLSVersion.TLSv1_3
    plain = host.connect(int(token.port), token.host)
    with plain, trust.wrap_socket(plain, server_hostname=token.host) as tls:
        tls.sendall(request)
        answer = traffic.read_to_end(tls).decode()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


def grant_of(site, name):
    return site.resource("AccessGrant", name)["status"]


def expect_redemptions(site, token, count, when):
    """The status follows within a moment. More than expected would come as soon."""
    site.wait_until(f"{count} redemptions {when}", lambda: grant_of(site, token.name)["redemptions"] == count)


@scenario(GROUP)
def a_token_makes_a_link(context):
    """Issue, redeem, traffic; the private key stays where it was made; the files are for their owner only."""
    pair = Pair(context, forward=1, backward=0)
    pair.east.add("Site", "east", {"grantServer": {"port": pair.east.host.free_port()}})
    pair.east.start()
    pair.west.start()
    file = context.path("token.yaml")
    done = pair.east.command("token", "issue", str(file), "--cost", "7")
    expect("one link" in done.stdout.decode(), done.stdout.decode())
    expect_equal(file.stat().st_mode & 0o777, 0o600, "mode of the token's file")
    token = Token(file.read_text())
    done = pair.west.command("token", "redeem", str(file))
    expect("to site east is up" in done.stdout.decode(), done.stdout.decode())
    expect_equal(pair.west.link()["cost"], 7, "cost of the link")
    pair.wait_linked()
    service = pair.forward[0]
    Server(context, service.server, service.server_port, traffic.echo)
    with service.connect() as client:
        traffic.echo_once(client, b"over a link that a token made")
    expect_redemptions(pair.east, token, 1, "in all")
    expect_equal(grant_of(pair.east, token.name)["redeemedBy"][0]["subject"], "west", "who redeemed it")
    link = pair.west.inputs / f"Link-{token.name}.yaml"
    expect_equal(link.stat().st_mode & 0o777, 0o600, "mode of the link's file")
    key = re.search(r'tls.key: "?(\S+?)"?\n', link.read_text()).group(1)
    expect(all(key not in each.read_text() for each in pair.east.root.rglob("*") if each.is_file()),
           "the private key of west is known at east")
    for each in ("status.json", f"resources/AccessGrant-{token.name}.yaml"):
        path = pair.east.root / "runtime" / each
        public = path.stat().st_mode & 0o004
        expect(not public or token.code not in path.read_text(), f"the code is in {each}")
    expect(token.code not in pair.east.log() + pair.west.log(), "the code is in a log")

    again = pair.west.command("token", "redeem", str(file), ok=False)
    expect_equal(again.returncode, EXIT_INVALID, "exit code of redeeming twice")
    expect("already" in again.stderr.decode(), again.stderr.decode())
    link.unlink()
    pair.west.wait_until("the link to be gone", lambda: not pair.west.links())
    back = pair.west.command("token", "redeem", str(file))
    expect("redeemed before" in back.stderr.decode(), back.stderr.decode())
    expect_redemptions(pair.east, token, 1, "after the link was put back")


@scenario(GROUP)
def a_token_among_the_resources(context):
    """It is redeemed once, whatever is restarted; its link follows the token's cost, and goes with it."""
    east = issuer(context)
    west = Site(context, context.network.west, "west").start()
    token = issue(east)
    west.write("token.yaml", token.text)
    (west.inputs / "token.yaml").chmod(0o600)
    west.wait_link(name=token.name)
    status = west.resource("AccessToken", token.name)["status"]
    expect(status["redeemed"] and status["status"] == "Ready", status)
    for _ in range(2):
        west.terminate()
        expect_equal(west.process.wait(), 0, "exit code")
        west.start()
        west.wait_link(name=token.name)
    expect_redemptions(east, token, 1, "after restarts")
    ups = west.link(token.name)["ups"]
    west.write("token.yaml", token.text.replace("linkCost: 1", "linkCost: 9"))
    west.wait_until("the cost to change", lambda: west.link(token.name)["cost"] == 9)
    expect_equal(west.link(token.name)["ups"], ups, "times the link came up")
    west.remove("token.yaml")
    west.wait_until("the link to go", lambda: not [each for each in west.links() if each["kind"] == "Link"])
    west.write("token.yaml", token.text)
    west.wait_link(name=token.name)
    expect_redemptions(east, token, 1, "after the token was put back")


@scenario(GROUP)
def refusals(context):
    """Each has its status and says why, and spends nothing; whoever guesses is stopped."""
    east = issuer(context)
    client = context.network.west
    token = issue(east, "--redemptions-allowed", "2")
    whole = f"POST {token.path} HTTP/1.1\r\nname: x\r\nsubject: y\r\nContent-Length: %d\r\n\r\n%s"
    for what, wanted, word, request in (
            ("another method", 405, "POST", f"GET {token.path} HTTP/1.1\r\n\r\n"),
            ("a grant that is not there", 404, "no such grant", f"POST /{token.code} HTTP/1.1\r\nname: x\r\n\r\n"),
            ("a wrong code", 403, "does not match", whole % (5, "wrong")),
            ("no name", 400, "name",
             f"POST {token.path} HTTP/1.1\r\nContent-Length: {len(token.code)}\r\n\r\n{token.code}"),
            ("a body that is too long", 413, "limit", whole % (5000, "x" * 5000)),
            ("headers that are too long", 431, "limit", f"POST /x HTTP/1.1\r\nx: {'x' * 9000}\r\n\r\n"),
            ("what is no HTTP", 400, "", "HELO\r\n\r\n")):
        status, body = ask(client, token, request.encode())
        expect(status == wanted and word in body, f"{what}: {status} {body}")
    expect_redemptions(east, token, 0, "after refusals")
    expect_equal(ask(client, token)[0], 200, "status")
    expect_equal(ask(client, token)[0], 200, "status")
    status, body = ask(client, token)
    expect(status == 404 and "used up" in body, f"{status} {body}")

    other = issue(east)
    seen = {ask(client, other, f"POST /{other.code} HTTP/1.1\r\n\r\n".encode())[0] for _ in range(10)}
    expect_equal(seen, {404, 429}, "answers to guesses")
    status, body = ask(client, other)
    expect(status == 429 and "minute" in body, f"{status} {body}")
    expect_redemptions(east, other, 0, "of the address that guesses")
    expect_equal(ask(context.network.east, other)[0], 200, "status at another address")
    wait_until("the log to say that somebody guesses", lambda: "429 too many wrong attempts" in east.log())


@scenario(GROUP)
def tokens_expire(context):
    """With their time, at once, also over a restart; the port is open only while there are grants."""
    east = issuer(context)
    token = issue(east, "--expiration-window", "2s")
    lasting = issue(east, "--expiration-window", "1h")
    east.wait_until("the token to expire", lambda: grant_of(east, token.name)["message"] == "it has expired")
    status, body = ask(context.network.west, token)
    expect(status == 404 and "expired" in body, f"{status} {body}")
    east.terminate()
    expect_equal(east.process.wait(), 0, "exit code")
    east.start()
    status, body = ask(context.network.west, token)
    expect(status == 404 and "expired" in body, f"after a restart: {status} {body}")
    expect_equal(ask(context.network.west, lasting)[0], 200, "status of the other token")
    east.wait_until("the status to tell",
                    lambda: b"all redemptions are used up" in east.command("token", "status").stdout)
    for each in (token, lasting):
        east.remove(f"AccessGrant-{each.name}.yaml")
    wait_until("the port to be closed", lambda: not context.network.east.listens(east.grant_port,
                                                                                  context.network.east.address))


@scenario(GROUP)
def many_want_the_same_token(context):
    """Forty clients at once, for five redemptions: five get one."""
    east = issuer(context)
    token = issue(east, "--redemptions-allowed", "5")
    answers = []

    def redeem(number):
        # One address may only have so many connections; who gets none tries again.
        while True:
            try:
                answers.append(ask(context.network.west, token, subject=f"site-{number}"))
                return
            except (OSError, IndexError):
                continue

    threads = [threading.Thread(target=redeem, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [status for status, _ in answers]
    expect_equal((statuses.count(200), statuses.count(404)), (5, 35), "redeemed and refused")
    certificates = {re.search(r"tls.crt: (\S+)", body).group(1) for status, body in answers if status == 200}
    expect_equal(len(certificates), 5, "different certificates")
    expect_redemptions(east, token, 5, "in all")


@scenario(GROUP)
def killed_in_the_middle(context):
    """An issuer that is killed right after an answer has not forgotten it; a redeemer that is killed before it could
    use the answer gets it again, for it still has its key."""
    east = issuer(context)
    token = issue(east)
    expect_equal(ask(context.network.west, token)[0], 200, "status")
    east.kill()
    east.start()
    status, body = ask(context.network.west, token)
    expect(status == 404 and "used up" in body, f"a redemption is forgotten: {status} {body}")

    token = issue(east)
    west = Site(context, context.network.west, "west")
    file = save(context, token)
    west.command("token", "redeem", file)
    # As if it had been killed before the answer came: the key is there, the outcome is not.
    record_file = west.root / "runtime" / "tokens" / f"{token.name}.json"
    record = json.loads(record_file.read_text())
    (west.inputs / f"Link-{token.name}.yaml").unlink()
    record_file.write_text(json.dumps({**record, "redeemed": 0, "resources": ""}))
    done = west.command("token", "redeem", file)
    expect("redeemed before" not in done.stderr.decode(), done.stderr.decode())
    expect_redemptions(east, token, 1, "in all")
    west.start()
    west.wait_link(name=token.name)


@scenario(GROUP)
def a_site_that_comes_later(context):
    """A token whose site cannot be reached is tried again, and says what is wrong until then; one that is refused for
    good is not."""
    east = issuer(context)
    token = issue(east)
    wrong = Token(token.text.replace(token.code, "wrong-" + token.code).replace(token.name, "wrong"))
    east.kill()
    west = Site(context, context.network.west, "west").start()
    west.write("token.yaml", token.text)
    west.wait_until("the status to say why",
                    lambda: "refused" in west.resource("AccessToken", token.name)["status"]["message"])
    expect("tried again" in west.resource("AccessToken", token.name)["status"]["message"], "what happens next")
    east.start()
    west.wait_link(name=token.name)
    west.write("wrong.yaml", wrong.text)
    west.wait_until("the refusal", lambda: "403" in west.resource("AccessToken", "wrong")["status"]["message"])
    status = west.resource("AccessToken", "wrong")["status"]
    expect(status["status"] == "Error" and "again" not in status["message"], status)
    done = west.command("token", "redeem", save(context, wrong, "wrong.yaml"), ok=False)
    expect_equal(done.returncode, EXIT_FAILED, "exit code")
    expect("403" in done.stderr.decode() and "does not match" in done.stderr.decode(), done.stderr.decode())


@scenario(GROUP)
def no_room_on_the_disk(context):
    """A redemption that cannot be stored is not given; when there is room again, it is."""
    mount = need_program("mount")
    east = issuer(context)
    token = issue(east)
    folder = east.root / "runtime" / "grants"
    kept = {each.name: each.read_text() for each in folder.iterdir()}
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=8k,mode=0700", "tmpfs", str(folder)], capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise Skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    context.defer(subprocess.run, ["umount", str(folder)])
    for name, text in kept.items():
        (folder / name).write_text(text)
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    status, body = ask(context.network.west, token)
    expect(status == 503 and "could not be stored" in body, f"{status} {body}")
    expect_redemptions(east, token, 0, "in all")
    wait_until("the log to say why", lambda: "No space left" in east.log())
    filler.unlink()
    expect_equal(ask(context.network.west, token)[0], 200, "status when there is room")
    expect_redemptions(east, token, 1, "in all")


@scenario(GROUP)
def commands_refuse(context):
    """What cannot be is said, with what to do, and leaves nothing behind."""
    lonely = Site(context, context.network.west, "lonely")
    done = lonely.command("token", "issue", "-", ok=False)
    expect(done.returncode == EXIT_FAILED and "fairlead system start" in done.stderr.decode(), done.stderr.decode())
    lonely.start()
    done = lonely.command("token", "issue", "-", ok=False)
    expect(done.returncode == EXIT_INVALID and "accepts no links" in done.stderr.decode(), done.stderr.decode())
    expect_equal([each.name for each in lonely.inputs.iterdir()], ["Site-lonely.yaml"], "files")

    east = issuer(context)
    taken = context.network.east.listen(0, context.network.east.address)
    context.defer(taken.close)
    east.add("Site", "east", {"grantServer": {"port": taken.getsockname()[1]}})
    done = east.command("token", "issue", "-", "--timeout", "1", ok=False)
    expect(done.returncode == EXIT_FAILED and "another program has this port" in done.stderr.decode(),
           done.stderr.decode())
    expect(not list(east.inputs.glob("AccessGrant-*")), "a grant is left behind")
    east.add("Site", "east", {"grantServer": {"port": east.grant_port}})
    for words, code, word in (
            (["--host", "nobody.example"], EXIT_INVALID, "names"),
            (["--expiration-window", "soon"], EXIT_INVALID, "15m"),
            (["--redemptions-allowed", "0"], EXIT_INVALID, "redemptions-allowed"),
            (["--name", "Bad_Name"], EXIT_INVALID, "name")):
        done = east.command("token", "issue", "-", *words, ok=False)
        expect(done.returncode == code and word in done.stderr.decode(), f"{words}: {done.stderr.decode()}")
    done = east.command("token", "issue", "/no/such/folder/token.yaml", ok=False)
    expect(done.returncode == EXIT_FAILED and "/no/such/folder" in done.stderr.decode(), done.stderr.decode())
    expect(not list(east.inputs.glob("AccessGrant-*")), "a grant is left behind")

    west = Site(context, context.network.west, "west")
    file = context.path("other.yaml")
    for text, word in (("kind: Site\nmetadata: {name: x}\n", "AccessTokens"), ("x: [", "error"), ("", "AccessTokens")):
        file.write_text(text)
        done = west.command("token", "redeem", str(file), ok=False)
        expect(done.returncode == EXIT_INVALID and word in done.stderr.decode(), f"{text}: {done.stderr.decode()}")
    done = west.command("token", "redeem", str(context.path("missing")), ok=False)
    expect(done.returncode == EXIT_INVALID and "missing" in done.stderr.decode(), done.stderr.decode())


@scenario(GROUP)
def skuppers_tools_redeem_and_issue(context):
    """The protocol is Skupper's, byte for byte: curl as its client; as its server a program that answers as its grant
    server does, with a key that it made."""
    curl = need_program("curl")
    east = issuer(context)
    token = issue(east)
    ca = context.path("ca.crt")
    ca.write_text(token.ca)
    done = context.run([curl, "-sS", "--fail", "--cacert", str(ca), "--tlsv1.3", "-X", "POST", "-H", "name: to-east",
                        "-H", "subject: west", "--data-binary", token.code, token.url], host=context.network.west)
    documents = done.stdout.decode().split("---\n")
    expect_equal([re.search(r"kind: (\w+)", each).group(1) for each in documents[1:]], ["Secret", "Link"], "documents")
    expect("cost" not in documents[2], "the answer has a cost")
    west = Site(context, context.network.west, "west")
    west.write("to-east.yaml", done.stdout.decode())
    west.start()
    west.wait_link(name="to-east")

    # The other way round: what Skupper's server says, by a server that is not ours.
    folder = context.path("skupper")
    folder.mkdir()
    trusted = base64.b64decode(re.search(r"ca.crt: (\S+)", documents[1]).group(1)).decode()
    answer = (documents[1].replace("metadata:\n", "metadata:\n  creationTimestamp: null\n"),
              documents[2].replace("metadata:\n", "metadata:\n  creationTimestamp: null\n") + "status: {}\n")
    text = "".join(f"---\n{each}" for each in answer).encode()
    bundle = json.loads(json.dumps({"cert": (east.root / "runtime/certs/links/tls.crt").read_text(),
                                    "key": (east.root / "runtime/certs/links/tls.key").read_text()}))
    for name, content in bundle.items():
        (folder / name).write_text(content)
    serve = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serve.load_cert_chain(folder / "cert", folder / "key")
    asked = []

    def redeemed(connection):
        with serve.wrap_socket(connection, server_side=True) as tls:
            request = b""
            while b"\r\n\r\n" not in request or not request.endswith(b"a-code-of-skuppers"):
                request += tls.recv(4096)
            asked.append(request.decode())
            if len(asked) == 1:
                # Cut, and nothing says so but that there was no end.
                return tls.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + text[:len(text) // 2])
            tls.sendall(b"HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 00:00:00 GMT\r\n"
                        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                        % (len(text), text))

    port = context.network.east.free_port()
    Server(context, context.network.east, port, redeemed, address=context.network.east.address)
    other = Site(context, context.network.west, "other").start()
    other.add("AccessToken", "by-token", {"url": f"https://{context.network.east.address}:{port}/uid", "linkCost": 3,
                                          "code": "a-code-of-skuppers", "ca": trusted})
    (other.inputs / "AccessToken-by-token.yaml").chmod(0o600)
    other.wait_link(name="by-token")
    expect_equal(other.link("by-token")["cost"], 3, "cost")
    expect("POST /uid HTTP/1.1\r\n" in asked[0] and "name: by-token\r\n" in asked[0] and
           "subject: other\r\n" in asked[0], asked[0])
    expect_equal(len(asked), 2, "times it was asked: once more after an answer that was cut")
