"""Compiling expressions to Python closures.

Each kind of syntax has its own method; there is none for anything that could reach outside plain JSON, so what is not listed here
cannot be said in the language. Nothing compiled here changes its input.
"""

from typing import TYPE_CHECKING, Any

from agentflow.spec.expressions.calls import compile_call, compile_filter, compile_test
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.frame import Code, Frame
from agentflow.spec.expressions.operators import BINARY, COMPARE, concat, negate, positive
from agentflow.spec.expressions.paths import Part, follow, write_path
from agentflow.spec.expressions.values import Missing, attribute, describe, item, number, use

if TYPE_CHECKING:
    from jinja2 import nodes

MAYBE_MISSING = frozenset({"Name", "Getattr", "Getitem", "Filter", "CondExpr", "And", "Or"})


class Compiler:
    """Compiles the expressions of one text.

    Attributes:
        assigned: names that the text itself gives values to; all others come straight from the context.
    """

    def __init__(self, assigned: frozenset[str] = frozenset()) -> None:
        self.assigned = assigned

    def value(self, node: "nodes.Node") -> Code:
        """Compile an expression whose value must exist."""
        code = self.maybe(node)
        if type(node).__name__ not in MAYBE_MISSING:
            return code

        def run(frame: Frame) -> Any:
            result = code(frame)
            if type(result) is Missing:
                raise result.error()
            return result

        return run

    def maybe(self, node: Any) -> Code:
        """Compile an expression whose value may be Missing.

        Raises:
            ExpressionError: ``syntax``; the language does not have this.
        """
        name = type(node).__name__
        if name in BINARY:
            return self._binary(node)
        method = getattr(self, f"_{name.lower()}", None) if name in EXPRESSIONS else None
        if method is None:
            raise ExpressionError(f"{name} is not part of the expression language", kind="syntax")
        code: Code = method(node)
        return code

    def arguments(self, node: Any) -> tuple[list[Code], dict[str, Code]]:
        """Compile the arguments of a call."""
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError("arguments cannot be unpacked with * or **", kind="syntax")
        return [self.value(argument) for argument in node.args], {pair.key: self.value(pair.value) for pair in node.kwargs}

    def _const(self, node: "nodes.Const") -> Code:
        constant = node.value
        if isinstance(constant, int | float):
            number(constant)
        return lambda _frame: constant

    def _name(self, node: "nodes.Name") -> Code:
        name = node.name
        return (lambda frame: frame.find(name)) if name in self.assigned else self._path((name,))

    def _path(self, path: tuple[Part, ...]) -> Code:
        return lambda frame: follow(path, frame.context)

    def _getattr(self, node: "nodes.Getattr") -> Code:
        path = plain_path(node)
        if path is not None and path[0] not in self.assigned:
            return self._path(path)
        source, name, whole = self.maybe(node.node), node.attr, written(node)
        return lambda frame: attribute(source(frame), name, whole)

    def _getitem(self, node: "nodes.Getitem") -> Code:
        path = plain_path(node)
        if path is not None and path[0] not in self.assigned:
            return self._path(path)
        source, whole = self.maybe(node.node), written(node)
        if type(node.arg).__name__ == "Slice":
            return self._slice(source, node.arg)
        key = self.value(node.arg)
        return lambda frame: item(source(frame), key(frame), whole)

    def _slice(self, source: Code, node: Any) -> Code:
        bounds = [self.value(part) if part is not None else _nothing for part in (node.start, node.stop, node.step)]

        def run(frame: Frame) -> Any:
            value = use(source(frame))
            if not isinstance(value, list | str):
                raise ExpressionError(f"cannot take a part of {describe(value)}")
            start, stop, step = (bound(frame) for bound in bounds)
            if any(bound is not None and type(bound) is not int for bound in (start, stop, step)) or step == 0:
                raise ExpressionError("the bounds of a slice are integers, and its step is not 0")
            frame.budget.text(len(value)) if isinstance(value, str) else frame.budget.spend(len(value))
            return value[start:stop:step]

        return run

    def _binary(self, node: "nodes.BinExpr") -> Code:
        left, right, apply = self.value(node.left), self.value(node.right), BINARY[type(node).__name__]
        return lambda frame: apply(left(frame), right(frame), frame.budget)

    def _concat(self, node: "nodes.Concat") -> Code:
        parts = [self.value(part) for part in node.nodes]
        return lambda frame: concat([part(frame) for part in parts], frame.budget)

    def _compare(self, node: "nodes.Compare") -> Code:
        source = self.value(node.expr)
        operations = [(COMPARE[operand.op], self.value(operand.expr)) for operand in node.ops]

        def run(frame: Frame) -> bool:
            left = source(frame)
            for apply, operand in operations:
                right = operand(frame)
                if not apply(left, right, frame.budget):
                    return False
                left = right
            return True

        return run

    def _and(self, node: "nodes.And") -> Code:
        left, right = self.value(node.left), self.maybe(node.right)
        return lambda frame: left(frame) and right(frame)

    def _or(self, node: "nodes.Or") -> Code:
        left, right = self.value(node.left), self.maybe(node.right)
        return lambda frame: left(frame) or right(frame)

    def _not(self, node: "nodes.Not") -> Code:
        source = self.value(node.node)
        return lambda frame: not source(frame)

    def _neg(self, node: "nodes.Neg") -> Code:
        source = self.value(node.node)
        return lambda frame: negate(source(frame))

    def _pos(self, node: "nodes.Pos") -> Code:
        source = self.value(node.node)
        return lambda frame: positive(source(frame))

    def _condexpr(self, node: "nodes.CondExpr") -> Code:
        test, yes = self.value(node.test), self.maybe(node.expr1)
        no = self.maybe(node.expr2) if node.expr2 is not None else _no_else
        return lambda frame: yes(frame) if test(frame) else no(frame)

    def _list(self, node: "nodes.List") -> Code:
        members = [self.value(member) for member in node.items]
        return lambda frame: [member(frame) for member in members]

    _tuple = _list

    def _dict(self, node: "nodes.Dict") -> Code:
        pairs = [(self.value(pair.key), self.value(pair.value)) for pair in node.items]

        def run(frame: Frame) -> dict[str, Any]:
            result = {}
            for key, value in pairs:
                name = key(frame)
                if not isinstance(name, str):
                    raise ExpressionError(f"an object's names are text, not {describe(name)}")
                result[name] = value(frame)
            return result

        return run

    def _filter(self, node: "nodes.Filter") -> Code:
        return compile_filter(self, node)

    def _test(self, node: "nodes.Test") -> Code:
        return compile_test(self, node)

    def _call(self, node: "nodes.Call") -> Code:
        return compile_call(self, node)


