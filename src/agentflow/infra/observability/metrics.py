"""Metrics that Prometheus reads."""

from functools import lru_cache

from prometheus_client import CONTENT_TYPE_LATEST, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

IN_FLIGHT = Gauge("agentflow_http_requests_in_flight", "HTTP requests under way, event streams included.")
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
    _duration(method if method in _METHODS else "other", route, status).observe(elapsed_s)


def exposition() -> bytes:
    """Return all metrics of this process in Prometheus' text format."""
    return generate_latest()
