"""One run alone: from the HTTP request to the final answer, beside LangGraph in-process."""

from benchmarks.report import Figure
from benchmarks.setting import apart, load, server, store
from benchmarks.specs import chain

SHARE = 0.5


def measure() -> list[Figure]:
    """Measure medians, in milliseconds."""
    raw = apart("peers", "sqlite", "--runs", 40, "--concurrency", 1)["median_s"] * 1e3
    bare = apart("peers", "none", "--runs", 100, "--concurrency", 1)["median_s"] * 1e3
    with server() as process:
        ours, effects = (
            load(process, store(process, chain(10, kind)), concurrency=1, count=200)["median_s"] * 1e3 for kind in ("pure", "keyed")
        )
    return [
        Figure("one run", ours, "ms", f"≤ {SHARE} x", ours <= SHARE * raw, raw, "LangGraph + AsyncSqliteSaver"),
        Figure("one run", ours, "ms", floor=bare, floor_name="LangGraph, no persistence"),
        Figure("one run of 10 nodes with effects", effects, "ms", floor=raw, floor_name="LangGraph + AsyncSqliteSaver"),
    ]
