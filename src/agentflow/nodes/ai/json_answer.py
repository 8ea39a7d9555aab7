"""Reading JSON out of a model's answer and holding it to a schema."""

from collections.abc import Mapping
from typing import Any

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.kit.json_schema import mismatches

MAX_DEPTH = 50
_FENCE = "```"


def read(text: str, schema: Mapping[str, Any]) -> Any:
    """Return the JSON value that ``text`` is, a Markdown fence around it taken off.

    Raises:
        NodeError: ``MODEL_OUTPUT_INVALID`` when it is not JSON or does not fit ``schema``.
    """
    try:
        value = json.loads(_unfenced(text), max_depth=MAX_DEPTH)
    except json.InvalidJson as error:
        raise _invalid(f"is not JSON: {error}", {"text": text[:1000]}) from error
    for path, message in mismatches(schema, value):
        raise _invalid(f"does not fit json_schema at {path or 'its root'}: {message}", {"path": path, "value": value})
    return value


def _unfenced(text: str) -> str:
    stripped = text.strip()
    if not (stripped.startswith(_FENCE) and stripped.endswith(_FENCE) and "\n" in stripped):
        return stripped
    return stripped.split("\n", 1)[1].removesuffix(_FENCE)


def _invalid(what: str, details: Mapping[str, Any]) -> NodeError:
    return NodeError(
        f"The model's answer {what}.",
        error_code="MODEL_OUTPUT_INVALID",
        retryable=True,
        hint="Raise max_tokens if it was cut off, say in the prompt what is wanted, or give the node a retry policy.",
        details=details,
    )
