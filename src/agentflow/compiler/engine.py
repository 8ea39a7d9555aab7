"""What the compiled graph asks of the runtime, as a port: ``runtime.execution`` fulfils it, one object per run."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from agentflow.compiler.plan import PlanNode


@dataclass(frozen=True, slots=True)
class Advance:
    """What a step changes and whereto it leads.

    Attributes:
        update: new values by state channel.
        reach: ids of the nodes that are reached next.
    """

    update: dict[str, Any]
    reach: list[str]


StepAgain: TypeAlias = Callable[[], Awaitable[Advance | None]]
"""Runs a step once more; None while a node of it waits."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution of a node ended, as far as the flow is concerned.

    Attributes:
        status: a final mark status: completed, failed (``on_error`` takes over) or skipped.
        taken: indices of the ways taken, a way back left out.
        loop: index of the way back that was taken, or None.
    """

    status: str
    taken: tuple[int, ...]
    loop: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Where an execution happens: the run itself, or one item of a map.

    Attributes:
        prefix: put before node ids in keys: ``each[3]/``; empty in the run itself.
        names: what templates can name: ``inputs``, ``nodes``, ``run``, … and inside a map ``item`` and ``index``.
        alias: key of the only node of a map's single body (``each[3]``), or None.
    """

    prefix: str
    names: Mapping[str, Any]
    alias: str | None = None

    @property
    def nodes(self) -> dict[str, Any]:
        """Outputs by node id, as templates see them; changes as nodes complete."""
        nodes: dict[str, Any] = self.names["nodes"]
        return nodes

    def key(self, node_id: str) -> str:
        """Return the key of a node's executions in this scope."""
        return self.alias or self.prefix + node_id


def node_of(key: str) -> str:
    """Return the node of the run itself that an execution belongs to: for the item of a map, the map."""
    return key.partition("/")[0].partition("[")[0]


class Engine(Protocol):
    """Runs nodes of one run; remembers what has run, so that asking again gives the same outcome."""

    root: Scope
    """The scope of the run itself."""

    async def run(self, node: PlanNode, iteration: int, scope: Scope, loops: Mapping[int, int]) -> Outcome | None:
        """Run one node; ``loops`` holds how often each way back was taken.

        None means that the node waits (for a person, an event, a time): its branch stops here, others go on, and the node is asked for
        again when what it waits for has come.

        Raises:
            Exception: the run has failed, was cancelled or lost its lease; the graph must stop.
        """
        ...

    def stalled_at(self, node: PlanNode, again: StepAgain) -> None:
        """Take note that a step of the run itself stopped at a node that waits; ``again`` runs it once more, None while it waits."""
        ...

    def revived(self) -> Advance | None:
        """Return what came of steps of the run itself that had stopped and are through by now, each once; None when there are none.

        Of a node whose step is not known, only that the graph has to reach it again.
        """
        ...

    def skip(self, node: PlanNode, iteration: int, scope: Scope) -> None:
        """Record that a node lies on a branch that was not taken."""
        ...

    async def open_map(self, node: PlanNode, iteration: int, scope: Scope) -> int:
        """Render the items of a map; returns how many lanes shall work on them, 0 when it is already through or has none."""
        ...

    async def run_lane(self, node: PlanNode, iteration: int, scope: Scope) -> None:
        """Work on items of a map until none is left."""
        ...

    async def close_map(self, node: PlanNode, iteration: int, scope: Scope, loops: Mapping[int, int]) -> Outcome | None:
        """Collect the results of a map; None while one of its items waits."""
        ...
