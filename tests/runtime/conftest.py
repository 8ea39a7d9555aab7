"""A world for each test, on SQLite and on PostgreSQL."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from agentflow.config.settings import Settings
from agentflow.infra.db import row_security
from agentflow.infra.db.base import Base
from agentflow.infra.db.engine import Database
from agentflow.kit.ids import new_id
from tests.runtime.support import World

POSTGRES = os.environ.get("AGENTFLOW_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")


async def create_tables(url: str) -> None:
    """Create every table in an empty database."""
    database = Database(url)
    async with database.connection() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.run_sync(row_security.protect, row_security.tables_of_tenants(Base.metadata))
    await database.close()


async def _execute(statement: str) -> None:
    database = Database(POSTGRES)
    async with database.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text(statement))
    await database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Give a world with an empty database of its own."""
    if request.param == "sqlite":
        settings = Settings(data_dir=tmp_path)
        await create_tables(settings.database)
        yield World(settings)
        return
    name = f"agentflow_{new_id().replace('-', '')}"
    await _execute(f"CREATE DATABASE {name}")
    settings = Settings(data_dir=tmp_path, database_url=POSTGRES.rsplit("/", 1)[0] + f"/{name}")
    await create_tables(settings.database)
    yield World(settings)
    await _execute(f"DROP DATABASE {name} WITH (FORCE)")
