"""How late the event loop is: what every request and run of the process waits for, whoever holds it up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Histogram

from agentflow.infra.observability.metrics import QUICK_SECONDS
from agentflow.kit.tasks import ended

INTERVAL_S = 0.5
LAG = Histogram(
    "agentflow_event_loop_lag_seconds", "How late a timer of the event loop fired; two a second are set.", buckets=QUICK_SECONDS
)


@asynccontextmanager
async def measured_loop() -> AsyncIterator[None]:
    """Measure the running loop while the context lasts."""
    task = asyncio.create_task(_measure(), name="loop-lag")
    try:
        yield
    finally:
        await ended(task)


async def _measure() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + INTERVAL_S
        await asyncio.sleep(INTERVAL_S)
        LAG.observe(max(loop.time() - due, 0.0))
