"""Migrations: up, down and up again on both databases, and no difference to the models."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, PrimaryKeyConstraint, UniqueConstraint, inspect, select, text

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
        # An index with a falling column cannot be compared by Alembic; the next test compares it as the database shows it.
        options = {"compare_type": True, "include_object": lambda _object, name, *_: name != "ix_runs_unowned"}
        return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)

    async with database.connection() as connection:
        assert await connection.run_sync(drift) == []
    await database.close()


SCHEMA = {
    "sqlite": ["SELECT type, name, sql FROM sqlite_master"],
    "postgresql": [
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    ],
}


async def schema(database: Database) -> list[tuple[str, ...]]:
    """Return what the database itself says about its tables, whatever the spacing and the order of constraints."""
    found = []
    async with database.connection() as connection:
        for query in SCHEMA[connection.dialect.name]:
            found += (await connection.execute(text(query))).all()
    return sorted(tuple(" ".join(sorted(str(part).replace(",", " ").split())) for part in row) for row in found)


async def test_an_empty_database_gets_the_schema_that_migrations_make(empty_url: str):
    """A start on nothing creates tables, keys and indexes exactly as the migrations do, and says so."""
    database = Database(empty_url)
    await migrate.prepare(database, METADATA)
    assert await migrate.current(database) == migrate.HEAD
    created = await schema(database)
    await migrate.downgrade(database, "base")
    await migrate.prepare(database, METADATA)
    assert await schema(database) == created
    await database.close()


async def test_many_processes_may_start_on_nothing_at_once(empty_url: str):
    """One creates the tables, the others find them."""
    databases = [Database(empty_url, pool_size=1) for _ in range(4)]
    await asyncio.gather(*(migrate.prepare(database, METADATA) for database in databases))
    assert [await migrate.current(database) for database in databases] == [migrate.HEAD] * 4
    for database in databases:
        await database.close()


async def test_who_could_start_runs_keeps_what_they_may_use(empty_url: str):
    """Roles and keys of before 0005 that start runs get the permissions that runs ask for since; others, and keys without scopes, stay."""
    database = Database(empty_url)
    await migrate.upgrade(database, "0004")
    now = datetime(2026, 11, 1, tzinfo=UTC)
    tenant, user = new_id(), new_id()
    scopes = {"starts": ["workflows:execute"], "reads": ["runs:read"], "all": None}
    key = {"tenant_id": tenant, "user_id": user, "prefix": "afk_", "created_by": user, "created_at": now, "rotated_at": now}
    role = {"id": new_id(), "tenant_id": tenant, "name": "starter", "permissions": scopes["starts"], "created_at": now, "updated_at": now}
    async with database.connection() as connection:
        await connection.execute(METADATA.tables["tenants"].insert().values(id=tenant, name="t", created_at=now))
        await connection.execute(METADATA.tables["users"].insert().values(id=user, tenant_id=tenant, username="u", created_at=now))
        for name, allowed in scopes.items():
            row = {**key, "id": new_id(), "name": name, "secret_hash": name, "scopes": allowed}
            await connection.execute(METADATA.tables["api_keys"].insert().values(row))
        await connection.execute(METADATA.tables["roles"].insert().values(role))
    await migrate.upgrade(database)
    keys, roles = METADATA.tables["api_keys"], METADATA.tables["roles"]
    starts = ["collections:use", "secrets:use", "sources:use", "workflows:execute"]
    async with database.connection() as connection:
        found = (await connection.execute(select(keys.c.name, keys.c.scopes))).all()
        assert {row.name: row.scopes for row in found} == {"starts": starts, "reads": ["runs:read"], "all": None}
        assert (await connection.execute(select(roles.c.permissions))).scalar_one() == starts
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


def test_every_foreign_key_has_an_index():
    """An index, or a key, begins with its columns: deleting what it points to looks through no table."""
    bare = {}
    for table in METADATA.sorted_tables:
        keys = [made.columns for made in table.constraints if isinstance(made, PrimaryKeyConstraint | UniqueConstraint)]
        begins = [[column.name for column in columns] for columns in [*(index.columns for index in table.indexes), *keys]]
        for foreign in table.foreign_key_constraints:
            names = [column.name for column in foreign.columns]
            if not any(begin[: len(names)] == names for begin in begins):
                bare[table.name] = names
    assert bare == {}


def test_every_table_carries_its_tenant():
    """Tables of tenants' data name the tenant; only what belongs to the installation, or to a user wherever, does not."""
    without = {table.name for table in METADATA.sorted_tables if "tenant_id" not in table.columns}
    assert without == {"tenants", "attempts", "one_time_tokens", "signing_keys", "installation_keys", "master_keys"}
