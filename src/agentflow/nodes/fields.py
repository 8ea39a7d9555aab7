"""Kinds of config field that several node types share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from agentflow.kit import json
from agentflow.kit.json_schema import check_schema


def _as_text(value: Any) -> Any:
    """Write a rendered value as text: a number or an object that a template yielded is as good as its JSON."""
    return value if isinstance(value, str) else json.dumps(value)


Text = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str)]
"""Text; any other value that a template yields is written as JSON."""


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    check_schema(schema)
    return schema


JsonSchema = Annotated[dict[str, Any], AfterValidator(_checked)]
"""A JSON Schema that is complete in itself."""

ASSIGNEE = r"^(user|role|group):\S.{0,199}$"
Assignee = Annotated[str, Field(pattern=ASSIGNEE)]
"""Who may answer: ``user:…`` (name or id), ``role:…`` or ``group:…``."""

MAX_WAIT_S = 315_360_000
"""Ten years: the longest that a node can be told to wait."""
