"""Everything an expression may call, by name: what is not listed here does not exist."""

from collections.abc import Callable, Mapping
from typing import Any

from agentflow.spec.expressions import list_filters as lists
from agentflow.spec.expressions import text_filters as texts
from agentflow.spec.expressions.budget import Budget
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.operators import COMPARE
from agentflow.spec.expressions.values import describe

Function = Callable[..., Any]

FILTERS: Mapping[str, Function] = {
    "abs": lists.absolute,
    "batch": lists.batch,
    "capitalize": texts.capitalize,
    "count": lists.length,
    "dictsort": lists.sorted_fields,
    "e": texts.escape,
    "escape": texts.escape,
    "first": lists.first,
    "float": texts.to_float,
    "groupby": lists.group_by,
    "indent": texts.indent,
    "int": texts.to_int,
    "items": lists.fields,
    "join": lists.join,
    "keys": lists.keys,
    "last": lists.last,
    "length": lists.length,
    "lines": texts.lines,
    "list": lists.to_list,
    "lower": texts.lower,
    "max": lists.largest,
    "min": lists.smallest,
    "replace": texts.replace,
    "reverse": lists.reverse,
    "round": lists.rounded,
    "sort": lists.sort,
    "split": texts.split,
    "string": texts.string,
    "sum": lists.total,
    "title": texts.title,
    "tojson": texts.tojson,
    "trim": texts.trim,
    "truncate": texts.truncate,
    "unique": lists.unique,
    "upper": texts.upper,
    "urlencode": texts.url_encode,
    "values": lists.values,
    "wordcount": texts.wordcount,
}
"""Filters ``value | name(…)``; besides these ``default``, ``map``, ``select``, ``reject``, ``selectattr`` and ``rejectattr``."""

FUNCTIONS: Mapping[str, Function] = {"range": lists.make_range, "dict": lists.make_object}
"""Functions ``name(…)``."""

TEXT_METHODS: Mapping[str, Function] = {
    "capitalize": texts.capitalize,
    "count": texts.count_text,
    "endswith": texts.ends_with,
    "find": texts.find,
    "join": lists.join_method,
    "lower": texts.lower,
    "lstrip": texts.lstrip,
    "replace": texts.replace,
    "rstrip": texts.rstrip,
    "split": texts.split,
    "splitlines": texts.lines,
    "startswith": texts.starts_with,
    "strip": texts.trim,
    "title": texts.title,
    "upper": texts.upper,
}
LIST_METHODS: Mapping[str, Function] = {"count": lists.count_items, "index": lists.index_of}
OBJECT_METHODS: Mapping[str, Function] = {"get": lists.get, "items": lists.fields, "keys": lists.keys, "values": lists.values}

METHODS = frozenset(TEXT_METHODS) | frozenset(LIST_METHODS) | frozenset(OBJECT_METHODS)
"""Names of all methods ``value.name(…)``; which one is meant depends on the value."""


def method(value: Any, name: str) -> Function:
    """Return the method ``name`` of a value's type.

    Raises:
        ExpressionError: that type has no such method.
    """
    table = TEXT_METHODS if isinstance(value, str) else LIST_METHODS if isinstance(value, list) else OBJECT_METHODS
    if isinstance(value, str | list | Mapping) and name in table:
        return table[name]
    raise ExpressionError(f"{describe(value)} has no method {name}")


def _type_test(*types: type) -> Function:
    def test(_budget: Budget, value: Any) -> bool:
        return isinstance(value, types) and (bool in types or not isinstance(value, bool))

    return test


def _divisible(_budget: Budget, value: Any, by: Any) -> bool:
    if not by:
        raise ExpressionError("division by zero")
    return bool(texts.need_int(value, "divisibleby") % texts.need_int(by, "divisibleby") == 0)


def _compare(name: str) -> Function:
    def test(budget: Budget, value: Any, other: Any) -> bool:
        return COMPARE[name](value, other, budget)

    return test


TESTS: Mapping[str, Function] = {
    "boolean": _type_test(bool),
    "divisibleby": _divisible,
    "endingwith": texts.ends_with,
    "eq": _compare("eq"),
    "equalto": _compare("eq"),
    "even": lambda _budget, value: texts.need_int(value, "even") % 2 == 0,
    "false": lambda _budget, value: value is False,
    "float": _type_test(float),
    "ge": _compare("gteq"),
    "gt": _compare("gt"),
    "greaterthan": _compare("gt"),
    "in": _compare("in"),
    "integer": _type_test(int),
    "iterable": _type_test(list, dict, str),
    "le": _compare("lteq"),
    "lessthan": _compare("lt"),
    "lower": lambda budget, value: texts.lower(budget, value) == value,
    "lt": _compare("lt"),
    "mapping": _type_test(dict),
    "ne": _compare("ne"),
    "none": lambda _budget, value: value is None,
    "number": _type_test(int, float),
    "odd": lambda _budget, value: texts.need_int(value, "odd") % 2 == 1,
    "sequence": _type_test(list, str),
    "startingwith": texts.starts_with,
    "string": _type_test(str),
    "true": lambda _budget, value: value is True,
    "upper": lambda budget, value: texts.upper(budget, value) == value,
}
"""Tests ``value is name``; besides these ``defined`` and ``undefined``."""
