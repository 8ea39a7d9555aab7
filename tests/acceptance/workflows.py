"""Workflows whose effects a sink counts."""

from itertools import pairwise
from typing import Any

from tests.acceptance.sink import Sink


def call(sink: Sink, node: str, **more: Any) -> dict[str, Any]:
    """Return an http node that leaves a trace in the sink."""
    url = f"http://127.0.0.1:{sink.port}/{{{{ run.id }}}}/{node}"
    return {"id": node, "type": "http", "config": {"method": "POST", "url": url, "body": {}}, **more}


def chain(sink: Sink) -> dict[str, Any]:
    """Return effects, waits and pure nodes in a row."""
    nodes: list[dict[str, Any]] = []
    for n in range(4):
        nodes += [call(sink, f"call{n}"), {"id": f"wait{n}", "type": "delay", "config": {"seconds": 0.05}}]
        nodes += [{"id": f"pure{n}", "type": "transform", "config": {"value": {"ok": f"{{{{ nodes.call{n}.body.ok }}}}"}}}]
    return {"spec_version": "1", "name": "chain", "start_node": "call0", "nodes": nodes, "edges": in_a_row(nodes)}


def branches(sink: Sink) -> dict[str, Any]:
    """Return parallel branches and a map, joined, and an effect after the join."""
    node = {"type": "http", "config": call(sink, "item{{ index }}")["config"]}
    nodes = [
        {"id": "begin", "type": "transform", "config": {"value": {"items": [0, 1, 2, 3, 4]}}},
        call(sink, "left"),
        {"id": "each", "type": "map", "config": {"items": "{{ nodes.begin.items }}", "node": node, "max_concurrency": 2}},
        {"id": "join", "type": "aggregator", "config": {"strategy": "all"}},
        call(sink, "last"),
    ]
    edges = [
        {"from": "begin", "to": ["left", "each"]},
        {"from": "left", "to": "join"},
        {"from": "each", "to": "join"},
        {"from": "join", "to": "last"},
    ]
    return {"spec_version": "1", "name": "branches", "start_node": "begin", "nodes": nodes, "edges": edges}


def doubled(sink: Sink) -> dict[str, Any]:
    """Return a workflow that takes a number, has one effect, and gives twice the number."""
    nodes = [
        {"id": "take", "type": "transform", "config": {"value": "{{ inputs.n }}"}},
        call(sink, "call"),
        {"id": "give", "type": "transform", "config": {"value": "{{ nodes.take * 2 }}"}},
    ]
    inputs = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    return {"spec_version": "1", "name": "doubled", "start_node": "take", "inputs": inputs, "nodes": nodes, "edges": in_a_row(nodes)}


def in_a_row(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the edges of a chain."""
    return [{"from": a["id"], "to": b["id"]} for a, b in pairwise(nodes)]
