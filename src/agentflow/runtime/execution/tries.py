"""Giving up runs that take their workers down: tries are counted in the database, and only as long as nothing gets done."""

from collections.abc import Sequence
from typing import Any

from agentflow.runtime.execution.failures import RunFailed
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord, RunRecord


def count_tries(run: RunRecord, nodes: Sequence[NodeRecord], journal: RunJournal, ports: Ports) -> None:
    """Begin the count again when a node has finished since the last owner; else give the run up once it had too many owners.

    Raises:
        RunFailed: ``TOO_MANY_ATTEMPTS``; the run is on its way to the dead-letter list.
    """
    finished = sum(node.is_final for node in nodes)
    if finished > run.progress:
        run.progress, run.tries = finished, 1
        journal.add(ports.statements.count_tries, {"id": run.id, "tries": run.tries, "progress": run.progress})
    elif run.tries > ports.settings.max_attempts:
        journal.add(ports.statements.bury_run, {"id": run.id, "dead_letter_at": ports.clock.now()})
        raise RunFailed(_too_many(run.tries - 1, [node.key for node in nodes if not node.is_final]))


def _too_many(tries: int, running: list[str]) -> dict[str, Any]:
    where = f" while {', '.join(running)} ran" if running else ""
    return {
        "code": "TOO_MANY_ATTEMPTS",
        "message": f"{tries} workers in a row died{where}, and no node of the run finished in between.",
        "node_id": running[0] if len(running) == 1 else None,
        "attempt": None,
        "hint": "Look at what the named nodes do to the process (memory, native code), then start the run again with `agentflow runs retry`.",
        "details": {"attempts": tries, "nodes": running},
    }
