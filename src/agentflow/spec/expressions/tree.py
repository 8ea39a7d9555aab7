"""A config as a whole: which of its strings are templates or expressions, compiled once, rendered often."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from agentflow.kit.json import JsonValue, pointer
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.program import compile_expression, compile_template, is_template

Paths = Sequence[tuple[str, ...]]
"""Places in a config; ``*`` stands for any name or index."""

Place = tuple[str | int, ...]
Leaf = Callable[[Mapping[str, Any]], Any]


class CompiledTree:
    """A value whose strings are compiled.

    Attributes:
        is_static: whether nothing in it renders; then ``render`` returns the value itself.
    """

    __slots__ = ("_render", "_value", "is_static")

    def __init__(self, value: JsonValue, render: Leaf | None) -> None:
        self._value = value
        self._render = render
        self.is_static = render is None

    def render(self, context: Mapping[str, Any]) -> JsonValue:
        """Return the value with every template rendered and every expression replaced by its result.

        Raises:
            ExpressionError: with ``at`` set to the place in the value.
        """
        return self._value if self._render is None else self._render(context)


def compile_tree(value: JsonValue, expressions: Paths, raw: Paths, fuel: int, max_bytes: int, max_template_bytes: int) -> CompiledTree:
    """Compile a value; see ``Renderer.compile_tree``."""
    leaves: dict[Place, Leaf] = {}
    for place, text, is_expression in walk_texts(value, expressions, raw):
        leaves[place] = _leaf(place, text, is_expression, fuel, max_bytes, max_template_bytes)
    return CompiledTree(value, _build(value, (), _inner(leaves), leaves))


def walk_texts(value: JsonValue, expressions: Paths = (), raw: Paths = ()) -> Iterator[tuple[Place, str, bool]]:
    """Go through the strings of a value that render, in document order: their place, the text, whether it is a bare expression.

    Walks with a stack, so that depth cannot exhaust Python's.
    """
    stack: list[tuple[JsonValue, Place, Paths | None, Paths]] = [(value, (), expressions, raw)]
    while stack:
        item, place, inside, untouched = stack.pop()
        if () in untouched:
            continue
        if inside is not None and () in inside:
            inside = None
        if isinstance(item, str):
            if inside is None or is_template(item):
                yield place, item, inside is None
        elif isinstance(item, dict | list):
            pairs = list(item.items() if isinstance(item, dict) else enumerate(item))
            for key, child in reversed(pairs):
                if isinstance(child, str | dict | list):
                    below = inside if inside is None else _below(inside, str(key))
                    stack.append((child, (*place, key), below, _below(untouched, str(key))))


def _below(paths: Paths, key: str) -> Paths:
    return [path[1:] for path in paths if path and path[0] in {key, "*"}] if paths else paths


def _leaf(place: Place, text: str, is_expression: bool, fuel: int, max_bytes: int, max_template_bytes: int) -> Leaf:
    at = pointer("", *place)
    try:
        check_length(text, max_template_bytes)
        evaluate = compile_expression(text).evaluate if is_expression else compile_template(text).render
    except ExpressionError as error:
        error.at = at
        raise

    def render(context: Mapping[str, Any]) -> Any:
        try:
            return evaluate(context, fuel, max_bytes)
        except ExpressionError as error:
            error.at = at
            raise

    return render


def check_length(text: str, max_template_bytes: int) -> None:
    """Refuse a text that is too long to compile.

    Raises:
        ExpressionError: ``budget``.
    """
    if len(text) > max_template_bytes or len(text.encode("utf-8", "surrogatepass")) > max_template_bytes:
        raise ExpressionError(f"the text is longer than {max_template_bytes} bytes (max_template_bytes)", text[:100], "budget")


def _inner(leaves: Mapping[Place, Leaf]) -> frozenset[Place]:
    return frozenset(place[:length] for place in leaves for length in range(len(place)))


def _build(value: JsonValue, place: Place, inner: frozenset[Place], leaves: Mapping[Place, Leaf]) -> Leaf | None:
    if place in leaves:
        return leaves[place]
    if place not in inner:
        return None
    if isinstance(value, dict):
        fields = [(key, child, _build(child, (*place, key), inner, leaves)) for key, child in value.items()]
        return lambda context: {key: child if render is None else render(context) for key, child, render in fields}
    items = [(child, _build(child, (*place, index), inner, leaves)) for index, child in enumerate(value)]
    return lambda context: [child if render is None else render(context) for child, render in items]
