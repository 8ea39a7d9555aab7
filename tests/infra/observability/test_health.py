"""Looking at dependencies."""

import asyncio

from agentflow.infra.observability import health
from agentflow.infra.observability.health import Check, examine


async def test_a_dependency_that_hangs_costs_its_time_limit_only(monkeypatch):
    """The others are told with their own latency, and all are looked at together."""
    monkeypatch.setattr(health, "TIMEOUT_S", 0.05)

    async def hangs():
        await asyncio.Event().wait()

    async def answers():
        await asyncio.sleep(0)

    found = await examine([Check("broker", hangs), Check("cache", hangs), Check("database", answers)])
    assert [(item.name, item.ok) for item in found] == [("broker", False), ("cache", False), ("database", True)]
    assert found[0].error == "no answer within 0.05 s"
    assert found[2].error is None
    assert max(item.latency_ms for item in found) < 1_000
