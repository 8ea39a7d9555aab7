"""Undoing what a run has done: the nodes that ``compensate`` names, for the executions that completed, the last one first (a saga)."""

from typing import TYPE_CHECKING, Any

from agentflow.compiler.engine import Scope
from agentflow.runtime.execution.failures import RunFailed
from agentflow.runtime.records.records import NodeRecord
from agentflow.runtime.states import EventType, NodeStatus, RunStatus
from agentflow.spec.effects import EffectClass

if TYPE_CHECKING:
    from agentflow.runtime.execution.node_runner import NodeRunner


_CUT_OFF = {NodeStatus.CANCELLED, NodeStatus.RUNNING}
"""States of an execution whose owner stopped it, or died."""


class Undoing:
    """The compensations of one run that failed or was stopped.

    Each is an execution like any other, with its own record, retries and effect class: a crash in the middle repeats none that is
    through. One that fails does not keep the others from running. When one waits, ``runner.waits`` holds it.
    """

    def __init__(self, runner: "NodeRunner", why: RunStatus) -> None:
        self._plan, self._runner, self._why = runner.plan, runner, why
        self._todo = [(f"{self._undo(record)}[{record.key}]", record) for record in _completed(runner)]
        self._done: list[str] = []

    def _undo(self, record: NodeRecord) -> str:
        return self._plan.nodes[record.key].node.compensate or ""

    @property
    def needed(self) -> bool:
        """Whether the run has done anything that can be undone, or begun it."""
        return bool(self._todo or self.interrupted)

    @property
    def interrupted(self) -> list[str]:
        """The executions that were cut off: whether their effects happened is not known, so nothing undoes them."""
        return [
            record.key
            for record in _compensable(self._runner)
            if record.status in _CUT_OFF and self._plan.nodes[record.key].effect is not EffectClass.PURE
        ]

    @property
    def details(self) -> dict[str, Any]:
        """What came of it, as the run's error tells it."""
        left = [key for key, _ in self._todo]
        for key in self._done:
            left.remove(key)
        found: dict[str, Any] = {"compensated": list(self._done), "not_compensated": left}
        if interrupted := self.interrupted:
            found["interrupted"] = interrupted
        return found

    async def run(self) -> None:
        """Run the compensations."""
        runner = self._runner
        runner.undoing = True
        if self._todo and not any(record.key == key for record in runner.memory for key, _ in self._todo):
            data = {"reason": self._why.value, "nodes": [key for key, _ in self._todo]}
            runner.journal.event(EventType.RUN_COMPENSATING, data=data)
        for key, record in self._todo:
            names = {**runner.root.names, "nodes": {**runner.root.nodes, record.key: record.output}}
            undoing = self._plan.nodes[self._undo(record)]
            try:
                outcome = await runner.run(undoing, record.iteration, Scope("", names, alias=key), {})
            except RunFailed:
                continue
            if outcome is not None:
                self._done.append(key)


def _compensable(runner: "NodeRunner") -> list[NodeRecord]:
    nodes = runner.plan.nodes
    return [record for record in runner.memory if record.key in nodes and nodes[record.key].node.compensate is not None]


def _completed(runner: "NodeRunner") -> list[NodeRecord]:
    """Return the executions that completed and name what undoes them, the last to end first."""
    found = [record for record in _compensable(runner) if record.status is NodeStatus.COMPLETED]
    return sorted(found, key=lambda record: (record.ended_at, record.position), reverse=True)
