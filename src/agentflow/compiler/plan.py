"""The plan: a specification made ready to run. What drives it (LangGraph) only decides when; the plan says what and whereto."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.spec.effects import EffectClass
from agentflow.spec.expressions import CompiledTree
from agentflow.spec.graph import EdgeKind
from agentflow.spec.model import LoopPolicy, Node, WorkflowSpec


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A bounded way back.

    Attributes:
        edge: index of the edge that leads back.
        source: node the edge leaves: the end of the body.
        target: node the edge leads to: the begin of the body.
        policy: its bound.
        body: every node on a way from ``target`` to ``source``; all run again in each iteration.
        exits: targets outside the body of edges that leave it.
        inner: indices of the loop edges whose bodies lie inside; their counts begin anew in each iteration.
    """

    edge: int
    source: str
    target: str
    policy: LoopPolicy
    body: frozenset[str]
    exits: tuple[str, ...]
    inner: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PlanEdge:
    """One way, numbered.

    Attributes:
        index: its number in the plan; stable for one specification and engine format.
        source: the node it leaves.
        target: the node it leads to, or ``end``.
        kind: who declared it.
        condition: expression that must not be false.
        loop: set when it leads back.
        leaves: sources of the loops whose body it leaves; until those are through, "not taken" may still change.
    """

    index: int
    source: str
    target: str
    kind: EdgeKind
    condition: str | None
    loop: LoopPolicy | None
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MapBody:
    """What a ``map`` node runs for each item.

    Attributes:
        plan: the body as a plan of its own.
        single: its only node when the body is one node; its executions are then named like ``each[3]``.
        output: template of an item's result; None means the output of the last node that completed.
    """

    plan: "Plan"
    single: "PlanNode | None"
    output: CompiledTree | None


@dataclass(frozen=True, slots=True, eq=False)
class PlanNode:
    """One node, ready to run.

    Attributes:
        node: the node as written.
        kind: its type.
        effect: what recovery may do with it.
        config: its config as a compiled template tree.
        static_config: the validated config when nothing in it renders; shared by all runs.
        incoming: ways that lead to it, ways back left out.
        outgoing: ways that leave it, in document order.
        empty: what ``nodes.<id>`` is while the node has no output: its known fields, all null.
        body: set for ``map`` nodes.
    """

    node: Node
    kind: NodeType[Any]
    effect: EffectClass
    config: CompiledTree
    static_config: NodeConfig | None
    incoming: tuple[PlanEdge, ...]
    outgoing: tuple[PlanEdge, ...]
    empty: Mapping[str, Any]
    body: MapBody | None = None

    @property
    def id(self) -> str:
        """The node's id."""
        return self.node.id


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """Nodes that share one step of the engine: one node, or a chain of pure ones."""

    nodes: tuple[PlanNode, ...]

    @property
    def id(self) -> str:
        """The id of its first node."""
        return self.nodes[0].id


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Plan:
    """A specification, ready to run.

    Attributes:
        spec: the specification.
        start: id of the node where a run begins.
        nodes: every node by id, in document order.
        edges: every way, by its index.
        units: the engine's steps.
        loops: every bounded way back, by the index of its edge.
        outputs: the run's result as a compiled template tree; None when an ``output`` node or the last node gives it.
    """

    spec: WorkflowSpec
    start: str
    nodes: Mapping[str, PlanNode]
    edges: tuple[PlanEdge, ...]
    units: tuple[Unit, ...]
    loops: Mapping[int, Loop]
    outputs: CompiledTree | None
    loops_by_source: Mapping[str, tuple[Loop, ...]] = field(default_factory=dict)

    @property
    def compensates(self) -> bool:
        """Whether a node names what undoes it."""
        return any(node.node.compensate is not None for node in self.nodes.values())
