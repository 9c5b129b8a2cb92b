"""What the roles say of themselves: counters, gauges and latencies, served for Prometheus on a loopback port."""

import resource
import threading
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from prometheus_client import start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

PREFIX = "hanan_"
BUCKETS_MS = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 600_000, 3_600_000)

Key = tuple[str, tuple[tuple[str, str], ...]]


class PrometheusMeter(Collector):
    """Kept as plain numbers and shown when asked, since the loops count thousands of things a second."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._lock = threading.Lock()
        self._sums: Counter[Key] = Counter()
        self._levels: dict[Key, float] = {}
        self._histograms: dict[Key, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS_MS) + 1))
        self._histogram_sums: Counter[Key] = Counter()

    def add(self, name: str, amount: int, **labels: str) -> None:
        with self._lock:
            self._sums[name, tuple(sorted(labels.items()))] += amount

    def set(self, name: str, value: float, **labels: str) -> None:
        with self._lock:
            self._levels[name, tuple(sorted(labels.items()))] = value

    def observe(self, name: str, values_ms: Sequence[int], **labels: str) -> None:
        key = name, tuple(sorted(labels.items()))
        with self._lock:
            buckets, values, below = self._histograms[key], sorted(values_ms), 0
            for place, bound in enumerate(BUCKETS_MS):
                upto = bisect_right(values, bound)
                buckets[place] += upto - below
                below = upto
            buckets[-1] += len(values) - below
            self._histogram_sums[key] += sum(values_ms)

    def collect(self) -> Iterator[Metric]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.set("cpu_seconds", usage.ru_utime + usage.ru_stime)
        self.set("resident_bytes", _resident_bytes())
        with self._lock:
            sums, levels = dict(self._sums), dict(self._levels)
            histograms = {key: list(counts) for key, counts in self._histograms.items()}
        for (name, labels), amount in sums.items():
            counter = CounterMetricFamily(PREFIX + name, name, labels=["role", *dict(labels)])
            counter.add_metric([self._role, *dict(labels).values()], amount)
            yield counter
        for (name, labels), level in levels.items():
            gauge = GaugeMetricFamily(PREFIX + name, name, labels=["role", *dict(labels)])
            gauge.add_metric([self._role, *dict(labels).values()], level)
            yield gauge
        for (name, labels), counts in histograms.items():
            histogram = HistogramMetricFamily(PREFIX + name, name, labels=["role", *dict(labels)])
            values = [self._role, *dict(labels).values()]
            histogram.add_metric(values, _cumulative(counts), self._histogram_sums[name, labels])
            yield histogram

    def serve(self, port: int = 0) -> int:
        """Starts answering on loopback; returns the port."""
        registry = CollectorRegistry()
        registry.register(self)
        server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
        return int(server.server_port)


def _cumulative(counts: Sequence[int]) -> list[tuple[str, float]]:
    total = 0
    rows = []
    for bound, count in zip([*map(str, BUCKETS_MS), "+Inf"], counts, strict=True):
        total += count
        rows.append((bound, float(total)))
    return rows


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - read at each scrape
        return int(statm.read().split()[1]) * resource.getpagesize()
