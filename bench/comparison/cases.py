"""The loads, and the figures that follow from what `fairlead bench` says of them."""

from systems import OURS

GB = 1e9
PORTS = 20_000  # connections that one address can have to another one's port, and some


class Figure:
    def __init__(self, unit, digits, of, more_is_better=False, of_gateways=False):
        self.unit = unit
        self.digits = digits
        self.of = of  # a measurement -> its value
        self.more_is_better = more_is_better
        self.of_gateways = of_gateways  # says nothing where there is none


def payload(m):
    return m["up"]["bytes"] + m["down"]["bytes"]


def latency(name):
    return lambda m: m["latencyMicroseconds"][name]


FIGURES = {
    "throughput": Figure("Gbit/s", 2, lambda m: payload(m) * 8 / GB / m["seconds"], more_is_better=True),
    "cpu_per_gb": Figure("CPU s/GB", 3, lambda m: m["gatewayCpuSeconds"] / (payload(m) / GB), of_gateways=True),
    "rate": Figure("1/s", 0, lambda m: m["requests"] / m["seconds"], more_is_better=True),
    "cpu_per_request": Figure("CPU µs each", 1, lambda m: m["gatewayCpuSeconds"] * 1e6 / m["requests"],
                              of_gateways=True),
    "p50": Figure("p50 µs", 0, latency("p50")),
    "p99": Figure("p99 µs", 0, latency("p99")),
    "p999": Figure("p99.9 µs", 0, latency("p99.9")),
    "gap": Figure("ms", 0, lambda m: m["gapSeconds"] * 1000),
    "memory": Figure("KiB each", 2, lambda m: m["gatewayMemoryBytes"] / 1024 / m["streams"], of_gateways=True),
}
BULK = ["throughput", "cpu_per_gb"]
REQUESTS = ["rate", "cpu_per_request", "p50", "p99"]
PACED = ["cpu_per_request", "p50", "p99", "p999"]


class Case:
    def __init__(self, name, title, words, figures, one_cpu=False, beside=None, round_trip_ms=0, quick=False,
                 connections=0, failure=None, elsewhere=False):
        self.name = name
        self.title = title
        self.words = words  # for `fairlead bench`
        self.figures = figures
        self.one_cpu = one_cpu  # everything on one CPU: waking another core is what latency is made of otherwise
        self.beside = beside    # words of another load that runs meanwhile
        self.elsewhere = elsewhere  # it does not take the way that is measured, but loads the machine
        self.round_trip_ms = round_trip_ms  # between the halves, added by a relay
        self.quick = quick      # part of --quick
        self.connections = connections  # if it takes many: a gateway, the server and the load need a descriptor each
        self.failure = failure  # of the link that carries what there is, while another one stands by

    @property
    def addresses(self):
        """Of the server: each has ports of its own."""
        return -(-self.connections // PORTS) or 1

    @property
    def apart(self):
        """Whether a system is started for this case alone."""
        remembers = "memory" in self.figures  # what connections took once is not given back
        return self.round_trip_ms > 0 or remembers or self.failure is not None

    def suits(self, name):
        """Whether the system called `name` can have it."""
        if self.failure or self.connections > PORTS:
            return name in OURS and name != "transit"
        return name != "direct" or not self.apart


def bulk(streams, direction, **more):
    where = {"up": "to the server", "down": "to the client", "both": "both ways"}[direction]
    return Case(f"bulk-{streams}-{direction}", f"{streams} bulk stream{'s' * (streams > 1)} {where}",
                ["--mode", "bulk", "--streams", str(streams), "--direction", direction], BULK, **more)


def requests(streams, size, **more):
    kib = f"{size} B" if size < 1024 else f"{size // 1024} KiB"
    return Case(f"requests-{streams}-{size}", f"requests of {kib} on {streams} connections, as fast as answers come",
                ["--streams", str(streams), "--size", str(size)], REQUESTS, **more)


def delayed(ms):
    return Case(f"far-{ms}", f"one bulk stream over {ms} ms of round trip", ["--mode", "bulk", "--streams", "1"],
                ["throughput"], round_trip_ms=ms)


def idle(streams):
    return Case(f"idle-{streams}", f"memory of {streams:,} connections that carry next to nothing",
                ["--streams", str(streams), "--rate", "100"], ["memory"], connections=streams)


def paced(streams):
    return Case(f"paced-{streams}", f"requests of 64 B on {streams:,} connections, 5,000 a second",
                ["--streams", str(streams), "--rate", "5000"], PACED, connections=streams)


def failover(failure, title):
    return Case(f"failover-{failure}", f"how long new clients wait at most, once the cheaper of two links {title}", [],
                ["gap"], failure=failure)


CASES = [
    bulk(1, "up", quick=True),
    bulk(1, "down"),
    bulk(16, "up", quick=True),
    bulk(16, "down"),
    bulk(16, "both"),
    requests(1, 64),
    requests(1, 1024),
    requests(1, 16384),
    requests(1, 65536),
    requests(64, 64, quick=True),
    requests(64, 1024),
    requests(64, 16384),
    requests(64, 65536),
    requests(1000, 64),
    requests(1000, 16384),
    Case("paced-1", "requests of 64 B on one connection, 1,000 a second, everything on one CPU",
         ["--streams", "1", "--rate", "1000"], PACED, one_cpu=True, quick=True),
    *(paced(streams) for streams in (64, 1000, 10000)),
    Case("connects", "a connection for each request of 64 B, 8 at a time", ["--mode", "connects", "--streams", "8"],
         REQUESTS, quick=True),
    Case("beside-none", "requests of 64 B on one connection, 100 a second, beside nothing",
         ["--streams", "1", "--rate", "100"], ["p50", "p99"]),
    Case("beside-elsewhere", "the same while 16 bulk streams go straight from a client to the server",
         ["--streams", "1", "--rate", "100"], ["p50", "p99"], beside=["--mode", "bulk", "--streams", "16"],
         elsewhere=True),
    Case("beside-bulk", "the same beside 16 bulk streams", ["--streams", "1", "--rate", "100"], ["p50", "p99"],
         beside=["--mode", "bulk", "--streams", "16"]),
    *(delayed(ms) for ms in (1, 10, 50, 100)),
    *(idle(streams) for streams in (1000, 10000, 100000)),
    failover("cut", "was reset"),
    failover("silent", "fell silent"),
]
