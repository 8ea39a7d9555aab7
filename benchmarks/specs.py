"""Specifications that are measured."""

from itertools import pairwise
from typing import Any


def chain(length: int, effect: str = "pure") -> dict[str, Any]:
    """Return a chain of nodes that do nothing; declared ``keyed`` they cannot share a step, and each is recorded before it runs."""
    node = {"type": "transform", "effect": effect, "config": {"value": {"n": 1}}}
    return _spec("chain", [{"id": f"n{n}", **node} for n in range(length)])


def branching(forks: int) -> dict[str, Any]:
    """Return forks into two branches and joins, one behind the other: more than a chain, so the engine's graph makes every step."""
    node = {"type": "transform", "config": {"value": {"n": 1}}}
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for n in range(forks):
        nodes += [{"id": f"{name}{n}", **node} for name in ("fork", "left", "right", "join")]
        edges += [{"from": f"fork{n}", "to": [f"left{n}", f"right{n}"]}]
        edges += [{"from": f"left{n}", "to": f"join{n}"}, {"from": f"right{n}", "to": f"join{n}"}]
        edges += [{"from": f"join{n}", "to": f"fork{n + 1}"}] if n + 1 < forks else []
    return {"spec_version": "1", "name": "branching", "start_node": "fork0", "nodes": nodes, "edges": edges}


def waiting(length: int, seconds: float) -> dict[str, Any]:
    """Return a chain of nodes that each wait."""
    return _spec("waiting", [{"id": f"n{n}", "type": "delay", "config": {"seconds": seconds}} for n in range(length)])


def echo() -> dict[str, Any]:
    """Return one node that gives back the text of the inputs."""
    spec = _spec("echo", [{"id": "a", "type": "transform", "config": {"value": "{{ inputs.text }}"}}])
    return {**spec, "inputs": {"type": "object", "properties": {"text": {"type": "string"}}}}


def many_events() -> dict[str, Any]:
    """Return a map over the items of the inputs; each item gives two events."""
    node = {"type": "transform", "config": {"value": "{{ item }}"}}
    each = {"id": "each", "type": "map", "config": {"items": "{{ inputs.items }}", "node": node}}
    spec = _spec("many-events", [each])
    return {
        **spec,
        "inputs": {"type": "object", "properties": {"items": {"type": "array"}}},
        "outputs": {"count": "{{ inputs.items | length }}"},
    }


def referring(length: int) -> dict[str, Any]:
    """Return a chain in which every node refers to the one before it, so that there is something to validate."""
    nodes: list[dict[str, Any]] = [{"id": "n0", "type": "transform", "config": {"value": {"text": "{{ inputs.text }}"}}}]
    nodes += [
        {"id": f"n{n}", "type": "transform", "config": {"value": {"text": f"{{{{ nodes.n{n - 1}.text }}}} and {n}"}}}
        for n in range(1, length)
    ]
    return {**_spec("referring", nodes), "inputs": {"type": "object", "properties": {"text": {"type": "string"}}}}


def _spec(name: str, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    edges = [{"from": a["id"], "to": b["id"]} for a, b in pairwise(nodes)]
    return {"spec_version": "1", "name": name, "start_node": nodes[0]["id"], "nodes": nodes, "edges": edges}
