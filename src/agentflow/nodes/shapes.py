"""JSON Schemas of literal values with templates in them: what validation can know before anything runs."""

from collections.abc import Mapping
from typing import Any

from agentflow.nodes.base import is_template

_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def schema_of(value: Any) -> Mapping[str, Any]:
    """Return the JSON Schema of what a template tree renders to; ``{}`` where only the run can tell."""
    if isinstance(value, Mapping):
        properties = {key: schema_of(child) for key, child in value.items()}
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    if isinstance(value, list):
        kinds = [schema_of(child) for child in value]
        same = bool(kinds) and all(kind == kinds[0] for kind in kinds)
        return {"type": "array", "items": kinds[0]} if same else {"type": "array"}
    if is_template(value) and _may_keep_its_type(value):
        return {}
    return {"type": _SCALARS[type(value)]}


def _may_keep_its_type(text: str) -> bool:
    """Tell whether text may be exactly one ``{{ … }}``, which renders to the value itself instead of to text."""
    bare = text.strip()
    return bare.startswith("{{") and bare.endswith("}}")


def of_user(schema: Any) -> Mapping[str, Any]:
    """Return a JSON Schema of a config as part of an output schema; one with references of its own would point into ours, so ``{}``."""
    return schema if isinstance(schema, dict) and "$ref" not in str(schema) else {}
