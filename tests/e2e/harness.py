"""What every scenario stands on: programs that are started and always ended, waiting for events, and where it all runs.

Nothing here waits for a fixed time: wait_until() looks until something is true, and fails with what it saw last.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time


class Skip(Exception):
    """This machine cannot run the scenario; the message says why."""


class Failure(AssertionError):
    """The product did something else than what is expected."""


def expect(condition, message):
    if not condition:
        raise Failure(message() if callable(message) else message)


def expect_equal(found, wanted, what):
    expect(found == wanted, lambda: f"{what}: found {found!r}, expected {wanted!r}")


def wait_until(what, condition, seconds=60):
    """Returns the first true value of condition(). An OSError or KeyError in it means: not yet."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (OSError, KeyError, IndexError) as error:
            last = error
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s for {what}; last seen: {last!r}")
        time.sleep(0.01)  # sleep: between two looks at a condition that has no event of its own


def need_program(*names):
    """Path of the first of the names that is installed."""
    for name in names:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
        if path:
            return path
    raise Skip(f"{' or '.join(names)} is not installed")


def dies_with_us(argv):
    """The words to run argv so that it is killed if this process is, which then has no chance to end anything. The
    kernel watches the thread that starts it: the main one, or one that waits for it to end."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *argv]


class Process:
    """A program in a session of its own, so that its children can be ended with it; output goes to a file."""

    def __init__(self, name, argv, log_path, env=None, cwd=None):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log_path = pathlib.Path(log_path)
        # Appended, not shared as one position: what the scenario reads is whole at all times.
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(dies_with_us(self.argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=env, cwd=cwd, start_new_session=True)
        self.pid = self.popen.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            if self.alive():
                os.kill(self.pid, number)

    def wait(self, seconds=30):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still runs {seconds} s after it should have ended") from None

    def kill(self):
        """At once, with all its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()

    def end(self):
        """However it takes."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(5)
        self.kill()


class Context:
    """What one scenario (or a group of them) has started; close() takes all of it away in reverse order."""

    def __init__(self, name, network, binary, parent_folder):
        self.name = name
        self.network = network
        self.binary = binary
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=parent_folder))
        self.folder.chmod(0o755)  # programs that run as another user find their own folders below it
        self.processes = []
        self.notes = []
        self.group = None  # of a scenario: the context of its group
        self._stack = contextlib.ExitStack()

    def defer(self, action, *arguments):
        self._stack.callback(action, *arguments)

    def note(self, text):
        """Shown behind the scenario's name: figures worth a look that are not asserted."""
        self.notes.append(text)

    def path(self, name):
        return self.folder / name

    def nested(self, name):
        """One for a part of a scenario; ended with it at the latest."""
        inner = Context(name, self.network, self.binary, self.folder)
        inner.processes = self.processes  # so that a failure shows their logs
        self.defer(inner.close)
        return inner

    def folder_for(self, user, name):
        folder = self.path(name)
        folder.mkdir()
        if user:
            shutil.chown(folder, user)
        return folder

    def start(self, name, argv, host=None, env=None, cwd=None):
        argv = host.argv(argv) if host else argv
        process = Process(name, argv, self.path(f"{name}.log"), env=env, cwd=cwd)
        self.processes.append(process)
        self.defer(process.end)
        return process

    def run(self, argv, host=None, seconds=60, ok=True, **options):
        """Runs to the end. Output as bytes in the result; with ok, a failure is the scenario's."""
        argv = [str(word) for word in (host.argv(argv) if host else argv)]
        if "stdin" not in options and "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        try:
            done = subprocess.run(dies_with_us(argv), capture_output=True, timeout=seconds, **options)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{' '.join(argv)}: not done after {seconds} s; it printed: "
                          f"{(error.stderr or b'')[-1000:].decode(errors='replace')}") from None
        if ok and done.returncode != 0:
            says = (done.stdout[-1500:] + done.stderr[-1500:]).decode(errors="replace")
            raise Failure(f"{' '.join(argv)}: exit code {done.returncode}\n{says}")
        return done

    def logs(self, lines=25):
        """The last lines of what each program wrote, for a scenario that failed."""
        for process in self.processes:
            text = process.log().rstrip().splitlines() if process.log_path.exists() else []
            state = "runs" if process.alive() else f"exit code {process.popen.returncode}"
            yield f"---- {process.name} (pid {process.pid}, {state})"
            yield from text[-lines:]

    def close(self):
        try:
            self._stack.close()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


SCENARIOS = []  # (group, function), in the order of their definition


def scenario(group):
    """Marks a function of one Context as a scenario; its docstring is what it shows."""
    def register(function):
        SCENARIOS.append((group, function))
        return function
    return register
