"""The small control nodes: input, output, delay, map, subworkflow."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agentflow.errors import NodeError
from agentflow.nodes.context import ChildRun
from agentflow.nodes.control.delay import DelayConfig, DelayNode
from agentflow.nodes.control.input import InputConfig, InputNode
from agentflow.nodes.control.map import MapConfig, MapNode
from agentflow.nodes.control.output import OutputConfig, OutputNode
from agentflow.nodes.control.subworkflow import SubworkflowConfig, SubworkflowNode
from agentflow.spec.effects import EffectClass
from tests.nodes.context import FakeContext


async def test_input_hands_on_the_inputs_tidied() -> None:
    """Text is changed in the order given; what is absent or null is left alone."""
    config = InputConfig(transform={"q": ["strip", "uppercase"], "absent": ["strip"], "none": ["strip"]})
    context = FakeContext(inputs={"q": "  hi ", "n": 5, "none": None})
    assert await InputNode().run(context, config) == {"q": "HI", "n": 5, "none": None}
    assert context.inputs["q"] == "  hi "


async def test_input_refuses_to_change_what_is_not_text() -> None:
    """A number cannot be put into upper case."""
    with pytest.raises(NodeError) as raised:
        await InputNode().run(FakeContext(inputs={"n": 5}), InputConfig(transform={"n": ["strip"]}))
    assert (raised.value.error_code, raised.value.retryable) == ("INVALID_INPUTS", False)


@pytest.mark.parametrize("value", [None, 0, "text", [1, {"a": None}], {"a": [True]}])
async def test_output_is_its_value(value) -> None:
    """The result is the rendered value, of any type."""
    assert await OutputNode().run(FakeContext(), OutputConfig(value=value)) == value


def test_output_needs_a_value() -> None:
    """An output node that shapes nothing is a mistake."""
    assert [problem.path for problem in OutputNode().check_config({})] == [("value",)]


async def test_delay_counts_from_the_first_start() -> None:
    """After a recovery only what is left is waited: here nothing."""
    context = FakeContext(started_at=datetime.now(UTC) - timedelta(seconds=100))
    async with asyncio.timeout(1):
        output = await DelayNode().run(context, DelayConfig(seconds=99))
    assert output.waited_s >= 100


async def test_delay_waits_for_as_long_as_it_says() -> None:
    """The wait is neither shorter nor much longer."""
    output = await DelayNode().run(FakeContext(), DelayConfig(seconds=0.05))
    assert 0.05 <= output.waited_s < 1


async def test_delay_until_a_moment_past_does_not_wait() -> None:
    """A moment that is over is no reason to wait."""
    async with asyncio.timeout(1):
        await DelayNode().run(FakeContext(), DelayConfig.model_validate({"until": "2020-01-01T00:00:00Z"}))


async def test_delay_until_a_moment_too_far_fails() -> None:
    """Thirty days are the most."""
    with pytest.raises(NodeError) as raised:
        await DelayNode().run(FakeContext(), DelayConfig(until=datetime.now(UTC) + timedelta(days=31)))
    assert raised.value.error_code == "INVALID_CONFIG"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"seconds": 1, "until": "2030-01-01T00:00:00Z"},
        {"seconds": -1},
        {"seconds": 2_592_001},
        {"seconds": "soon"},
        {"until": "2030-01-01T00:00:00"},
        {"until": "tomorrow"},
    ],
)
def test_delay_refuses_a_wait_that_cannot_be(config) -> None:
    """One of the two, within bounds, with a time zone."""
    assert DelayNode().check_config(config)


async def test_subworkflow_hands_on_the_outputs_of_the_child() -> None:
    """The child runs with the inputs and version asked for."""
    context = FakeContext(child=ChildRun("r1", "succeeded", {"answer": 42}, None))
    output = await SubworkflowNode().run(context, SubworkflowConfig(workflow="other", version=3, inputs={"a": 1}))
    assert (output.run_id, output.outputs) == ("r1", {"answer": 42})
    assert context.children == [("other", {"a": 1}, 3)]


@pytest.mark.parametrize("status", ["failed", "cancelled", "timed_out"])
async def test_subworkflow_fails_with_the_error_of_the_child(status: str) -> None:
    """The cause in the child is the cause here, with the way to it."""
    error = {"code": "HTTP_STATUS", "message": "it answered 503.", "hint": "Try later."}
    context = FakeContext(child=ChildRun("r1", status, None, error))
    with pytest.raises(NodeError, match="it answered 503") as raised:
        await SubworkflowNode().run(context, SubworkflowConfig(workflow="other"))
    assert raised.value.error_code == "SUBWORKFLOW_FAILED"
    assert raised.value.details == {"run_id": "r1", "status": status, "error": error}


async def test_subworkflow_tells_of_a_child_without_error() -> None:
    """A cancelled child has none; the message still says what happened."""
    context = FakeContext(child=ChildRun("r1", "cancelled", None, None))
    with pytest.raises(NodeError, match="ended as cancelled"):
        await SubworkflowNode().run(context, SubworkflowConfig(workflow="other"))


def test_subworkflow_is_run_again_with_the_same_key() -> None:
    """A recovery finds the child again instead of starting a second."""
    assert SubworkflowNode().effect({}) is EffectClass.KEYED


@pytest.mark.parametrize("version", [0, -1, "newest", 1.5])
def test_subworkflow_refuses_a_version_that_cannot_be(version) -> None:
    """Versions are numbers from 1, or the latest."""
    assert SubworkflowNode().check_config({"workflow": "a", "version": version})


def test_map_with_a_node_is_a_graph_of_one() -> None:
    """The node gets the id ``item`` unless it has its own."""
    one = MapNode().sub_graphs({"items": [], "node": {"type": "http"}})[0]
    assert (one.path, one.document["start_node"], one.document["nodes"]) == (("node",), "item", [{"type": "http", "id": "item"}])
    named = MapNode().sub_graphs({"node": {"type": "http", "id": "call"}})[0]
    assert named.document["start_node"] == "call"


def test_map_with_a_graph_shows_it() -> None:
    """The graph is checked where it stands."""
    graph = {"nodes": [{"id": "a", "type": "http"}]}
    assert MapNode().sub_graphs({"graph": graph})[0].path == ("graph",)
    assert MapNode().sub_graphs({"graph": graph})[0].document == graph


@pytest.mark.parametrize("config", [{}, {"node": "x"}, {"node": None, "graph": 5}, {"graph": []}])
def test_map_without_a_usable_body_has_none(config) -> None:
    """A broken body is not walked into."""
    assert MapNode().sub_graphs(config) == ()


@pytest.mark.parametrize(
    "config",
    [
        {"items": []},
        {"items": [], "node": {"type": "a"}, "graph": {"nodes": [{}]}},
        {"items": [], "node": {}},
        {"items": "no list", "node": {"type": "a"}},
        {"items": [], "graph": {"nodes": []}},
        {"items": [], "node": {"type": "a"}, "max_concurrency": 0},
        {"items": [], "node": {"type": "a"}, "max_concurrency": 1001},
        {"items": [], "node": {"type": "a"}, "on_item_error": "ignore"},
    ],
)
def test_map_refuses_a_config_that_cannot_run(config) -> None:
    """Items, one body, and bounds."""
    assert MapNode().check_config(config)


def test_map_trusts_items_that_come_from_a_template() -> None:
    """What a template yields is known only when it runs."""
    assert MapNode().check_config({"items": "{{ inputs.urls }}", "node": {"type": "a"}}) == ()


def test_the_body_of_a_map_is_not_rendered_with_the_map() -> None:
    """Templates in the body are rendered for each item."""
    assert set(MapNode().raw_paths) == {("node",), ("graph",)}


def test_map_collects_results_and_errors() -> None:
    """Results keep their places; errors say theirs."""
    output = MapNode().collect(["a", None], [{"index": 1, "error": {"code": "X", "message": "no"}}])
    assert output.model_dump() == {"results": ["a", None], "errors": [{"index": 1, "error": {"code": "X", "message": "no"}}]}


async def test_map_is_not_run_as_a_node() -> None:
    """The engine drives it; running it is a fault."""
    with pytest.raises(NodeError) as raised:
        await MapNode().run(FakeContext(), MapConfig(items=[], node={"type": "a"}))
    assert raised.value.error_code == "INTERNAL"
