"""F21, F22: the same request a hundred times at once, over two processes: one run, and a hundred equal answers."""

import asyncio

import httpx
import pytest

from agentflow.bootstrap.container import Container, open_container
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.interfaces.rest.app import create_app
from tests.apps import BASE
from tests.runtime.support import spec_of

SPEC = spec_of([{"id": "wait", "type": "human", "config": {"title": "Go on?"}}])
KEY = {"Idempotency-Key": "delivery-1"}


@pytest.fixture
def settings(settings_on_both: Settings) -> Settings:
    """Give settings on both databases."""
    return settings_on_both


def _client(container: Container) -> httpx.AsyncClient:
    headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
    return httpx.AsyncClient(transport=AsgiTransport(create_app(container)), base_url=f"{BASE}/api/v1", headers=headers)


async def test_a_hundred_deliveries_of_one_request_are_one_run(settings: Settings):
    """Whoever is first, all are told of the same run, in the same words; what it does it does once."""
    async with open_container(settings) as one, open_container(settings) as other, _client(one) as first, _client(other) as second:
        both = (first, second)
        answers = await asyncio.gather(*(both[n % 2].post("/execute", json={"spec": SPEC}, headers=KEY) for n in range(100)))
        again = await second.post("/execute", json={"spec": SPEC}, headers=KEY)
        changed = await second.post("/execute", json={"spec": SPEC, "tags": ["other"]}, headers=KEY)
        total = (await first.get("/runs?count=true")).json()["total"]
    told = {
        (answer.status_code, answer.headers["location"], answer.json()["id"], answer.json()["created_at"]) for answer in [*answers, again]
    }
    assert len(told) == 1
    assert next(iter(told))[0] == 202
    assert (changed.status_code, changed.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert total == 1
