"""From specifications to plans: which nodes share a step, what belongs to a loop, what cannot be built."""

import pytest

from agentflow.compiler import marks
from agentflow.compiler.build import build_plan
from agentflow.compiler.graph import build_graph
from agentflow.compiler.plan import Plan
from agentflow.compiler.steps import is_single
from agentflow.errors import InvalidSpec
from agentflow.nodes.builtin import builtin_registry
from agentflow.nodes.registry import NodeRegistry
from agentflow.spec.expressions import Renderer
from agentflow.spec.model import WorkflowSpec
from tests.runtime.support import spec_of, transform

REGISTRY = builtin_registry()
RENDERER = Renderer(100_000, 1_000_000, 65_536)


def plan_of(spec: object, registry: NodeRegistry = REGISTRY) -> Plan:
    return build_plan(WorkflowSpec.model_validate(spec), registry, RENDERER)


def units(plan: Plan) -> list[list[str]]:
    return [[node.id for node in unit.nodes] for unit in plan.units]


def test_a_chain_of_pure_nodes_is_one_step():
    """Ten transforms in a row need no engine between them."""
    plan = plan_of(spec_of([transform(f"n{i}", i) for i in range(10)], [f"n{i}>n{i + 1}" for i in range(9)]))
    assert len(plan.units) == 1
    assert is_single(plan)


def test_an_effect_a_branch_and_a_join_each_begin_a_step():
    """Only nodes between which nothing is decided are fused."""
    post = {"id": "p", "type": "http", "config": {"url": "https://example.com", "method": "POST"}}
    nodes = [transform("a", 1), transform("b", 2), post, transform("c", 3), transform("l", 4), transform("r", 5), transform("j", 6)]
    plan = plan_of(spec_of(nodes, ["a>b", "b>p", "p>c", {"from": "c", "to": ["l", "r"]}, "l>j", "r>j"]))
    assert units(plan) == [["a", "b"], ["p"], ["c"], ["l"], ["r"], ["j"]]


def test_a_loop_is_not_fused_with_what_is_outside():
    """The body of a loop is a step of its own, so that it can be gone through again."""
    nodes = [transform("a", 1), transform("b", 2), transform("c", 3), transform("d", 4)]
    plan = plan_of(spec_of(nodes, ["a>b", "b>c", {"from": "c", "to": "b", "loop": {"max_iterations": 2}}, "c>d"]))
    (loop,) = plan.loops.values()
    assert units(plan) == [["a"], ["b", "c"], ["d"]]
    assert (loop.body, loop.exits) == (frozenset({"b", "c"}), ("d",))


def test_a_router_edge_that_repeats_a_route_is_the_same_way():
    """An explicit edge from a router to one of its routes adds nothing."""
    router = {"id": "a", "type": "router", "config": {"routes": [{"when": "true", "to": "b"}], "default": "c"}}
    plan = plan_of(spec_of([router, transform("b", 1), transform("c", 2)], ["a>b"]))
    assert [(edge.source, edge.target, edge.kind.value) for edge in plan.edges] == [("a", "b", "route"), ("a", "c", "route")]


def test_a_missing_node_type_names_itself():
    """A stored specification can outlive a plugin; then it says which."""
    with pytest.raises(InvalidSpec, match="gone"):
        plan_of(spec_of([{"id": "a", "type": "gone"}]))


def test_a_node_waits_for_a_branch_that_may_still_come():
    """With one branch through and one open, the join neither runs nor is skipped."""
    plan = plan_of(
        spec_of(
            [transform("a", 1), transform("l", 2), transform("r", 3), transform("j", 4)], [{"from": "a", "to": ["l", "r"]}, "l>j", "r>j"]
        )
    )
    to_l, _, l_to_j, r_to_j = (edge.index for edge in plan.edges)
    join = plan.nodes["j"]
    through = {"l": [marks.COMPLETED, 0, [l_to_j]]}
    assert marks.decide(join, through) is marks.Verdict.WAIT
    assert marks.decide(join, {**through, "r": [marks.SKIPPED, 0, []]}) is marks.Verdict.RUN
    assert marks.decide(join, {"l": [marks.SKIPPED, 0, []], "r": [marks.SKIPPED, 0, []]}) is marks.Verdict.SKIP
    assert to_l != r_to_j


def test_every_step_is_a_node_of_the_graph_and_every_node_has_a_channel():
    """The LangGraph graph has one node a step and one state channel a workflow node."""
    plan = plan_of(spec_of([transform("a", 1), transform("b", 2), transform("c", 3)], [{"from": "a", "to": ["b", "c"]}]))
    graph = build_graph(plan)
    assert set(graph.nodes) == {"a", "b", "c"}
    assert set(graph.channels) >= {"@a", "@b", "@c"}
