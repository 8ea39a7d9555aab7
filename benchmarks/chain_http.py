"""Durable ten-node chains over HTTP, 32 at a time, beside LangGraph in-process with its own savers and with none.

The speed of processors and disks changes within minutes on shared machines: what stands beside ours is taken before and behind it. How far
ours is ahead hangs on what a sync of the disk costs (decision 0032), so that is a figure, too.
"""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from statistics import fmean, median

from benchmarks.report import Figure
from benchmarks.setting import apart, load, postgres, server, store
from benchmarks.specs import chain
from scripts.server_process import ServerProcess

SQLITE, POSTGRES, BARE = "LangGraph + AsyncSqliteSaver", "LangGraph + AsyncPostgresSaver", "LangGraph, no persistence"
FACTORS = {SQLITE: 6, POSTGRES: 5}


def measure() -> list[Figure]:
    """Measure on SQLite and on PostgreSQL."""
    rivals: dict[str, Callable[[], float]] = {SQLITE: partial(_peer, "sqlite", 120), BARE: partial(_peer, "none", 300)}
    with server() as process:
        on_sqlite = _figures("SQLite", process, rivals)
    with postgres() as url, postgres() as other, server(url) as process:
        on_postgres = _figures("PostgreSQL", process, {**rivals, POSTGRES: partial(_peer, "postgres", 120, "--postgres", other)})
    return [*on_sqlite, *on_postgres, Figure("one sync of the disk, median", _sync_ms(), "ms")]


def _sync_ms(times: int = 300) -> float:
    """Return the median time in which a page of 4 KiB behind the end of a file is on the disk on which the data folders lie."""
    taken = list[float]()
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(1000 * (time.perf_counter() - begin))
    return median(taken)


def _peer(kind: str, runs: int, *options: str) -> float:
    return float(apart("peers", kind, "--runs", runs, *options)["per_s"])


def _figures(name: str, process: ServerProcess, rivals: dict[str, Callable[[], float]]) -> list[Figure]:
    workflow = store(process, chain(10))
    load(process, workflow, seconds=1.5)
    before = {rival: run() for rival, run in rivals.items()}
    ours = load(process, workflow, seconds=5)["per_s"]
    beside = {rival: fmean([before[rival], run()]) for rival, run in rivals.items()}
    effects = load(process, store(process, chain(10, "keyed")), seconds=4)["per_s"]
    return [
        *(_beside(f"10-node chain, {name}", ours, rival, per_s, FACTORS.get(rival)) for rival, per_s in beside.items()),
        _beside(f"10 nodes with effects, {name}", effects, SQLITE, beside[SQLITE]),
    ]


def _beside(name: str, ours: float, rival: str, per_s: float, factor: int | None = None) -> Figure:
    if factor is None:
        return Figure(name, ours, "runs/s", floor=per_s, floor_name=rival)
    return Figure(name, ours, "runs/s", f"≥ {factor} x", ours >= factor * per_s, per_s, rival)
