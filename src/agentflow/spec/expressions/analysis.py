"""What a text names and what it gives, found without running it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agentflow.spec.expressions.paths import parse_path, split_template
from agentflow.spec.expressions.program import CACHED, CACHED_LENGTH, compile_expression, compile_template, only_expression
from agentflow.spec.expressions.references import Path, Reference, references_in
from agentflow.spec.expressions.syntax import parse_expression, parse_template

_TEXT = frozenset({"string"})
_TYPES_BY_SYNTAX: dict[str, frozenset[str]] = {
    "Compare": frozenset({"boolean"}),
    "Not": frozenset({"boolean"}),
    "Test": frozenset({"boolean"}),
    "Concat": _TEXT,
    "List": frozenset({"array"}),
    "Tuple": frozenset({"array"}),
    "Dict": frozenset({"object"}),
    "Neg": frozenset({"number"}),
    "Sub": frozenset({"number"}),
    "Div": frozenset({"number"}),
    "FloorDiv": frozenset({"number"}),
    "Mod": frozenset({"number"}),
    "Pow": frozenset({"number"}),
}
_TYPES_BY_FILTER: dict[str, frozenset[str]] = {
    **dict.fromkeys(("length", "count", "wordcount"), frozenset({"integer"})),
    **dict.fromkeys(("int", "float", "abs", "round", "sum"), frozenset({"number"})),
    **dict.fromkeys(
        ("upper", "lower", "title", "capitalize", "trim", "replace", "truncate", "indent", "join", "string", "tojson", "e", "escape"), _TEXT
    ),
    **dict.fromkeys(
        ("list", "sort", "unique", "map", "select", "reject", "selectattr", "rejectattr", "groupby", "batch", "split", "lines"),
        frozenset({"array"}),
    ),
    **dict.fromkeys(("items", "keys", "values", "dictsort"), frozenset({"array"})),
}


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known of a text before it runs.

    Attributes:
        references: the names it uses, in order, each once.
        path: set when the whole text is one plain path.
        types: JSON Schema types of its result; None when that depends on values.
        is_constant: whether it is a literal.
    """

    references: tuple[Reference, ...]
    path: Path | None = None
    types: frozenset[str] | None = None
    is_constant: bool = False


def analyse(text: str, *, is_expression: bool) -> Analysis:
    """Return what is known of a template or a bare expression.

    Raises:
        ExpressionError: ``syntax``; the text is not part of the language.
    """
    return _cached(text, is_expression) if len(text) <= CACHED_LENGTH else _analyse(text, is_expression)


def references(text: str, *, is_expression: bool = False) -> list[Reference]:
    """Return the names that a template or a bare expression uses.

    Raises:
        ExpressionError: ``syntax``.
    """
    return list(analyse(text, is_expression=is_expression).references)


def _analyse(text: str, is_expression: bool) -> Analysis:
    path = parse_path(text) if is_expression else None
    if path is not None:
        return Analysis((Reference(path),), path)
    pieces = None if is_expression else split_template(text)
    if pieces is not None:
        return _plain([piece for piece in pieces if isinstance(piece, tuple)], len(pieces) == 1)
    if is_expression:
        compile_expression(text)
        return _of_expression(parse_expression(text))
    compile_template(text)
    tree = parse_template(text)
    only = only_expression(tree)
    return _of_expression(only) if only is not None else Analysis(references_in(tree), types=_TEXT)


def _plain(paths: Iterable[Path], single: bool) -> Analysis:
    found = tuple(Reference(path) for path in dict.fromkeys(paths))
    return Analysis(found, found[0].path) if single and found else Analysis(found, types=_TEXT)


def _of_expression(tree: Any) -> Analysis:
    name = type(tree).__name__
    if name == "Const":
        return Analysis((), types=_types_of(tree.value), is_constant=True)
    found = references_in(tree)
    if name in {"Getattr", "Getitem"} and len(found) == 1 and not found[0].optional:
        return Analysis(found, found[0].path)
    types = _TYPES_BY_FILTER.get(tree.name) if name == "Filter" else _TYPES_BY_SYNTAX.get(name)
    return Analysis(found, types=types, is_constant=name in {"List", "Tuple", "Dict"})


def _types_of(value: Any) -> frozenset[str]:
    if value is None:
        return frozenset({"null"})
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, str):
        return _TEXT
    return frozenset({"integer"} if isinstance(value, int) else {"number"})


_cached = lru_cache(CACHED)(_analyse)
