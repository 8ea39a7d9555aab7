"""Compiling what is called by name: filters, tests, functions and methods. Unknown names are refused before anything runs."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, cast

from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.frame import Code, Frame
from agentflow.spec.expressions.library import FILTERS, FUNCTIONS, METHODS, TESTS, Function, method
from agentflow.spec.expressions.list_filters import items_of, pick_attribute
from agentflow.spec.expressions.values import Missing, nearest, use

if TYPE_CHECKING:
    from jinja2.nodes import Call, Expr, Filter, Test

    from agentflow.spec.expressions.code import Compiler

DEFAULT = frozenset({"default", "d"})
_SELECTING = {"select": (False, True), "reject": (False, False), "selectattr": (True, True), "rejectattr": (True, False)}
ALL_FILTERS = frozenset(FILTERS) | DEFAULT | frozenset(_SELECTING) | {"map"}
ALL_TESTS = frozenset(TESTS) | {"defined", "undefined"}


def refuse(what: str, name: str, known: Any) -> ExpressionError:
    """Return the error for a name that is not in the library."""
    near = nearest(name, sorted(known))
    return ExpressionError(f"there is no {what} {name!r}" + (f"; did you mean {near!r}?" if near else ""), kind="syntax")


@cache
def _signature(function: Function) -> inspect.Signature:
    return inspect.signature(function)


def check_arguments(what: str, function: Function, count: int, names: Iterable[str]) -> None:
    """Refuse a call that does not fit the function; ``count`` includes the value a filter is applied to.

    Raises:
        ExpressionError: ``syntax``.
    """
    fault = _misfit(function, count, tuple(names))
    if fault:
        raise ExpressionError(f"{what}: {fault}", kind="syntax")


@lru_cache(1_024)
def _misfit(function: Function, count: int, names: tuple[str, ...]) -> str | None:
    try:
        _signature(function).bind(None, *[None] * count, **dict.fromkeys(names))
    except TypeError as error:
        return str(error)
    return None


def compile_filter(compiler: "Compiler", node: "Filter", value: Code | None = None) -> Code:
    """Compile ``value | name(arguments)``; ``value`` overrides the tree's own, for block assignments."""
    name, tree = node.name, cast("Expr", node.node)
    if name in DEFAULT:
        return _default(compiler, node, value or compiler.maybe(tree))
    source = value or compiler.value(tree)
    if name == "map":
        return _map(compiler, node, source)
    if name in _SELECTING:
        return _select(compiler, node, source)
    if name not in FILTERS:
        raise refuse("filter", name, ALL_FILTERS)
    function = FILTERS[name]
    arguments, named = compiler.arguments(node)
    check_arguments(f"filter {name}", function, 1 + len(arguments), named)
    if not arguments and not named:
        return lambda frame: function(frame.budget, source(frame))
    return lambda frame: function(
        frame.budget, source(frame), *[code(frame) for code in arguments], **{key: code(frame) for key, code in named.items()}
    )


def _default(compiler: "Compiler", node: "Filter", source: Code) -> Code:
    arguments, named = compiler.arguments(node)
    check_arguments("filter default", _default_signature, len(arguments), named)
    given = dict(zip(("default_value", "boolean"), arguments, strict=False)) | named
    fallback, boolean = given.get("default_value", _empty), given.get("boolean", _no)

    def run(frame: Frame) -> Any:
        value = source(frame)
        if type(value) is Missing or (not value and boolean(frame)):
            return fallback(frame)
        return value

    return run


def _default_signature(_budget: Any, default_value: Any = "", boolean: Any = False) -> None:
    """Say what ``default`` takes; its value is compiled apart, since it may be missing."""


def _empty(_frame: Frame) -> Any:
    return ""


def _no(_frame: Frame) -> Any:
    return False


def _map(compiler: "Compiler", node: "Filter", source: Code) -> Code:
    arguments, named = compiler.arguments(node)
    if not arguments:
        return _map_attribute(named, source)
    name = _constant_name(node, "map")
    if name not in FILTERS:
        raise refuse("filter", name, FILTERS)
    function, rest = FILTERS[name], arguments[1:]
    check_arguments(f"filter {name}", function, 1 + len(rest), named)

    def run(frame: Frame) -> list[Any]:
        values, extra = [code(frame) for code in rest], {key: code(frame) for key, code in named.items()}
        return [use(function(frame.budget, member, *values, **extra)) for member in items_of(frame.budget, source(frame))]

    return run


