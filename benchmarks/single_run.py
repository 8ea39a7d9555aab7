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
        figures = []
        for name, kind in (("one run", "pure"), ("one run with effects", "keyed")):
            ours = load(process, store(process, chain(10, kind)), concurrency=1, count=200)["median_s"] * 1e3
            target = f"≤ {SHARE} x"
            figures.append(Figure(name, ours, "ms", target, ours <= SHARE * raw, raw, "LangGraph + AsyncSqliteSaver"))
    return [*figures, Figure("one run", figures[0].ours, "ms", floor=bare, floor_name="LangGraph, no persistence")]
