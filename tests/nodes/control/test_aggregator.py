"""Joining branches."""

from typing import Any

import pytest

from agentflow.errors import NodeError
from agentflow.nodes.context import Part
from agentflow.nodes.control.aggregator import AggregatorConfig, AggregatorNode
from tests.nodes.context import FakeContext


def completed(*outputs: Any) -> list[Part]:
    return [Part(f"n{index}", "completed", output) for index, output in enumerate(outputs)]


async def join(parts: list[Part], **config: Any) -> Any:
    return (await AggregatorNode().run(FakeContext(parts=parts), AggregatorConfig(**config))).value


@pytest.mark.parametrize(
    ("strategy", "outputs", "expected"),
    [
        ("all", [1, "a", None], [1, "a", None]),
        ("all", [], []),
        ("first", ["x", "y"], "x"),
        ("first", [], None),
        ("merge", [{"a": 1, "b": {"c": 1, "d": 1}}, {"b": {"c": 2}, "e": [1]}], {"a": 1, "b": {"c": 2, "d": 1}, "e": [1]}),
        ("merge", [{"a": {"b": 1}}, {"a": 2}], {"a": 2}),
        ("merge", [], {}),
        ("concat", [[1], [], [2, 3]], [1, 2, 3]),
        ("concat", ["a", "b"], "a\n\nb"),
        ("concat", [], []),
        ("vote", ["a", "b", "b"], "b"),
        ("vote", ["a", "b"], "a"),
        ("vote", [{"x": 1, "y": 2}, {"y": 2, "x": 1}, {"x": 1}], {"x": 1, "y": 2}),
        ("vote", [1, True, True], True),
        ("vote", [], None),
    ],
)
async def test_each_strategy(strategy: str, outputs: list[Any], expected: Any) -> None:
    """All strategies, in the order of the edges, with nothing to join too."""
    assert await join(completed(*outputs), strategy=strategy) == expected


async def test_only_completed_branches_are_joined_but_all_are_told() -> None:
    """Skipped and failed branches bring no value; the parts show them."""
    parts = [Part("a", "skipped", None), Part("b", "failed", None), Part("c", "completed", 3)]
    output = await AggregatorNode().run(FakeContext(parts=parts), AggregatorConfig(strategy="first"))
    assert output.model_dump() == {
        "value": 3,
        "parts": [
            {"node_id": "a", "status": "skipped", "output": None},
            {"node_id": "b", "status": "failed", "output": None},
            {"node_id": "c", "status": "completed", "output": 3},
        ],
    }


async def test_a_field_is_joined_instead_of_the_whole() -> None:
    """Dots lead into objects."""
    parts = completed({"r": {"t": "a"}, "n": 1}, {"r": {"t": "b"}, "n": 2})
    assert await join(parts, strategy="concat", field="r.t", separator="-") == "a-b"


async def test_merging_leaves_the_outputs_as_they_are() -> None:
    """Other nodes read the same outputs."""
    parts = completed({"a": {"b": 1}}, {"a": {"c": 2}})
    await join(parts, strategy="merge")
    assert parts[0].output == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("outputs", "config"),
    [
        ([{"a": 1}, 5], {"strategy": "merge"}),
        (["a", ["b"]], {"strategy": "concat"}),
        ([["a"], "b"], {"strategy": "concat"}),
        ([1], {"strategy": "concat"}),
        ([{"a": 1}, {"b": 1}], {"strategy": "first", "field": "a"}),
        (["text"], {"strategy": "all", "field": "a"}),
    ],
)
async def test_outputs_that_do_not_fit_are_named(outputs: list[Any], config: dict[str, Any]) -> None:
    """The error names the branch that does not fit."""
    with pytest.raises(NodeError, match=r"n\d") as raised:
        await join(completed(*outputs), **config)
    assert raised.value.error_code == "AGGREGATE"
