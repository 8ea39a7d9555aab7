"""F9: others that write to the same database at the same time. Requests are answered or 503, never 500, and nothing is half done."""

import asyncio
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from agentflow.bootstrap.container import Container, open_container
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.infra.db import engine
from agentflow.interfaces.rest.app import create_app
from tests.acceptance.campaigns.audit import audit
from tests.apps import BASE
from tests.databases import POSTGRES
from tests.runtime.support import spec_of, transform

WRITERS = 32
PAUSE = {"id": "pause", "type": "delay", "config": {"seconds": 0.1}}
SPEC = spec_of([transform("a", 1), PAUSE, transform("b", "{{ nodes.a }}"), {**PAUSE, "id": "again"}], ["a>pause", "pause>b", "b>again"])


@asynccontextmanager
async def others(count: int, work: Callable[[int, threading.Event], None]) -> AsyncIterator[None]:
    """Run threads until the end. Nobody waits for them on the event loop: they may wait for something that it has to let go of."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=[number, stop]) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)


@asynccontextmanager
async def writers(path: Path) -> AsyncIterator[list[str]]:
    """Let many threads write to a SQLite file until the end; gives what went wrong for them."""
    wrong: list[str] = []

    def make() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.execute("CREATE TABLE scratch (n INTEGER)")

    def write(number: int, stop: threading.Event) -> None:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            while not stop.wait(random.uniform(0, 0.05)):
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("INSERT INTO scratch VALUES (?)", [number])
                    connection.execute("COMMIT")
                except sqlite3.Error as error:
                    wrong.append(str(error))

    await asyncio.to_thread(make)
    async with others(WRITERS, write):
        yield wrong


async def start(client: httpx.AsyncClient, promised: dict[str, str], seen: Counter[int], key: str) -> None:
    """Start a run, again until it is accepted."""
    while key not in promised:
        answer = await client.post("/execute", json={"spec": SPEC}, headers={"Idempotency-Key": key})
        seen[answer.status_code] += 1
        if answer.status_code == 202:
            promised[key] = answer.json()["id"]
        else:
            assert answer.json()["code"] == "DATABASE_UNAVAILABLE", answer.text
            await asyncio.sleep(0.05)


async def all_end(client: httpx.AsyncClient, promised: dict[str, str]) -> None:
    """Wait for the end of every run."""
    begin = time.monotonic()
    while (await client.get("/runs?status=queued&status=running&limit=1&count=true")).json().get("total") != 0:
        assert time.monotonic() - begin < 30
        await asyncio.sleep(0.1)
    assert (await client.get("/runs?count=true")).json()["total"] == len(promised)


async def test_many_writers_on_sqlite_are_waited_for(client: httpx.AsyncClient, container: Container, settings: Settings):
    """Thirty-two others write all the time: every request gets its turn, and every run ends as if it were alone."""
    promised, seen = dict[str, str](), Counter[int]()
    async with writers(settings.data_dir / "agentflow.db") as wrong:
        await asyncio.gather(*(start(client, promised, seen, str(n)) for n in range(20)))
        await all_end(client, promised)
    assert set(seen) <= {202, 503}
    assert wrong == []
    await audit(settings.database, promised)


async def test_a_writer_that_never_ends_makes_requests_unavailable_for_a_while(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """What cannot be written in time is 503 with a time to come back; reading goes on, and so do the runs once the other is through."""
    monkeypatch.setattr(engine, "_BUSY_MS", 200)
    async with open_container(settings) as container, _client(container) as client:
        promised, seen = dict[str, str](), Counter[int]()
        await start(client, promised, seen, "before")
        with closing(sqlite3.connect(settings.data_dir / "agentflow.db", isolation_level=None, check_same_thread=False)) as other:
            await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
            for method, path, body in (("POST", "/execute", {"spec": SPEC}), ("POST", "/workflows", {"spec": SPEC})):
                begin = time.monotonic()
                answer = await client.request(method, path, json=body)
                assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
                assert int(answer.headers["retry-after"]) >= 1
                assert time.monotonic() - begin < 3
            assert (await client.get(f"/runs/{promised['before']}")).status_code == 200
            other.execute("ROLLBACK")
        await start(client, promised, seen, "after")
        await all_end(client, promised)
        assert (await client.get("/workflows?count=true")).json()["total"] == 0
    await audit(settings.database, promised)


async def test_transactions_that_wait_for_one_another_are_tried_again(settings_on_postgres: Settings):
    """Others lock runs two at a time, in the wrong order: PostgreSQL undoes transactions of ours, and nobody notices."""
    url = settings_on_postgres.database
    name = url.rsplit("/", 1)[1]
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        # Ours shall be those that find the circle.
        server.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
        async with open_container(settings_on_postgres) as container, _client(container) as client:
            promised, seen = dict[str, str](), Counter[int]()
            async with lockers(url, promised) as (wrong, undone):
                for batch in range(4):
                    await asyncio.gather(*(start(client, promised, seen, f"{batch}-{n}") for n in range(25)))
                await all_end(client, promised)
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = %s"
        row: Any = server.execute(query, [name]).fetchone()
        server.execute(f"ALTER DATABASE {name} RESET deadlock_timeout")
    assert row[0] > len(undone)
    assert set(seen) <= {202, 503}
    assert wrong == []
    await audit(url, promised)


@asynccontextmanager
async def lockers(url: str, promised: dict[str, str]) -> AsyncIterator[tuple[list[str], list[str]]]:
    """Let threads lock pairs of runs, the newer first, until the end; gives what went wrong for them, and which circles they found.

    Ours look for a circle once, 20 ms after they began to wait. One that closes later, because its thread got no time, is found by the thread.
    """
    wrong, undone = list[str](), list[str]()

    def lock(seed: int, stop: threading.Event) -> None:
        chance = random.Random(seed)
        with psycopg.connect(url, options="-c deadlock_timeout=10s") as connection:
            while not stop.is_set():
                pair = sorted(chance.sample(list(promised.values()), 2), reverse=True) if len(promised) > 1 else []
                try:
                    for run_id in pair:
                        connection.execute("SELECT 1 FROM runs WHERE id = %s FOR UPDATE", [run_id])
                        stop.wait(0.01)
                    connection.commit()
                except psycopg.Error as error:
                    (undone if isinstance(error, psycopg.errors.DeadlockDetected) else wrong).append(str(error))
                    connection.rollback()
                stop.wait(0.002)

    async with others(3, lock):
        yield wrong, undone


def _client(container: Container) -> httpx.AsyncClient:
    headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
    return httpx.AsyncClient(transport=AsgiTransport(create_app(container)), base_url=f"{BASE}/api/v1", headers=headers)
