"""Where a run stops for a person who looks at it: breakpoints, step mode, and effects whose outcome is unknown."""

from collections.abc import Callable
from typing import Any

from agentflow.compiler.engine import Scope
from agentflow.compiler.plan import PlanNode
from agentflow.errors import NodeError
from agentflow.runtime.execution.waits import Place, Waits
from agentflow.runtime.interrupts.records import Interrupt, InterruptKind
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.states import NodeStatus
from agentflow.spec.effects import EffectClass
from agentflow.spec.expressions import ExpressionError

CONTINUE, FINISH = "continue", "finish"
"""Answers at a breakpoint: go on to the next one, or go on without any more."""
DONE, RETRY, FAIL = "done", "retry", "fail"
"""Answers about an unknown outcome: the effect happened, run it again, let the node fail."""


class Gate:
    """Decides whether an execution may begin or be left, for one run."""

    def __init__(self, run: RunRecord, waits: Waits, journal: RunJournal) -> None:
        control = run.control or {}
        self._every = control.get("mode") == "step"
        self._before = frozenset(control.get("interrupt_before") or ())
        self._after = frozenset(control.get("interrupt_after") or ())
        self.on = bool(self._every or self._before or self._after)
        """Whether the run has breakpoints at all."""
        self._waits, self._journal = waits, journal

    async def may_begin(self, node: PlanNode, place: Place, scope: Scope) -> bool:
        """Tell whether a node may begin; if not, it has been asked, with the config that it would run with."""
        if not (self._every or node.id in self._before):
            return True
        return await self._passes(InterruptKind.BEFORE, place, node.id, lambda: {"config": _rendered(node, scope)})

    async def may_leave(self, node_id: str, place: Place, output: Any) -> bool:
        """Tell whether the run may go on behind a node that has ended; if not, it has been asked."""
        if node_id not in self._after:
            return True
        return await self._passes(InterruptKind.AFTER, place, node_id, lambda: {"output": output})

    async def _passes(self, kind: InterruptKind, place: Place, node_id: str, shown: Callable[[], dict[str, Any]]) -> bool:
        if self._waits.finished:
            return True
        settled = await self._waits.settled(kind, place, lambda: {"node": node_id, "choices": [CONTINUE, FINISH], **shown()})
        if settled is None:
            self._waits.hold(place, None)
            return False
        self._waits.announce(settled)
        return True

    def doubts(self, node: PlanNode, record: NodeRecord) -> bool:
        """Tell whether an execution that is not through may have had an effect that must not be repeated.

        One that waits by itself, for a person or for its turn, has had none yet.
        """
        if EffectClass.ONCE not in {node.effect, record.effect} or record.status is NodeStatus.RATE_LIMITED:
            return False
        asked = self._waits.latest(InterruptKind.ATTENTION, (record.key, record.iteration)) is not None
        return asked or record.status is not NodeStatus.WAITING

    async def verdict(self, record: NodeRecord) -> Interrupt | None:
        """Return what a person said about an effect that was under way when its owner died; None while nobody has.

        An execution that is stored as running has begun since the last answer: its outcome is unknown again.
        """
        place = (record.key, record.iteration)
        again = record.status is not NodeStatus.WAITING
        settled = await self._waits.settled(InterruptKind.ATTENTION, place, lambda: unknown_outcome(record), again=again)
        if settled is None:
            record.status = NodeStatus.WAITING
            self._journal.node(record)
            self._waits.hold(place, None)
        return settled


def _rendered(node: PlanNode, scope: Scope) -> Any:
    """Return the config that a node would run with; where it cannot be rendered, what is wrong."""
    if node.static_config is not None:
        return node.node.config
    try:
        return node.config.render(scope.names)
    except ExpressionError as error:
        return {"error": str(error)}


def said_to_have_failed(record: NodeRecord, verdict: Interrupt) -> NodeError:
    """Return the error of an execution of unknown outcome that a person said has failed."""
    return NodeError(
        f"The outcome of node {record.key} was unknown, and {verdict.answered_by} said that it failed.",
        error_code="UNKNOWN_OUTCOME",
        hint="The run's events hold the answer.",
    )


def unknown_outcome(record: NodeRecord) -> dict[str, Any]:
    """Return the question about an effect of unknown outcome; also the error that the run shows meanwhile."""
    return {
        "code": "UNKNOWN_OUTCOME",
        "message": f"The process died while node {record.key} was under way; its effect cannot be repeated blindly.",
        "node_id": record.key,
        "attempt": record.attempts,
        "hint": "Find out whether the effect happened, then answer with done, retry or fail.",
        "details": {"choices": [DONE, RETRY, FAIL]},
    }
