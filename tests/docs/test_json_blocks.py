"""The JSON of the documentation, and the example workflows."""

import json

import pytest

from agentflow.config.limits import Limits
from agentflow.llm.providers import PROVIDERS
from agentflow.nodes.builtin import builtin_registry
from agentflow.spec.model import Node, Source
from agentflow.spec.validate import validate
from tests.docs.blocks import ROOT, blocks

REGISTRY = builtin_registry()


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_in_the_documentation_is_valid(block):
    """A whole workflow validates without a warning; a single node has a config that its type takes."""
    value = json.loads(block.text)
    if "nodes" in value:
        result = validate(value, REGISTRY, Limits()).to_json()
        assert (result["errors"], result["warnings"]) == ([], [])
    elif "kind" in value:
        source = Source.model_validate(value)
        PROVIDERS[source.config["provider"]].config_model.model_validate(source.config)
    elif "type" in value:
        node = Node.model_validate(value)
        assert REGISTRY.find(node.type).check_config(node.config) == ()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json")), ids=lambda path: path.name)
def test_example_workflows_are_valid(path):
    """Every example validates without a warning."""
    result = validate(json.loads(path.read_text()), REGISTRY, Limits()).to_json()
    assert (result["errors"], result["warnings"]) == ([], [])


@pytest.mark.parametrize("node_type", REGISTRY.all(), ids=lambda node_type: node_type.type)
def test_the_example_of_every_node_type_is_a_node(node_type):
    """What the reference shows can be pasted into a specification."""
    assert Node.model_validate(dict(node_type.example)).type == node_type.type
