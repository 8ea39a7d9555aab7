"""What holds for every built-in node type."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from agentflow.nodes.base import NodeType
from agentflow.nodes.builtin import builtin_registry
from agentflow.nodes.context import NodeContext
from agentflow.nodes.registry import InvalidNodeType, NodeRegistry
from tests.nodes.context import FakeContext

TYPES = builtin_registry().all()
each_type = pytest.mark.parametrize("node_type", TYPES, ids=lambda node_type: node_type.type)


def test_all_node_types_are_there() -> None:
    """The table of built-ins."""
    expected = (
        "aggregator db delay document embedding http human input llm map output router subworkflow transform "
        "vector_search vector_upsert wait_for_event"
    )
    assert builtin_registry().names() == expected.split()


@each_type
def test_every_field_is_described_with_an_example(node_type: NodeType) -> None:
    """Docs and editors are made from the models."""
    for name, field in _fields(node_type.config_schema):
        assert field.get("description") or "$ref" in field, f"{name} has no description"
        assert "examples" in field, f"{name} has no example"
    for name, field in _fields(node_type.output_model.model_json_schema() if node_type.output_model else {}):
        assert field.get("description") or "$ref" in field, f"{name} has no description"


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from part.get("properties", {}).items()


@each_type
def test_the_example_is_valid(node_type: NodeType) -> None:
    """The example is a node of the type whose config is accepted."""
    assert node_type.example["type"] == node_type.type
    assert node_type.check_config(node_type.example.get("config", {})) == ()


@each_type
def test_any_garbage_in_a_config_is_answered(node_type: NodeType) -> None:
    """The validator may ask about anything."""
    for garbage in ({}, {"x": 1}, {name: {"a": [None]} for name in node_type.config_model.model_fields}):
        node_type.check_config(garbage)
        node_type.output_schema(garbage)
        node_type.effect(garbage)
        node_type.targets(garbage)
        node_type.has_default(garbage)
        node_type.sub_graphs(garbage)
        node_type.source_required(garbage)


def test_a_name_that_is_taken_is_refused() -> None:
    """S130: a plugin cannot replace a built-in."""
    registry = builtin_registry()
    with pytest.raises(InvalidNodeType, match="already"):
        registry.add(TYPES[0])


@pytest.mark.parametrize("thing", [object(), "http", None, dict])
def test_what_is_not_a_node_type_is_refused(thing) -> None:
    """Plugins may offer anything."""
    with pytest.raises(InvalidNodeType):
        NodeRegistry([thing])


def test_the_context_of_tests_is_a_context() -> None:
    """It has everything that nodes may use."""
    assert all(hasattr(FakeContext(), name) for name in (*NodeContext.__annotations__, *vars(NodeContext)) if name[0] != "_")
