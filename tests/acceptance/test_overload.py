"""A real server under more starts than it can do: what it accepts it does, the rest is told to come back, and then all is well again."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scripts.server_process import ServerProcess
from tests.runtime.support import spec_of, transform

CLIENTS, EACH = 64, 6


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Give a server that works on few starts at a time."""
    server = ServerProcess(tmp_path / "data", None, {"max_concurrent_starts": "8", "shutdown_grace_s": "2"})
    server.start()
    yield server
    server.kill()


async def test_an_overloaded_server_sheds_and_recovers(server: ServerProcess) -> None:
    """Every answer is a promise kept or a 503 with a time to come back; health answers throughout."""
    spec = {"spec": spec_of([transform(f"n{i}", i) for i in range(3)], ["n0>n1", "n1>n2"])}
    seen: Counter[int] = Counter()
    accepted: list[str] = []
    limits = httpx.Limits(max_connections=CLIENTS + 1)
    async with httpx.AsyncClient(base_url=server.url, headers={"X-API-Key": server.key}, timeout=60, limits=limits) as http:

        async def hammer() -> None:
            for _ in range(EACH):
                answer = await http.post("/api/v1/execute", json=spec)
                seen[answer.status_code] += 1
                if answer.status_code == 202:
                    accepted.append(answer.json()["id"])
                else:
                    assert answer.json()["code"] == "OVERLOADED"
                    assert int(answer.headers["retry-after"]) >= 1

        async def probe(done: asyncio.Event) -> None:
            while not done.is_set():
                assert (await http.get("/health/live")).status_code == 200

        done = asyncio.Event()
        health = asyncio.create_task(probe(done))
        await asyncio.gather(*(hammer() for _ in range(CLIENTS)))
        done.set()
        await health
        assert set(seen) == {202, 503}
        begin = time.monotonic()
        while (await http.post("/api/v1/execute", json=spec)).status_code != 202:
            assert time.monotonic() - begin < 30
        for run_id in accepted:
            async with http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"accept": "text/event-stream"}) as events:
                types = [line.removeprefix("event: ") async for line in events.aiter_lines() if line.startswith("event: ")]
            assert types[-1] == "run.succeeded"
