"""Metadata filters: a small, closed language over JSON, in the shape that vector databases share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from agentflow.errors import Invalid

Predicate: TypeAlias = Callable[[Mapping[str, Any]], bool]
_Test: TypeAlias = Callable[[Any], bool]
_MISSING = object()
MAX_DEPTH = 20


class InvalidFilter(Invalid):
    """A metadata filter that cannot be understood."""

    code, title = "INVALID_FILTER", "Invalid metadata filter"


def compile_filter(where: Mapping[str, Any] | None) -> Predicate | None:
    """Return a test of a chunk's metadata, or None when everything passes.

    ``{"lang": "en"}`` asks for equality; ``{"year": {"$gte": 2020, "$lt": 2024}}`` compares; all fields must hold. Operators:
    ``$eq $ne $gt $gte $lt $lte $in $nin $contains $exists``, and over filters ``$and $or $not``. A missing field fails every
    test but ``$ne``, ``$nin`` and ``{"$exists": false}``; values of different types are never equal or ordered.

    Raises:
        InvalidFilter: an operator is unknown, has an operand of the wrong type, or the filter is nested too deep.
    """
    return _compile(where, 0) if where else None


def _compile(where: Any, depth: int) -> Predicate:
    if not isinstance(where, Mapping):
        raise InvalidFilter("A metadata filter must be an object of field names.", hint='For example {"lang": "en"}.')
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"A metadata filter may be nested {MAX_DEPTH} levels deep.")
    tests = [_clause(name, value, depth) for name, value in where.items()]
    return lambda metadata: all(test(metadata) for test in tests)


def _clause(name: str, value: Any, depth: int) -> Predicate:
    if name in {"$and", "$or"}:
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise InvalidFilter(f"{name} needs a list of filters.")
        parts = [_compile(part, depth + 1) for part in value]
        choose = all if name == "$and" else any
        return lambda metadata: choose(part(metadata) for part in parts)
    if name == "$not":
        inner = _compile(value, depth + 1)
        return lambda metadata: not inner(metadata)
    if name.startswith("$"):
        raise InvalidFilter(f"There is no operator {name} over filters.", hint="Use $and, $or or $not, or name a field.")
    tests = _tests(name, value)
    return lambda metadata: all(test(metadata.get(name, _MISSING)) for test in tests)


def _tests(name: str, value: Any) -> list[_Test]:
    if not (isinstance(value, Mapping) and any(key.startswith("$") for key in value)):
        return [lambda found: _same(found, value)]
    tests = []
    for operator, operand in value.items():
        make = _OPERATORS.get(operator)
        if make is None:
            raise InvalidFilter(f"There is no operator {operator} (at field {name}).", hint=f"Use one of {', '.join(_OPERATORS)}.")
        tests.append(make(name, operand))
    return tests


def _same(left: Any, right: Any) -> bool:
    """Equality as in JSON: true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[str, Any], _Test]:
    def make(name: str, operand: Any) -> _Test:
        if _is_number(operand):
            return lambda found: _is_number(found) and compare(found, operand)
        if isinstance(operand, str):
            return lambda found: isinstance(found, str) and compare(found, operand)
        raise InvalidFilter(f"Field {name} can be compared with a number or a text only.")

    return make


def _among(name: str, operand: Any) -> _Test:
    if not isinstance(operand, Sequence) or isinstance(operand, str):
        raise InvalidFilter(f"$in and $nin of field {name} need a list.")
    return lambda found: any(_same(found, item) for item in operand)


def _not_among(name: str, operand: Any) -> _Test:
    among = _among(name, operand)
    return lambda found: not among(found)


def _exists(name: str, operand: Any) -> _Test:
    if not isinstance(operand, bool):
        raise InvalidFilter(f"$exists of field {name} needs true or false.")
    return lambda found: (found is not _MISSING) == operand


def _contains(_name: str, operand: Any) -> _Test:
    def test(found: Any) -> bool:
        if isinstance(found, str):
            return isinstance(operand, str) and operand in found
        return isinstance(found, list) and any(_same(item, operand) for item in found)

    return test


_OPERATORS: Mapping[str, Callable[[str, Any], _Test]] = {
    "$eq": lambda _name, operand: lambda found: _same(found, operand),
    "$ne": lambda _name, operand: lambda found: not _same(found, operand),
    "$gt": _ordered(lambda found, operand: found > operand),
    "$gte": _ordered(lambda found, operand: found >= operand),
    "$lt": _ordered(lambda found, operand: found < operand),
    "$lte": _ordered(lambda found, operand: found <= operand),
    "$in": _among,
    "$nin": _not_among,
    "$contains": _contains,
    "$exists": _exists,
}
