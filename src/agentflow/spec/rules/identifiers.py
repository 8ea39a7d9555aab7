"""DUPLICATE_ID, and the one id that is taken."""

from collections.abc import Iterable, Iterator

from agentflow.spec.draft import Draft
from agentflow.spec.model import END
from agentflow.spec.problems import Code, Problem


def duplicates(draft: Draft) -> Iterable[Problem]:
    """Check that ids are unique over the nodes of a graph, its edges, the sources, the queues, and the lanes of a queue."""
    for graph in draft.graphs:
        yield from _repeated("node", [(node.node.id, f"{node.path}/id") for node in graph.nodes], of_nodes=True)
        yield from _repeated("edge", [(edge.id, graph.at(f"/edges/{index}/id")) for index, edge in enumerate(graph.edges) if edge.id])
    yield from _repeated("source", [(source.id, f"{path}/id") for path, source in draft.sources])
    yield from _repeated("queue", [(queue.id, f"{path}/id") for path, queue in draft.queues])
    for path, queue in draft.queues:
        yield from _repeated("lane", [(lane.id, f"{path}/sub_queues/{place}/id") for place, lane in enumerate(queue.sub_queues)])


def reserved(draft: Draft) -> Iterable[Problem]:
    """Check that no node is called ``end``, which is where branches end."""
    for node in draft.nodes:
        if node.node.id == END:
            yield Problem(Code.SCHEMA, '"end" is reserved: it is where a branch ends.', f"{node.path}/id", END, "Give the node another id.")


def _repeated(what: str, ids: Iterable[tuple[str | None, str]], *, of_nodes: bool = False) -> Iterator[Problem]:
    first: dict[str | None, str] = {}
    for name, path in ids:
        if name in first:
            message = f"The {what} id {name} is already used at {first[name]}."
            yield Problem(Code.DUPLICATE_ID, message, path, name if of_nodes else None, "Give it another id.")
        first.setdefault(name, path)
