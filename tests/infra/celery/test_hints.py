"""Hints really come through the broker: in a whole cluster the sweeper would hide it if they did not."""

import asyncio
import pickle
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentflow.infra.celery.app import TASK, celery_app
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


@pytest.mark.parametrize("broker", BROKERS)
async def test_s79_a_pickled_message_is_not_opened(broker: str, tmp_path: Path):
    """Whoever can write to the broker can send anything: what is not JSON is thrown away unread, and the next hint arrives."""
    name, canary = new_id(), tmp_path / "canary"
    app = celery_app(BROKERS[broker], name)
    async with receiving(BROKERS[broker], name) as heard, asyncio.timeout(60):
        forged = await asyncio.to_thread(_send_pickled, app, canary)
        assert forged
        sender = HintSender(BROKERS[broker], name)
        sender.start()
        sender.send(["run"])
        assert await heard.readline() == b"heard\n"
        await asyncio.to_thread(sender.close)
    assert not canary.exists()


def _send_pickled(app: Any, canary: Path) -> bool:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (canary,)

    with app.connection_for_write() as connection, connection.Producer() as producer:
        queue = app.conf.task_queues[0]
        body = pickle.dumps(((["run"],), {}, {"evil": Evil()}))
        headers = {"task": TASK, "id": new_id(), "lang": "py"}
        producer.publish(
            body,
            routing_key=queue.name,
            content_type="application/x-python-serialize",
            content_encoding="binary",
            headers=headers,
            declare=[queue],
        )
    return True
