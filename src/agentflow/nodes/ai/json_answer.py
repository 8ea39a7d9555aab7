"""Reading JSON out of a model's answer and holding it to a schema."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from agentflow.errors import NodeError
from agentflow.kit import json

MAX_DEPTH = 50
_FENCE = "```"


class InvalidSchema(ValueError):
    """The text is not a JSON Schema that stands by itself."""


def _no_references(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched: the schema must be complete in itself")


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    return jsonschema_rs.validator_for(json.loads(schema), retriever=_no_references)


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise InvalidSchema unless ``schema`` is a JSON Schema complete in itself; nothing is ever fetched."""
    try:
        _validator(json.canonical(schema))
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise InvalidSchema(str(getattr(error, "message", error))[:300]) from error


def read(text: str, schema: Mapping[str, Any]) -> Any:
    """Return the JSON value that ``text`` is, a Markdown fence around it taken off.

    Raises:
        NodeError: ``MODEL_OUTPUT_INVALID`` when it is not JSON or does not fit ``schema``.
    """
    try:
        value = json.loads(_unfenced(text), max_depth=MAX_DEPTH)
    except json.InvalidJson as error:
        raise _invalid(f"is not JSON: {error}", {"text": text[:1000]}) from error
    mismatch = next(_validator(json.canonical(schema)).iter_errors(value), None)
    if mismatch is not None:
        path = json.pointer("", *mismatch.instance_path)
        raise _invalid(f"does not fit json_schema at {path or 'its root'}: {mismatch.message[:300]}", {"path": path, "value": value})
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
