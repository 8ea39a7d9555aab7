"""Hints really come through the broker: in a whole cluster the sweeper would hide it if they did not."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agentflow.infra.celery.hints import HintSender
from agentflow.kit.ids import new_id
from tests.acceptance.cluster import BROKERS, NOBODY

RECEIVER = """
import sys, threading
from agentflow.infra.celery.hints import HintReceiver
HintReceiver(sys.argv[1], sys.argv[2], lambda: print("heard", flush=True)).start()
threading.Event().wait()
"""


@asynccontextmanager
async def receiving(broker: str, installation: str) -> AsyncIterator[asyncio.StreamReader]:
    """Give what a receiver in a process of its own prints: Celery has one event loop a process."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RECEIVER, broker, installation, stdout=subprocess.PIPE)
    assert process.stdout is not None
    yield process.stdout
    process.kill()
    await process.wait()


@pytest.mark.parametrize("broker", BROKERS)
async def test_a_hint_arrives(broker: str):
    """What one process sends, the worker of another hears, again and again; another installation on the broker does not."""
    name = new_id()
    sender = HintSender(BROKERS[broker], name)
    sender.start()
    async with receiving(BROKERS[broker], name) as heard, receiving(BROKERS[broker], new_id()) as other, asyncio.timeout(60):
        for number in range(5):
            sender.send([f"run {number}"])
            assert await heard.readline() == b"heard\n"
        silent = asyncio.ensure_future(other.readline())
        await asyncio.to_thread(sender.close)
        assert not silent.done()
        silent.cancel()


async def test_a_broker_that_is_down_costs_its_sender_nothing():
    """Handing over a hint takes no time, and what cannot be sent is forgotten."""
    sender = HintSender(NOBODY, new_id())
    sender.start()
    begin = time.perf_counter()
    for number in range(20_000):
        sender.send([f"run {number}"])
    assert time.perf_counter() - begin < 1
    await asyncio.to_thread(sender.close)


async def test_what_comes_together_shares_a_message(monkeypatch: pytest.MonkeyPatch):
    """A message names up to sixteen runs."""
    sent: list[list[str]] = []
    sender = HintSender(NOBODY, new_id())
    monkeypatch.setattr(sender, "_publish", sent.append)
    sender.send(str(number) for number in range(40))
    sender.start()
    await asyncio.to_thread(sender.close)
    assert [len(ids) for ids in sent] == [16, 16, 8]
