"""Reading the Jinja syntax: text in, syntax tree out. Jinja's parser is used, nothing of what would run a template."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeVar

from agentflow.spec.expressions.errors import ExpressionError

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.nodes import Expr, Node, Template

Tree = TypeVar("Tree")

MAX_DEPTH = 100
"""Deepest nesting of an expression; the walks over a tree are recursive."""

CACHED = 512
CACHED_LENGTH = 8_192
"""Trees of longer texts are not kept, so that the cache stays small."""


@cache
def _environment() -> "Environment":
    from jinja2 import Environment

    return Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701 - parses only


def parse_template(text: str) -> "Template":
    """Return the tree of a template.

    Raises:
        ExpressionError: ``syntax``.
    """
    return _cached_template(text) if len(text) <= CACHED_LENGTH else _template(text)


def _template(text: str) -> "Template":
    from jinja2 import nodes
    from jinja2.parser import Parser

    # Environment.parse would do the same, and then walk the whole tree to tell it its environment, which nobody asks for.
    tree = _guarded(text, lambda: nodes.Template(Parser(_environment(), text).subparse(), lineno=1))
    _check_depth(tree, text)
    return tree


def parse_expression(text: str) -> "Expr":
    """Return the tree of a bare expression.

    Raises:
        ExpressionError: ``syntax``.
    """
    return _cached_expression(text) if len(text) <= CACHED_LENGTH else _expression(text)


def _expression(text: str) -> "Expr":
    from jinja2.parser import Parser

    def parse() -> "Expr":
        parser = Parser(_environment(), text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionError(f"unexpected {parser.stream.current.value!r} after the expression", text, "syntax")
        return tree

    if text.lstrip().startswith(("{{", "{%")):
        raise ExpressionError("this is an expression, not a template: write it without {{ }}", text, "syntax")
    tree = _guarded(text, parse)
    _check_depth(tree, text)
    return tree


def _guarded(text: str, parse: Callable[[], Tree]) -> Tree:
    from jinja2 import TemplateSyntaxError

    try:
        return parse()
    except ExpressionError:
        raise
    except TemplateSyntaxError as error:
        raise ExpressionError(error.message or "cannot be read", text, "syntax") from None
    except RecursionError:
        raise ExpressionError("nested too deeply", text, "syntax") from None
    except (ValueError, TypeError, AssertionError, LookupError, AttributeError) as error:
        raise ExpressionError(f"cannot be read: {str(error)[:200]}", text, "syntax") from None


def _check_depth(tree: "Node", text: str) -> None:
    if len(text) < MAX_DEPTH // 2:
        return  # every level takes at least a letter
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH} levels", text, "syntax")
        level = [child for node in level for child in node.iter_child_nodes()]


_cached_template = lru_cache(CACHED)(_template)
_cached_expression = lru_cache(CACHED)(_expression)
