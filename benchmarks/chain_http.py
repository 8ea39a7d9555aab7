"""Durable ten-node chains over HTTP, 32 at a time, beside LangGraph in-process with its own savers and with none."""

from benchmarks.report import Figure
from benchmarks.setting import apart, load, postgres, server, store
from benchmarks.specs import chain
from scripts.server_process import ServerProcess

FACTOR = 6


def measure() -> list[Figure]:
    """Measure on SQLite and on PostgreSQL."""
    raw = apart("peers", "sqlite", "--runs", 60)["per_s"]
    bare = apart("peers", "none", "--runs", 300)["per_s"]
    figures = []
    with server() as process:
        figures += _figures("SQLite", process, raw, bare)
    with postgres() as url, postgres() as other:
        rival = apart("peers", "postgres", "--postgres", other, "--runs", 60)["per_s"]
        with server(url) as process:
            on_postgres = _figures("PostgreSQL", process, raw, bare)
    ours = on_postgres[0].ours
    beside = Figure("10-node chain, PostgreSQL", ours, "runs/s", "≥ 5 x", ours >= 5 * rival, rival, "LangGraph + AsyncPostgresSaver")
    return [*figures, *on_postgres, beside]


def _figures(name: str, process: ServerProcess, raw: float, bare: float) -> list[Figure]:
    workflow = store(process, chain(10))
    load(process, workflow, seconds=1.5)
    ours = load(process, workflow, seconds=5)["per_s"]
    effects = load(process, store(process, chain(10, "keyed")), seconds=4)["per_s"]
    target = f"≥ {FACTOR} x"
    return [
        Figure(f"10-node chain, {name}", ours, "runs/s", target, ours >= FACTOR * raw, raw, "LangGraph + AsyncSqliteSaver"),
        Figure(f"10-node chain, {name}", ours, "runs/s", floor=bare, floor_name="LangGraph, no persistence"),
        Figure(f"10 nodes with effects, {name}", effects, "runs/s", floor=raw, floor_name="LangGraph + AsyncSqliteSaver"),
    ]
