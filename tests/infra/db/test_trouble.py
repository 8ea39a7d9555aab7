"""A PostgreSQL that hangs is given up in time; a SQLite file that turns out to be damaged is called so."""

import sqlite3
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from agentflow.bootstrap.container import Container
from agentflow.config.settings import Settings
from agentflow.infra.db.engine import Database
from agentflow.infra.db.failures import as_unavailable
from tests.databases import POSTGRES
from tests.support.tcp_proxy import TcpProxy, tcp_proxy


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """Give a way to PostgreSQL that can be blocked."""
    place = urlsplit(POSTGRES)
    async with tcp_proxy(place.hostname or "127.0.0.1", place.port or 5432) as way:
        yield way


async def _one(database: Database) -> int:
    async with database.reading() as session:
        return int((await session.execute(text("SELECT 1"))).scalar_one())


async def test_a_statement_on_a_database_that_hangs_ends_in_time(proxy: TcpProxy):
    """It counts as a lost connection, which is thrown away; when the server is back, all is as before."""
    place = urlsplit(POSTGRES)
    database = Database(POSTGRES.replace(f"{place.hostname}:{place.port}", f"127.0.0.1:{proxy.port}"), pool_size=2, timeout_s=0.3)
    assert await _one(database) == 1
    proxy.stall()
    began = time.monotonic()
    with pytest.raises(OperationalError) as caught:
        await _one(database)
    assert caught.value.connection_invalidated
    assert time.monotonic() - began < 5
    unavailable = as_unavailable(caught.value)
    assert unavailable is not None
    assert unavailable.code == "DATABASE_UNAVAILABLE"
    proxy.resume()
    assert await _one(database) == 1
    await database.close()


class TestLocked:
    """A request that waits for a lock which nobody gives back."""

    @pytest.fixture
    def settings(self, settings_on_postgres: Settings) -> Settings:
        """Give settings with a short timeout."""
        return settings_on_postgres.model_copy(update={"database_timeout_s": 1.0})

    async def test_no_request_waits_for_ever(self, client: httpx.AsyncClient, settings: Settings):
        """After the timeout it is 503; once the lock is free, requests are answered as before."""
        assert settings.database_url is not None
        with psycopg.connect(settings.database_url) as holder:
            holder.execute("LOCK TABLE artifacts IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            answer = await client.get("/artifacts")
            took_s = time.monotonic() - began
        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert 1 <= took_s < 4
        assert (await client.get("/artifacts")).status_code == 200


class TestDamaged:
    """A SQLite file that something else writes into while it is served."""

    async def test_damage_is_told_by_requests_and_by_readiness(
        self, container: Container, client: httpx.AsyncClient, anonymous: httpx.AsyncClient
    ):
        """The request that meets it says so and how to go on; from then on no load balancer sends any more."""
        path = container.settings.data_dir / "agentflow.db"
        assert (await anonymous.get("/health/ready")).status_code == 200
        with sqlite3.connect(path) as connection:
            size = connection.execute("PRAGMA page_size").fetchone()[0]
            pages = [row[0] for row in connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'artifacts'")]
        connection.close()
        with path.open("r+b") as file:
            for page in pages:
                file.seek((page - 1) * size)
                file.write(b"\xff" * size)
        answer = await client.get("/artifacts")
        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_DAMAGED"), answer.text
        assert "agentflow restore" in answer.json()["hint"]
        ready = await anonymous.get("/health/ready")
        found = {item["name"]: item for item in ready.json()["dependencies"]}["database"]
        assert (ready.status_code, found["ok"], found["error"]) == (503, False, "DATABASE_DAMAGED")
        assert (await anonymous.get("/health/live")).status_code == 200
