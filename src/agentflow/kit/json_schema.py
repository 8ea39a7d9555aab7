"""Holding JSON values to JSON Schemas that users wrote; nothing is ever fetched for them."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import jsonschema_rs

from agentflow.kit import json

_SHOWN = 300
"""Longest message that is handed on: the library quotes the value, and that may be large."""
_MOST = 100
"""Most mismatches that are told of one value."""


class InvalidSchema(ValueError):
    """The value is not a JSON Schema that stands by itself."""


class Mismatch(NamedTuple):
    """One place where a value does not fit.

    Attributes:
        path: JSON Pointer of the place.
        message: what is wrong there.
    """

    path: str
    message: str


def _no_references(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched: the schema must be complete in itself")


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    return jsonschema_rs.validator_for(json.loads(schema), retriever=_no_references)


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise InvalidSchema unless ``schema`` is a JSON Schema complete in itself."""
    try:
        _validator(json.canonical(schema))
    except (ValueError, RecursionError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise InvalidSchema(str(getattr(error, "message", error))[:_SHOWN]) from error


def mismatches(schema: Mapping[str, Any], value: Any, base: str = "") -> list[Mismatch]:
    """Return where ``value`` does not fit a checked schema, at most a hundred places; pointers begin with ``base``."""
    found = islice(_validator(json.canonical(schema)).iter_errors(value), _MOST)
    return [Mismatch(json.pointer(base, *item.instance_path), item.message[:_SHOWN]) for item in found]
