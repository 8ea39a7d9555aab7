"""Checking a run's inputs against the workflow's schema."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from agentflow.errors import Invalid
from agentflow.kit.json import pointer


class InvalidInputs(Invalid):
    """The inputs do not fit the workflow's input schema; ``errors`` say where."""

    code, title = "INVALID_INPUTS", "Invalid inputs"


def _no_references(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched: an input schema must be complete in itself")


class InputSchemas:
    """Compiled input schemas, by the hash of their specification."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._validators: OrderedDict[str, Any] = OrderedDict()

    def check(self, digest: str, schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs with the defaults of top-level properties filled in.

        Raises:
            InvalidInputs: with every mismatch.
        """
        properties = schema.get("properties") or {}
        defaults = {name: part["default"] for name, part in properties.items() if isinstance(part, dict) and "default" in part}
        filled = {**defaults, **inputs}
        if not schema:
            return filled
        errors = [
            {"path": pointer("/inputs", *error.instance_path), "message": error.message}
            for error in self._validator(digest, schema).iter_errors(filled)
        ]
        if errors:
            raise InvalidInputs(
                f"The inputs do not fit the workflow: {errors[0]['message']} at {errors[0]['path']}.",
                hint="Send what the workflow's `inputs` schema asks for.",
                errors=errors,
            )
        return filled

    def _validator(self, digest: str, schema: Mapping[str, Any]) -> Any:
        validator = self._validators.get(digest)
        if validator is None:
            validator = self._validators[digest] = jsonschema_rs.validator_for(dict(schema), retriever=_no_references)
            while len(self._validators) > self._size:
                self._validators.popitem(last=False)
        else:
            self._validators.move_to_end(digest)
        return validator