EXPRESSIONS = frozenset(
    {"Const", "Name", "Getattr", "Getitem", "Concat", "Compare", "And", "Or", "Not", "Neg", "Pos", "CondExpr", "List", "Tuple", "Dict"}
    | {"Filter", "Test", "Call"}
)
"""The kinds of syntax that are part of the language, besides the binary operators."""


def plain_path(node: Any) -> tuple[Part, ...] | None:
    """Return the parts of names and constant keys that a tree is made of, or None when there is more to it."""
    parts: list[Part] = []
    while type(node).__name__ != "Name":
        key = node.attr if type(node).__name__ == "Getattr" else getattr(getattr(node, "arg", None), "value", None)
        if type(node).__name__ not in {"Getattr", "Getitem"} or not isinstance(key, str | int) or isinstance(key, bool):
            return None
        parts.append(key)
        node = node.node
    return (node.name, *reversed(parts))


def written(node: Any) -> str:
    """Return a path as the user wrote it, for messages."""
    parts: list[Any] = []
    while type(node).__name__ in {"Getattr", "Getitem"}:
        if type(node).__name__ == "Getattr":
            parts.append(node.attr)
        else:
            parts.append(getattr(node.arg, "value", None))
        node = node.node
    return write_path((getattr(node, "name", "…"), *reversed(parts)))


def _nothing(_frame: Frame) -> None:
    return None


def _no_else(_frame: Frame) -> Missing:
    return Missing("the condition is false and there is no else")
