"""Giving up what takes its workers down: tries are counted in the database, and only as long as nothing gets done."""

from collections.abc import Mapping, Sequence

from agentflow.errors import NodeError
from agentflow.runtime.execution.failures import RunFailed, run_error
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.execution.waits import Place
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.states import NodeStatus

TOO_MANY_ATTEMPTS = "TOO_MANY_ATTEMPTS"
"""Error of an execution that its workers died of; a run that fails with it is a dead letter."""

_UNDER_WAY = {NodeStatus.RUNNING, NodeStatus.CANCELLED}
"""States of an execution whose owner died, or stopped it before it went."""


def count_tries(run: RunRecord, nodes: Sequence[NodeRecord], journal: RunJournal, ports: Ports) -> Mapping[Place, NodeError]:
    """Begin the count again when a node has finished since the last owner; else give up what was under way once it had too many owners.

    Returns:
        The executions that must not be attempted again, each with the error that it fails with: what the specification says of
        failures (other ways, undoing) holds for these too.

    Raises:
        RunFailed: the workers died although no node was under way.
    """
    finished = sum(node.is_final for node in nodes)
    if finished > run.progress:
        run.progress, run.tries = finished, 1
        journal.add(ports.statements.count_tries, {"id": run.id, "tries": run.tries, "progress": run.progress})
    elif run.tries > ports.settings.max_attempts:
        lethal = [node for node in nodes if node.status in _UNDER_WAY]
        error = _too_many(run.tries - 1, [node.key for node in lethal])
        if not lethal:
            raise RunFailed(run_error(error))
        return {(node.key, node.iteration): error for node in lethal}
    return {}


def _too_many(tries: int, running: list[str]) -> NodeError:
    where = f" while {', '.join(running)} ran" if running else ""
    return NodeError(
        f"{tries} workers in a row died{where}, and no node of the run finished in between.",
        error_code=TOO_MANY_ATTEMPTS,
        hint="Look at what the named nodes do to the process (memory, native code), then start the run again with `agentflow runs retry`.",
        details={"attempts": tries, "nodes": running},
    )
