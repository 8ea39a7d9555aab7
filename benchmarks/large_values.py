"""Runs whose inputs and outputs are as large as a request may be: how long one takes, and what it costs the server in memory."""

import time
from statistics import median

from benchmarks.report import Figure
from benchmarks.setting import call, server, store
from benchmarks.specs import chain, echo

LARGE = "x" * 9_500_000
RUNS = 6


def measure() -> list[Figure]:
    """Measure six of them, one after the other; what comes out must be what went in."""
    with server() as process:
        execute = f"/api/v1/workflows/{store(process, chain(10))}/execute?wait=60"
        for _ in range(50):
            call(process, "POST", execute, {"inputs": {}})
        large = store(process, echo())
        before, took = process.peak_mb(), []
        for _ in range(RUNS):
            begin = time.perf_counter()
            run = call(process, "POST", f"/api/v1/workflows/{large}/execute?wait=60", {"inputs": {"text": LARGE}})
            took.append(time.perf_counter() - begin)
            if run["outputs"] != LARGE:
                raise RuntimeError(f"the outputs are not what went in: {str(run)[:500]}")
        return [
            Figure("a run with 9.5 MB in and out, median", median(took), "s"),
            Figure("peak of memory, with six of them", process.peak_mb(), "MB", floor=before, floor_name="before them"),
        ]
