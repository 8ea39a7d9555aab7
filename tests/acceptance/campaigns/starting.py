"""Starting many runs at once, and waiting until none is left."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx

from tests.acceptance.client import Client

ALIVE = "status=queued&status=running&status=waiting&status=needs_attention"


async def start_many(client: Client, workflow: str, runs: int, *, at_a_time: int = 32) -> None:
    """Start runs with the inputs ``{"n": 0}``, ``{"n": 1}`` and so on, each by its number as key, through whatever happens to the server."""
    numbers = iter(range(runs))

    async def start_on() -> None:
        for n in numbers:
            await client.start(workflow, str(n), {"n": n})

    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(start_on())


async def left(client: Client) -> int | None:
    """Return how many runs have not ended; None when nobody can tell."""
    try:
        answer = await client.http.get(f"/runs?{ALIVE}&limit=1&count=true")
    except httpx.TransportError:
        return None
    assert answer.status_code in {200, 503}, answer.text
    return int(answer.json()["total"]) if answer.status_code == 200 else None


async def all_end(client: Client, within_s: float) -> float:
    """Wait until every run has ended; returns the seconds that it took."""
    begin = time.monotonic()
    while (open_runs := await left(client)) != 0:
        assert time.monotonic() - begin < within_s, f"{open_runs} runs did not end in {within_s:g} s"
        await asyncio.sleep(0.1)
    return time.monotonic() - begin


def right(courses: Mapping[str, Any], promised: Mapping[str, str]) -> None:
    """Hold each run to have given twice the number that is its key."""
    wrong = [key for key, run_id in promised.items() if courses[run_id].outputs != 2 * int(key)]
    assert not wrong, f"{len(wrong)} runs gave something wrong: {wrong[:5]}"
