"""Two hosts, west and east: two network namespaces joined by a veth pair where that is possible (it takes root), and
otherwise two loopback addresses, which is the same to a program that is told its addresses.

The namespaces have no names: they are descriptors of this process, and vanish with it and what it started.
"""

import ctypes
import os
import random
import socket
import subprocess
import threading

from harness import Skip

CLONE_NEWNET = 0x40000000
LISTEN_BACKLOG = 1024
# Below the ephemeral range, whose ports outgoing connections take at any time.
PORT_FIRST, PORT_LAST = 10_000, 30_000

_libc = ctypes.CDLL(None, use_errno=True)
_switching = threading.Lock()


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def family_of(address):
    return socket.AF_INET6 if address and ":" in address else socket.AF_INET


class Host:
    """address: where the other host reaches it; local: where its own programs reach each other."""

    def __init__(self, name, address, local, namespace=None, home=None):
        self.name = name
        self.address = address
        self.local = local
        self._namespace = namespace
        self._home = home
        self._given = set()

    def argv(self, argv):
        if self._namespace is None:
            return list(argv)
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self._namespace}", "--", *argv]

    def socket(self, family=socket.AF_INET):
        """A TCP socket stays in the namespace in which it was made, whichever thread uses it."""
        if self._namespace is None:
            return socket.socket(family)
        with _switching:
            _setns(self._namespace)
            try:
                return socket.socket(family)
            finally:
                _setns(self._home)

    def connect(self, port, address=None, seconds=30):
        made = self.socket(family_of(address))
        try:
            made.settimeout(seconds)
            made.connect((address or self.local, port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            made.close()
            raise
        return made

    def listen(self, port, address=None):
        made = self.socket(family_of(address))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address or self.local, port))
        made.listen(LISTEN_BACKLOG)
        return made

    def listens(self, port, address=None):
        try:
            self.connect(port, address, seconds=2).close()
            return True
        except OSError:
            return False

    def free_port(self):
        while True:
            port = random.randint(PORT_FIRST, PORT_LAST)
            if port in self._given:
                continue
            with self.socket() as probe:
                try:
                    probe.bind(("", port))
                except OSError:
                    continue
            self._given.add(port)
            return port


class Network:
    def __init__(self, west, east, description, device=None):
        self.west = west
        self.east = east
        self.description = description
        self._device = device  # of west, towards east

    def cut(self):
        """Packets between the two are lost; neither end is told."""
        if self._device is None:
            raise Skip("to cut the network takes network namespaces")
        done = subprocess.run(self.west.argv(["tc", "qdisc", "add", "dev", self._device, "root", "blackhole"]),
                              check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"the network cannot be cut here: {done.stderr.strip()}")

    def mend(self):
        subprocess.run(self.west.argv(["tc", "qdisc", "del", "dev", self._device, "root"]), check=False,
                       capture_output=True)


def _loopback(why):
    west = Host("west", "127.10.0.1", "127.10.0.1")
    east = Host("east", "127.10.0.2", "127.10.0.2")
    return Network(west, east, f"loopback addresses ({why})")


def _new_namespace(home):
    if _libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    try:
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        _setns(home)


def _namespaces():
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    hosts = [Host(name, address, "127.0.0.1", _new_namespace(home), home)
             for name, address in (("west", "10.99.0.1"), ("east", "10.99.0.2"))]
    west, east = hosts

    def ip(host, *words):
        subprocess.run(host.argv(["ip", *words]), check=True, capture_output=True)

    ip(west, "link", "add", "to-east", "type", "veth", "peer", "name", "to-west")
    ip(west, "link", "set", "to-west", "netns", f"/proc/{os.getpid()}/fd/{east._namespace}")
    for host, device in ((west, "to-east"), (east, "to-west")):
        ip(host, "address", "add", f"{host.address}/24", "dev", device)
        ip(host, "link", "set", device, "up")
        ip(host, "link", "set", "lo", "up")
    return Network(west, east, "two network namespaces", "to-east")


def open_network(kind="auto"):
    if kind == "loopback":
        return _loopback("asked for")
    if os.geteuid() != 0 and kind == "auto":
        return _loopback("network namespaces take root")
    try:
        return _namespaces()
    except (OSError, subprocess.CalledProcessError) as error:
        if kind == "namespaces":
            raise
        return _loopback(f"network namespaces are not possible here: {error}")
