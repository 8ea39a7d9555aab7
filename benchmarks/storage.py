"""What runs take on disk, payloads included (they are tiny here)."""

import sqlite3
from typing import Any

from benchmarks.report import Figure, at_most
from benchmarks.setting import load, server, store
from benchmarks.specs import chain
from scripts.server_process import ServerProcess


def measure() -> list[Figure]:
    """Measure the growth of the database over many runs, for nodes that share steps and nodes with effects."""
    figures = []
    with server() as process:
        for kind in ("pure", "keyed"):
            small = _bytes_per_run(process, chain(10, kind), 200)
            large = _bytes_per_run(process, chain(200, kind), 20)
            name = "pure nodes" if kind == "pure" else "effects"
            figures.append(at_most(f"storage of a 10-node run, {name}", small / 1e3, 12, "KB"))
            figures.append(
                Figure(f"storage of 200 nodes, {name}", large / 1e3, "KB", "≤ 20 x", large <= 20 * small, small / 1e3, "10 nodes")
            )
    return figures


def _bytes_per_run(process: ServerProcess, spec: dict[str, Any], runs: int) -> float:
    workflow = store(process, spec)
    load(process, workflow, concurrency=4, count=10)
    before = _bytes(process)
    load(process, workflow, concurrency=4, count=runs, seconds=60)
    return (_bytes(process) - before) / runs


def _bytes(process: ServerProcess) -> int:
    """Return the bytes of rows and indexes, as SQLite counts its own pages."""
    connection = sqlite3.connect(process.data_dir / "agentflow.db")
    try:
        pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
        return int((pages - free) * size)
    finally:
        connection.close()
