"""``transform``: builds a value from expressions."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.nodes.context import NodeContext
from agentflow.nodes.shapes import schema_of


class TransformConfig(NodeConfig):
    """Settings of ``transform``."""

    value: Any = Field(
        description="What to build: any JSON; strings in it are templates, and one that is a single `{{ … }}` keeps its type.",
        examples=[{"title": "{{ inputs.title | upper }}", "count": "{{ nodes.search.matches | length }}"}],
    )


class TransformNode(NodeType[TransformConfig]):
    """Builds a value out of inputs and what ran before."""

    type = "transform"
    title = "Transform"
    description = "Builds a value from inputs and the outputs of earlier nodes."
    category = "data"
    icon = "braces"
    config_model = TransformConfig
    example = {"id": "shape", "type": "transform", "config": {"value": {"title": "{{ inputs.title | upper }}"}}}

    def output_schema(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the literal parts of the value tell."""
        return schema_of(config["value"]) if "value" in config else {}

    async def run(self, context: NodeContext, config: TransformConfig) -> Any:
        """Return the rendered value."""
        return config.value
