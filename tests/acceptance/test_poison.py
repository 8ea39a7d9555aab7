"""A node that takes its process down: it is given up after three workers, and takes nobody along."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.launching import executed
from tests.acceptance.client import Client
from tests.acceptance.cluster import BROKERS, Cluster, client_of, cluster
from tests.acceptance.sink import Sink
from tests.acceptance.test_lifecycle import waiting
from tests.acceptance.workflows import chain

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PLUGIN = """
import ctypes
import os
from agentflow.nodes.base import NodeConfig, NodeType


class PoisonConfig(NodeConfig):
    how: str = "exit"


class Poison(NodeType[PoisonConfig]):
    type = "poison"
    title = description = "Poison"
    category = "control"
    icon = "skull"
    config_model = PoisonConfig
    example = {"id": "poison", "type": "poison", "config": {}}

    async def run(self, context, config):
        if config.how == "segfault":
            ctypes.string_at(0)
        os._exit(1)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a plugin for the processes that the test starts."""
    folder = tmp_path / "plugins"
    installed = folder / "poison-1.dist-info"
    installed.mkdir(parents=True)
    (folder / "agentflow_poison.py").write_text(PLUGIN)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: poison\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[agentflow.nodes]\npoison = agentflow_poison:Poison\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))


async def keep_alive(made: Cluster, stop: asyncio.Event) -> int:
    """Start workers again whenever one has died; returns how often."""
    deaths = 0
    while not stop.is_set():
        for worker in made.workers:
            if not worker.lives:
                deaths += 1
                worker.kill()
                await asyncio.to_thread(worker.start)
        await asyncio.sleep(0.1)
    return deaths


async def ends(client: Client, run_id: str) -> dict[str, Any]:
    """Wait for the end of a run and return it."""
    deadline = time.monotonic() + 180
    while (run := await client.get(f"/runs/{run_id}"))["status"] in {"queued", "running"}:
        assert time.monotonic() < deadline, run
        await asyncio.sleep(0.2)
    return dict(run)


@pytest.mark.parametrize("how", ["exit", "segfault"])
async def test_a_node_that_kills_its_worker_ends_as_a_dead_letter(tmp_path: Path, sink: Sink, plugin: None, how: str):
    """Three workers die of it; the run fails with its cause, those beside it succeed, and it is found in the list."""
    node = {"id": "poison", "type": "poison", "config": {"how": how}}
    # Started as users do: a fork would not look for the plugin.
    with cluster(tmp_path, BROKERS["rabbitmq"], launch=executed) as made:
        async with client_of(made) as client:
            poison = await client.store({"spec_version": "1", "name": "poison", "nodes": [node], "edges": []})
            for number, spec in enumerate([*[chain(sink)] * 3, waiting(3), waiting(3)]):
                await client.start(await client.store({**spec, "name": f"beside {number}"}), str(number))
            stop = asyncio.Event()
            keeping = asyncio.create_task(keep_alive(made, stop))
            await client.start(poison, "poison")
            ended = {key: await ends(client, run_id) for key, run_id in client.promised.items()}
            stop.set()
            deaths = await keeping
            dead = (await client.get("/runs?dead_letter=true"))["items"]
    error = ended.pop("poison")["error"]
    assert error["code"] == "TOO_MANY_ATTEMPTS"
    assert error["details"]["nodes"] == ["poison"]
    assert deaths == 3
    assert {run["status"] for run in ended.values()} == {"succeeded"}, ended
    assert [run["error"]["code"] for run in dead] == ["TOO_MANY_ATTEMPTS"]
