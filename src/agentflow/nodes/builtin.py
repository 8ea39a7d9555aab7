"""The node types that come with the product: one flat table."""

from agentflow.nodes.control.aggregator import AggregatorNode
from agentflow.nodes.control.delay import DelayNode
from agentflow.nodes.control.input import InputNode
from agentflow.nodes.control.map import MapNode
from agentflow.nodes.control.output import OutputNode
from agentflow.nodes.control.router import RouterNode
from agentflow.nodes.control.subworkflow import SubworkflowNode
from agentflow.nodes.data.http import HttpNode
from agentflow.nodes.data.transform import TransformNode
from agentflow.nodes.registry import NodeRegistry


def builtin_registry() -> NodeRegistry:
    """Return a new registry with every built-in node type."""
    return NodeRegistry(
        [
            InputNode(),
            OutputNode(),
            RouterNode(),
            AggregatorNode(),
            MapNode(),
            SubworkflowNode(),
            DelayNode(),
            TransformNode(),
            HttpNode(),
        ]
    )
