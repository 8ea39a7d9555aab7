"""``input``: where the run's inputs enter the graph."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field

from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.nodes.context import NodeContext

Change = Literal["strip", "lowercase", "uppercase"]
_CHANGES: Mapping[Change, Callable[[str], str]] = {"strip": str.strip, "lowercase": str.lower, "uppercase": str.upper}


class InputConfig(NodeConfig):
    """Settings of ``input``."""

    transform: dict[str, list[Change]] = Field(
        default_factory=dict,
        description="Changes to text inputs, by the input's name, in order: `strip`, `lowercase`, `uppercase`.",
        examples=[{"question": ["strip"]}],
    )


class InputNode(NodeType[InputConfig]):
    """Hands on the run's validated inputs, tidied up."""

    type = "input"
    title = "Input"
    description = "Hands on the run's inputs; can trim text or change its case."
    category = "control"
    icon = "log-in"
    config_model = InputConfig
    example = {"id": "question", "type": "input", "config": {"transform": {"question": ["strip"]}}}

    async def run(self, context: NodeContext, config: InputConfig) -> dict[str, Any]:
        """Return the inputs.

        Raises:
            NodeError: ``INVALID_INPUTS`` when an input to be changed is not text.
        """
        values = dict(context.inputs)
        for name, changes in config.transform.items():
            if values.get(name) is not None:
                values[name] = _changed(name, values[name], changes)
        return values


def _changed(name: str, value: Any, changes: list[Change]) -> str:
    if not isinstance(value, str):
        raise NodeError(
            f"The input {name} is not text, so it cannot be changed.",
            error_code="INVALID_INPUTS",
            hint=f"Declare {name} as a string in the specification's inputs, or take it out of transform.",
        )
    text: str = value
    for change in changes:
        text = _CHANGES[change](text)
    return text
