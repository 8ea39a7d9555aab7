"""``output``: shapes the run's result."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.nodes.context import NodeContext
from agentflow.nodes.shapes import schema_of


class OutputConfig(NodeConfig):
    """Settings of ``output``."""

    value: Any = Field(
        description="The result: any JSON; strings in it are templates.",
        examples=[{"answer": "{{ nodes.answer.text }}"}],
    )


class OutputNode(NodeType[OutputConfig]):
    """Makes the run's result out of what ran before."""

    type = "output"
    title = "Output"
    description = "Shapes the run's result; used when the specification declares no outputs."
    category = "control"
    icon = "log-out"
    config_model = OutputConfig
    example = {"id": "result", "type": "output", "config": {"value": {"question": "{{ inputs.question }}"}}}

    def output_schema(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the literal parts of the value tell."""
        return schema_of(config["value"]) if "value" in config else {}

    async def run(self, context: NodeContext, config: OutputConfig) -> Any:
        """Return the rendered value."""
        return config.value
