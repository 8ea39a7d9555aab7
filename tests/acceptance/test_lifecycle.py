"""What a real process promises besides surviving: it stops in order, cancels at once, and remembers idempotency keys."""

import asyncio
import time

import pytest

from scripts.server_process import ServerProcess
from tests.acceptance.client import Client
from tests.acceptance.sink import Sink
from tests.acceptance.workflows import chain


def waiting(seconds: float) -> dict[str, object]:
    """Return one node that waits."""
    return {"spec_version": "1", "name": "waiting", "nodes": [{"id": "wait", "type": "delay", "config": {"seconds": seconds}}], "edges": []}


@pytest.mark.parametrize("server_settings", [{"shutdown_grace_s": "4"}])
async def test_sigterm_lets_short_runs_finish_and_gives_long_ones_back(server: ServerProcess, client: Client, sink: Sink) -> None:
    """What fits into the grace ends before the process does; the rest goes on after the restart and waits only for what is left."""
    short, long = await client.store(chain(sink)), await client.store(waiting(9))
    await client.start(short, "first")
    await client.ended(client.promised["first"])  # the engine is loaded now, which takes seconds on a busy machine
    await asyncio.gather(client.start(long, "long"), *[client.start(short, str(n)) for n in range(5)])
    server.ask_to_stop()
    assert await asyncio.to_thread(server.wait, 20) == 0
    await asyncio.to_thread(server.start)
    begin = time.monotonic()
    while await client.unfinished():
        assert time.monotonic() - begin < 9
        await asyncio.sleep(0.1)
    for key, run_id in client.promised.items():
        types = [event["type"] for event in await client.events(run_id)]
        assert types[-1] == "run.succeeded"
        assert ("run.resumed" in types) == (key == "long")


async def test_runs_are_cancelled_within_two_seconds(client: Client, sink: Sink) -> None:
    """Whether they wait or sit in a call that never answers."""
    slow = {"id": "slow", "type": "http", "config": {"method": "POST", "url": f"http://127.0.0.1:{sink.port}/slow", "body": {}}}
    for key, spec in {"wait": waiting(60), "call": {"spec_version": "1", "name": "call", "nodes": [slow], "edges": []}}.items():
        await client.start(await client.store(spec), key)
        run_id = client.promised[key]
        async for event in client.follow(run_id):
            if event == "node.started":
                break
        begin = time.monotonic()
        answer = await client.http.post(f"/runs/{run_id}/cancel")
        assert answer.status_code in {200, 202}
        while await client.unfinished():
            assert time.monotonic() - begin < 2
            await asyncio.sleep(0.02)
        assert (await client.get(f"/runs/{run_id}"))["status"] == "cancelled"
        assert (await client.events(run_id))[-1]["type"] == "run.cancelled"


async def test_an_idempotency_key_is_remembered_across_kill_9(server: ServerProcess, client: Client, sink: Sink) -> None:
    """The same request names the same run; another body with the key is refused."""
    workflow = await client.store(waiting(0))
    await client.start(workflow, "key")
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await client.start(workflow, "key")
    other = await client.http.post(f"/workflows/{workflow}/execute", json={"lane": "batch"}, headers={"Idempotency-Key": "key"})
    assert other.status_code == 422
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await client.get("/runs?count=true"))["total"] == 1
