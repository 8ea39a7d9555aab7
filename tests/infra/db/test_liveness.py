"""Dead connections to PostgreSQL: nobody who asks for one gets a dead one."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text

from agentflow.infra.db import liveness
from agentflow.infra.db.engine import Database


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """Give a database handle whose pool holds one connection."""
    handle = Database(postgres_url, pool_size=1)
    yield handle
    await handle.close()


async def _use(database: Database) -> tuple[int, asyncio.Event]:
    """Use the connection; returns the process that serves it and an event that tells when the driver sees its end."""
    ended = asyncio.Event()
    async with database.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        raw.add_termination_listener(lambda _: ended.set())
        return (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one(), ended


def _end(url: str, process: int) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))


async def test_a_connection_that_the_server_closed_is_replaced(database: Database, postgres_url: str) -> None:
    """After a restart of the server nobody sees an error."""
    first, ended = await _use(database)
    _end(postgres_url, first)
    await asyncio.wait_for(ended.wait(), 10)
    second, _ = await _use(database)
    assert second != first


async def test_a_connection_that_lay_unused_is_asked_before_it_is_used(
    database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver has not seen the end of this one: nothing has come from the network since."""
    monkeypatch.setattr(liveness, "SILENT_S", -1.0)
    first, ended = await _use(database)
    assert (await _use(database))[0] == first
    _end(postgres_url, first)
    assert not ended.is_set()
    second, _ = await _use(database)
    assert second != first
