"""Filters over lists, objects and numbers; each pays for the items it touches."""

import functools
import math
from collections.abc import Mapping
from typing import Any

from agentflow.kit import json
from agentflow.spec.expressions.budget import Budget
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.operators import add
from agentflow.spec.expressions.text_filters import need_int
from agentflow.spec.expressions.values import Missing, attribute, describe, equal, item, number, text, use

MAX_DIGITS = 15


def items_of(budget: Budget, value: Any) -> list[Any]:
    """Return what a loop over ``value`` goes through: items, names of fields, characters.

    Raises:
        ExpressionError: there is nothing to go through.
    """
    if isinstance(value, list):
        budget.spend(len(value))
        return value
    if isinstance(value, Mapping | str):
        budget.spend(len(value))
        return list(value)
    raise ExpressionError(f"cannot go through {describe(value)}")


def length(_budget: Budget, value: Any) -> int:
    """Return how many items, fields or characters there are."""
    if not isinstance(value, list | Mapping | str):
        raise ExpressionError(f"{describe(value)} has no length")
    return len(value)


def first(budget: Budget, value: Any) -> Any:
    """Return the first item."""
    found = value[:1] if isinstance(value, list | str) else items_of(budget, value)
    return found[0] if found else Missing("there is no first item")


def last(budget: Budget, value: Any) -> Any:
    """Return the last item."""
    found = value[-1:] if isinstance(value, list | str) else items_of(budget, value)
    return found[-1] if found else Missing("there is no last item")


def to_list(budget: Budget, value: Any) -> list[Any]:
    """Return the items as a list of their own."""
    return list(items_of(budget, value))


def reverse(budget: Budget, value: Any) -> Any:
    """Return the items, or the text, from the end to the begin."""
    if isinstance(value, str):
        budget.text(len(value))
        return value[::-1]
    return items_of(budget, value)[::-1]


def join(budget: Budget, value: Any, separator: Any = "", attribute: Any = None) -> str:
    """Return the items as one text with ``separator`` between them."""
    glue = text(separator, budget)
    texts = [text(part, budget) for part in _pick(budget, items_of(budget, value), attribute)]
    budget.text(sum(map(len, texts)) + len(glue) * len(texts))
    return glue.join(texts)


def join_method(budget: Budget, separator: Any, value: Any) -> str:
    """Return the items as one text, as Python's ``separator.join(items)``."""
    return join(budget, value, separator)


def total(budget: Budget, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    """Return the sum of numbers."""
    result = start
    for part in _pick(budget, items_of(budget, value), attribute):
        if not isinstance(part, int | float):
            raise ExpressionError(f"cannot sum {describe(part)}")
        result = add(result, part, budget)
    return result


def smallest(budget: Budget, value: Any, attribute: Any = None) -> Any:
    """Return the smallest item."""
    found = sort(budget, value, attribute=attribute)
    return found[0] if found else Missing("there is no smallest item")


def largest(budget: Budget, value: Any, attribute: Any = None) -> Any:
    """Return the largest item."""
    found = sort(budget, value, attribute=attribute)
    return found[-1] if found else Missing("there is no largest item")


def sort(budget: Budget, value: Any, reverse: Any = False, case_sensitive: Any = False, attribute: Any = None) -> list[Any]:
    """Return the items in order; all must be numbers, or all texts."""
    members = items_of(budget, value)
    keys = [_order_key(part, case_sensitive) for part in _pick(budget, members, attribute)]
    if len({isinstance(key, str) for key in keys}) > 1:
        raise ExpressionError("cannot order numbers and texts together")
    budget.weigh(keys)
    budget.spend(len(keys))
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=bool(reverse))
    return [members[index] for index in order]


def _order_key(value: Any, case_sensitive: Any) -> Any:
    if isinstance(value, str):
        return value if case_sensitive else value.lower()
    if not isinstance(value, int | float):
        raise ExpressionError(f"cannot order {describe(value)}")
    return value


def unique(budget: Budget, value: Any, case_sensitive: Any = False, attribute: Any = None) -> list[Any]:
    """Return the items without repetitions, the first of each kept."""
    members = items_of(budget, value)
    kept: dict[Any, Any] = {}
    for member, key in zip(members, _pick(budget, members, attribute), strict=True):
        kept.setdefault(_identity(key, case_sensitive, budget), member)
    return list(kept.values())


def _identity(value: Any, case_sensitive: Any, budget: Budget) -> Any:
    budget.weigh(value)
    if isinstance(value, dict | list):
        return json.canonical(value)
    if isinstance(value, str):
        return value if case_sensitive else value.lower()
    return (type(value) is bool, value)


def group_by(budget: Budget, value: Any, attribute: Any) -> list[list[Any]]:
    """Return pairs of a value of ``attribute`` and the items that have it, in order of that value."""
    members = sort(budget, value, attribute=attribute, case_sensitive=True)
    groups: list[list[Any]] = []
    for member, key in zip(members, _pick(budget, members, attribute), strict=True):
        if groups and equal(groups[-1][0], key, budget):
            groups[-1][1].append(member)
        else:
            groups.append([key, [member]])
    return groups


