"""Metrics that Prometheus reads: what is measured stands beside what it measures, and how it is measured stands here."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "agentflow_"

OTHER = "other"
"""Label of everything beyond the bound of a metric."""
MAX_SERIES = 200
"""Most label sets of one metric whose labels users choose, as names of workflows and models."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Buckets for what takes from a millisecond to a minute."""
QUICK_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Buckets for what takes a fraction of that."""

M = TypeVar("M", bound=MetricWrapperBase)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, which nobody reads

IN_FLIGHT = Gauge("agentflow_http_requests_in_flight", "HTTP requests under way, event streams included.")
_TASKS = Gauge("agentflow_event_loop_tasks", "Tasks of the event loop that have not ended; a number that only grows is a leak.")
_DURATION = Histogram(
    "agentflow_http_request_duration_seconds",
    "Time from a request to the beginning of its answer.",
    ["method", "route", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@lru_cache(maxsize=4096)
def _duration(method: str, route: str, status: int) -> Histogram:
    return _DURATION.labels(method, route, str(status))


def observe_request(method: str, route: str, status: int, elapsed_s: float) -> None:
    """Count one answered request; ``route`` is the template, so that ids do not make a series each."""
    _duration(method if method in _METHODS else OTHER, route, status).observe(elapsed_s)


class Bounded(Generic[M]):
    """The children of a metric by label values; what comes beyond the bound shares the child whose labels are all ``other``."""

    def __init__(self, metric: M, limit: int) -> None:
        self._metric = metric
        self._limit = limit
        self._children: dict[tuple[str, ...], M] = {}

    def __call__(self, *values: str) -> M:
        """Return the child with these labels."""
        child = self._children.get(values)
        return self._new(values) if child is None else child

    def _new(self, values: tuple[str, ...]) -> M:
        if len(self._children) >= self._limit:
            return self._metric.labels(*[OTHER] * len(values))
        child = self._children[values] = self._metric.labels(*values)
        return child


def bounded(metric: M, limit: int = MAX_SERIES) -> Bounded[M]:
    """Bound the series of a metric whose labels come from users."""
    return Bounded(metric, limit)


class Tally:
    """One series of a ``Tallies``: counts values by bucket, without the lock that a histogram takes; for one event loop."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Tallies(Collector):
    """A histogram for what happens many thousand times a second on the event loop; one label, bounded like ``Bounded``."""

    def __init__(self, name: str, documentation: str, label: str, bounds: Sequence[float], limit: int = MAX_SERIES) -> None:
        self._family: Callable[[], HistogramMetricFamily] = lambda: HistogramMetricFamily(name, documentation, labels=[label])
        self.label = label
        self._bounds, self._limit = bounds, limit
        self._names = [*map(str, map(float, bounds)), "+Inf"]
        self._tallies: dict[str, Tally] = {}
        REGISTRY.register(self)

    def of(self, value: str) -> Tally:
        """Return the series with this label."""
        tally = self._tallies.get(value)
        if tally is None:
            name = value if len(self._tallies) < self._limit else OTHER
            tally = self._tallies.setdefault(name, Tally(self._bounds))
        return tally

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Return the metric without its values."""
        return [self._family()]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Return the metric."""
        family = self._family()
        for value, tally in list(self._tallies.items()):
            family.add_metric([value], list(zip(self._names, accumulate(tally.counts), strict=True)), tally.total)
        return [family]


def exposition() -> bytes:
    """Return all metrics of this process in Prometheus' text format; call it on the event loop."""
    _TASKS.set(len(asyncio.all_tasks()))
    return generate_latest()
