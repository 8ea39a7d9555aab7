"""Finding the names that a syntax tree uses, with loop and ``set`` variables followed back to what they stand for."""

from dataclasses import dataclass
from typing import Any

Path = tuple[str | int | None, ...]
"""Parts of a path; None stands for each item of a list (or a part that is only known when running)."""

_EACH: tuple[None] = (None,)
_SAME = frozenset({"list", "sort", "reverse", "unique", "select", "reject", "selectattr", "rejectattr"})
"""Filters that give a list of the same items."""
_ONE = frozenset({"first", "last", "min", "max"})
"""Filters that give one of the items."""
_BY_ATTRIBUTE = frozenset({"sort", "unique", "sum", "min", "max", "join", "groupby", "map"})
"""Filters that can take ``attribute=…``."""
_CHAIN = frozenset({"Name", "Getattr", "Getitem"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that a text uses.

    Attributes:
        path: from the root: ``("nodes", "search", "matches", None, "text")``.
        optional: whether the text copes with its absence (``is defined``, ``default``).
    """

    path: Path
    optional: bool = False


Names = dict[str, Path | None]
"""Names that the text itself sets: what they stand for, None when that is not a path."""


def references_in(tree: Any) -> tuple[Reference, ...]:
    """Return the references of a syntax tree (an expression or a template) in order, each path once."""
    collector = _Collector()
    if type(tree).__name__ == "Template":
        collector.statements(tree.body, {})
    else:
        collector.expression(tree, {})
    guarded = {path for path, optional in collector.found if optional}
    paths = dict.fromkeys(path for path, _ in collector.found)
    return tuple(Reference(path, any(path[:length] in guarded for length in range(1, len(path) + 1))) for path in paths)


class _Collector:
    def __init__(self) -> None:
        self.found: list[tuple[Path, bool]] = []

    def expression(self, node: Any, names: Names, optional: bool = False) -> Path | None:
        """Collect what an expression uses; returns the path it stands for, if it stands for one."""
        name = type(node).__name__
        if name in _CHAIN:
            path = self._chain(node, names)
            if path:
                self.found.append((path, optional))
            return path
        if name == "Filter":
            return self._filter(node, names)
        if name == "Test":
            self.expression(node.node, names, optional or node.name in {"defined", "undefined"})
            self._arguments(node, names)
        elif name == "Call":
            self._call(node, names)
        else:
            for child in node.iter_child_nodes():
                self.expression(child, names)
        return None

    def _chain(self, node: Any, names: Names) -> Path | None:
        name = type(node).__name__
        if name == "Name":
            return names.get(node.name, (node.name,))
        base = self._chain(node.node, names) if type(node.node).__name__ in _CHAIN else self.expression(node.node, names)
        if name == "Getattr":
            return (*base, node.attr) if base else None
        if type(node.arg).__name__ == "Slice":
            for bound in node.arg.iter_child_nodes():
                self.expression(bound, names)
            return base
        key = getattr(node.arg, "value", None) if type(node.arg).__name__ == "Const" else None
        if key is None:
            self.expression(node.arg, names)
        return (*base, key if isinstance(key, str) or type(key) is int else None) if base else None

    def _filter(self, node: Any, names: Names) -> Path | None:
        path = self.expression(node.node, names, node.name in {"default", "d"}) if node.node is not None else None
        self._arguments(node, names)
        if path is None:
            return None
        self._attribute(node, path)
        if node.name in _ONE:
            return path + _EACH
        return path if node.name in _SAME else None

    def _attribute(self, node: Any, path: Path) -> None:
        """Note the field that ``sort(attribute='score')`` or ``selectattr('score', …)`` reads of every item."""
        given = node.args[0] if node.name in {"selectattr", "rejectattr", "groupby"} and node.args else None
        optional = len(node.args) > 1 and getattr(node.args[1], "value", None) in {"defined", "undefined"}
        if node.name in _BY_ATTRIBUTE:
            given = next((pair.value for pair in node.kwargs if pair.key == "attribute"), given)
            optional = optional or any(pair.key == "default" for pair in node.kwargs)
        field = getattr(given, "value", None)
        if isinstance(field, str):
            self.found.append(((*path, None, *field.split(".")), optional))

    def _arguments(self, node: Any, names: Names) -> None:
        for argument in (*node.args, *(pair.value for pair in node.kwargs)):
            self.expression(argument, names)

    def _call(self, node: Any, names: Names) -> None:
        if type(node.node).__name__ == "Getattr":
            self.expression(node.node.node, names)
        self._arguments(node, names)

    def statements(self, statements: Any, names: Names) -> None:
        """Collect what statements use; ``names`` takes up what they set."""
        for statement in statements:
            getattr(self, f"_{type(statement).__name__.lower()}")(statement, names)

    def _output(self, node: Any, names: Names) -> None:
        for part in node.nodes:
            if type(part).__name__ != "TemplateData":
                self.expression(part, names)

    def _if(self, node: Any, names: Names) -> None:
        changed: Names = {}
        for branch in (node, *node.elif_):
            self.expression(branch.test, names)
        for body in (node.body, *(branch.body for branch in node.elif_), node.else_):
            inner = dict(names)
            self.statements(body, inner)
            changed.update({name: None for name, path in inner.items() if names.get(name, ()) != path})
        names.update(changed)

    def _for(self, node: Any, names: Names) -> None:
        path = self.expression(node.iter, names)
        inner: Names = {**names, "loop": None}
        _bind(node.target, path + _EACH if path else None, inner)
        if node.test is not None:
            self.expression(node.test, inner)
        self.statements(node.body, inner)
        self.statements(node.else_, dict(names))

    def _assign(self, node: Any, names: Names) -> None:
        _bind(node.target, self.expression(node.node, names), names)

    def _assignblock(self, node: Any, names: Names) -> None:
        self.statements(node.body, dict(names))
        if node.filter is not None:
            self.expression(node.filter, names)
        _bind(node.target, None, names)

    def _with(self, node: Any, names: Names) -> None:
        inner = dict(names)
        for target, value in zip(node.targets, node.values, strict=True):
            _bind(target, self.expression(value, names), inner)
        self.statements(node.body, inner)


def _bind(target: Any, path: Path | None, names: Names) -> None:
    if type(target).__name__ == "Name":
        names[target.name] = path
    else:
        for part in target.items:
            _bind(part, None, names)