def batch(budget: Budget, value: Any, size: Any, fill: Any = None) -> list[list[Any]]:
    """Return the items in lists of ``size``; the last is filled up when ``fill`` is given."""
    members, count = items_of(budget, value), need_int(size, "batch")
    if count < 1:
        raise ExpressionError("batch needs a size of at least 1")
    rows = [members[start : start + count] for start in range(0, len(members), count)]
    if rows and fill is not None:
        budget.spend(count)
        rows[-1] = rows[-1] + [fill] * (count - len(rows[-1]))
    return rows


def fields(budget: Budget, value: Any) -> list[list[Any]]:
    """Return an object's fields as pairs of name and value."""
    return [[key, part] for key, part in _object(budget, value, "items").items()]


def keys(budget: Budget, value: Any) -> list[Any]:
    """Return the names of an object's fields."""
    return list(_object(budget, value, "keys"))


def values(budget: Budget, value: Any) -> list[Any]:
    """Return the values of an object's fields."""
    return list(_object(budget, value, "values").values())


def get(budget: Budget, value: Any, key: Any, default: Any = None) -> Any:
    """Return a field of an object, or ``default``."""
    return _object(budget, value, "get").get(key, default) if isinstance(key, str) else default


def sorted_fields(budget: Budget, value: Any, case_sensitive: Any = False, by: Any = "key", reverse: Any = False) -> list[list[Any]]:
    """Return an object's fields as pairs, ordered by name or by value."""
    if by not in {"key", "value"}:
        raise ExpressionError("dictsort orders by 'key' or by 'value'")
    return sort(budget, fields(budget, value), reverse, case_sensitive, int(by == "value"))


def absolute(_budget: Budget, value: Any) -> Any:
    """Return a number without its sign."""
    return abs(_number(value, "abs"))


def rounded(_budget: Budget, value: Any, precision: Any = 0, method: Any = "common") -> Any:
    """Return a number rounded to ``precision`` digits; an integer when that is 0."""
    source, digits = _number(value, "round"), need_int(precision, "round")
    if method not in {"common", "ceil", "floor"} or abs(digits) > MAX_DIGITS:
        raise ExpressionError(f"round knows common, ceil and floor, and at most {MAX_DIGITS} digits")
    if method == "common":
        return number(round(source, digits) if digits else round(source))
    scale = 10**digits
    result = (math.ceil if method == "ceil" else math.floor)(source * scale) / scale
    return number(result if digits > 0 else int(result))


def index_of(budget: Budget, value: Any, wanted: Any) -> int:
    """Return where an item stands in a list.

    Raises:
        ExpressionError: it is not there.
    """
    for place, member in enumerate(items_of(budget, value)):
        if equal(member, wanted, budget):
            return place
    raise ExpressionError("the item is not in the list")


def count_items(budget: Budget, value: Any, wanted: Any) -> int:
    """Return how often an item stands in a list."""
    return sum(equal(member, wanted, budget) for member in items_of(budget, value))


def make_range(budget: Budget, *bounds: Any) -> list[int]:
    """Return the integers ``range(stop)``, ``range(start, stop)`` or ``range(start, stop, step)``."""
    numbers = [number(need_int(bound, "range")) for bound in bounds]
    if not 1 <= len(numbers) <= 3 or (len(numbers) == 3 and numbers[2] == 0):  # noqa: PLR2004 - start, stop, step
        raise ExpressionError("range needs a stop, a start and a stop, or a start, a stop and a step that is not 0")
    result = range(*numbers)
    budget.spend(min(max(result.stop - result.start, result.start - result.stop) // abs(result.step), 2**62))
    return list(result)


def make_object(_budget: Budget, **named: Any) -> dict[str, Any]:
    """Return an object of the named values."""
    return named


def pick_attribute(budget: Budget, member: Any, path: Any) -> Any:
    """Return what ``path`` (``a``, ``a.b``, an index) leads to in ``member``; Missing when there is nothing."""
    if isinstance(path, int) and not isinstance(path, bool):
        return item(member, path, f"[{path}]")
    if not isinstance(path, str):
        raise ExpressionError(f"an attribute is named by text or an index, not {describe(path)}")
    parts = path.split(".")
    budget.spend(len(parts))
    return functools.reduce(lambda value, name: attribute(value, name, path), parts, member)


def _pick(budget: Budget, members: list[Any], path: Any) -> list[Any]:
    return members if path is None else [use(pick_attribute(budget, member, path)) for member in members]


def _object(budget: Budget, value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ExpressionError(f"{what} needs an object, not {describe(value)}")
    budget.spend(len(value))
    return value


def _number(value: Any, what: str) -> Any:
    if not isinstance(value, int | float):
        raise ExpressionError(f"{what} needs a number, not {describe(value)}")
    return value
