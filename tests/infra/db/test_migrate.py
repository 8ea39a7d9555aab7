"""Migrations: up, down and up again on both databases, and no difference to the models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from agentflow.bootstrap.tables import METADATA
from agentflow.infra.db import migrate
from agentflow.infra.db.engine import Database
from agentflow.kit.ids import new_id
from tests.databases import KINDS, POSTGRES


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database in which there is nothing at all."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    name = f"agentflow_{new_id().replace('-', '')}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield POSTGRES.rsplit("/", 1)[0] + f"/{name}"
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_up_down_and_up_again(empty_url: str):
    """The newest schema can be taken down to nothing and built again."""
    database = Database(empty_url)
    await migrate.upgrade(database)
    assert await migrate.current(database) == migrate.HEAD
    await migrate.downgrade(database, "base")
    async with database.connection() as connection:
        assert await connection.run_sync(lambda c: inspect(c).get_table_names()) == ["alembic_version"]
    await migrate.upgrade(database)
    assert await migrate.current(database) == migrate.HEAD
    await database.close()


async def test_the_migrations_make_what_the_models_say(empty_url: str):
    """Autogeneration finds no difference between a migrated database and the tables in the code."""
    database = Database(empty_url)
    await migrate.upgrade(database)

    def drift(connection: Connection) -> Any:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)

    async with database.connection() as connection:
        assert await connection.run_sync(drift) == []
    await database.close()


async def test_a_database_of_a_newer_version_is_refused_untouched(empty_url: str):
    """An unknown revision is a clear error, and the database keeps it."""
    database = Database(empty_url)
    await migrate.upgrade(database)
    async with database.connection() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.MigrationFailed, match="9999"):
        await migrate.upgrade(database)
    assert await migrate.current(database) == "9999"
    await database.close()


def test_the_head_constant_is_the_newest_migration():
    """The revision that lets a start skip Alembic is the last one there is."""
    assert ScriptDirectory.from_config(migrate.configuration()).get_current_head() == migrate.HEAD


def test_every_table_carries_its_tenant():
    """Tables of tenants' data name the tenant; only the tenants themselves do not."""
    assert [table.name for table in METADATA.sorted_tables if "tenant_id" not in table.columns] == ["tenants"]
