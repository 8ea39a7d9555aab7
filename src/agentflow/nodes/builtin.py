"""The node types that come with the product: one flat table."""

from agentflow.nodes.ai.embedding import EmbeddingNode
from agentflow.nodes.ai.llm import LlmNode
from agentflow.nodes.control.aggregator import AggregatorNode
from agentflow.nodes.control.delay import DelayNode
from agentflow.nodes.control.input import InputNode
from agentflow.nodes.control.map import MapNode
from agentflow.nodes.control.output import OutputNode
from agentflow.nodes.control.router import RouterNode
from agentflow.nodes.control.subworkflow import SubworkflowNode
from agentflow.nodes.control.wait_for_event import WaitForEventNode
from agentflow.nodes.data.db import DbNode
from agentflow.nodes.data.http import HttpNode
from agentflow.nodes.data.transform import TransformNode
from agentflow.nodes.knowledge.document import DocumentNode
from agentflow.nodes.knowledge.vector_search import VectorSearchNode
from agentflow.nodes.knowledge.vector_upsert import VectorUpsertNode
from agentflow.nodes.people.human import HumanNode
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
            HumanNode(),
            WaitForEventNode(),
            TransformNode(),
            HttpNode(),
            DbNode(),
            LlmNode(),
            EmbeddingNode(),
            VectorSearchNode(),
            VectorUpsertNode(),
            DocumentNode(),
        ]
    )
