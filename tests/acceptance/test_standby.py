"""A server with a hot standby of PostgreSQL: lists are read there, and nobody misses what they have just done."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.diagnosis import Verdict, servers
from scripts.server_process import ServerProcess
from tests.support.postgres_server import PostgresProcess

pytestmark = pytest.mark.slow

SPEC = {"name": "mine", "nodes": [{"id": "a", "type": "input"}], "edges": []}
FROM_STANDBY = 'agentflow_standby_reads_total{place="standby"}'


@pytest.fixture
def standby(own_postgres: PostgresProcess) -> Iterator[PostgresProcess]:
    """Give a running standby of the test's own server."""
    copy = own_postgres.standby()
    copy.start()
    yield copy
    copy.remove()


@pytest.fixture
async def client(own_postgres: PostgresProcess, standby: PostgresProcess, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a server on both."""
    server = ServerProcess(tmp_path / "data", own_postgres.url, {"database_replica_url": standby.url})
    server.start()
    async with httpx.AsyncClient(base_url=server.url, headers={"X-API-Key": server.key}) as client:
        yield client
    server.kill()


async def names(client: httpx.AsyncClient) -> set[str]:
    """List the workflows."""
    answer = await client.get("/api/v1/workflows")
    assert answer.status_code == 200, answer.text
    return {workflow["name"] for workflow in answer.json()["items"]}


async def store(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await client.post("/api/v1/workflows", json={"name": name, "spec": {**SPEC, "name": name}})
    assert answer.status_code == 201, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


async def read_there(client: httpx.AsyncClient) -> float:
    """Return how many lists were read from the standby."""
    lines = (await client.get("/metrics")).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(FROM_STANDBY)), 0.0)


async def listed_there(client: httpx.AsyncClient, expected: set[str]) -> None:
    """List until the standby was read; every list on the way is whole."""
    before = await read_there(client)
    async with asyncio.timeout(20):
        while await read_there(client) == before:
            assert await names(client) == expected


async def test_lists_are_read_from_the_standby_and_own_changes_are_in_the_next_one(
    client: httpx.AsyncClient, standby: PostgresProcess
) -> None:
    """Also while the standby stands still: then the primary is read, until the standby has caught up."""
    await store(client, "first")
    assert await names(client) == {"first"}
    await listed_there(client, {"first"})
    assert "FROM workflows" in standby.log
    assert "INSERT INTO workflows" not in standby.log
    with psycopg.connect(standby.url, autocommit=True) as control:
        control.execute("SELECT pg_wal_replay_pause()")
        stored = await store(client, "second")
        assert await names(client) == {"first", "second"}
        run = (await client.post(f"/api/v1/workflows/{stored['id']}/execute?wait=20")).json()
        runs = (await client.get("/api/v1/runs")).json()["items"]
        assert [(each["id"], each["status"]) for each in runs] == [(run["id"], "succeeded")]
        stands = await read_there(client)
        async with asyncio.timeout(20):
            while "agentflow_standby_behind_seconds 0." in (await client.get("/metrics")).text:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.1)
        assert await names(client) == {"first", "second"}
        assert await read_there(client) == stands
        control.execute("SELECT pg_wal_replay_resume()")
    await listed_there(client, {"first", "second"})


async def test_the_death_of_the_standby_costs_no_list(client: httpx.AsyncClient, standby: PostgresProcess) -> None:
    """The primary is read meanwhile; the server stays ready, and says what is missing."""
    await store(client, "first")
    await listed_there(client, {"first"})
    await asyncio.to_thread(standby.crash)
    for _ in range(20):
        assert await names(client) == {"first"}
    ready = await client.get("/health/ready")
    assert ready.status_code == 200
    found = {each["name"]: each["ok"] for each in ready.json()["dependencies"]}
    assert (found["database"], found["database replica"]) == (True, False)
    await asyncio.to_thread(standby.start)
    await listed_there(client, {"first"})


async def test_a_server_that_is_no_standby_is_not_read_and_the_doctor_says_so(own_postgres: PostgresProcess, tmp_path: Path) -> None:
    """The primary itself, given as its replica: lists come from it as ever."""
    server = ServerProcess(tmp_path / "data", own_postgres.url, {"database_replica_url": own_postgres.url})
    server.start()
    async with httpx.AsyncClient(base_url=server.url, headers={"X-API-Key": server.key}) as client:
        await store(client, "first")
        assert await names(client) == {"first"}
        assert await read_there(client) == 0
    server.kill()
    settings = Settings(data_dir=tmp_path / "data", database_url=own_postgres.url, database_replica_url=own_postgres.url)
    (found,) = await servers(settings)
    assert (found.check, found.verdict) == ("database replica", Verdict.FAILED)
    assert "NotAStandby" in found.message
