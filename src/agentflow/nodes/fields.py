"""Kinds of config field that several node types share."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from agentflow.kit import json


def _as_text(value: Any) -> Any:
    """Write a rendered value as text: a number or an object that a template yielded is as good as its JSON."""
    return value if isinstance(value, str) else json.dumps(value)


Text = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str)]
"""Text; any other value that a template yields is written as JSON."""
