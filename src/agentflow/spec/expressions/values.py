"""What expressions know of values: plain JSON, and the absence of a name."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from agentflow.kit import json
from agentflow.spec.expressions.budget import Budget
from agentflow.spec.expressions.errors import ExpressionError

MAX_KNOWN_NAMES = 200
"""Names compared for a suggestion; more are not worth the time."""


class Missing:
    """The value of a name that does not exist: fine for ``is defined`` and ``default``, an error for everything else."""

    __slots__ = ("known", "message", "name")

    def __init__(self, message: str, name: str = "", known: Iterable[str] = ()) -> None:
        self.message = message
        self.name = name
        self.known = known

    def error(self) -> ExpressionError:
        """Return the error that using the name is."""
        near = nearest(self.name, self.known)
        return ExpressionError(f"{self.message}; did you mean {near}?" if near else self.message, kind="unknown_name")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like ``name``, or None."""
    names = [item for _, item in zip(range(MAX_KNOWN_NAMES), known, strict=False) if isinstance(item, str)]
    found = difflib.get_close_matches(name[:100], names, 1)
    return found[0] if found else None


def use(value: Any) -> Any:
    """Return ``value`` unless it is missing.

    Raises:
        ExpressionError: ``unknown_name``.
    """
    if type(value) is Missing:
        raise value.error()
    return value


def attribute(value: Any, name: str, whole: str) -> Any:
    """Return the field ``name`` of an object; ``whole`` is how the user wrote it."""
    if isinstance(value, Mapping):
        try:
            return value[name]
        except KeyError:
            return Missing(f"{whole} is unknown", name, value)
    if type(value) is Missing:
        return value
    return Missing(f"{whole} is unknown: {describe(value)} has no fields")


def item(value: Any, key: Any, whole: str) -> Any:
    """Return an item by index, or a field by name."""
    if isinstance(key, str):
        return attribute(value, key, whole)
    if isinstance(value, list | str) and isinstance(key, int) and not isinstance(key, bool):
        try:
            return value[key]
        except IndexError:
            return Missing(f"{whole} is unknown: there are {len(value)} items")
    if type(value) is Missing:
        return value
    if isinstance(value, Mapping | list | str):
        return Missing(f"{whole} is unknown: {describe(key)} is not an index of {describe(value)}")
    return Missing(f"{whole} is unknown: {describe(value)} has no items")


def describe(value: Any) -> str:
    """Return the name of a value's type as JSON users know it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def text(value: Any, budget: Budget) -> str:
    """Return a value as it stands in text: text as it is, everything else as JSON.

    Raises:
        ExpressionError: the value is missing or too large.
    """
    if type(value) is str:
        return value
    if type(value) is Missing:
        raise value.error()
    if isinstance(value, dict | list):
        budget.weigh(value)
        return _dump(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _dump(value: Any) -> str:
    try:
        return json.dumps(value)
    except json.InvalidJson as error:
        raise ExpressionError(f"the value cannot be written as JSON: {error}") from error


def equal(left: Any, right: Any, budget: Budget) -> bool:
    """Compare two values, paying for what is inside them."""
    if isinstance(left, dict | list):
        if type(left) is not type(right) or len(left) != len(right):
            return False
        budget.weigh(left)
    elif isinstance(left, str):
        budget.text(len(left))
    return bool(left == right)


def number(value: Any) -> Any:
    """Return a computed number, if JSON can hold it.

    Raises:
        ExpressionError: it is infinite, not a number, or an integer of more than 64 bits: JSON readers would not read it back.
    """
    if isinstance(value, complex):
        raise ExpressionError("the result is not a real number")
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ExpressionError("the number is beyond 64 bits")
    elif value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN is what differs from itself
        raise ExpressionError("the result is not a finite number")
    return value
