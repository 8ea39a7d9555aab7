"""One run alone: from the HTTP request to the final answer, beside LangGraph in-process, which is taken before and behind it."""

from statistics import fmean

from benchmarks.report import Figure
from benchmarks.setting import apart, load, server, store
from benchmarks.specs import chain

SHARE = 0.5


def measure() -> list[Figure]:
    """Measure medians, in milliseconds."""
    before = _peers()
    with server() as process:
        ours, effects = (
            load(process, store(process, chain(10, kind)), concurrency=1, count=200)["median_s"] * 1e3 for kind in ("pure", "keyed")
        )
    raw, bare = (fmean(both) for both in zip(before, _peers(), strict=True))
    return [
        Figure("one run", ours, "ms", f"≤ {SHARE} x", ours <= SHARE * raw, raw, "LangGraph + AsyncSqliteSaver"),
        Figure("one run", ours, "ms", floor=bare, floor_name="LangGraph, no persistence"),
        Figure("one run of 10 nodes with effects", effects, "ms", floor=raw, floor_name="LangGraph + AsyncSqliteSaver"),
    ]


def _peers() -> tuple[float, float]:
    """Return LangGraph's medians in milliseconds: with its saver, and with none."""
    saver = apart("peers", "sqlite", "--runs", 40, "--concurrency", 1)["median_s"] * 1e3
    return saver, apart("peers", "none", "--runs", 100, "--concurrency", 1)["median_s"] * 1e3
