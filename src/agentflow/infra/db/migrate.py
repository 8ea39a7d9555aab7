"""Bringing the control database to the schema that this version works with."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect, text

from agentflow.errors import AgentFlowError, Kind
from agentflow.infra.db import row_security
from agentflow.infra.db.engine import Database

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0008"
"""The revision of this version: a server whose database has it starts without loading Alembic."""

_LOCK = 0x_A6E4_F10E
"""Key of the PostgreSQL advisory lock that lets one process migrate at a time."""


class MigrationFailed(AgentFlowError):
    """The database could not be brought to the schema; it is as it was before."""

    kind, code, title = Kind.UNAVAILABLE, "MIGRATION_FAILED", "Migration failed"


async def current(database: Database) -> str | None:
    """Return the revision of the database, or None when it is empty."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(_revision)


async def upgrade(database: Database, revision: str = "head") -> None:
    """Migrate up to ``revision``; does nothing when the database has it.

    Raises:
        MigrationFailed: the database was made by a newer version, or a statement failed.
    """
    if revision == "head" and await current(database) == HEAD:
        return

    def work(config: "Config") -> None:
        from alembic import command

        command.upgrade(config, revision)

    await _migrate(database, work)


async def prepare(database: Database, metadata: MetaData) -> None:
    """Bring the database of a starting process to the schema: migrate it, or give an empty one its tables straight from the code.

    Tests hold that both ways end in the same schema; the second does without importing Alembic.

    Raises:
        MigrationFailed: as ``upgrade``.
    """
    found = await current(database)
    if found == HEAD:
        return
    if found is None:
        async with database.patient() as patient, patient.connection() as connection:
            if await connection.run_sync(_create, metadata):
                return
    await upgrade(database)


def _create(connection: Connection, metadata: MetaData) -> bool:
    """Create every table in an empty database; return whether it was empty."""
    _lock(connection)
    if inspect(connection).get_table_names():
        return False
    metadata.create_all(connection, checkfirst=False)
    row_security.protect(connection, row_security.tables_of_tenants(metadata))
    version = Table("alembic_version", MetaData(), Column("version_num", String(32), nullable=False))
    version.append_constraint(PrimaryKeyConstraint("version_num", name="alembic_version_pkc"))
    version.create(connection)
    connection.execute(version.insert().values(version_num=HEAD))
    return True


async def downgrade(database: Database, revision: str) -> None:
    """Migrate down to ``revision`` (``base`` for an empty database).

    Raises:
        MigrationFailed: the revision does not exist, or a statement failed.
    """

    def work(config: "Config") -> None:
        from alembic import command

        command.downgrade(config, revision)

    await _migrate(database, work)


async def _migrate(database: Database, work: "Callable[[Config], None]") -> None:
    from alembic.util import CommandError

    def locked(connection: Connection) -> None:
        _lock(connection)
        work(configuration(connection))

    try:
        async with database.patient() as patient, patient.connection() as connection:
            await connection.run_sync(locked)
    except CommandError as error:
        raise MigrationFailed(
            f"The database cannot be migrated: {error}.",
            hint="A database of a newer version needs that version; `agentflow migrate` shows where it stands.",
        ) from error


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def configuration(connection: Connection | None = None) -> "Config":
    """Return Alembic's configuration; it works on ``connection`` when one is given."""
    from alembic.config import Config

    settings: Any = {"connection": connection} if connection is not None else {}
    config = Config(stdout=io.StringIO(), attributes=settings)
    config.set_main_option("script_location", str(scripts()))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def scripts() -> Path:
    """Return the folder with the migrations: inside an installed package, or at the root of a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"
