"""Which nodes can have run before which: ancestors, as bit sets, linear in nodes and edges for all practical sizes."""

from collections.abc import Iterable, Mapping, Sequence

from agentflow.spec.graph import FlowEdge


def components(node_ids: Sequence[str], ways: Iterable[FlowEdge]) -> list[set[str]]:
    """Return the strongly connected components, each after all those it leads to (Tarjan, without recursion)."""
    following: dict[str, list[str]] = {node_id: [] for node_id in node_ids}
    for way in ways:
        following[way.source].append(way.target)
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    found: list[set[str]] = []
    for first in node_ids:
        if first in order:
            continue
        work = [(first, iter(following[first]))]
        order[first] = low[first] = len(order)
        path.append(first)
        on_path.add(first)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in order:
                    order[target] = low[target] = len(order)
                    path.append(target)
                    on_path.add(target)
                    work.append((target, iter(following[target])))
                    break
                if target in on_path:
                    low[node] = min(low[node], order[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    found.append(_cut(path, on_path, node))
    return found


def _cut(path: list[str], on_path: set[str], node: str) -> set[str]:
    part = set()
    while node not in part:
        last = path.pop()
        on_path.discard(last)
        part.add(last)
    return part


class Ancestors:
    """For every node, which others may have run before it; ways back count, so nodes of a loop precede one another."""

    def __init__(self, node_ids: Sequence[str], ways: Sequence[FlowEdge]) -> None:
        self._bit = {node_id: 1 << index for index, node_id in enumerate(node_ids)}
        self._before: Mapping[str, int] = self._compute(node_ids, ways)

    def _compute(self, node_ids: Sequence[str], ways: Sequence[FlowEdge]) -> Mapping[str, int]:
        before = dict.fromkeys(node_ids, 0)
        entering: dict[str, list[str]] = {}
        for way in ways:
            entering.setdefault(way.target, []).append(way.source)
        for part in reversed(components(node_ids, ways)):
            bits = 0
            for node_id in part:
                for source in entering.get(node_id, ()):
                    bits |= self._bit[source] | before[source]
            for node_id in part:
                before[node_id] = bits
        return before

    def any_before(self, node_id: str) -> bool:
        """Tell whether anything may have run when ``node_id`` begins."""
        return self._before[node_id] != 0

    def precedes(self, earlier: str, later: str) -> bool:
        """Tell whether ``earlier`` may have run when ``later`` begins."""
        return bool(self._before[later] & self._bit[earlier])
