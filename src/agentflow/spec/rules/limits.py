"""LIMIT_EXCEEDED: the document is larger than this installation accepts."""

from collections.abc import Iterable, Mapping

from agentflow.config.limits import Limits
from agentflow.kit.json import JsonValue
from agentflow.spec.draft import Draft
from agentflow.spec.problems import Code, Problem


def exceeded(path: str, what: str, setting: str, limit: int) -> Problem:
    """Return the problem for something beyond a setting, which it names."""
    hint = f"Make it smaller, or raise AGENTFLOW_{setting.upper()}."
    return Problem(Code.LIMIT_EXCEEDED, f"{what}; {setting} allows {limit}.", path, hint=hint)


def too_large(document: JsonValue, size: int, limits: Limits) -> list[Problem]:
    """Check what makes a document too large to look into at all: bytes, nodes and edges.

    Args:
        document: the document.
        size: its length as JSON, in bytes.
        limits: the settings.
    """
    found = []
    if size > limits.max_spec_bytes:
        found.append(exceeded("", f"The specification has {size} bytes", "max_spec_bytes", limits.max_spec_bytes))
    for name, limit in (("nodes", limits.max_spec_nodes), ("edges", limits.max_spec_edges)):
        items = document.get(name) if isinstance(document, Mapping) else None
        if isinstance(items, list) and len(items) > limit:
            found.append(exceeded(f"/{name}", f"The specification has {len(items)} {name}", f"max_spec_{name}", limit))
    return found


def totals(draft: Draft) -> Iterable[Problem]:
    """Count nodes and edges over all graphs, and the targets of every edge."""
    nodes = sum(len(graph.all_nodes) for graph in draft.graphs)
    edges = sum(len(edge.targets) for graph in draft.graphs for edge in graph.edges)
    if nodes > draft.limits.max_spec_nodes:
        yield exceeded("/nodes", f"The specification has {nodes} nodes, bodies included", "max_spec_nodes", draft.limits.max_spec_nodes)
    if edges > draft.limits.max_spec_edges:
        yield exceeded("/edges", f"The edges have {edges} targets, bodies included", "max_spec_edges", draft.limits.max_spec_edges)


def iterations(draft: Draft) -> Iterable[Problem]:
    """Check the bound that each loop declares."""
    limit = draft.limits.max_loop_iterations
    for graph in draft.graphs:
        for index, edge in enumerate(graph.edges):
            if edge.loop is not None and edge.loop.max_iterations > limit:
                path = graph.at(f"/edges/{index}/loop/max_iterations")
                yield exceeded(path, f"The loop runs {edge.loop.max_iterations} times", "max_loop_iterations", limit)


def texts(draft: Draft) -> Iterable[Problem]:
    """Check the length of every expression and template."""
    limit = draft.limits.max_template_bytes
    for text in draft.texts:
        if len(text.text) * 4 > limit and len(text.text.encode()) > limit:
            yield exceeded(text.path, f"The text has {len(text.text.encode())} bytes", "max_template_bytes", limit)
