"""Compiling templates: text, output, ``if``, ``for``, ``set`` and ``with``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentflow.spec.expressions.calls import compile_filter
from agentflow.spec.expressions.code import Compiler
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.frame import Code, Frame, Step
from agentflow.spec.expressions.list_filters import items_of
from agentflow.spec.expressions.values import describe, text

if TYPE_CHECKING:
    from jinja2 import nodes

STATEMENTS = frozenset({"Output", "If", "For", "Assign", "AssignBlock", "With"})


class StatementCompiler:
    """Compiles the statements of one template; ``assigned`` are the names it gives values to."""

    def __init__(self, assigned: frozenset[str]) -> None:
        self._expressions = Compiler(assigned)

    def body(self, statements: Sequence[Any]) -> Step:
        """Compile statements that follow one another.

        Raises:
            ExpressionError: ``syntax``; a statement that the language does not have.
        """
        steps = [self._statement(statement) for statement in statements]
        if len(steps) == 1:
            return steps[0]

        def run(frame: Frame, out: list[str]) -> None:
            for step in steps:
                step(frame, out)

        return run

    def _statement(self, node: Any) -> Step:
        name = type(node).__name__
        if name not in STATEMENTS:
            raise ExpressionError(f"{{% {name.lower()} %}} is not part of the template language", kind="syntax")
        step: Step = getattr(self, f"_{name.lower()}")(node)
        return step

    def _output(self, node: "nodes.Output") -> Step:
        pieces: list[str | Code] = [
            part.data if type(part).__name__ == "TemplateData" else self._expressions.value(part)  # type: ignore[attr-defined]
            for part in node.nodes
        ]

        def run(frame: Frame, out: list[str]) -> None:
            budget = frame.budget
            for piece in pieces:
                written = piece if isinstance(piece, str) else text(piece(frame), budget)
                budget.output(written)
                out.append(written)

        return run

    def _if(self, node: "nodes.If") -> Step:
        branches = [(self._expressions.value(branch.test), self.body(branch.body)) for branch in (node, *node.elif_)]
        otherwise = self.body(node.else_)

        def run(frame: Frame, out: list[str]) -> None:
            for test, body in branches:
                if test(frame):
                    return body(frame, out)
            return otherwise(frame, out)

        return run

    def _for(self, node: "nodes.For") -> Step:
        if node.recursive:
            raise ExpressionError("recursive loops are not part of the template language", kind="syntax")
        source, bind = self._expressions.value(node.iter), _target(node.target)
        test = self._expressions.value(node.test) if node.test is not None else None
        body, otherwise = self.body(node.body), self.body(node.else_)
        cost, counted = _weight(node), _uses_loop(node)

        def run(frame: Frame, out: list[str]) -> None:
            members = items_of(frame.budget, source(frame))
            if test is not None:
                members = [member for member in members if _passes(frame, bind, member, test, cost)]
            if not members:
                return otherwise(frame.inner(), out)
            for index, member in enumerate(members):
                frame.budget.spend(cost)
                inner = frame.inner()
                if counted:
                    inner.names["loop"] = _loop(members, index)
                bind(inner, member)
                body(inner, out)
            return None

        return run

    def _assign(self, node: "nodes.Assign") -> Step:
        source, bind = self._expressions.value(node.node), _target(node.target)
        return lambda frame, _out: bind(frame, source(frame))

    def _assignblock(self, node: "nodes.AssignBlock") -> Step:
        bind, body = _target(node.target), self.body(node.body)
        finish = self._block_filters(node.filter)

        def run(frame: Frame, _out: list[str]) -> None:
            captured: list[str] = []
            body(frame.inner(), captured)
            bind(frame, finish(frame, "".join(captured)))

        return run

    def _block_filters(self, node: "nodes.Filter | None") -> Any:
        if node is None:
            return lambda _frame, captured: captured
        inner = self._block_filters(node.node)  # type: ignore[arg-type]

        def captured_value(frame: Frame) -> Any:
            return frame.names[_CAPTURED]

        code = compile_filter(self._expressions, node, captured_value)

        def finish(frame: Frame, captured: str) -> Any:
            scope = frame.inner()
            scope.names[_CAPTURED] = inner(frame, captured)
            return code(scope)

        return finish

    def _with(self, node: "nodes.With") -> Step:
        pairs = [(_target(target), self._expressions.value(value)) for target, value in zip(node.targets, node.values, strict=True)]
        body = self.body(node.body)

        def run(frame: Frame, out: list[str]) -> None:
            inner = frame.inner()
            for bind, value in pairs:
                bind(inner, value(frame))
            body(inner, out)

        return run


_CAPTURED = " captured"
"""Holds the text of a block assignment for its filters; no name of a template has a space."""


def assigned_names(tree: "nodes.Template") -> frozenset[str]:
    """Return every name that a template gives a value to."""
    from jinja2 import nodes

    names = {name.name for name in tree.find_all(nodes.Name) if name.ctx in {"store", "param"}}
    return frozenset(names | {"loop"} if next(tree.find_all(nodes.For), None) else names)


def _target(node: Any) -> Any:
    name = type(node).__name__
    if name == "Name":
        return lambda frame, value: frame.names.__setitem__(node.name, value)
    if name != "Tuple":
        raise ExpressionError("only plain names can be set", kind="syntax")
    parts = [_target(part) for part in node.items]

    def bind(frame: Frame, value: Any) -> None:
        if not isinstance(value, list) or len(value) != len(parts):
            raise ExpressionError(f"cannot unpack {describe(value)} into {len(parts)} names")
        for part, member in zip(parts, value, strict=True):
            part(frame, member)

    return bind


def _passes(frame: Frame, bind: Any, member: Any, test: Code, cost: int) -> bool:
    frame.budget.spend(cost)
    inner = frame.inner()
    bind(inner, member)
    return bool(test(inner))


def _loop(members: list[Any], index: int) -> dict[str, Any]:
    count = len(members)
    loop = {
        "index": index + 1,
        "index0": index,
        "first": index == 0,
        "last": index == count - 1,
        "length": count,
        "revindex": count - index,
        "revindex0": count - index - 1,
    }
    if index:
        loop["previtem"] = members[index - 1]
    if index + 1 < count:
        loop["nextitem"] = members[index + 1]
    return loop


def _weight(node: Any) -> int:
    return 1 + sum(map(_weight, node.iter_child_nodes()))


def _uses_loop(node: Any) -> bool:
    from jinja2 import nodes

    return any(name.name == "loop" for name in node.find_all(nodes.Name))
