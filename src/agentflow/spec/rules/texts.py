"""INVALID_EXPRESSION, INVALID_TEMPLATE, UNKNOWN_REFERENCE, MISSING_SECRET and TYPE_MISMATCH: what is written in the language."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentflow.spec.draft import Draft, TextPlace
from agentflow.spec.expressions import Analysis, ExpressionError, analyse
from agentflow.spec.expressions.tree import Place
from agentflow.spec.problems import Code, Problem
from agentflow.spec.rules.scopes import NameChecker
from agentflow.spec.schemas import Structure, overlap

_NAMES = {"array": "a list", "object": "an object", "string": "text", "integer": "an integer", "number": "a number", "boolean": "a boolean"}

_SAMPLES: Mapping[str, Any] = {"array": [], "object": {}, "string": "text", "integer": 1, "number": 1.5, "boolean": True}


def texts(draft: Draft) -> Iterable[Problem]:
    """Check that every text can be read, names only what exists, and gives what its place takes."""
    names = NameChecker(draft)
    for text in draft.texts:
        if len(text.text) > draft.limits.max_template_bytes:
            continue
        try:
            analysis = analyse(text.text, is_expression=text.is_expression)
        except ExpressionError as error:
            yield _unreadable(text, error)
            continue
        unknown = list(names.check(text, analysis.references))
        yield from unknown
        if not unknown:
            yield from _types(text, analysis, names)


def _unreadable(text: TextPlace, error: ExpressionError) -> Problem:
    code = Code.INVALID_EXPRESSION if text.is_expression else Code.INVALID_TEMPLATE
    message = error.message[:1].upper() + error.message[1:]
    return Problem(code, message.rstrip(".") + ".", text.path, text.node.node.id if text.node else None)


def _types(text: TextPlace, analysis: Analysis, names: NameChecker) -> Iterator[Problem]:
    actual = names.types(text, analysis.path) if analysis.path is not None else analysis.types
    if not actual:
        return
    if text.is_condition:
        if analysis.is_constant and actual != {"boolean"}:
            yield _mismatch(text, "The condition is a constant.", "Compare something, as in inputs.count > 3.")
        elif actual == {"object"}:
            yield _mismatch(text, "The condition is an object, not a yes or no.", "Ask for one of its fields.")
    elif text.place is not None and text.node is not None and text.node.kind is not None:
        structure = Structure(text.node.kind.config_schema)
        wanted = _wanted(structure, text)
        if wanted and not overlap(actual, wanted) and not _accepted(text, actual):
            message = f"The setting takes {_words(wanted)}, but this gives {_words(actual)}."
            hint = "Compare it, as in … > 0." if text.is_expression else None
            yield _mismatch(text, message, hint)


def _accepted(text: TextPlace, actual: Iterable[str]) -> bool:
    """Tell whether the node type takes a value of one of these types after all; it may convert what its schema does not name."""
    assert text.node is not None  # noqa: S101 - asked for texts in a config
    assert text.node.kind is not None  # noqa: S101 - likewise
    place, kind, config = text.place or (), text.node.kind, text.node.node.config
    return any(
        all(problem.path[: len(place)] != place for problem in kind.check_config(_with(config, place, _SAMPLES[name])))
        for name in actual
        if name in _SAMPLES
    )


def _with(value: Any, place: Place, new: Any) -> Any:
    """Return a copy of a value with another one at ``place``."""
    if not place:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _with(copy[place[0]], place[1:], new)
    return copy


def _wanted(structure: Structure, text: TextPlace) -> frozenset[str] | None:
    schema = structure.root
    for part in text.place or ():
        found = structure.step(schema, part)
        if not found:
            return None
        schema = found
    return structure.types(schema)


def _mismatch(text: TextPlace, message: str, hint: str | None) -> Problem:
    return Problem(Code.TYPE_MISMATCH, message, text.path, text.node.node.id if text.node else None, hint)


def _words(types: Iterable[str]) -> str:
    return " or ".join(_NAMES.get(name, name) for name in sorted(types) if name != "null")
