"""CYCLE, UNREACHABLE_NODE and DISCONNECTED_GRAPH: the graph as a whole."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from agentflow.spec.draft import Draft, Graph
from agentflow.spec.graph import FlowEdge
from agentflow.spec.problems import Code, Problem
from agentflow.spec.reach import components

_SHOWN = 12


def cycles(draft: Draft) -> Iterable[Problem]:
    """Check that ways lead back only through edges that declare a loop; each knot is reported once, by its shortest cycle."""
    for graph in draft.graphs:
        ways = [way for way in graph.known_ways if way.loop is None and way.source != way.target]
        for knot in components(list(graph.by_id), ways):
            if len(knot) > 1:
                yield _cycle(graph, [way for way in ways if way.source in knot and way.target in knot])


def _cycle(graph: Graph, ways: Sequence[FlowEdge]) -> Problem:
    inside = {way.source for way in ways}
    first = next(node_id for node_id in graph.by_id if node_id in inside)
    back = _shortest_back(first, ways)
    names = [way.source for way in back]
    if len(names) > _SHOWN:
        names[_SHOWN // 2 : -_SHOWN // 2] = ["…"]
    hint = f'Remove the way from {back[-1].source} to {first}, or bound it with "loop": {{"max_iterations": …}} on that edge.'
    return Problem(Code.CYCLE, f"The nodes form a cycle: {' → '.join([*names, first])}.", back[-1].path, back[-1].source, hint)


def _shortest_back(first: str, ways: Sequence[FlowEdge]) -> list[FlowEdge]:
    """Return the ways of a shortest cycle through ``first``, which is on one."""
    leaving: dict[str, list[FlowEdge]] = {}
    for way in ways:
        leaving.setdefault(way.source, []).append(way)
    came: dict[str, FlowEdge] = {}
    waiting = deque([first])
    while first not in came:
        for way in leaving[waiting.popleft()]:
            if way.target not in came:
                came[way.target] = way
                waiting.append(way.target)
    cycle = [came[first]]
    while cycle[-1].source != first:
        cycle.append(came[cycle[-1].source])
    return cycle[::-1]


def unreachable(draft: Draft) -> Iterable[Problem]:
    """Check that a run can come to every node; a way back does not count, since its target must have been entered before."""
    for graph in draft.graphs:
        if graph.start is None or not graph.is_whole:
            continue
        following: dict[str, list[str]] = {}
        for way in graph.known_ways:
            if way.loop is None:
                following.setdefault(way.source, []).append(way.target)
        seen = _spread(graph.start, following)
        for item in graph.nodes:
            if item.node.id not in seen:
                message = f"No way leads from {graph.start} to {item.node.id}."
                yield Problem(Code.UNREACHABLE_NODE, message, item.path, item.node.id, "Add an edge to it, or remove the node.")


def islands(draft: Draft) -> Iterable[Problem]:
    """Check that all nodes hang together."""
    for graph in draft.graphs:
        if not graph.is_whole:
            continue
        beside: dict[str, list[str]] = {}
        for way in graph.known_ways:
            beside.setdefault(way.source, []).append(way.target)
            beside.setdefault(way.target, []).append(way.source)
        found: list[list[str]] = []
        seen: set[str] = set()
        for node_id in graph.by_id:
            if node_id not in seen:
                island = _spread(node_id, beside)
                seen |= island
                found.append([name for name in graph.by_id if name in island] if len(found) < _SHOWN else [node_id])
        if len(found) > 1:
            yield _apart(graph, found)


def _apart(graph: Graph, found: Sequence[Sequence[str]]) -> Problem:
    main = next((island for island in found if graph.start in island), found[0])
    other = next(island for island in found if island is not main)
    names = "; ".join(_list(island) for island in found[:_SHOWN]) + ("; …" if len(found) > _SHOWN else "")
    message = f"The nodes form {len(found)} parts that no way joins: {names}."
    item = graph.by_id[other[0]]
    return Problem(
        Code.DISCONNECTED_GRAPH, message, item.path, item.node.id, f"Join {other[0]} to the rest, or make it a workflow of its own."
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _spread(first: str, following: Mapping[str, Sequence[str]]) -> set[str]:
    seen, waiting = {first}, [first]
    while waiting:
        for name in following.get(waiting.pop(), ()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen
