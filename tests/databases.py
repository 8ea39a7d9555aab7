"""An empty database for each test, on SQLite and on PostgreSQL; packages import the fixtures into their ``conftest``."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

import agentflow.runtime.checkpoints.models
import agentflow.runtime.records.statements  # noqa: F401 - likewise
from agentflow.infra.db import row_security
from agentflow.infra.db.base import Base
from agentflow.infra.db.engine import Database
from agentflow.kit.ids import new_id

POSTGRES = os.environ.get("AGENTFLOW_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")
KINDS = ("sqlite", "postgresql")


@contextmanager
def new_postgres() -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database, and drop it at the end."""
    name = f"agentflow_{new_id().replace('-', '')}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield POSTGRES.rsplit("/", 1)[0] + f"/{name}"
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Give the URL of a PostgreSQL database of this test session's own."""
    with new_postgres() as url:
        yield url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give a database with empty tables."""
    handle = Database(database_url)
    async with handle.connection() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.run_sync(row_security.protect, row_security.tables_of_tenants(Base.metadata))
        if not handle.is_sqlite:
            await connection.execute(text(f"TRUNCATE {', '.join(table.name for table in Base.metadata.sorted_tables)}"))
    yield handle
    await handle.close()
