"""Answers in JSON, written straight from our own values: they were checked when they were made."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic_core import to_json


def encode(value: Any) -> bytes:
    """Return wire models, dataclasses and plain values as JSON; a NaN becomes null, times end in ``Z``."""
    return to_json(value, inf_nan_mode="null", by_alias=True)


class JsonAnswer(Response):
    """An answer whose body is ``content`` in JSON."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status_code, headers)

    def render(self, content: Any) -> bytes:
        """Encode the body."""
        return encode(content)
