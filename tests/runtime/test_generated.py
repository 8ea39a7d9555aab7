"""Generated specifications: each valid one compiles and runs, and takes the ways that a plain walk over the graph predicts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentflow.config.settings import Settings
from agentflow.runtime.runs.service import RunService
from agentflow.spec.validate import validate
from tests.runtime.support import SUBJECT, World, run_to_end, statuses


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an acyclic specification of up to twelve nodes: chains, fan-outs, joins, conditions, routers, skips, error routes."""
    count = draw(st.integers(2, 12))
    names = [f"n{index}" for index in range(count)]
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    entered: set[str] = set()
    for index, name in enumerate(names):
        later = names[index + 1 :]
        kind = draw(st.sampled_from(["plain", "plain", "plain", "router", "skipped", "failing"])) if later else "plain"
        targets = draw(st.lists(st.sampled_from(later), min_size=1, max_size=3, unique=True)) if later else []
        node, ways = _node(draw, name, kind, targets)
        nodes.append(node)
        edges.extend(ways)
        entered.update(targets)
    edges.extend({"from": names[0], "to": name} for name in names[1:] if name not in entered)
    if nodes[0]["type"] == "router":
        nodes[0] = {"id": "n0", "type": "transform", "config": {"value": 0}}
        edges.extend(
            {"from": "n0", "to": name} for name in names[1:] if not any(way["from"] == "n0" and way["to"] == name for way in edges)
        )
    return {"spec_version": "1", "name": "generated", "start_node": "n0", "nodes": nodes, "edges": edges}


def _node(draw: st.DrawFn, name: str, kind: str, targets: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if kind == "router":
        truths = draw(st.lists(st.booleans(), min_size=len(targets), max_size=len(targets)))
        routes = [{"when": "true" if truth else "false", "to": target} for truth, target in zip(truths, targets, strict=True)]
        return {"id": name, "type": "router", "config": {"routes": routes, "default": targets[-1]}}, []
    ways = [
        {"from": name, "to": target, **draw(st.sampled_from([{}, {}, {"condition": "1 > 2"}, {"condition": "2 > 1"}]))}
        for target in targets
    ]
    node: dict[str, Any] = {"id": name, "type": "transform", "config": {"value": name}}
    if kind == "skipped":
        node["when"] = "false"
    if kind == "failing":
        node = {"id": name, "type": "probe", "config": {"fail_times": 99}, "on_error": targets[0]}
        ways = ways[1:]
    return node, ways


def predicted(spec: dict[str, Any]) -> dict[str, str]:
    """Return the status that each node must end in, by walking the nodes in order."""
    taken: dict[str, bool] = {spec["start_node"]: True}
    result: dict[str, str] = {}
    for node in spec["nodes"]:
        alive = taken.get(node["id"], False)
        result[node["id"]] = _status(node) if alive else "skipped"
        if not alive:
            continue
        for target in _ways(node, spec["edges"]):
            taken[target] = True
    return result


def _status(node: dict[str, Any]) -> str:
    if node.get("when") == "false":
        return "skipped"
    return "failed" if node.get("on_error") else "completed"


def _ways(node: dict[str, Any], edges: list[dict[str, Any]]) -> list[str]:
    if node.get("on_error"):
        return [node["on_error"]]
    if node["type"] == "router":
        return [route["to"] for route in node["config"]["routes"] if route["when"] == "true"][:1] or [node["config"]["default"]]
    out = [edge for edge in edges if edge["from"] == node["id"]]
    if node.get("when") == "false":
        return [edge["to"] for edge in out if "condition" not in edge]
    return [edge["to"] for edge in out if edge.get("condition") != "1 > 2"]


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, RunService, World]]:
    """Give an event loop with one runtime on SQLite for all examples."""
    from tests.databases import create_tables

    folder: Path = tmp_path_factory.mktemp("generated")
    world = World(Settings(data_dir=folder))
    with asyncio.Runner() as runner:
        runner.run(create_tables(world.settings.database))
        context = world.runtime()
        runs = runner.run(context.__aenter__())
        yield runner, runs, world
        runner.run(context.__aexit__(None, None, None))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(spec=specs())
def test_a_valid_spec_runs_and_takes_the_predicted_ways(driven: tuple[asyncio.Runner, RunService, World], spec: dict[str, Any]):
    """The engine agrees with a plain walk on which nodes run, and the run always ends."""
    runner, runs, world = driven
    assert validate(spec, world.registry, world.settings).errors == ()
    run = runner.run(run_to_end(runs, spec))
    assert run.status == "succeeded", run.error
    assert runner.run(statuses(runs, run.id)) == predicted(spec)
    events = runner.run(runs.events(SUBJECT, run.id))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
