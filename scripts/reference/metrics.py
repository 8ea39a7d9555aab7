"""docs/reference/metrics.md."""

import importlib
import pkgutil

from prometheus_client import REGISTRY
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

import agentflow
from agentflow.infra.observability.metrics import MAX_SERIES, OTHER, PREFIX, Tallies
from scripts.reference.text import code, page, table


def render() -> str:
    """Return the page."""
    return page(
        "Metrics",
        "`GET /metrics` gives them in Prometheus' text format, to a caller with the permission `metrics:read`. Every process has its own; those "
        "marked *shared* are read from the database and say the same in each, so take their maximum and not their sum. "
        f"Where users choose a label (names of workflows and models) a metric has at most {MAX_SERIES} series; what comes beyond is counted "
        f"under `{OTHER}`. A process also gives `python_*` and `process_*`: garbage collection, memory, CPU time, file descriptors.",
        table(("metric", "type", "labels", "means"), (_row(*known) for known in sorted(known_metrics().items()))),
    )


def known_metrics() -> dict[str, tuple[str, list[str], str]]:
    """Return type, labels and meaning of every metric of ours, by the name under which it is queried."""
    for module in pkgutil.walk_packages(agentflow.__path__, "agentflow."):
        importlib.import_module(module.name)
    found: dict[str, tuple[str, list[str], str]] = {}
    for collector in set(REGISTRY._collector_to_names):  # noqa: SLF001 - the registry lists its collectors nowhere else
        for name, kind, labels, text in _described(collector):
            if name.startswith(PREFIX):
                found[name] = (kind, labels, text)
    return found


def _described(collector: Collector) -> list[tuple[str, str, list[str], str]]:
    if isinstance(collector, MetricWrapperBase):
        labels = list(collector._labelnames)  # noqa: SLF001 - likewise
        return [(_name(family.name, family.type), family.type, labels, family.documentation) for family in collector.describe()]
    label = [collector.label] if isinstance(collector, Tallies) else []
    families = collector.describe() if isinstance(collector, Tallies) else collector.collect()
    return [
        (family.name, "histogram" if isinstance(family, HistogramMetricFamily) else family.type, label, family.documentation)
        for family in families
    ]


def _name(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


def _row(name: str, known: tuple[str, list[str], str]) -> list[str]:
    kind, labels, text = known
    return [code(name), kind, ", ".join(map(code, labels)), text]
