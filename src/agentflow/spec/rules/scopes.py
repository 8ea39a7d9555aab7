"""Which names a text knows, and what they are: the other half of the rules about texts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from agentflow.spec.draft import Draft, DraftNode, Graph, TextPlace
from agentflow.spec.expressions import Reference
from agentflow.spec.expressions.paths import write_path
from agentflow.spec.expressions.references import Path
from agentflow.spec.problems import Code, Problem
from agentflow.spec.reach import Ancestors
from agentflow.spec.rules.names import suggestion
from agentflow.spec.schemas import OPEN, Schema, Structure

RUN_SCHEMA: Schema = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "started_at": {"type": "string"}},
    "additionalProperties": False,
}
ROOTS = ("inputs", "nodes", "vars", "run")
ITEM_ROOTS = ("item", "index")
INPUT_TYPE = "input"
"""The node type whose output is the run's inputs."""


class NameChecker:
    """Checks references against the schemas of inputs and outputs, and against the order of the nodes."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._inputs = Structure(draft.inputs)
        self._ancestors: dict[int, Ancestors] = {}
        self._structures: dict[int, Structure] = {}

    def check(self, text: TextPlace, references: Iterable[Reference]) -> Iterator[Problem]:
        """Return a problem for every reference that leads nowhere."""
        for reference in references:
            root = reference.path[0]
            if text.graph is None:
                problem = self._in_source(text, reference.path)
            elif root == "secrets":
                problem = _unknown(
                    text, f"{write_path(reference.path)} is not known here.", "Secrets are only known inside a source's config."
                )
            elif root == "nodes":
                problem = self._node(text, reference, text.graph)
            else:
                problem = self._other(text, reference, text.graph)
            if problem is not None:
                yield problem

    def types(self, text: TextPlace, path: Path) -> frozenset[str] | None:
        """Return the JSON types of what a path that was checked leads to; None when they are open."""
        if path[0] == "nodes" and len(path) > 1 and text.graph is not None:
            found = _find(text.graph, path[1])
            if found is None:
                return None
            structure = self._output(found[1])
            return _types_at(structure, path[2:])
        if path[0] in {"inputs", "run"}:
            return _types_at(self._inputs if path[0] == "inputs" else Structure(RUN_SCHEMA), path[1:])
        return frozenset({"integer"}) if path == ("index",) else None

    def _in_source(self, text: TextPlace, path: Path) -> Problem | None:
        if path[0] != "secrets":
            return _unknown(text, f"{write_path(path)} is not known here.", "A source's config knows secrets.NAME only.")
        secrets = self._draft.secrets
        if secrets is None or len(path) < 2 or not isinstance(path[1], str) or path[1] in secrets:  # noqa: PLR2004 - root and name
            return None
        hint = f"Store it: `agentflow secrets set {path[1]}`."
        return Problem(Code.MISSING_SECRET, f"There is no secret {path[1]}.", text.path, hint=suggestion_only(path[1], secrets) or hint)

    def _other(self, text: TextPlace, reference: Reference, graph: Graph) -> Problem | None:
        path = reference.path
        root = path[0]
        if root == "inputs":
            return self._fields(text, reference, self._inputs, 1)
        if root == "run":
            return self._fields(text, reference, Structure(RUN_SCHEMA), 1)
        if root == "vars":
            variables = self._draft.variables
            if variables is None or reference.optional or len(path) < 2 or path[1] is None or path[1] in variables:  # noqa: PLR2004
                return None
            return _unknown(text, f"There is no variable {path[1]}.", suggestion(str(path[1]), variables, prefix="vars."))
        if root in ITEM_ROOTS:
            if graph.outer is not None:
                return None
            return _unknown(text, f"{root} is not known here.", f"{root} is only known inside the body of a map.")
        if reference.optional:
            return None
        return _unknown(text, f"There is no name {root}.", suggestion(str(root), (*ROOTS, *(ITEM_ROOTS if graph.outer else ()))))

    def _node(self, text: TextPlace, reference: Reference, graph: Graph) -> Problem | None:
        path = reference.path
        if len(path) < 2 or not isinstance(path[1], str):  # noqa: PLR2004 - root and name
            return None
        found = _find(graph, path[1])
        if found is None:
            return None if _unreadable(graph, path[1]) else _no_node(text, path[1], graph)
        home, node = found
        if not reference.optional and not self._has_run(text, home, node):
            return _unknown(text, f"{path[1]} has not run when this is needed.", _order_hint(text, path[1]))
        return self._fields(text, reference, self._output(node), 2, node)

    def _has_run(self, text: TextPlace, home: Graph, node: DraftNode) -> bool:
        reader, graph = text.node, text.graph
        if reader is None or graph is None:
            return True
        if text.sees_own and reader is node:
            return True
        while graph is not home and graph.outer is not None:
            graph, reader = graph.outer
        if not home.is_whole or home.by_id.get(reader.node.id) is not reader:
            return True
        order, name = self._order(home), reader.node.id
        if not order.any_before(name) and name != home.start:
            return True  # nothing leads there at all, which is another rule's finding
        return order.precedes(node.node.id, name)

    def _order(self, graph: Graph) -> Ancestors:
        if id(graph) not in self._ancestors:
            self._ancestors[id(graph)] = Ancestors(list(graph.by_id), graph.known_ways)
        return self._ancestors[id(graph)]

    def _output(self, node: DraftNode) -> Structure:
        if id(node) not in self._structures:
            schema = self._draft.inputs if node.node.type == INPUT_TYPE else node.output_schema
            self._structures[id(node)] = Structure(schema)
        return self._structures[id(node)]

    def _fields(
        self, text: TextPlace, reference: Reference, structure: Structure, begin: int, node: DraftNode | None = None
    ) -> Problem | None:
        """Follow a path through a schema; the first part that cannot be there is the problem."""
        path, schema = reference.path, structure.root
        for index in range(begin, len(path)):
            if node is not None and index == begin and path[index] == "error":
                return _error_field(text, node, structure)
            found = structure.step(schema, path[index])
            if found is None:
                return None if reference.optional else _no_field(text, path[: index + 1], structure.names(schema), node)
            schema = found
        return None


def suggestion_only(name: str, known: Iterable[str]) -> str | None:
    """Return the suggestion of a near name, without listing all others."""
    hint = suggestion(name, known)
    return hint if hint and hint.startswith("Did") else None


def _find(graph: Graph | None, node_id: object) -> tuple[Graph, DraftNode] | None:
    while graph is not None:
        if isinstance(node_id, str) and node_id in graph.by_id:
            return graph, graph.by_id[node_id]
        graph = graph.outer[0] if graph.outer else None
    return None


def _unreadable(graph: Graph | None, node_id: str) -> bool:
    while graph is not None:
        if node_id in graph.unreadable_ids:
            return True
        graph = graph.outer[0] if graph.outer else None
    return False


def _no_node(text: TextPlace, name: str, graph: Graph) -> Problem:
    known: dict[str, None] = {}
    current: Graph | None = graph
    while current is not None:
        known.update(dict.fromkeys(current.by_id))
        current = current.outer[0] if current.outer else None
    dashed = next((node_id for node_id in known if node_id.startswith(name + "-")), None)
    if dashed:
        return _unknown(text, f"There is no node {name}.", f"A name with a dash is written nodes['{dashed}'].")
    return _unknown(text, f"There is no node {name}.", suggestion(name, known, prefix="nodes."))


def _no_field(text: TextPlace, path: Path, names: Sequence[str], node: DraftNode | None) -> Problem:
    what, last = write_path(path), path[-1]
    owner = f"; a node of type {node.node.type} does not produce it" if node else ""
    return _unknown(text, f"{what} does not exist{owner}.", suggestion(str(last), names) if isinstance(last, str) else None)


def _error_field(text: TextPlace, node: DraftNode, structure: Structure) -> Problem | None:
    if node.node.on_error is not None or structure.step(structure.root, "error") is not None:
        return None
    hint = f"Give {node.node.id} an on_error; its error is then known there."
    return _unknown(text, f"nodes.{node.node.id}.error does not exist.", hint)


def _order_hint(text: TextPlace, name: str) -> str:
    if text.node is not None and text.node.node.id == name:
        return "A node cannot use its own output."
    return f"Add a way from {name} to this node, or use a node before it."


def _types_at(structure: Structure, path: Path) -> frozenset[str] | None:
    schema: Mapping[str, object] = structure.root
    for part in path:
        schema = structure.step(schema, part) or OPEN
    return structure.types(schema)


def _unknown(text: TextPlace, message: str, hint: str | None) -> Problem:
    return Problem(Code.UNKNOWN_REFERENCE, message, text.path, text.node.node.id if text.node else None, hint)