def _map_attribute(named: dict[str, Code], source: Code) -> Code:
    if "attribute" not in named or set(named) - {"attribute", "default"}:
        raise ExpressionError("map needs the name of a filter, or attribute=…", kind="syntax")
    path, fallback = named["attribute"], named.get("default")

    def run(frame: Frame) -> list[Any]:
        wanted, other = path(frame), fallback(frame) if fallback else None
        found = [pick_attribute(frame.budget, member, wanted) for member in items_of(frame.budget, source(frame))]
        return [other if fallback and type(value) is Missing else use(value) for value in found]

    return run


def _select(compiler: "Compiler", node: "Filter", source: Code) -> Code:
    by_attribute, keep = _SELECTING[node.name]
    arguments, named = compiler.arguments(node)
    if named or (by_attribute and not arguments):
        raise ExpressionError(
            f"filter {node.name}: takes {'an attribute, ' if by_attribute else ''}a test and its arguments", kind="syntax"
        )
    path = arguments.pop(0) if by_attribute else None
    check = _predicate(_constant_name(node, node.name, int(by_attribute)), arguments[1:]) if arguments else _truth

    def run(frame: Frame) -> list[Any]:
        wanted = path(frame) if path else None
        kept = []
        for member in items_of(frame.budget, source(frame)):
            value = member if path is None else pick_attribute(frame.budget, member, wanted)
            if check(frame, value) is keep:
                kept.append(member)
        return kept

    return run


def _truth(_frame: Frame, value: Any) -> bool:
    return bool(use(value))


def _constant_name(node: "Filter", what: str, index: int = 0) -> str:
    name = getattr(node.args[index], "value", None)
    if not isinstance(name, str):
        raise ExpressionError(f"filter {what}: the name must be written out", kind="syntax")
    return name


def _predicate(name: str, arguments: Sequence[Code]) -> Callable[[Frame, Any], bool]:
    if name in {"defined", "undefined"}:
        wanted = name == "defined"
        return lambda _frame, value: (type(value) is not Missing) is wanted
    if name not in TESTS:
        raise refuse("test", name, ALL_TESTS)
    function = TESTS[name]
    check_arguments(f"test {name}", function, 1 + len(arguments), ())
    return lambda frame, value: bool(function(frame.budget, use(value), *[code(frame) for code in arguments]))


def compile_test(compiler: "Compiler", node: "Test") -> Code:
    """Compile ``value is name(arguments)``."""
    arguments, named = compiler.arguments(node)
    if named:
        raise ExpressionError(f"test {node.name}: takes no named arguments", kind="syntax")
    check, source = _predicate(node.name, arguments), compiler.maybe(node.node)
    return lambda frame: check(frame, source(frame))


def compile_call(compiler: "Compiler", node: "Call") -> Code:
    """Compile ``name(arguments)`` and ``value.name(arguments)``."""
    arguments, named = compiler.arguments(node)
    target: Any = node.node
    if type(target).__name__ == "Getattr" and target.attr in METHODS:
        return _method_call(compiler.value(target.node), target.attr, arguments, named)
    if type(target).__name__ == "Getattr":
        raise refuse("method", target.attr, METHODS)
    if type(target).__name__ != "Name" or target.name not in FUNCTIONS:
        raise refuse("function", getattr(target, "name", "…"), FUNCTIONS)
    function = FUNCTIONS[target.name]
    check_arguments(target.name, function, len(arguments), named)
    return lambda frame: function(frame.budget, *[code(frame) for code in arguments], **{key: code(frame) for key, code in named.items()})


def _method_call(source: Code, name: str, arguments: Sequence[Code], named: dict[str, Code]) -> Code:
    if named:
        raise ExpressionError(f"method {name}: takes no named arguments", kind="syntax")

    def run(frame: Frame) -> Any:
        value = source(frame)
        function = method(value, name)
        values = [code(frame) for code in arguments]
        try:
            _signature(function).bind(frame.budget, value, *values)
        except TypeError as error:
            raise ExpressionError(f"method {name}: {error}") from None
        return function(frame.budget, value, *values)

    return run
