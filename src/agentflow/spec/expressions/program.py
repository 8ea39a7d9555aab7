"""Compiled expressions and templates, and the bounded cache of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from agentflow.spec.expressions.budget import Budget
from agentflow.spec.expressions.code import Compiler
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.frame import Code, Frame, Step
from agentflow.spec.expressions.paths import Part, follow, parse_path, split_template
from agentflow.spec.expressions.statements import StatementCompiler, assigned_names
from agentflow.spec.expressions.syntax import parse_expression, parse_template
from agentflow.spec.expressions.values import text as to_text
from agentflow.spec.expressions.values import use

Compiled = TypeVar("Compiled")

CACHED = 4_096
CACHED_LENGTH = 8_192
"""Longer texts are compiled anew, so that the cache stays small; a compiled tree keeps its own."""

_FAULTS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: a plain path, or code."""

    text: str
    path: tuple[Part, ...] | None
    code: Code | None

    def evaluate(self, context: Mapping[str, Any], fuel: int, max_bytes: int) -> Any:
        """Return the typed value; a path gives the very object it leads to.

        Raises:
            ExpressionError: a name is unknown, the budget is used up, or the values do not fit the operation.
        """
        try:
            if self.path is not None:
                return use(follow(self.path, context))
            assert self.code is not None  # noqa: S101 - one of the two is set
            budget = Budget(fuel, max_bytes)
            return budget.keep(use(self.code(Frame(context, budget))))
        except ExpressionError as error:
            raise error.within(self.text) from None
        except _FAULTS as error:
            raise ExpressionError(f"cannot be evaluated: {error}", self.text) from error


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template: one ``{{ … }}`` and nothing else keeps its type, everything else gives text."""

    text: str
    single: Expression | None
    body: Step | None

    def render(self, context: Mapping[str, Any], fuel: int, max_bytes: int) -> Any:
        """Return the text, or the typed value of the only expression; see ``Expression.evaluate``."""
        if self.single is not None:
            return self.single.evaluate(context, fuel, max_bytes)
        assert self.body is not None  # noqa: S101 - one of the two is set
        out: list[str] = []
        try:
            self.body(Frame(context, Budget(fuel, max_bytes)), out)
        except ExpressionError as error:
            raise error.within(self.text) from None
        except _FAULTS as error:
            raise ExpressionError(f"cannot be evaluated: {error}", self.text) from error
        return "".join(out)


def is_template(value: object) -> bool:
    """Tell whether a value is text that renders."""
    return isinstance(value, str) and "{" in value and ("{{" in value or "{%" in value or "{#" in value)


def compile_expression(text: str) -> Expression:
    """Return the compiled expression.

    Raises:
        ExpressionError: ``syntax``.
    """
    return _cached_expression(text) if len(text) <= CACHED_LENGTH else _expression(text)


def compile_template(text: str) -> Template:
    """Return the compiled template.

    Raises:
        ExpressionError: ``syntax``.
    """
    return _cached_template(text) if len(text) <= CACHED_LENGTH else _template(text)


def _expression(text: str) -> Expression:
    path = parse_path(text)
    if path is not None:
        return Expression(text, path, None)
    tree = parse_expression(text)
    return Expression(text, None, _compile(text, lambda: Compiler().maybe(tree)))


def _template(text: str) -> Template:
    pieces = split_template(text)
    if pieces is not None:
        only = pieces[0] if len(pieces) == 1 else None
        return Template(text, None, _plain(pieces)) if not isinstance(only, tuple) else Template(text, Expression(text, only, None), None)
    tree = parse_template(text)
    only = only_expression(tree)
    if only is not None:
        return Template(text, Expression(text, None, _compile(text, lambda: Compiler().maybe(only))), None)
    assigned = assigned_names(tree) if "{%" in text else frozenset()
    return Template(text, None, _compile(text, lambda: StatementCompiler(assigned).body(tree.body)))


def _plain(pieces: Sequence[str | tuple[Part, ...]]) -> Step:
    def run(frame: Frame, out: list[str]) -> None:
        for piece in pieces:
            written = piece if isinstance(piece, str) else to_text(follow(piece, frame.context), frame.budget)
            frame.budget.output(written)
            out.append(written)

    return run


def only_expression(tree: Any) -> Any:
    """Return the expression of a template that is exactly one ``{{ … }}``, or None."""
    if len(tree.body) != 1 or type(tree.body[0]).__name__ != "Output" or len(tree.body[0].nodes) != 1:
        return None
    only = tree.body[0].nodes[0]
    return None if type(only).__name__ == "TemplateData" else only


def _compile(text: str, build: Callable[[], Compiled]) -> Compiled:
    try:
        return build()
    except ExpressionError as error:
        error.kind = "syntax"
        raise error.within(text) from None
    except RecursionError:
        raise ExpressionError("nested too deeply", text, "syntax") from None


_cached_expression = lru_cache(CACHED)(_expression)
_cached_template = lru_cache(CACHED)(_template)
