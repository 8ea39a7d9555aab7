"""An empty database for each test, on SQLite and on PostgreSQL; packages import the fixtures into their ``conftest``."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import MetaData

import agentflow.runtime.checkpoints.models
import agentflow.runtime.records.statements  # noqa: F401 - likewise
from agentflow.infra.db import row_security
from agentflow.infra.db.base import Base
from agentflow.infra.db.engine import Database
from agentflow.kit.ids import new_id

POSTGRES = os.environ.get("AGENTFLOW_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")
KINDS = ("sqlite", "postgresql")

_MADE: set[tuple[str, int]] = set()
"""Databases of this process that have tables, and how many."""


@contextmanager
def new_postgres() -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database, and drop it at the end."""
    name = f"agentflow_{new_id().replace('-', '')}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield POSTGRES.rsplit("/", 1)[0] + f"/{name}"
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


_EMPTY = """
DO $$ DECLARE place text; filled boolean; BEGIN
  -- No trigger and no foreign key is asked.
  SET LOCAL session_replication_role = replica;
  FOR place IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', place) INTO filled;
    IF filled THEN EXECUTE format('DELETE FROM %I', place); END IF;
  END LOOP;
END $$
"""


def empty(url: str) -> None:
    """Take every row out of a PostgreSQL database, and everybody who is still connected: a hundred times as fast as a new database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(_EMPTY)


@asynccontextmanager
async def having(database: Database, metadata: MetaData) -> AsyncIterator[Database]:
    """Give a database that has tables of a test's own, empty, and drop them at the end."""
    async with database.connection() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    yield database
    async with database.connection() as connection:
        await connection.run_sync(metadata.drop_all)


async def create_tables(url: str) -> None:
    """Create every table in an empty database."""
    database = Database(url)
    await _create_tables(database)
    await database.close()


async def _create_tables(database: Database) -> None:
    async with database.connection() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.run_sync(row_security.protect, row_security.tables_of_tenants(Base.metadata))


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
    tables = (database_url, len(Base.metadata.tables))  # a module that is imported later may bring more
    if not handle.is_sqlite:
        empty(database_url)
    if tables not in _MADE:
        await _create_tables(handle)
        _MADE.add(tables)
    yield handle
    await handle.close()
