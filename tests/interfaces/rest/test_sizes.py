"""F29: things that are far too large are refused at once, by name; things that are merely large are kept elsewhere."""

import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx
from fastapi import FastAPI

from agentflow.bootstrap.container import Container, open_container
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.interfaces.rest.app import create_app
from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.nodes.context import NodeContext
from tests.apps import BASE
from tests.runtime.support import spec_of, transform

JSON = {"Content-Type": "application/json"}
MB = 1_000_000


class BigConfig(NodeConfig):
    """How much a node gives."""

    size: int


class Big(NodeType[BigConfig]):
    """Gives a long text."""

    type = "big"
    title = description = "Big"
    category = "data"
    icon = "weight"
    config_model = BigConfig
    example: ClassVar[dict[str, Any]] = {"id": "big", "type": "big", "config": {"size": 1}}

    async def run(self, context: NodeContext, config: BigConfig) -> Any:
        return {"text": "x" * config.size}


SPEC = spec_of([{"id": "a", "type": "big", "config": {"size": 50 * MB}}, transform("b", "{{ nodes.a.text | length }}")], ["a>b"])


def _client(container: Container) -> httpx.AsyncClient:
    container.registry.add(Big())
    headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
    return httpx.AsyncClient(transport=AsgiTransport(create_app(container)), base_url=f"{BASE}/api/v1", headers=headers, timeout=60)


async def test_an_output_of_fifty_megabytes_is_kept_by_reference(settings: Settings):
    """Where the operator allows it, it lies in the object store; later nodes work with it, and the database stays small."""
    async with open_container(settings.model_copy(update={"max_value_bytes": 60 * MB})) as container, _client(container) as client:
        run = (await client.post("/execute?wait=60", json={"spec": SPEC})).json()
        node = (await client.get(f"/runs/{run['id']}/nodes")).json()["items"][0]
        large = node["large_values"]["output"]
        stored = await client.get(f"{BASE}{large['href']}")
    assert (run["status"], run["outputs"]) == ("succeeded", 50 * MB)
    assert node["output"] is None
    assert large["size"] >= 50 * MB
    assert len(stored.content) == large["size"]
    assert sum(path.stat().st_size for path in settings.data_dir.glob("agentflow.db*")) < 5 * MB


async def test_an_output_over_the_limit_fails_its_node_by_name(settings: Settings):
    """By default ten megabytes are the most; the error names the setting."""
    async with open_container(settings) as container, _client(container) as client:
        run = (await client.post("/execute?wait=60", json={"spec": SPEC})).json()
    assert (run["status"], run["error"]["code"], run["error"]["details"]) == ("failed", "LIMIT_EXCEEDED", {"limit": "max_value_bytes"})
    assert not list((settings.data_dir / "objects").rglob("*.json"))


async def test_a_field_of_a_hundred_megabytes_is_refused_without_being_read(app: FastAPI, container: Container):
    """S87: the answer comes when the limit is reached, whether the length was told or not; the rest is never taken in."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"spec": {}, "inputs": {"text": "'
        for _ in range(100):
            sent += 1
            yield b"x" * MB

    key = {"X-API-Key": container.owner.key_file.read_text().strip()}
    # httpx's own transport hands over one chunk at a time, when it is asked for.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{BASE}/api/v1", headers=key) as client:
        answer = await client.post("/execute", content=chunks(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
    assert sent <= 12


async def test_ten_thousand_nodes_and_a_thousand_levels_are_refused_fast(client: httpx.AsyncClient):
    """S83, S90: the limit is named, and nothing is worked out before it is looked at."""
    nodes = [transform(f"n{n}", n) for n in range(10_000)]
    deep: Any = 1
    for _ in range(90):
        deep = [deep]
    begin = time.monotonic()
    wide = await client.post("/workflows", json={"spec": spec_of(nodes, [f"n{n}>n{n + 1}" for n in range(9_999)])})
    deeper = await client.post("/workflows", json={"spec": spec_of([transform("a", deep)])})
    bottomless = await client.post("/workflows", content=b'{"spec":' + b"[" * 1_000 + b"]" * 1_000 + b"}", headers=JSON)
    assert time.monotonic() - begin < 5
    assert (wide.status_code, {error["code"] for error in wide.json()["errors"]}) == (422, {"LIMIT_EXCEEDED"})
    assert (deeper.status_code, {error["code"] for error in deeper.json()["errors"]}) == (422, {"LIMIT_EXCEEDED"})
    assert bottomless.status_code == 400
